"""Budgets as requests, on digits: what was asked for, the setting that was found, and what a real run then spent.

    python benchmarks/budgets.py

Every strategy has the settings of its recipe on digits. Who cannot keep to the tight budget is asked for the loose one.
What has been asked already is not asked again unless its settings have changed.
Results: results/budgets.json and the part of docs/REPRODUCTION.md between the marks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from document import REPRODUCTION, fill_in
from machine import machine
from measured import key_of
from methods import settings_of
from tqdm import tqdm

from fedlab_core.budgets import TOLERANCE, Budget, BudgetError, Spending, practise, solve
from fedlab_core.experiment import Experiment
from fedlab_core.processes import one_thread
from fedlab_core.runs.recipes import recipe
from fedlab_core.simulation import simulate
from fedlab_core.strategies import strategy_class, strategy_names
from fedlab_core.types import RoundRecord

RESULTS = Path(__file__).parent / "results" / "budgets.json"
TIGHT_AND_LOOSE = (
    (Budget("flops", 0.4), Budget("flops", 0.76)),
    (Budget("bytes", 3.5e6), Budget("bytes", 5.5e6)),
)


def ask(experiment: Experiment, budget: Budget, bar: Any) -> dict[str, Any]:
    """One request: refused, or kept by a real run."""
    strategy = experiment.strategy.name
    row = {"settings": key_of(experiment), "strategy": strategy, "limit": budget.limit, "cost": budget.cost}
    runs: list[list[RoundRecord]] = []

    def watch(record: RoundRecord) -> None:
        if not record.round:
            runs.append([])
        runs[-1].append(record)
        bar.set_postfix_str(f"{strategy}, {budget}, practice run {len(runs)}, round {record.round}")

    try:
        plan = practise(solve(experiment, budget), watch)
    except BudgetError as error:
        near = error.nearest
        return row | {"refused": str(error), "nearest": near and near.setting, "nearest_cost": near and near.cost}
    spent = plan.cost if plan.practised else budget.of(Spending.of(simulate(plan.experiment), budget.scope))
    first = budget.of(Spending.of(runs[0], budget.scope)) if runs else spent
    done = {"setting": plan.setting, "spent": spent, "used": spent / budget.limit}
    return row | done | {"first_used": first / budget.limit, "practice_runs": len(runs)}


def experiments() -> dict[str, Experiment]:
    """By the name of their line: every strategy, and gates on a network with more channels to choose from."""
    own = {strategy_class(name).title: settings_of(name) for name in strategy_names()}
    found = {title: recipe("fedavg-digits").replace(settings) for title, settings in own.items()}
    finer = settings_of("dynamic-gate") | {
        "model.name": "resnet20",
        "federation.rounds": 3,
        "federation.learning_rate": 0.01,
    }
    return found | {"Dynamic pruning: gates, ResNet-20": recipe("fedavg-digits").replace(finer)}


def ask_all(bar: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """For every line, the costs that follow its setting; every answer is written down as it comes."""
    requests = json.loads(RESULTS.read_text())["requests"] if RESULTS.exists() else []
    known = {(row["settings"], row["cost"], row["limit"]): row for row in requests}
    for title, experiment in bar:
        knob = experiment.strategy.knob
        for tight, loose in TIGHT_AND_LOOSE:
            for budget in (tight, loose) if knob and tight.cost in knob.saves else ():
                key = key_of(experiment), budget.cost, budget.limit
                row = known[key] = known.get(key) or ask(experiment, budget, bar)
                RESULTS.parent.mkdir(exist_ok=True)
                RESULTS.write_text(
                    json.dumps({"machine": machine(), "requests": list(known.values())}, indent=1) + "\n"
                )
                yield title, row
                if 1 - TOLERANCE <= row.get("used", 0) <= 1:
                    break


def table(rows: list[tuple[str, dict[str, Any]]]) -> str:
    """One line a request."""
    lines = ["| method | asked for | setting | spent | of the budget | first setting alone | practice runs |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, row in rows:
        asked = Budget(row["cost"], row["limit"])
        title = f"| {name} | {asked.say(asked.limit)} | "
        if "refused" in row:
            nearest = f"{asked.say(row['nearest_cost'])} | {row['nearest_cost'] / asked.limit:.1%}"
            lines.append(f"{title}refused: nearest is {row['nearest']} | {nearest} | | |")
        else:
            runs = row["practice_runs"] or "none needed"
            spent = f"{asked.say(row['spent'])} | {row['used']:.1%} | {row['first_used']:.1%}"
            lines.append(f"{title}{row['setting']} | {spent} | {runs} |")
    return "\n".join(lines)


def main() -> None:
    with one_thread():
        said = table(list(ask_all(tqdm(experiments().items()))))
    print(said)
    fill_in("budgets", said, REPRODUCTION)


if __name__ == "__main__":
    main()
