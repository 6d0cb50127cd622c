"""`fedlab budget`: which setting keeps a budget, said before anything is run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedlab_core.arguments import JsonOption, RoundsOption, SetOption, changes_of

if TYPE_CHECKING:
    from fedlab_core.budgets import Budget, Offer, Plan, Scope
    from fedlab_core.experiment import Experiment


def budget(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="One of `fedlab recipes`.")],
    flops: Annotated[str, typer.Option("--flops", metavar="SHARE", help="At most this share of the FLOPs.")] = "",
    megabytes: Annotated[
        str, typer.Option("--megabytes", metavar="MB", help="At most so many of a round, all clients, both ways.")
    ] = "",
    final: Annotated[bool, typer.Option("--final", help="Count the last round, not the mean of all.")] = False,
    every: Annotated[bool, typer.Option("--all", help="What each strategy could do, without practice runs.")] = False,
    settings: SetOption = [],  # noqa: B006 - typer copies it
    rounds: RoundsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Turn a budget into the setting of a recipe's strategy. Stores nothing.

    Runs are rehearsed without training. Where training decides on what is spent, the setting is then tried and
    corrected in up to three practice runs; the table of all strategies says "about" instead.
    """
    from fedlab_core.budgets import require_one
    from fedlab_core.runs.recipes import recipe as build
    from fedlab_core.runs.text import json_line

    wanted = _wanted(flops, megabytes, final)
    experiment = build(recipe).replace(changes_of(settings, rounds))
    offers = _survey(experiment, wanted) if every else _practised(experiment, wanted)
    if as_json:
        typer.echo(json_line([_described(name, offer) for name, offer in offers.items()]))
    else:
        typer.echo(f"a budget of {wanted}\n{_table(offers)}")
    require_one(wanted, offers.values())
    if not every:
        typer.echo(f"run it with: fedlab run {recipe} {_options(offers.values(), settings, rounds)}", err=True)


def _wanted(flops: str, megabytes: str, final: bool) -> Budget:
    from fedlab_core.budgets import Budget

    if bool(flops) == bool(megabytes):
        raise ValueError("a budget is one of --flops SHARE and --megabytes MB")
    scope: Scope = "final" if final else "mean"
    if flops:
        return Budget("flops", _number("--flops", flops), scope)
    return Budget("bytes", _number("--megabytes", megabytes) * 1e6, scope)


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{option} is {text!r}; allowed is a number above 0") from None


def _practised(experiment: Experiment, wanted: Budget) -> dict[str, Offer]:
    """Rehearsed, and run where that is not enough; two bars on stderr."""
    from tqdm import tqdm

    from fedlab_core.budgets import practise, solve

    with tqdm(desc="rehearsals", unit="run", leave=False) as bar:
        plan = solve(experiment, wanted, bar.update)
    if not plan.sure:
        with tqdm(desc="practice", unit="round", leave=False) as bar:
            plan = practise(plan, lambda record: bar.update(bool(record.round)))
    return {plan.name: plan}


def _survey(experiment: Experiment, wanted: Budget) -> dict[str, Offer]:
    from tqdm import tqdm

    from fedlab_core.budgets import survey
    from fedlab_core.strategies import strategy_names

    offers = survey(experiment, wanted)
    return dict(tqdm(offers, total=len(strategy_names()), desc="strategies", leave=False))


def _table(offers: dict[str, Offer]) -> str:
    """Who keeps to the budget, most of it used first; then who comes nearest; then why others cannot."""
    from fedlab_core.budgets import Plan
    from fedlab_core.runs.text import table

    plans = [offer if isinstance(offer, Plan) else offer.nearest for offer in offers.values()]
    ranked = sorted((plan for plan in plans if plan), key=lambda plan: (plan.used > 1, abs(1 - plan.used)))
    head = ("strategy", "setting", "FLOPs", "MB a round", "of the budget")
    lines = [(p.name, p.setting, f"{p.spending.flops:.1%}", f"{p.spending.bytes / 1e6:.3g}", _use(p)) for p in ranked]
    refusals = [str(offer) for offer in offers.values() if not isinstance(offer, Plan) and not offer.nearest]
    return "\n".join([*([table(head, lines)] if lines else []), *refusals])


def _use(plan: Plan) -> str:
    remark = (
        ": out of reach, this is the nearest"
        if plan.used > 1
        else ""
        if plan.met or not plan.settings
        else ": no closer was found"
    )
    return f"{'' if plan.sure else 'about '}{plan.used:.1%}{remark}"


def _described(name: str, offer: Offer) -> dict[str, Any]:
    from fedlab_core.budgets import BudgetError

    if isinstance(offer, BudgetError):
        near = offer.nearest
        return {
            "strategy": name,
            "refused": str(offer),
            "nearest": near and {**near.settings, **near.spending._asdict()},
        }
    known = {"used": offer.used, "met": offer.met, "sure": offer.sure, "practised": offer.practised}
    return {"strategy": name, "settings": offer.settings, **offer.spending._asdict(), **known}


def _options(offers: Iterable[Offer], settings: list[str], rounds: str) -> str:
    from fedlab_core.budgets import Plan

    (plan,) = (offer for offer in offers if isinstance(offer, Plan))
    pairs = [*settings, *(f"{name}={value:g}" for name, value in plan.settings.items())]
    return " ".join([*(f"--set {shlex.quote(pair)}" for pair in pairs), *([f"--rounds {rounds}"] if rounds else [])])
