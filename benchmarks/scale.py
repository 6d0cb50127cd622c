"""The scale plan against simulations: bytes, server memory and server time with up to a million clients.

    python benchmarks/scale.py             # twenty minutes; what is in results/scale.json already is not repeated
    python benchmarks/scale.py --fill-in   # only write the tables of docs/SCALE.md again

Images of noise, spread unevenly (`quantity`, two for each client on average), one local epoch. Every setting runs in a
process of its own with one thread. Formulas: fedlab_core/budgets/scale.py. Loads come from ten clients of a hundred,
rates from the three smallest settings; everything else is predicted. Results: results/scale.json
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from machine import machine
from scale_tables import PLANNED, tables
from scaling import federation
from tqdm import tqdm

from fedlab_core.budgets.load import load_of
from fedlab_core.clients import client_side
from fedlab_core.costs.codec import MaskMemory
from fedlab_core.federation.evaluation import evaluate
from fedlab_core.federation.memory import keep_freed_memory
from fedlab_core.federation.messages import unpack_update
from fedlab_core.federation.partial import partial_sums
from fedlab_core.lab import Federation
from fedlab_core.rounds import broadcast, merge, participants, run_round, send
from fedlab_core.types import RoundContext, ServerState, Update, seeded_generator

RESULTS = Path(__file__).parent / "results" / "scale.json"
MODELS = {"mlp": (1, 8, 8), "cnn6": (3, 32, 32)}
EACH, REPEATS, ROUNDS = 2, 5, 3

Row = dict[str, Any]
T = TypeVar("T")


class Case(NamedTuple):
    """A strategy, its settings, and the round to look at; `most` clients are as many as this machine can do."""

    settings: dict[str, Any]
    round: int = 1
    most: int = 1_000_000


SPARSE = {"strategy.initial_sparsity": 0.8, "strategy.final_sparsity": 0.9}
CASES = {
    "fedavg": Case({"strategy.name": "fedavg"}),
    "fedsparsify-global": Case({"strategy.name": "fedsparsify-global", **SPARSE}, ROUNDS),
    "fedsparsify-local": Case({"strategy.name": "fedsparsify-local", **SPARSE}, ROUNDS),
    "snip": Case({"strategy.name": "snip", "strategy.final_sparsity": 0.9}),
    "scaffold": Case({"strategy.name": "scaffold"}, most=10_000),
    "dwnp, learning": Case({"strategy.name": "dwnp"}),
    "dwnp, fixed": Case({"strategy.name": "dwnp"}, ROUNDS, most=10_000),
    "dynamic-salient": Case({"strategy.name": "dynamic-salient"}),
}
CALIBRATION = {"mlp": ((1_000, 10), (1_000, 100), (10_000, 10)), "cnn6": ((100, 10), (100, 50), (300, 10))}
CHECKS = {"mlp": ((10_000, 1_000), (100_000, 1_000)), "cnn6": ((300, 100),)}
MILLION = (1_000_000, 1_000)
STREAMED, STREAMED_ASKED = ("fedavg",), (10, 100, 1_000)
MORE = {
    "fedavg": ((10_000, 100), (100_000, 10), (100_000, 100), (1_000_000, 10), (1_000_000, 100), MILLION),
    "fedsparsify-global": (MILLION,),
    "dwnp, learning": (MILLION,),
}


def build(case: Case, model: str, clients: int, asked: int) -> Federation:
    """A federation of noise under a strategy."""
    split = {"partition": "quantity", "size_power": 0.3, "min_size": 1, "examples": EACH * clients}
    given = federation(clients, model, MODELS[model], asked=asked, **split)
    return Federation.on(given.data, given.experiment.replace({"federation.rounds": ROUNDS, **case.settings}))


def measure_load(name: str, model: str) -> Row:
    """What ten clients of a hundred say about all others."""
    torch.set_num_threads(1)
    load = load_of(build(CASES[name], model, 100, 10), CASES[name].round)
    return {"case": name, "model": model, "load": load._asdict()}


def measure(name: str, model: str, clients: int, asked: int) -> Row:
    """One round of a federation, the server's work part by part; clients are trained, but not timed."""
    torch.set_num_threads(1)
    case = CASES[name]
    before = _memory("VmRSS")
    start = time.process_time()
    given = build(case, model, clients, asked)
    setup_s, held = time.process_time() - start, _after_trim()
    dataset = given.data.dataset
    examples = sum(t.nbytes for t in (dataset.x_train_NI, dataset.y_train_N, dataset.x_test_NI, dataset.y_test_N))
    server = given.initial_state()
    for number in range(1, case.round):
        server = run_round(given, server, given.context(number)).state
    return {
        "case": name,
        "model": model,
        "clients": clients,
        "asked": asked,
        "setup_s": setup_s,
        "idle_bytes": held - before - examples,
        **_one_round(given, server, case.round),
        "simulation_peak_bytes": _memory("VmHWM"),
    }


