"""The tables of docs/SCALE.md: the plan for cnn6, and what was predicted beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from document import SCALE, fill_in

from fedlab_core.budgets import scale
from fedlab_core.budgets.load import Load
from fedlab_core.budgets.scale import Rates

PLANNED, PARTICIPATION = "cnn6", 0.01
CLIENTS = tuple(10**power for power in range(3, 9))
SERVER_BITS, DOWN_BITS, UP_BITS = 10e9, 50e6, 10e6
MEMORY_BYTES, FAN_OUT = 16e9, 100
PARTS = ("choose", "encode", "decode", "merge", "evaluate")

Row = dict[str, Any]
Calibration = Mapping[str, tuple[tuple[int, int], ...]]


def tables(result: Row, calibration: Calibration) -> None:
    """Write all of them into docs/SCALE.md."""
    loads = {(row["case"], row["model"]): Load(**row["load"]) for row in result["loads"]}
    rows = {(row["case"], row["model"], row["clients"], row["asked"]): row for row in result["rows"]}
    timed = [
        key for key in loads if all((*key, *size) in rows for size in calibration[key[1]])
    ]  # the others get a dash
    rates = {key: _rates(*key, rows, calibration) for key in timed}
    plan = {case: load for (case, model), load in loads.items() if model == PLANNED}
    checked = [row for key, row in rows.items() if key[:2] in rates and key[2:] not in calibration[key[1]]]
    largest = {
        (row["case"], row["model"]): row for row in sorted(checked, key=lambda row: row["asked"] * row["clients"])
    }
    shown = sorted(largest.values(), key=lambda row: row["model"], reverse=True)
    parts = [
        _one_client(plan),
        _grid("Bytes of a round, both ways", plan, lambda case, load, k, m: _size(m * _both_ways(load))),
        _grid("Memory of the server as it is", plan, lambda case, load, k, m: _size(scale.engine_bytes(load, k, m))),
        _grid(
            f"Time of a round: one core of the server as it is / its line of {SERVER_BITS / 1e9:g} Gbit/s",
            plan,
            lambda case, load, k, m: (
                f"{_server_time(rates.get((case, PLANNED)), k, m)} / "
                f"{_time(scale.network_seconds(load, m, SERVER_BITS))}"
            ),
        ),
        _trees(plan),
        _krum(plan["fedavg"], result["distance_s"]),
        _bytes_and_memory(shown, loads),
        _streamed(result["streamed"], loads),
        _times(shown, rates),
        _summary(checked, loads, rates),
        _idle(checked),
        _machine(result),
    ]
    fill_in("scale", "\n\n".join(parts), SCALE)


def _rates(case: str, model: str, rows: Mapping[Any, Row], calibration: Calibration) -> dict[str, Rates]:
    three = [(k, m, rows[case, model, k, m]["seconds"]) for k, m in calibration[model]]
    few, more, larger = ({part: (k, m, seconds[part]) for part in PARTS} for k, m, seconds in three)
    return {part: Rates.through(few[part], more[part], larger[part]) for part in PARTS}


def _server_time(rates: Mapping[str, Rates] | None, clients: int, asked: int) -> str:
    return _time(sum(rate.seconds(clients, asked) for rate in rates.values())) if rates else "-"


def _table(title: str, head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join([f"### {title}", "", *("| " + " | ".join(line) + " |" for line in lines)])


def _grid(title: str, plan: Mapping[str, Load], cell: Callable[[str, Load, int, int], str]) -> str:
    """One line a strategy, one column a size of the federation."""
    asked = {k: scale.asked_of(k, PARTICIPATION) for k in CLIENTS}
    head = ["", *(f"K = 10^{len(str(k)) - 1}" for k in CLIENTS)]
    rows = [[case, *(cell(case, load, k, m) for k, m in asked.items())] for case, load in plan.items()]
    return _table(title, head, rows)


def _one_client(plan: Mapping[str, Load]) -> str:
    limit, million = _size(MEMORY_BYTES), 1_000_000
    head = ["", "down", "up", "phone's line", "decoded", "server keeps", "device keeps"]
    head += ["updates added up one by one, any m", f"most clients asked in {limit} as it is: K = 1,000", "K = 10^6"]
    rows = [
        [
            case,
            _size(load.download_bytes),
            _size(load.upload_bytes),
            _time(scale.device_seconds(load, DOWN_BITS, UP_BITS)),
            _size(load.update_bytes),
            _size(load.server_bytes),
            _size(load.device_bytes),
            _size(scale.streamed_bytes(load)),
            *(f"{min(k, scale.most_asked(load, k, MEMORY_BYTES)):,}" for k in (1_000, million)),
        ]
        for case, load in plan.items()
    ]
    return _table("One client, and the memory of the server for many", head, rows)


def _trees(plan: Mapping[str, Load]) -> str:
    head = ["m", "levels", "aggregators", "messages at the root"]
    for case in ("fedavg", "fedsparsify-global"):
        head += [f"{case}: flat", "tree"]
    rows = []
    for asked in (1_000, 10_000, 100_000, 1_000_000):
        shape = scale.tree(plan["fedavg"], asked, FAN_OUT)
        line = [f"{asked:,}", str(shape.levels), f"{shape.aggregators:,}", str(shape.root_messages)]
        for case in ("fedavg", "fedsparsify-global"):
            own = scale.tree(plan[case], asked, FAN_OUT)
            line += [_size(asked * plan[case].upload_bytes), _size(own.root_messages * own.sum_bytes)]
        rows.append(line)
    return _table(f"Up to the root: flat, or a tree with {FAN_OUT} below each aggregator", head, rows)


def _krum(load: Load, distance_s: float) -> str:
    """Distances are computed at the rate that was measured for one of them."""
    flops_per_s = scale.krum_flops(load, 2) / distance_s
    head = ["m", "distances", "time, one core", "memory"]
    rows = [
        [
            f"{asked:,}",
            f"{asked * (asked - 1) // 2:,}",
            _time(scale.krum_flops(load, asked) / flops_per_s),
            _size(scale.engine_bytes(load, 0, asked)),
        ]
        for asked in (100, 1_000, 10_000, 1_000_000)
    ]
    return _table("Krum", head, rows)


def _bytes_and_memory(checked: list[Row], loads: Mapping[Any, Load]) -> str:
    head = ["", "model", "K", "m", "bytes: measured", "ratio down", "ratio up"]
    head += ["memory: predicted", "measured", "ratio"]
    rows = []
    for row in checked:
        load, k, m = loads[row["case"], row["model"]], row["clients"], row["asked"]
        predicted = scale.engine_bytes(load, k, m)
        rows.append(
            [
                *_setting(row),
                _size(row["download_bytes"] + row["upload_bytes"]),
                _ratio(row["download_bytes"], m * load.download_bytes),
                _ratio(row["upload_bytes"], m * load.upload_bytes),
                _size(predicted),
                _size(row["engine_bytes"]),
                f"{row['engine_bytes'] / predicted:.2f}",
            ]
        )
    return _table("Check: bytes and memory", head, rows)


def _streamed(rows: list[Row], loads: Mapping[Any, Load]) -> str:
    numbers = sorted({row["asked"] for row in rows})
    head = ["", "model", "predicted, any m", *(f"measured, m = {asked:,}" for asked in numbers)]
    found = {(row["case"], row["model"], row["asked"]): row["streamed_bytes"] for row in rows}
    lines = [
        [*key, _size(scale.streamed_bytes(loads[key])), *(_size(found[*key, asked]) for asked in numbers)]
        for key in dict.fromkeys((row["case"], row["model"]) for row in rows)
    ]
    return _table("Check: memory when updates are added up one by one", head, lines)


def _times(checked: list[Row], rates: Mapping[Any, Mapping[str, Rates]]) -> str:
    """Milliseconds by part, predicted -> measured."""
    head = ["", "model", "K", "m", *PARTS, "sum", "ratio"]
    rows = []
    for row in checked:
        own = rates[row["case"], row["model"]]
        predicted = {part: own[part].seconds(row["clients"], row["asked"]) for part in PARTS}
        total, found = sum(predicted.values()), sum(row["seconds"].values())
        each = [_pair(predicted[part], row["seconds"][part]) for part in PARTS]
        rows.append([*_setting(row), *each, _pair(total, found), f"{found / total:.2f}"])
    return _table("Check: the server's time, ms of the processor, predicted and measured", head, rows)


def _summary(checked: list[Row], loads: Mapping[Any, Load], rates: Mapping[Any, Mapping[str, Rates]]) -> str:
    """The worst of all settings, also of those that are not in the tables."""
    size, memory, time = [], [], []
    for row in checked:
        key, k, m = (row["case"], row["model"]), row["clients"], row["asked"]
        size.append((row["download_bytes"] + row["upload_bytes"]) / (m * _both_ways(loads[key])))
        memory.append(row["engine_bytes"] / scale.engine_bytes(loads[key], k, m))
        time.append(sum(row["seconds"].values()) / sum(rate.seconds(k, m) for rate in rates[key].values()))
    exact = sum(ratio == 1 for ratio in size)
    return (
        f"Of {len(checked)} settings that were predicted, {exact} have exactly the bytes of the plan, the others "
        f"{min(size):.3f} to {max(size):.3f} of them.\n"
        f"Memory is {min(memory):.2f} to {max(memory):.2f} of the plan's (median {median(memory):.2f}), "
        f"time {min(time):.2f} to {max(time):.2f} (median {median(time):.2f})."
    )


def _idle(checked: list[Row]) -> str:
    """Clients that are not asked, where they are so many that they can be told from what Python loads."""
    largest = [
        row for row in checked if row["case"] == "fedavg" and row["clients"] >= 100_000 and row["asked"] == 1_000
    ]
    said = "; ".join(
        f"K = {row['clients']:,}: predicted {_size(scale.index_bytes(row['clients'], 2 * row['clients']))}, "
        f"measured {_size(row['idle_bytes'])}, {row['setup_s']:.0f} s to make"
        for row in largest
    )
    return f"Who has which examples: {said}."


def _machine(result: Row) -> str:
    here = result["machine"]
    peak = max(row["simulation_peak_bytes"] for row in result["rows"])
    return (
        f"Machine: {here['processor']}, {here['cores']} cores, {here['system']}, Python {here['python']}, "
        f"torch {here['torch']}, one thread; others worked on it. Times are medians of 5.\n"
        f"The largest process, clients and data included, took {_size(peak)}."
    )


def _setting(row: Row) -> list[str]:
    return [row["case"], row["model"], f"{row['clients']:,}", f"{row['asked']:,}"]


def _both_ways(load: Load) -> float:
    return load.download_bytes + load.upload_bytes


def _ratio(measured: float, predicted: float) -> str:
    return "1" if measured == predicted else f"{measured / predicted:.4f}"


def _pair(predicted_s: float, measured_s: float) -> str:
    return " / ".join(f"{1e3 * s:,.0f}" if s >= 0.1 else f"{1e3 * s:.3g}" for s in (predicted_s, measured_s))


def _size(num_bytes: float) -> str:
    return _unit(num_bytes, 1000, ("B", "kB", "MB", "GB", "TB", "PB")) if num_bytes else "0"


def _unit(value: float, step: float, units: tuple[str, ...]) -> str:
    place = 0
    while value >= 999.5 and place < len(units) - 1:
        value, place = value / step, place + 1
    return f"{value:,.3g} {units[place]}" if value < 999.5 else f"{value:,.0f} {units[place]}"


def _time(seconds: float) -> str:
    for most, length, unit in ((1, 1e-3, "ms"), (120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < most:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 86_400:,.3g} days" if seconds < 86_400_000 else f"{seconds / 86_400:,.0f} days"
