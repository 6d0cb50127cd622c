"""The command line.

fedlab recipes
fedlab run fedsparsify-digits --rounds 10 --set strategy.final_sparsity=0.95
fedlab sweep fedsparsify-digits --grid strategy.final_sparsity=0.5,0.9,0.95 --grid federation.seed=0,1,2
fedlab budget fedsparsify-digits --flops 0.4
fedlab runs
fedlab course grade FOLDER

Exit codes: 0 done; 1 a run of a sweep failed; 2 what was asked for cannot be, one sentence on stderr says why; 130
Ctrl-C, everything is saved.
torch is imported inside the commands, so that `fedlab --help` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedlab_core.arguments import (
    FileArgument,
    JsonOption,
    ModelArgument,
    NameOption,
    RoundsOption,
    RunArgument,
    RunOrSweepArgument,
    SetOption,
    StoreOption,
    changes_of,
    guarded,
    whole_number,
)
from fedlab_core.budget_command import budget
from fedlab_core.course_command import course
from fedlab_core.deploy_command import deploy
from fedlab_core.terminal import attack_run, execute, execute_sweep

if TYPE_CHECKING:
    from fedlab_core.experiment import Experiment
    from fedlab_core.runs.store import RunStore
    from fedlab_core.runs.sweeps import SweepInfo

app = typer.Typer(
    help="Federated learning with pruning: run, look at, continue and fork experiments.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """A command whose errors are one sentence and exit code 2."""
    return app.command(function.__name__.rstrip("_").replace("_", "-"))(guarded(function))


app.add_typer(course, name="course")
command(budget)
command(deploy)


@command
def recipes() -> None:
    """List the named experiments."""
    from fedlab_core.runs.recipes import describe, recipe_names

    width = max(map(len, recipe_names()))
    for name in recipe_names():
        typer.echo(f"{name:{width}}  {describe(name)}")


@command
def run(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="One of `fedlab recipes`.")],
    settings: SetOption = [],  # noqa: B006 - typer copies it
    rounds: RoundsOption = "",
    name: NameOption = "",
    download: Annotated[bool, typer.Option("--download", help="Fetch the data set if it is not there.")] = False,
    as_json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Run a recipe; every round is stored. With --json: one line a round, then a summary."""
    from fedlab_core.data.datasets import load_dataset
    from fedlab_core.lab import Federation
    from fedlab_core.runs.recipes import recipe as build

    experiment = build(recipe).replace(changes_of(settings, rounds))
    if download:
        load_dataset(experiment.data.dataset, path=experiment.data.path, download=True)
    Federation.of(experiment)  # data that is not there and splits that cannot be are refused before anything is stored
    _remark(experiment)
    with _opened(store, new=True) as runs:
        execute(runs, runs.create(experiment, name=name or recipe, status="interrupted"), as_json)


