"""Certificates and keys for a SuperLink and its nodes on other machines, made offline.

    python -m fedlab_core.flower.certificates FOLDER --host fl.example.org --host 192.0.2.7 --nodes 4

`ca.pem` goes to everybody who connects; `superlink.pem` and `superlink.key` stay with the SuperLink; `node0.key` goes
to node 0, and `node0.pub` is registered at the SuperLink. The authority's own key is used once and never written, so
nobody can sign with it later: new certificates are a new folder.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 365
"""How long certificates are valid. Keys of nodes do not end."""

LOCAL = ("localhost", "127.0.0.1")
"""Names that every server certificate has: the SuperLink's own processes reach it there."""

HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?([.][a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.I)

_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def write_certificates(folder: Path, hosts: Sequence[str], nodes: int = 0) -> list[Path]:
    """Write an authority's certificate, the SuperLink's certificate with its key, and key pairs of nodes.

    Args:
        folder: is made; may exist if it is empty.
        hosts: names and IP addresses at which clients reach the SuperLink; `LOCAL` is added.
        nodes: how many key pairs for node authentication.

    Returns:
        The files. Private ones end in `.key` and may be read by their owner alone (mode 0600).

    Raises:
        ValueError: no host or one that cannot be, or nodes < 0.
        FileExistsError: the folder holds something; nothing is overwritten.
    """
    if not hosts or nodes < 0:
        raise ValueError(f"hosts are {list(hosts)}, nodes {nodes}; allowed are one host or more, and nodes >= 0")
    names = [_name(host) for host in dict.fromkeys([*hosts, *LOCAL])]
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; allowed is a new folder, as nothing is overwritten")
    authority, server = _new_key(), _new_key()
    files = {
        "ca.pem": _certificate(authority, authority, None).public_bytes(Encoding.PEM),
        "superlink.pem": _certificate(server, authority, names).public_bytes(Encoding.PEM),
        "superlink.key": server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    for number in range(nodes):
        key = _new_key()
        # Flower reads the keys of nodes in the format of OpenSSH.
        files[f"node{number}.key"] = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        files[f"node{number}.pub"] = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n"
    for name, content in files.items():
        _write_new(folder / name, content)
    return [folder / name for name in files]


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        if not HOST.fullmatch(host):
            raise ValueError(f"host is {host!r}; allowed is a name or an IP address, without a port") from None
        return x509.DNSName(host)


def _certificate(
    own: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey, names: Sequence[x509.GeneralName] | None
) -> x509.Certificate:
    """A certificate for `own`, signed by `authority`. Without names it is the authority's."""
    subject, issuer = ("SuperLink" if names else "authority"), "authority"
    is_authority, now = not names, datetime.now(UTC)
    uses = {"key_cert_sign", "crl_sign"} if is_authority else {"digital_signature"}
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_common_name(subject))
        .issuer_name(_common_name(issuer))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of other machines may be late
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(is_authority, 0 if is_authority else None), critical=True)
        .add_extension(x509.KeyUsage(**{use: use in uses for use in _USES}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(signer, critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(authority, SHA384())


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"fedlab {name}")])


def _write_new(path: Path, content: bytes) -> None:
    """Private from the first moment on, if it is a private key."""
    mode = 0o600 if path.suffix == ".key" else 0o644
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m fedlab_core.flower.certificates", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--host", action="append", required=True, help="where nodes reach the SuperLink; may be given again"
    )
    parser.add_argument("--nodes", type=int, default=0, help="key pairs for so many nodes")
    options = parser.parse_args(arguments)
    try:
        written = write_certificates(options.folder.expanduser(), options.host, options.nodes)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(map(str, written)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
