"""The command line.

fedlab recipes
fedlab run fedsparsify-digits --rounds 10 --set strategy.final_sparsity=0.95
fedlab runs

Exit codes: 0 done; 2 what was asked for cannot be, one sentence on stderr says why; 130 Ctrl-C, everything is saved.
torch is imported inside the commands, so that `fedlab --help` answers at once.
"""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fedlab_core.experiment import Experiment
    from fedlab_core.runs.store import RunStore
    from fedlab_core.types import RoundRecord

app = typer.Typer(
    help="Federated learning with pruning: run, look at, continue and fork experiments.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or a unique beginning of it.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="An exported run.")]
SetOption = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="A setting, e.g. data.alpha=0.1; may be repeated.")
]
# Text, so that a wrong number gets the same sentence as every other setting.
RoundsOption = Annotated[str, typer.Option("--rounds", metavar="N", help="Short for --set federation.rounds=N.")]
NameOption = Annotated[str, typer.Option("--name", help="A name for the list of runs.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
StoreOption = Annotated[
    Path | None,
    typer.Option("--store", metavar="PATH", help="The file of all runs; default: FEDLAB_STORE, or data/."),
]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """A command whose errors are one sentence and exit code 2."""

    @functools.wraps(function)
    def guarded(**arguments: Any) -> None:
        try:
            function(**arguments)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except BrokenPipeError:  # nobody reads the output any more: typer knows how to end quietly
            raise
        except OSError as error:
            _refuse(f"{error.filename or 'file'}: {error.strerror or error}")
        except ValueError as error:
            _refuse(str(error))

    return app.command(function.__name__.rstrip("_"))(guarded)


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
    from fedlab_core.rounds import Federation
    from fedlab_core.runs.recipes import recipe as build

    experiment = build(recipe).replace(_changes(settings, rounds))
    if download:
        load_dataset(experiment.data.dataset, path=experiment.data.path, download=True)
    Federation.of(experiment)  # data that is not there and splits that cannot be are refused before anything is stored
    _remark(experiment)
    with _opened(store) as runs:
        _execute(runs, runs.create(experiment, name=name or recipe, status="interrupted"), as_json)


@command
def runs(as_json: JsonOption = False, store: StoreOption = None) -> None:
    """List all runs, newest first."""
    from fedlab_core.runs.text import described, json_line, runs_table

    with _opened(store) as opened:
        found = opened.list()
    if as_json:
        typer.echo(json_line([described(info) for info in found]))
    else:
        typer.echo(runs_table(found) if found else "No runs yet; try: fedlab run fedsparsify-digits")


@command
def show(run_id: RunArgument, as_json: JsonOption = False, store: StoreOption = None) -> None:
    """Show a run: how it is, its settings, its rounds."""
    from fedlab_core.runs.text import json_line, run_page, summary

    with _opened(store) as opened:
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
        _execute(opened, opened.get(run_id).run_id, as_json)


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
        changes = _changes(settings, rounds)
        child = make_fork(opened, run_id, _whole_number("--round", round), changes, name=name, status="interrupted")
        _remark(opened.get(child).experiment)
        _execute(opened, child, as_json)


@command
def export(run_id: RunArgument, file: FileArgument, store: StoreOption = None) -> None:
    """Write a run to a file that another store can import."""
    with _opened(store) as opened:
        file.write_bytes(opened.export(run_id))


@command
def import_(file: FileArgument, store: StoreOption = None) -> None:
    """Read a run from a file; prints its new id."""
    from fedlab_core.runs.transfer import MAX_BYTES

    with file.open("rb") as stream:
        payload = stream.read(MAX_BYTES + 1)
    with _opened(store) as opened:
        typer.echo(opened.import_run(payload))


@command
def delete(run_id: RunArgument, store: StoreOption = None) -> None:
    """Delete a run and everything that belongs to it."""
    with _opened(store) as opened:
        opened.delete(opened.get(run_id).run_id)


def main() -> None:
    """The entry point `fedlab`."""
    app()


def _opened(path: Path | None) -> RunStore:
    from fedlab_core.runs.store import RunStore

    return RunStore(path)


def _remark(experiment: Experiment) -> None:
    for sentence in experiment.strategy.remarks(experiment.federation.rounds):
        typer.echo(sentence, err=True)


def _refuse(message: str) -> None:
    typer.echo(" ".join(message.split()), err=True)
    raise typer.Exit(2)


def _changes(settings: list[str], rounds: str) -> dict[str, str]:
    """`key=value` pairs as settings."""
    changes = {}
    for pair in settings:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"--set is {pair!r}; allowed is KEY=VALUE, for example data.alpha=0.1")
        changes[key.strip()] = value.strip()
    return changes | ({"federation.rounds": rounds} if rounds else {})


def _whole_number(option: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{option} is {text!r}; allowed is a whole number") from None


def _execute(store: RunStore, run_id: str, as_json: bool) -> None:
    """Carry a run out in this process, with a progress bar on stderr and, if asked for, JSON on stdout."""
    from fedlab_core.runs.execute import Interrupted, execute_claimed
    from fedlab_core.runs.text import json_line, outcome, summary

    received: list[int] = []

    def leave_if_asked() -> None:
        if received:
            raise Interrupted

    store.claim(run_id)
    try:
        with _signals(received), _progress(store, run_id) as advance:

            def report(record: RoundRecord) -> None:
                if as_json and record.round:
                    typer.echo(json_line(record.to_json()))
                advance(record)

            execute_claimed(store, run_id, on_record=report, on_step=leave_if_asked)
    except Interrupted:
        pass
    if as_json:
        typer.echo(json_line(summary(store, run_id)))
    info = store.get(run_id)
    typer.echo(f"run {run_id} {info.status} after round {info.rounds_done}: {outcome(info.last_row)}", err=True)
    if info.status != "finished":
        typer.echo(f"go on with: fedlab resume {run_id} --store {store.path}", err=True)
    if received:
        raise typer.Exit(128 + received[0])


@contextmanager
def _signals(received: list[int]) -> Iterator[None]:
    """Note Ctrl-C and a request to end, to leave between two client steps; a second one ends at once."""

    def note(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(store: RunStore, run_id: str) -> Iterator[Callable[[RoundRecord], None]]:
    """A bar on stderr that moves with every round."""
    from tqdm import tqdm

    from fedlab_core.runs.text import percent

    info = store.get(run_id)
    tqdm.monitor_interval = 0  # its thread would stand in the way of forking helpers
    total = info.experiment.federation.rounds
    bar = tqdm(total=total, initial=info.rounds_done, desc=info.name or run_id, unit="round", mininterval=0.2)

    def advance(record: RoundRecord) -> None:
        bar.set_postfix(accuracy=percent(record.test_accuracy), sparsity=percent(record.sparsity), refresh=False)
        bar.update(record.round - bar.n)

    with bar:
        yield advance


if __name__ == "__main__":
    main()