def _one_round(given: Federation, server: ServerState, round: int) -> Row:
    ctx, strategy = given.context(round), given.experiment.strategy
    participants(given, ctx)  # lists of clients are made once
    clients, choose_s = _timed(lambda: participants(given, ctx))
    downloads, encode_s = _timed(lambda: broadcast(given, server, clients, ctx))
    reports = client_side(given, downloads, ctx)
    download_bytes = sum(len(one.payload) for one in downloads)
    payloads = [report.payload for report in reports]
    del downloads, reports

    def decoded() -> Iterator[Update]:
        memory = MaskMemory()
        return (unpack_update(payload, k, server, memory) for k, payload in zip(clients, payloads, strict=True))

    upload_bytes = sum(map(len, payloads))
    (updates, after), engine_bytes = _peak(lambda: _decode_and_merge(given, server, decoded, ctx))
    _, decode_s = _timed(lambda: list(decoded()))
    _, merge_s = _timed(lambda: merge(given, server, updates, ctx))
    data, model = given.data, given.model

    def test() -> object:
        return evaluate(model, after.params, after.buffers, data, lambda k: strategy.personal(after, k, ctx))

    _, evaluate_s = _timed(test)
    return {
        "download_bytes": download_bytes,
        "upload_bytes": upload_bytes,
        "engine_bytes": upload_bytes + engine_bytes + sum(tensor.nbytes for tensor in server.state.values()),
        "seconds": {
            "choose": choose_s,
            "encode": encode_s,
            "decode": decode_s,
            "merge": merge_s,
            "evaluate": evaluate_s,
        },
    }


def _decode_and_merge(
    given: Federation, server: ServerState, decoded: Callable[[], Iterator[Update]], ctx: RoundContext
) -> tuple[list[Update], ServerState]:
    updates = list(decoded())
    return updates, merge(given, server, updates, ctx)[1]


def _timed(run: Callable[[], T]) -> tuple[T, float]:
    """The result, and the median seconds of the processor: others may use the machine, too."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        result = run()
        seconds.append(time.process_time() - start)
        if seconds[-1] > 10:  # long enough to be told from noise
            break
    return result, statistics.median(seconds)


def measure_streamed(name: str, model: str) -> list[Row]:
    """Ten clients' updates added up one by one, over and over: whether memory really does not grow with m."""
    torch.set_num_threads(1)
    keep_freed_memory()  # once done, nobody does it again
    ctypes.CDLL(None).mallopt(-3, 1 << 16)  # and undone: each large tensor is given back when it is freed
    case = CASES[name]
    given = build(case, model, 100, 10)
    server = given.initial_state()
    for number in range(1, case.round):
        server = run_round(given, server, given.context(number)).state
    ctx = given.context(case.round)
    payloads = [report.payload for report in client_side(given, send(given, server, ctx), ctx)]
    unlike = given.experiment.strategy.clients_choose
    rows = []
    for asked in STREAMED_ASKED:
        memory = MaskMemory()
        updates = (unpack_update(payloads[k % 10], k, server, memory) for k in range(asked))
        sums, grown = _peak(partial(partial_sums, updates, votes_count=unlike))
        assert sums.clients == asked
        rows.append({"case": name, "model": model, "asked": asked, "streamed_bytes": grown + len(payloads[0])})
        del sums, updates
    return rows


def _peak(run: Callable[[], T]) -> tuple[T, int]:
    """The result, and by how many bytes the process grew at most (Linux)."""
    before = _after_trim()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    result = run()
    return result, _memory("VmHWM") - before


def _after_trim() -> int:
    """Resident bytes, when what was freed has been given back to the system."""
    gc.collect()
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return _memory("VmRSS")


def _memory(field: str) -> int:
    """VmRSS (resident now) or VmHWM (at its peak) of this process, in bytes."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def distance_s(parameters: int) -> float:
    """Seconds for the squared distance of two updates, of which Krum needs one for every pair."""
    one, other = (torch.randn(parameters, generator=seeded_generator("distance", k)) for k in (0, 1))
    return _timed(lambda: [(one - other).square().sum() for _ in range(20)])[1] / 20


def jobs() -> list[tuple[str, str, int, int]]:
    """Case, model, clients and clients asked of every setting."""
    wanted = []
    for model in MODELS:
        for name, case in CASES.items():
            sizes = [*CALIBRATION[model], *CHECKS[model], *(MORE.get(name, ()) if model == "mlp" else ())]
            wanted += [(name, model, clients, asked) for clients, asked in sizes if clients <= case.most]
    return wanted


def result_of_all() -> Row:
    """Measurements that are written down, after those that were missing."""
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"loads": [], "rows": []}
    known = {(row["case"], row["model"], row["clients"], row["asked"]) for row in result["rows"]}
    loads = {(row["case"], row["model"]) for row in result["loads"]}
    missing = [job for job in jobs() if job not in known]
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for name, model in [(name, model) for model in MODELS for name in CASES if (name, model) not in loads]:
            result["loads"].append(pool.submit(measure_load, name, model).result())
        for job in tqdm(missing, desc="settings"):
            result["rows"].append(pool.submit(measure, *job).result())
            RESULTS.write_text(json.dumps(result | {"machine": machine()}, indent=1) + "\n")
        if "streamed" not in result:
            jobs_streamed = [pool.submit(measure_streamed, name, PLANNED) for name in STREAMED]
            result["streamed"] = [row for job in jobs_streamed for row in job.result()]
    result["distance_s"] = distance_s(next(row["load"]["numbers"] for row in result["loads"] if row["model"] == "cnn6"))
    RESULTS.write_text(json.dumps(result | {"machine": machine()}, indent=1) + "\n")
    return json.loads(RESULTS.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fill-in", action="store_true", help="measure nothing")
    torch.set_num_threads(1)
    tables(json.loads(RESULTS.read_text()) if parser.parse_args().fill_in else result_of_all(), CALIBRATION)


if __name__ == "__main__":
    main()