@command
def sweep(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="One of `fedlab recipes`.")] = "",
    grid: Annotated[
        list[str], typer.Option("--grid", metavar="KEY=VALUE,...", help="The values of a setting; may be repeated.")
    ] = [],  # noqa: B006 - typer copies it
    settings: SetOption = [],  # noqa: B006
    rounds: RoundsOption = "",
    name: NameOption = "",
    processes: Annotated[
        str, typer.Option("--processes", metavar="P", help="Runs side by side; default: one for each processor.")
    ] = "",
    resume: Annotated[str, typer.Option("--resume", metavar="SWEEP", help="Go on with this sweep.")] = "",
    as_json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Run a recipe with every combination of some settings' values, or go on with a sweep. Says how long it will take.

    With --json: what is planned, then one line for each run that is over, then the means over the seeds.
    """
    from fedlab_core.processes import default_processes
    from fedlab_core.runs.grid import Grid, parse_axes
    from fedlab_core.runs.recipes import recipe as build
    from fedlab_core.runs.sweep import check_data

    if resume and (recipe or grid or settings or rounds or name):
        raise ValueError("--resume goes on with a sweep as it is; a recipe or settings make another one")
    side_by_side = whole_number("--processes", processes, 1, 64) if processes else default_processes()
    with _opened(store, new=True) as opened:
        if resume:
            sweep_id = opened.sweep(resume).sweep_id
        else:
            wanted = Grid.of(build(recipe).replace(changes_of(settings, rounds)), parse_axes(grid))
            check_data(wanted)
            _remark(*(cell.experiment for cell in wanted.cells))
            sweep_id = opened.create_sweep(wanted, name=name or recipe)
        execute_sweep(opened, sweep_id, side_by_side, as_json)


@command
def runs(
    of: Annotated[str, typer.Option("--sweep", metavar="SWEEP", help="Only the runs of this sweep.")] = "",
    as_json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """List all runs, newest first; the runs of a sweep are one line."""
    from fedlab_core.runs.text import described, json_line, runs_table

    with _opened(store) as opened:
        found = opened.list(opened.sweep(of).sweep_id if of else None)
        sweeps = [] if of else opened.sweeps()
    if as_json:
        typer.echo(json_line([described(info) for info in found]))
    else:
        typer.echo(runs_table(found, sweeps) if found or sweeps else "No runs yet; try: fedlab run fedsparsify-digits")


@command
def show(run_id: RunOrSweepArgument, as_json: JsonOption = False, store: StoreOption = None) -> None:
    """Show a run: how it is, its settings, its rounds. Of a sweep: its means over the seeds."""
    from fedlab_core.runs.sweep_text import sweep_end, sweep_page
    from fedlab_core.runs.text import json_line, run_page, summary

    with _opened(store) as opened:
        if sweep := _sweep(opened, run_id):
            return typer.echo(sweep_end(opened, sweep, as_json) if as_json else sweep_page(opened, sweep))
        info = opened.get(run_id)
        rows = opened.rows(info.run_id)
        if as_json:
            more = {"settings": info.experiment.settings(), "machine": info.machine, "rows": rows}
            typer.echo(json_line({**summary(opened, info.run_id), **more}))
        else:
            typer.echo(run_page(info, rows))


@command
def resume(run_id: RunArgument, as_json: JsonOption = False, store: StoreOption = None) -> None:
    """Go on with a run that was interrupted, stopped or failed; the result is the same as if it had never stopped."""
    with _opened(store) as opened:
        execute(opened, opened.get(run_id).run_id, as_json)


@command
def fork(
    run_id: RunArgument,
    round: Annotated[str, typer.Option("--round", metavar="R", help="Continue after this round.")],
    settings: SetOption = [],  # noqa: B006 - typer copies it
    rounds: RoundsOption = "",
    name: NameOption = "",
    as_json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Continue a run from round R under other settings, as a run of its own."""
    from fedlab_core.runs.execute import fork as make_fork

    with _opened(store) as opened:
        changes = changes_of(settings, rounds)
        child = make_fork(opened, run_id, whole_number("--round", round), changes, name=name, status="interrupted")
        _remark(opened.get(child).experiment)
        execute(opened, child, as_json)


@command
def attack(run_id: RunArgument, as_json: JsonOption = False, store: StoreOption = None) -> None:
    """Do clients recognise each other's training data through the model of a run? Membership inference."""
    with _opened(store) as opened:
        attack_run(opened, run_id, as_json)


@command
def export(run_id: RunArgument, file: FileArgument, store: StoreOption = None) -> None:
    """Write a whole run, with all of its rounds, to a file that another store can import."""
    with _opened(store) as opened:
        file.write_bytes(opened.export(run_id))


@command
def save_model(
    run_id: RunArgument, file: ModelArgument, as_json: JsonOption = False, store: StoreOption = None
) -> None:
    """Write a run's trained model for use elsewhere, without the units that were pruned; says how small it is."""
    from fedlab_core.runs.models import save_run_model
    from fedlab_core.runs.text import json_line

    with _opened(store) as opened:
        saved = save_run_model(opened, run_id, file)
    typer.echo(json_line(saved._asdict()) if as_json else saved.text())


@command
def import_(file: FileArgument, store: StoreOption = None) -> None:
    """Read a run from a file; prints its new id."""
    from fedlab_core.runs.transfer import MAX_BYTES

    with file.open("rb") as stream:
        payload = stream.read(MAX_BYTES + 1)
    with _opened(store, new=True) as opened:
        typer.echo(opened.import_run(payload))


@command
def delete(run_id: RunOrSweepArgument, store: StoreOption = None) -> None:
    """Delete a run and everything that belongs to it, or a sweep with all of its runs."""
    with _opened(store) as opened:
        if sweep := _sweep(opened, run_id):
            return opened.delete_sweep(sweep.sweep_id)
        opened.delete(opened.get(run_id).run_id)


def main() -> None:
    """The entry point `fedlab`."""
    app()


def _opened(path: Path | None, *, new: bool = False) -> RunStore:
    """The run store. One that was named and is not there is a mistyped name, unless something new goes into it."""
    if path and not new and not path.exists():
        raise ValueError(f"--store is {str(path)!r}: there is no such file")
    from fedlab_core.runs.store import RunStore  # brings PyTorch: a mistyped name is said at once

    return RunStore(path)


def _sweep(store: RunStore, sweep_id: str) -> SweepInfo | None:
    """The sweep that is meant, if no run is."""
    from fedlab_core.runs.store import RunError

    try:
        store.get(sweep_id)
    except RunError:
        with suppress(RunError):
            return store.sweep(sweep_id)
    return None


def _remark(*experiments: Experiment) -> None:
    """What the strategies have to say, each sentence once."""
    said = {sentence: 0 for one in experiments for sentence in one.strategy.remarks(one.federation.rounds)}
    for sentence in said:
        typer.echo(sentence, err=True)


if __name__ == "__main__":
    main()
