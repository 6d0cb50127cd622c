"""What-if, the answer: the cells of a sweep as they finish, and what pruning costs and saves in them."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any, cast

import streamlit as st

from app import engine, live, session
from app.actions import ACTIVE
from app.charts import chart
from app.sweep_design import STRATEGY, rate_settings
from app.words import STATUS, age, coordinate, escape
from fedlab_core.costs.target import costs_to_target
from fedlab_core.data.datasets import dataset_metric
from fedlab_core.metrics import MAE, Metric
from fedlab_core.plots.cells import cell_heatmap
from fedlab_core.plots.pareto import Setting, trade_off
from fedlab_core.plots.records import X, x_axis
from fedlab_core.plots.style import format_score
from fedlab_core.runs.grid import Cell
from fedlab_core.runs.store import RunInfo
from fedlab_core.runs.sweeps import SweepInfo

POLL_S = 1.0
AXES: dict[X, str] = {
    "sparsity": "sparsity",
    "megabytes": "megabytes",
    "flops": "FLOPs",
    "round": "rounds to a target",
}


def results() -> None:
    """A sweep to choose, and everything about it."""
    sweeps = engine.store().sweeps()
    if not sweeps:
        st.info("No sweep yet. Choose values above, then press **Start**.", icon=":material/grid_view:")
        return
    sweep = _choose_sweep(sweeps)
    if sweep is None:
        st.caption("Choose a sweep to see how its runs ended.")
        return
    active = any(run.status in ACTIVE for run in engine.store().list(sweep.sweep_id))
    st.fragment(_watch, run_every=POLL_S if active else None)(sweep, active)


def _choose_sweep(sweeps: list[SweepInfo]) -> SweepInfo | None:
    """That of the address, else none: an older sweep does not answer the question that is asked above."""
    by_id, opened = {sweep.sweep_id: sweep for sweep in sweeps}, session.looked_at("sweep")
    if opened is not None and opened not in by_id:
        st.warning(
            "The sweep of this address is not here: it was deleted, or made elsewhere.", icon=":material/search:"
        )
    st.session_state["sweep:chosen"] = opened if opened in by_id else None
    st.selectbox(
        "Sweep",
        list(by_id),
        format_func=lambda one: f"{by_id[one].name} · {by_id[one].grid.size} runs · {age(by_id[one].created)} · {one}",
        key="sweep:chosen",
        placeholder=f"{len(sweeps)} sweep{'s' * (len(sweeps) != 1)}",
        on_change=session.turn,
        args=("sweep", "sweep:chosen"),
    )
    return by_id.get(st.session_state["sweep:chosen"])


def _watch(sweep: SweepInfo, active: bool) -> None:
    """Drawn again while cells are under way."""
    runs = {run.cell: run for run in engine.store().list(sweep.sweep_id) if run.cell is not None}
    now_active = any(run.status in ACTIVE for run in runs.values())
    if now_active != active:
        st.rerun()
    _headline(sweep, list(runs.values()))
    finished = _finished(runs)
    metric = dataset_metric(sweep.grid.base.data.dataset)
    groups = _groups(sweep)
    _figure(groups, finished, metric)
    _cells(groups, finished, metric)
    _table(groups, runs, finished, metric)


def _finished(runs: dict[int, RunInfo]) -> dict[int, live.Rows]:
    """The rounds of every finished cell; a damaged one is said, and does not hide the others."""
    finished: dict[int, live.Rows] = {}
    for place, run in runs.items():
        try:
            finished |= {place: live.rows(run.run_id)} if run.status == "finished" else {}
        except ValueError as error:  # damaged, or deleted in another window
            st.error(f"Run {run.run_id} cannot be shown: {escape(str(error))}.", icon=":material/error:")
    return finished


def _headline(sweep: SweepInfo, runs: list[RunInfo]) -> None:
    """How far it is, and Stop, Resume, Delete."""
    size, finished = sweep.grid.size, sum(run.status == "finished" for run in runs)
    active = sum(run.status in ACTIVE for run in runs)
    running = sum(run.status == "running" for run in runs)
    failed = sum(run.status == "failed" for run in runs)
    words = [f"{finished} of {size} finished", *([f"{running} running"] if running else [])]
    words += [f"{failed} failed"] if failed else []
    st.progress(finished / size, text=", ".join(words))
    mine = sweep.owner in ("", session.owner())
    with st.container(horizontal=True):
        if active:
            st.button(
                "Stop", icon=":material/stop:", key="sweep:stop", on_click=_stop, args=(sweep,), disabled=not mine
            )
        elif finished < size:
            st.button(
                "Resume",
                icon=":material/resume:",
                key="sweep:resume",
                on_click=_resume,
                args=(sweep,),
                disabled=not mine,
            )
        with st.popover("Delete", icon=":material/delete:", disabled=not mine or bool(active)):
            st.markdown(f"Delete this sweep with its {len(runs)} runs? This cannot be undone.")
            st.button("Delete it", type="primary", key="sweep:delete", on_click=_delete, args=(sweep.sweep_id,))
    if not mine:
        st.caption("This sweep was started in another browser: you can watch it.")
    for error in sorted({run.error for run in runs if run.status == "failed"})[:3]:
        st.caption(f":material/error: {escape(error)}")


@session.action
def _stop(sweep: SweepInfo) -> None:
    engine.store().stop_sweep(sweep.sweep_id)


@session.action
def _resume(sweep: SweepInfo) -> None:
    engine.store().queue_sweep(sweep.sweep_id)
    engine.pool().wake()


@session.action
def _delete(sweep_id: str) -> None:
    engine.store().delete_sweep(sweep_id)
    session.look_at(sweep=None)


def _groups(sweep: SweepInfo) -> dict[tuple[str, str], list[Cell]]:
    """Cells that differ only in their seed, by series (method and skew) and name within it (how much is pruned)."""
    base = sweep.grid.base
    rates = rate_settings(list(sweep.grid.axes.get(STRATEGY, (base.strategy.name,))))
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in sweep.grid.cells:
        method = cell.coordinates.get(STRATEGY, base.strategy.name)
        name = [coordinate(key, value) for key, value in cell.coordinates.items() if key in rates]
        series = [
            coordinate(key, value)
            for key, value in cell.coordinates.items()
            if key not in rates and key != STRATEGY and not key.endswith(".seed")
        ]
        if STRATEGY in sweep.grid.axes or not series:
            series.insert(0, coordinate(STRATEGY, method))
        found.setdefault((", ".join(series), ", ".join(name)), []).append(cell)
    return found


def _figure(groups: dict[tuple[str, str], list[Cell]], finished: dict[int, live.Rows], metric: Metric) -> None:
    """Scores against what the reader chose, from the first finished cell on."""
    x = _axis()
    target = _target(finished, metric) if x == "round" and finished else None
    settings, dense, never = [], [], 0
    for (series, name), cells in groups.items():
        runs = [finished[cell.place] for cell in cells if cell.place in finished]
        ends = [(_cost(rows, x, target), rows[-1][metric.test]) for rows in runs]
        reached = [(cost, score) for cost, score in ends if cost is not None]
        never += len(ends) - len(reached)
        if reached:
            costs, scores = zip(*reached, strict=True)
            settings.append(Setting(series, name, costs, scores))
        if runs and all(rows[-1]["sparsity"] == 0 for rows in runs):
            dense.append(median(score for _, score in ends))
    x_title = f"rounds until {metric.name} {format_score(metric, target)}" if target is not None else ""
    reference = dense[0] if len(dense) == 1 else None
    figure = trade_off(settings, x=x, metric=metric, dense=reference, x_title=x_title, dark=session.dark())
    chart(figure, "sweep:figure")
    if never and target is not None:
        st.caption(f"{never} run{'s' * (never != 1)} never reached {format_score(metric, target)}, and are not drawn.")


def _cells(groups: dict[tuple[str, str], list[Cell]], finished: dict[int, live.Rows], metric: Metric) -> None:
    """Where there are rows and columns: the same settings as a grid that fills in."""
    if min(len(set(names)) for names in zip(*groups, strict=True)) < 2:
        return
    scores = {
        group: [finished[cell.place][-1][metric.test] for cell in cells if cell.place in finished]
        for group, cells in groups.items()
    }
    chart(cell_heatmap(scores, metric=metric, dark=session.dark()), "sweep:cells")


def _axis() -> X:
    """Against what scores are drawn; part of the address."""
    wanted = session.looked_at("x")
    st.session_state["sweep:x"] = wanted if wanted in AXES else "sparsity"
    st.segmented_control(
        "Against",
        list(AXES),
        format_func=AXES.__getitem__,
        key="sweep:x",
        on_change=session.turn,
        args=("x", "sweep:x"),
    )
    return cast(X, st.session_state["sweep:x"] or "sparsity")


def _target(finished: dict[int, live.Rows], metric: Metric) -> float:
    """What is to be reached: an accuracy in hundredths, or an error in tenths of a year; part of the address."""
    steps = 10 if metric is MAE else 100
    ends = [rows[-1][metric.test] for rows in finished.values()]
    easy = max(ends) * 1.1 if metric is MAE else min(ends) * 0.95
    wanted = session.number("target")
    shown = wanted if wanted is not None and 1 <= wanted <= 100 else round(steps * easy)
    st.session_state["sweep:target"] = min(100, max(1, shown))
    text = f"Target {metric.name}" + (" (tenths of a year)" if metric is MAE else "")
    form = "%d" if metric is MAE else "%d %%"
    turn: dict[str, Any] = {"on_change": session.turn, "args": ("target", "sweep:target")}
    return st.slider(text, 1, 100, format=form, key="sweep:target", **turn) / steps


def _cost(rows: live.Rows, x: X, target: float | None) -> float | None:
    """What a run cost in the end; None where it never reached the target."""
    if target is None:
        return x_axis(x).values(rows)[-1]
    reached = costs_to_target(rows, target)
    return None if reached is None else reached.round


def _table(
    groups: dict[tuple[str, str], list[Cell]],
    runs: dict[int, RunInfo],
    finished: dict[int, live.Rows],
    metric: Metric,
) -> None:
    """Every cell of the grid with its status; medians over what has finished."""
    form: Any = "%.2f years" if metric is MAE else "percent"
    columns = {
        metric.short: st.column_config.NumberColumn(metric.short, format=form, help="Median over the seeds."),
        "lowest": st.column_config.NumberColumn("lowest", format=form),
        "highest": st.column_config.NumberColumn("highest", format=form),
        "sparsity": st.column_config.NumberColumn("sparsity", format="percent"),
        "MB": st.column_config.NumberColumn("MB", format="%.2f", help="Encoded messages, up and down, whole run."),
        "GFLOPs": st.column_config.NumberColumn("GFLOPs", format="%.2f", help="Training, weighted by density."),
    }
    table = []
    for (series, name), cells in groups.items():
        ends = [finished[cell.place] for cell in cells if cell.place in finished]
        scores = [rows[-1][metric.test] for rows in ends]
        medians = {
            "sparsity": [rows[-1]["sparsity"] for rows in ends],
            "MB": [x_axis("megabytes").values(rows)[-1] for rows in ends],
            "GFLOPs": [x_axis("flops").values(rows)[-1] / 1e9 for rows in ends],
        }
        table.append(
            {
                "setting": series,
                "pruned": name or "–",
                "status": _statuses([runs.get(cell.place) for cell in cells]),
                metric.short: median(scores) if scores else None,
                "lowest": min(scores, default=None),
                "highest": max(scores, default=None),
                **{key: median(values) if values else None for key, values in medians.items()},
            }
        )
    st.dataframe(table, column_config=columns, hide_index=True, key="sweep:table")


def _statuses(runs: list[RunInfo | None]) -> str:
    """The cells of one setting: "1 finished, 1 in round 3"."""
    counted = Counter(map(_status, runs))
    return ", ".join(f"{count} {words}" if len(runs) > 1 else words for words, count in counted.items())


def _status(run: RunInfo | None) -> str:
    """One cell in a word or two."""
    if run is None:
        return "planned"
    if run.status == "running":
        return f"in round {min(run.rounds_done + 1, run.experiment.federation.rounds)}"
    return "waiting" if run.status == "queued" else STATUS[run.status][0]
