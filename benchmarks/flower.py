"""The same runs in process and over Flower: same bytes, same weights, what time? And faults of real nodes.

    python benchmarks/flower.py [--rounds 10] [--nodes 4] [--trainer loop] [--faults]

A SuperLink and its SuperNodes are real processes of this machine. Results: results/flower.json and the parts of
docs/PERFORMANCE.md and docs/FAULTS.md between the marks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from document import FAULTS, fill_in
from machine import machine
from tqdm import tqdm

from fedlab_core.experiment import Experiment
from fedlab_core.robustness import HOSTILE, KINDS
from fedlab_core.runs.elsewhere import execute_elsewhere
from fedlab_core.runs.execute import execute
from fedlab_core.runs.info import Where
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunStore

RESULTS = Path(__file__).parent / "results" / "flower.json"
RECIPES = ("fedsparsify-digits", "dwnp-digits")
COSTS = ("upload_bytes", "download_bytes", "effective_flops", "dense_flops")
FAULTY = Experiment().replace(
    {"model.name": "mlp", "data.num_clients": 8, "data.alpha": 1, "federation.rounds": 2, "federation.local_epochs": 1}
)
AT = {node: kind for node, kind in enumerate((kind for kind in KINDS if kind not in HOSTILE), 2)}
"""Nodes 0 and 1 are honest, each of the others has a fault of its own."""


def run(store: RunStore, experiment: Experiment, where: Where) -> tuple[str, float]:
    """Carry out a run: its id, and seconds from its start to its end, start of processes included."""
    run_id = store.create(experiment, status="interrupted", machine={"where": where.model_dump()})
    start = time.perf_counter()
    if where.nodes:
        store.claim(run_id)
        execute_elsewhere(store, run_id, on_look=lambda: None)
    else:
        execute(store, run_id)
    return run_id, time.perf_counter() - start


def compare(store: RunStore, name: str, trainer: str, rounds: int, nodes: int) -> dict[str, Any]:
    """One recipe both ways."""
    experiment = recipe(name).replace({"federation.rounds": rounds, "federation.trainer": trainer})
    (here, here_s), (there, there_s) = (run(store, experiment, Where(nodes=count)) for count in (0, nodes))
    rows = list(zip(store.rows(here), store.rows(there), strict=True))
    one, other = store.state(here)[1], store.state(there)[1]
    weights = torch.cat([(one.params[key].double() - other.params[key].double()).flatten() for key in one.params])
    return {
        "recipe": name,
        "trainer": trainer,
        "rounds": rounds,
        "nodes": nodes,
        "rounds_with_equal_bytes": sum(all(a[key] == b[key] for key in COSTS) for a, b in rows[1:]),
        "megabytes": sum(a["upload_bytes"] + a["download_bytes"] for a, _ in rows) / 1e6,
        "largest_difference": float(weights.abs().max()),
        "masks_differ": sum(int((one.masks[key] != other.masks[key]).sum()) for key in one.masks),
        "accuracy": [pair["test_accuracy"] for pair in rows[-1]],
        "wall_s": [here_s, there_s],
        "round_s": [statistics.median(pair[side]["round_s"] for pair in rows[1:]) for side in (0, 1)],
        "dropped": sum(len(b["dropped"]) for _, b in rows),
    }


def faults(store: RunStore) -> dict[str, Any]:
    """One run over eight nodes, six of them faulty, each in its own way."""
    run_id, wall_s = run(store, FAULTY, Where(nodes=8, deadline_s=45, faults=AT))
    rows = store.rows(run_id)[1:]
    return {
        "status": store.get(run_id).status,
        "wall_s": wall_s,
        "round_s": [row["round_s"] for row in rows],
        "dropped": [dict(row["dropped"]) for row in rows],
        "accuracy": [row["test_accuracy"] for row in store.rows(run_id)],
    }


def equality_text(results: dict[str, Any]) -> str:
    """A line a recipe."""
    columns = (
        "recipe",
        "trainer",
        "rounds with the same bytes and FLOPs",
        "MB",
        "largest difference of a weight",
        "mask entries that differ",
        "accuracy, in process / Flower",
        "seconds, whole run",
        "seconds a round, median",
    )
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in results["equality"]:
        first, second = row["wall_s"]
        lines.append(
            f"| `{row['recipe']}` | {row['trainer']} | {row['rounds_with_equal_bytes']} of {row['rounds']} | "
            f"{row['megabytes']:.1f} | "
            f"{row['largest_difference']:.1e} | {row['masks_differ']} | "
            f"{row['accuracy'][0]:.2%} / {row['accuracy'][1]:.2%} | "
            f"{first:.1f} / {second:.0f} | {row['round_s'][0]:.2f} / {row['round_s'][1]:.1f} |"
        )
    on = results["machine"]
    nodes = results["equality"][0]["nodes"]
    lines += [
        "",
        f"A SuperLink and {nodes} SuperNodes. Machine: {on['processor']}, {on['cores']} cores, {on['system']}.",
    ]
    return "\n".join(lines)


def fault_text(results: dict[str, Any]) -> str:
    """A line a node."""
    found = results["faults"]
    lines = ["| node | fault | in the record of the rounds |", "|---|---|---|"]
    for node in range(8):
        said = {round.get(str(node), round.get(node)) for round in found["dropped"]}
        lines.append(f"| {node} | {AT.get(node, 'none')} | {' / '.join(sorted(one or 'merged' for one in said))} |")
    accuracies = ", ".join(f"{value:.1%}" for value in found["accuracy"])
    seconds = " and ".join(f"{value:.0f}" for value in found["round_s"])
    lines += ["", f"Test accuracy of rounds 0, 1, 2: {accuracies}. Rounds took {seconds} s: they wait for who is late."]
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--trainer", choices=("fast", "loop"), default="loop")
    parser.add_argument("--faults", action="store_true", help="only the faults of nodes")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["machine"] = machine()
    with tempfile.TemporaryDirectory() as folder, RunStore(Path(folder) / "runs.sqlite") as store:
        if options.faults:
            results["faults"] = faults(store)
            fill_in("flower", fault_text(results), FAULTS)
        else:
            kept = [row for row in results.get("equality", []) if row["trainer"] != options.trainer]
            each = tqdm(RECIPES, desc="recipes")
            new = [compare(store, name, options.trainer, options.rounds, options.nodes) for name in each]
            results["equality"] = sorted(kept + new, key=lambda row: (row["recipe"], row["trainer"]), reverse=True)
            fill_in("flower", equality_text(results))
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
