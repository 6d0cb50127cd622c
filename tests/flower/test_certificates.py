"""Certificates and keys: a client that trusts the authority accepts the SuperLink under its names, and nobody else."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="the extra flower is not installed")

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from fedlab_core.flower.certificates import DAYS, main, write_certificates

HOSTS = ("fl.example.org", "192.0.2.7")
FILES = {"ca.pem", "superlink.pem", "superlink.key", "node0.key", "node0.pub", "node1.key", "node1.pub"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("certificates") / "new"
    write_certificates(path, HOSTS, nodes=2)
    return path


def handshake(server_folder: Path, ca: Path, host: str) -> None:
    """A whole TLS handshake in memory. Raises ssl.SSLError: the client does not accept the server."""
    client_context = ssl.create_default_context(cafile=str(ca))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(server_folder / "superlink.pem", server_folder / "superlink.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    for side in [client, server] * 5:
        if side in waiting:
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not waiting


@pytest.mark.parametrize("host", [*HOSTS, "localhost", "127.0.0.1"])
def test_the_superlink_is_accepted_under_each_of_its_names(folder: Path, host: str) -> None:
    handshake(folder, folder / "ca.pem", host)


@pytest.mark.parametrize("host", ["other.example.org", "example.org", "192.0.2.8"])
def test_no_other_name_is_accepted(folder: Path, host: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
        handshake(folder, folder / "ca.pem", host)


def test_an_authority_of_the_same_name_is_not_the_same_authority(folder: Path, tmp_path: Path) -> None:
    write_certificates(tmp_path / "other", HOSTS)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path / "other", folder / "ca.pem", HOSTS[0])


def test_the_server_certificate_cannot_sign_others_and_ends_within_the_stated_days(folder: Path) -> None:
    ca, server = (x509.load_pem_x509_certificate((folder / f"{n}.pem").read_bytes()) for n in ("ca", "superlink"))
    server.verify_directly_issued_by(ca)
    limits = [one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for one in (ca, server)]
    assert limits == [True, False]
    assert [(one.not_valid_after_utc - one.not_valid_before_utc).days for one in (ca, server)] == [DAYS, DAYS]


def test_keys_of_nodes_are_pairs_of_a_curve_and_format_that_flower_takes(folder: Path) -> None:
    numbers = set()
    for node in ("node0", "node1"):
        private = load_ssh_private_key((folder / f"{node}.key").read_bytes(), None)
        public = load_ssh_public_key((folder / f"{node}.pub").read_bytes())
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        assert isinstance(public, ec.EllipticCurvePublicKey)
        assert isinstance(public.curve, ec.SECP384R1)
        assert private.public_key() == public
        numbers.add(public.public_numbers())
    assert len(numbers) == 2


def test_private_files_are_their_owners_alone_and_the_authoritys_key_is_nowhere(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == FILES
    private = {path.name for path in folder.iterdir() if b"PRIVATE KEY" in path.read_bytes()}
    assert private == {"superlink.key", "node0.key", "node1.key"}
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in private} == {0o600}


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main([str(folder), "--host", "fl.example.org"]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("host", ["", "fl.example.org:8000", "two words", "-x.org", "a..b", "https://fl.example.org"])
def test_what_is_no_host_is_refused_before_anything_is_written(tmp_path: Path, host: str) -> None:
    with pytest.raises(ValueError, match="without a port"):
        write_certificates(tmp_path / "new", [host])
    assert not (tmp_path / "new").exists()


def test_the_command_says_what_it_has_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "new"), "--host", "::1", "--nodes", "2"]) == 0
    assert {Path(line).name for line in capsys.readouterr().out.split()} == FILES
