"""What the commands do in a terminal while they compute: bars on stderr, lines on stdout, and Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from fedlab_core.runs.estimate import Forecast
    from fedlab_core.runs.grid import Cell
    from fedlab_core.runs.info import RunInfo
    from fedlab_core.runs.store import RunStore
    from fedlab_core.runs.sweeps import SweepInfo

REFRESH_S = 0.5
"""How often the time that is left is estimated anew."""


def execute(store: RunStore, run_id: str, as_json: bool) -> None:
    """Carry a run out, here or on Flower, with a progress bar on stderr and, if asked for, JSON on stdout."""
    from fedlab_core.left_out import total
    from fedlab_core.runs.elsewhere import check_flower, execute_elsewhere
    from fedlab_core.runs.execute import Interrupted, execute_claimed
    from fedlab_core.runs.text import json_line, outcome, summary

    received: list[int] = []
    here = not store.get(run_id).where.nodes
    if not here:
        check_flower()

    def leave_if_asked() -> None:
        if received:
            raise Interrupted

    store.claim(run_id)
    try:
        with _signals(received), _progress(store, run_id) as advance:

            def report(row: dict[str, Any]) -> None:
                if as_json and row["round"]:
                    typer.echo(json_line(row))
                advance(row)

            if here:
                tell = lambda record: report(record.to_json())  # noqa: E731
                execute_claimed(store, run_id, on_record=tell, on_step=leave_if_asked)
            else:
                execute_elsewhere(store, run_id, on_row=report, on_look=leave_if_asked)
    except Interrupted:
        pass
    if as_json:
        typer.echo(json_line(summary(store, run_id)))
    info = store.get(run_id)
    typer.echo(f"run {run_id} {info.status} after round {info.rounds_done}: {outcome(info.last_row)}", err=True)
    if left_out := total(store.rows(run_id) if info.last_row else []):
        typer.echo(f"{left_out}; fedlab show {run_id} names them", err=True)
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
def _progress(store: RunStore, run_id: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A bar on stderr that moves with every round."""
    from tqdm import tqdm

    from fedlab_core.metrics import metric_of
    from fedlab_core.runs.text import percent, score

    info = store.get(run_id)
    tqdm.monitor_interval = 0  # its thread would stand in the way of forking helpers
    total = info.experiment.federation.rounds
    bar = tqdm(total=total, initial=info.rounds_done, desc=info.name or run_id, unit="round", mininterval=0.2)

    def advance(row: dict[str, Any]) -> None:
        reached = {metric_of(row).short: score(row), "sparsity": percent(row["sparsity"])}
        bar.set_postfix(reached, refresh=False)
        bar.update(row["round"] - bar.n)

    with bar:
        yield advance


def execute_sweep(store: RunStore, sweep_id: str, processes: int, as_json: bool) -> None:
    """Carry out what is left of a sweep: how long it will take, a line for each run that is over, a table at the end.

    Exit codes: 1 if a run failed or its process died; 128 + the signal after Ctrl-C or a request to end.
    """
    from fedlab_core.runs.execute import Interrupted
    from fedlab_core.runs.sweep import run_sweep, unfinished
    from fedlab_core.runs.sweep_text import cell_summary, run_line, sweep_end
    from fedlab_core.runs.text import json_line

    received: list[int] = []

    def leave_if_asked() -> None:
        if received:
            raise Interrupted

    sweep = store.sweep(sweep_id)
    with _signals(received), suppress(Interrupted):
        forecast = _forecast(store, sweep, processes, leave_if_asked, as_json)
        with _sweep_progress(store, sweep, forecast) as (advance, end, write):
            runs = run_sweep(store, sweep_id, processes=processes, on_round=advance, look=leave_if_asked)
            with closing(runs):
                for info in runs:
                    end(info)
                    write(json_line(cell_summary(store, sweep, info)) if as_json else run_line(info))
    typer.echo(sweep_end(store, sweep, as_json))
    left = len(unfinished(store, sweep_id))
    if left:
        typer.echo(f"{left} of {sweep.grid.size} runs are not finished", err=True)
        typer.echo(f"go on with: fedlab sweep --resume {sweep_id} --store {store.path}", err=True)
        raise typer.Exit(128 + received[0] if received else 1)


