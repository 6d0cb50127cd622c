"""`fedlab deploy`: a run whose clients are at Flower's nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from fedlab_core.arguments import (
    JsonOption,
    NameOption,
    RoundsOption,
    SetOption,
    StoreOption,
    changes_of,
    positive_number,
    whole_number,
)

if TYPE_CHECKING:
    from fedlab_core.runs.info import Where


def deploy(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="One of `fedlab recipes`.")] = "",
    nodes: Annotated[str, typer.Option("--nodes", metavar="N", help="Client k is at node k mod N.")] = "4",
    deadline: Annotated[str, typer.Option("--deadline", metavar="S", help="A round waits so many seconds.")] = "120",
    address: Annotated[
        str, typer.Option("--address", metavar="HOST:PORT", help="A SuperLink that runs already, with its nodes.")
    ] = "",
    faults: Annotated[
        list[str],
        typer.Option("--fault", metavar="NODE=FAULT", help="For demonstrations: a node is faulty, e.g. 1=nan."),
    ] = [],  # noqa: B006 - typer copies it
    settings: SetOption = [],  # noqa: B006
    rounds: RoundsOption = "",
    name: NameOption = "",
    resume: Annotated[str, typer.Option("--resume", metavar="RUN", help="Go on with this run.")] = "",
    as_json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Run a recipe on Flower: a SuperLink and N SuperNodes as processes of this machine, or those at an address.

    Rounds are stored like those of any run; the dashboard shows them. Needs: pip install 'fedlab_core[flower]'.
    """
    from fedlab_core.experiment import Experiment
    from fedlab_core.lab import Federation
    from fedlab_core.runs.recipes import recipe as build
    from fedlab_core.runs.store import RunStore
    from fedlab_core.terminal import execute

    if bool(recipe) == bool(resume) or (resume and (settings or rounds or name)):
        raise ValueError("allowed is a RECIPE with its settings, or --resume RUN, which goes on as it is")
    with RunStore(store) as runs:
        where = _where(nodes, deadline, address, faults)
        if resume:
            run_id = runs.get(resume).run_id
            runs.set_where(run_id, where)
        else:
            experiment: Experiment = build(recipe).replace(changes_of(settings, rounds))
            Federation.of(experiment)  # what cannot be is refused before anything is started
            machine = {"where": where.model_dump()}
            run_id = runs.create(experiment, name=name or recipe, status="interrupted", machine=machine)
        execute(runs, run_id, as_json)


def _where(nodes: str, deadline: str, address: str, faults: Sequence[str]) -> Where:
    from pydantic import ValidationError

    from fedlab_core.robustness import KINDS
    from fedlab_core.runs.info import Where

    count, seconds = whole_number("--nodes", nodes, 1, 64), positive_number("--deadline", deadline)
    wrong = {}
    for pair in faults:
        node, _, kind = pair.partition("=")
        if kind not in KINDS or address:
            raise ValueError(f"--fault is {pair!r}; allowed is NODE=FAULT without --address, of {', '.join(KINDS)}")
        wrong[whole_number("--fault", node, 0, count - 1)] = kind
    try:
        return Where(nodes=count, deadline_s=seconds, address=address, faults=wrong)
    except ValidationError:
        raise ValueError(f"--address is {address!r}; allowed is HOST:PORT, for example 127.0.0.1:8000") from None
