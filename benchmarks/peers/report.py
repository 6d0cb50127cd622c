"""The comparison as Markdown: tables for the terminal and for docs/PERFORMANCE.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peers.systems import SYSTEMS

Entry = dict[str, Any]


def tables(result: dict[str, Any]) -> str:
    """Everything that is generated."""
    parts = [
        "### Milliseconds per round",
        _table(result, _round_ms) + "\n" + _ratios(result),
        "In brackets: lowest and highest of the repeats. A ratio above 1 means that fedlab_core is faster.",
        "### Seconds from the start of the process to the end of round 1",
        _table(result, lambda entry: f"{entry['first_round_s']:.2f} ({entry['least_first_round_s']:.2f})"),
        "In brackets: the fastest start of any setup.",
        "### Peak memory of the process tree, MB",
        _table(result, lambda entry: f"{entry['peak_mb']:.0f} ({entry['least_mb']:.0f})"),
        "In brackets: with the setup that needs least.",
        "### Against what the machine can do",
        _floors(result),
        "The rates, in GFLOP/s, were measured just before each comparison, one thread on each core at the same time.",
        "### Setups and losses",
        _setups(result),
        _machine_sentence(result),
    ]
    return "\n\n".join(part for part in parts if part)


def _measured(result: dict[str, Any], name: str) -> dict[str, Entry]:
    """The systems that have figures on a workload."""
    systems = result["workloads"][name]["systems"]
    return {key: entry for key, entry in systems.items() if "median_ms" in entry and "skipped" not in entry}


def _keys(result: dict[str, Any]) -> list[str]:
    found = {key for workload in result["workloads"].values() for key in workload["systems"]}
    return [key for key in SYSTEMS if key in found]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _head(result: dict[str, Any], first: str = "") -> list[str]:
    names = list(result["workloads"])
    return [_row([first, *names]), "|---" * (len(names) + 1) + "|"]


def _table(result: dict[str, Any], show: Callable[[Entry], str]) -> str:
    """One row a system, one column a workload."""
    rows = _head(result)
    for key in _keys(result):
        entries = [_measured(result, name).get(key) for name in result["workloads"]]
        rows.append(_row([SYSTEMS[key].title, *(show(entry) if entry else "skipped" for entry in entries)]))
    return "\n".join(rows)


def _round_ms(entry: Entry) -> str:
    return f"{_ms(entry['median_ms'])} ({_ms(entry['lowest_ms'])}-{_ms(entry['highest_ms'])})"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _best_peer(result: dict[str, Any], name: str) -> tuple[str, float] | None:
    """The fastest of the others; the plain loop counts."""
    peers = {key: entry["median_ms"] for key, entry in _measured(result, name).items() if key != "ours"}
    return min(peers.items(), key=lambda item: item[1]) if peers else None


def _ratios(result: dict[str, Any]) -> str:
    """How much faster ours is: than each of the others, and than the best of them."""
    rows = []
    for key in [key for key in _keys(result) if key != "ours"]:
        cells = [
            _ratio(result, name, _measured(result, name).get(key, {}).get("median_ms")) for name in result["workloads"]
        ]
        rows.append(_row([f"ratio to {SYSTEMS[key].title}", *cells]))
    best = [_best_peer(result, name) for name in result["workloads"]]
    cells = [_ratio(result, name, peer and peer[1]) for name, peer in zip(result["workloads"], best, strict=True)]
    rows.append(_row(["**ratio to the best of them**", *(f"**{cell}**" for cell in cells)]))
    rows.append(_row(["best of them", *(SYSTEMS[peer[0]].title if peer else "-" for peer in best)]))
    return "\n".join(rows)


def _ratio(result: dict[str, Any], name: str, peer_ms: float | None) -> str:
    ours = _measured(result, name).get("ours")
    return f"{peer_ms / ours['median_ms']:.2f}x" if ours and peer_ms else "-"


def _floors(result: dict[str, Any]) -> str:
    """GFLOP of a round, the time they need at the measured rates, and how near ours comes."""
    rows = _head(result)
    workloads = result["workloads"]
    rows.append(
        _row(["GFLOP in the median round", *(f"{sum(w['flops'].values()) / 1e9:.2f}" for w in workloads.values())])
    )
    for kind, title in (("matrix", "matrix products"), ("convolution", "convolutions, forward and backward")):
        rows.append(_row([f"rate of {title}", *(f"{w['gflop_per_s'][kind]:.0f}" for w in workloads.values())]))
    rows.append(_row(["ms at the measured rates", *(_ms(w["floor_ms"]) for w in workloads.values())]))
    cells = []
    for name, workload in workloads.items():
        ours = _measured(result, name).get("ours")
        cells.append(f"{100 * workload['floor_ms'] / ours['median_ms']:.0f} %" if ours else "-")
    return "\n".join([*rows, _row(["percent of it that fedlab_core reaches", *cells])])


def _setups(result: dict[str, Any]) -> str:
    """The setup that was fastest, and the loss over all clients' examples after the last round; or why skipped."""
    rows = ["| workload | system | setup | loss at the end |", "|---|---|---|---|"]
    for name, workload in result["workloads"].items():
        for key, entry in workload["systems"].items():
            loss = f"{entry['loss']:.3f}" if "loss" in entry else "-"
            setup = f"skipped: {entry['skipped']}" if "skipped" in entry else entry["setup"]
            rows.append(_row([name, SYSTEMS[key].title, setup, loss]))
    return "\n".join(rows)


def _machine_sentence(result: dict[str, Any]) -> str:
    host = result["machine"]
    repeats = ", ".join(f"{name} {workload['repeats']}" for name, workload in result["workloads"].items())
    return (
        f"Machine: {host['processor']}, {host['usable_cores']} cores, {host['memory_gb']} GB, {host['system']}, Python "
        f"{host['python']}, torch {host['torch']} for all systems. Medians over repeats: {repeats}. "
        f"Memory is {result['memory']}."
    )