def _forecast(store: RunStore, sweep: SweepInfo, processes: int, look: Callable[[], None], as_json: bool) -> Forecast:
    """Estimate how long what is left will take, and say it."""
    from fedlab_core.runs.estimate import Forecast, calibrate
    from fedlab_core.runs.sweep import unfinished
    from fedlab_core.runs.sweep_text import plan
    from fedlab_core.runs.text import json_line

    cells = unfinished(store, sweep.sweep_id)
    done = {info.cell: info.rounds_done for info in store.list(sweep.sweep_id) if info.cell is not None}
    processes = max(1, min(processes, len(cells)))
    forecast = Forecast(cells, done, calibrate(cells, look), processes)
    if cells:
        typer.echo(f"sweep {sweep.sweep_id}: {plan(cells, processes, forecast.total_s)}", err=True)
    if as_json:
        planned = {"runs": len(cells), "processes": processes, "estimated_s": forecast.total_s}
        typer.echo(json_line({"sweep_id": sweep.sweep_id, **planned}))
    return forecast


_Write = Callable[[str], None]


@contextmanager
def _sweep_progress(
    store: RunStore, sweep: SweepInfo, forecast: Forecast
) -> Iterator[tuple[Callable[[Cell, int], None], Callable[[RunInfo], None], _Write]]:
    """A bar on stderr over the rounds of all runs, with the time that is left.

    Yields three functions: to call after a round, to call at the end of a run, and to write a line without harm to the
    bar.
    """
    from tqdm import tqdm

    from fedlab_core.runs.estimate import in_words

    start = time.monotonic()
    bar = tqdm(
        total=sum(cell.experiment.federation.rounds for cell in sweep.grid.cells),
        initial=sum(info.rounds_done for info in store.list(sweep.sweep_id)),
        desc=sweep.name,
        unit="round",
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} rounds [{elapsed}{postfix}]",
        file=sys.stderr,
        mininterval=0.2,
    )
    shown = start

    def advance(cell: Cell, round: int) -> None:
        nonlocal shown
        forecast.advance(cell.place, round)
        now = time.monotonic()
        if now - shown > REFRESH_S:
            shown = now
            bar.set_postfix_str(f"{in_words(forecast.remaining_s(now - start))} left", refresh=False)
        bar.update(1 if round else 0)

    def end(info: RunInfo) -> None:
        forecast.end(info.cell or 0)

    def write(line: str) -> None:
        with bar.external_write_mode(file=sys.stdout):
            typer.echo(line)

    with bar:
        yield advance, end, write


def attack_run(store: RunStore, run_id: str, as_json: bool) -> None:
    """Attack the latest stored model of a run, through its answers and through its weights; print what was found."""
    from tqdm import tqdm

    from fedlab_core.lab import Federation
    from fedlab_core.privacy import ACCESSES, attack_membership, draw_suspects
    from fedlab_core.privacy.text import as_row, report_page
    from fedlab_core.runs.text import json_line

    info = store.get(run_id)
    round, server = store.state(info.run_id)
    federation = Federation.of(info.experiment)
    trained = store.took_part(info.run_id)
    total = len(ACCESSES) * len(draw_suspects(federation.data, trained=trained))
    with tqdm(total=total, desc="attack", unit="client", mininterval=0.2) as bar:
        reports = {
            access: attack_membership(federation, server, access=access, trained=trained, on_client=bar.update)
            for access in ACCESSES
        }
    if as_json:
        found = {access: as_row(report) for access, report in reports.items()}
        typer.echo(json_line({"run_id": info.run_id, "round": round, **found}))
    else:
        typer.echo(f"run {info.run_id} after round {round}\n{report_page(reports)}")
