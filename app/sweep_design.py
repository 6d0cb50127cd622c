"""What-if, the question: which settings take which values, how long that takes, and Start."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from app import engine, session
from app.actions import ACTIVE
from app.taste import LABELS, STEPS
from app.words import escape
from fedlab_core.experiment import SettingError
from fedlab_core.runs.estimate import Forecast, calibrate, in_words, kind
from fedlab_core.runs.grid import Cell, Grid, parse_axes
from fedlab_core.runs.sweep_text import plan
from fedlab_core.strategies import strategy_class, strategy_names

STRATEGY, ALPHA, SEED = "strategy.name", "data.alpha", "federation.seed"
RATES = {"strategy.final_sparsity": ("0", "0.5", "0.8", "0.9", "0.95", "0.98", "0.99")}
"""Values that are offered for the setting that decides how much is pruned; any other can be typed."""
SHARES = ("0.02", "0.1", "0.25", "0.5", "0.75")

MAX_RUNS = 200
MAX_SEEDS = 10
CAP_MINUTES, MAX_CAP_MINUTES = 20, 10_000

Axes = dict[str, list[str]]


def design() -> Grid | None:
    """Choose values; None if the choices cannot be."""
    axes = chosen_axes()
    st.caption("What is chosen here takes the place of the setting on the left; everything else is as it is there.")
    _choose(axes)
    try:
        grid = _grid(axes)
    except ValueError as error:
        st.error(escape(f"This sweep cannot be: {error}."), icon=":material/block:")
        return None
    return grid


def chosen_axes() -> Axes:
    """What the address asks for; without that, three sparsities and two seeds."""
    text = session.looked_at("axes")
    try:
        return parse_axes(text.split(";")) if text else _default()
    except SettingError as error:
        session.complain(str(error))
        return _default()


def rate_settings(names: list[str]) -> list[str]:
    """For these methods, the settings that decide how much is pruned."""
    knobs = [strategy_class(name).knob for name in names if name in strategy_names()]
    return list(dict.fromkeys(f"strategy.{knob.field}" for knob in knobs if knob))


def _default() -> Axes:
    rates = rate_settings([session.experiment().strategy.name])
    sparsities = {rate: ["0.5", "0.9", "0.95"] if rate in RATES else list(SHARES[-3:]) for rate in rates}
    return {**sparsities, SEED: ["0", "1"]}


def _choose(axes: Axes) -> None:
    """Widgets for methods, pruning rates, skew, seeds."""
    left, right = st.columns(2)
    with left:
        titles = {name: strategy_class(name).title or name for name in strategy_names()}
        known = [name for name in axes.get(STRATEGY, []) if name in titles]
        _values(STRATEGY, "Strategies", list(titles), known, "that on the left", titles)
        if session.experiment().data.partition == "dirichlet":
            alphas = [f"{alpha:g}" for alpha in STEPS[ALPHA]]
            _values(ALPHA, LABELS[ALPHA], alphas, axes.get(ALPHA, []), "that on the left")
    with right:
        for rate in rate_settings(known or [session.experiment().strategy.name]):
            _values(rate, LABELS.get(rate, rate), RATES.get(rate, SHARES), axes.get(rate, []), "that on the left")
        st.session_state["sweep:seeds"] = min(MAX_SEEDS, max(1, len(axes.get(SEED, []))))
        st.slider(
            "Seeds",
            1,
            MAX_SEEDS,
            key="sweep:seeds",
            on_change=_set_seeds,
            help="Every combination is run so often, each time with another seed of training: bands show the spread.",
        )


def _values(
    key: str, label: str, options: Any, chosen: list[str], placeholder: str, titles: dict[str, str] | None = None
) -> None:
    widget = f"sweep:{key}"
    st.session_state[widget] = chosen
    st.multiselect(
        label,
        list(dict.fromkeys([*options, *chosen])),
        key=widget,
        placeholder=placeholder,
        format_func=titles.__getitem__ if titles else str,
        accept_new_options=titles is None,
        on_change=_set_axis,
        args=(key, widget),
    )


@session.callback
def _set_axis(key: str, widget: str) -> None:
    typed = [str(value).replace(",", ".").replace(";", "").strip() for value in st.session_state[widget]]
    axes = {**chosen_axes(), key: typed}
    if key == STRATEGY:  # a setting that none of the methods has would be refused
        rates = rate_settings(typed or [session.experiment().strategy.name])
        axes = {one: values for one, values in axes.items() if not one.startswith("strategy.") or one in (key, *rates)}
    _look_at(axes)


@session.callback
def _set_seeds() -> None:
    first = session.experiment().federation.seed
    _look_at({**chosen_axes(), SEED: [str(first + place) for place in range(st.session_state["sweep:seeds"])]})


def _look_at(axes: Axes) -> None:
    """Mirror the choices in the address: methods first, seeds last, for the last one changes fastest."""
    order = sorted(axes, key=lambda key: (key == SEED, not key.startswith("strategy."), key != STRATEGY))
    session.look_at(axes=";".join(f"{key}={','.join(axes[key])}" for key in order if axes[key]))


def _grid(axes: Axes) -> Grid:
    """The grid of the choices. Raises `ValueError`: it cannot be, or is too large for a page."""
    combinations = math.prod(len(values) for values in axes.values())
    if combinations > 2 * MAX_RUNS:  # before they are multiplied out
        raise SettingError(f"it has {combinations} combinations; allowed are at most {MAX_RUNS} runs")
    text = ";".join(f"{key}={','.join(values)}" for key, values in axes.items())
    grid = engine.grid(session.experiment().to_json(), text)
    if grid.size > MAX_RUNS:
        raise SettingError(f"it has {grid.size} runs; allowed are at most {MAX_RUNS}")
    return grid


def start(grid: Grid) -> None:
    """How long it takes, the cap, and the button."""
    cap = min(session.number("cap") or CAP_MINUTES, MAX_CAP_MINUTES)
    try:
        with st.spinner("Measuring the first rounds, to say how long the sweep takes …"):
            seconds, at_least = _estimate(grid.cells)
    except ValueError as error:
        st.error(escape(f"This sweep cannot be: {error}."), icon=":material/block:")
        return
    too_long = seconds > 60 * cap
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            f"Start {grid.size} run{'s' * (grid.size != 1)}",
            icon=":material/play_arrow:",
            type="primary",
            key="sweep:start",
            on_click=_begin,
            args=(grid,),
            disabled=too_long,
        )
        st.session_state["sweep:cap"] = cap
        st.number_input(
            "Time cap (minutes)",
            1,
            MAX_CAP_MINUTES,
            key="sweep:cap",
            on_change=session.turn,
            args=("cap", "sweep:cap"),
            width=160,
        )
    words = plan(grid.cells, _workers(), seconds)
    st.caption(escape(words + (" or more" if at_least else "")))
    if too_long:
        st.warning(escape(_what_to_reduce(grid, seconds, cap)), icon=":material/timer_off:")


def _workers() -> int:
    return max(1, engine.pool().workers)


def _estimate(cells: tuple[Cell, ...]) -> tuple[float, bool]:
    """Seconds for all cells, and whether that is only a lower bound."""
    paces = calibrate(cells, measure=lambda experiment, look: engine.pace(experiment))
    at_least = any(pace.start_s == 0 and pace.round_s >= engine.PACE_S for pace in paces.values())
    return Forecast(cells, {}, paces, _workers()).total_s, at_least


def _what_to_reduce(grid: Grid, seconds: float, cap: int) -> str:
    """Why it may not start, and by how much what would have to shrink."""
    share = 60 * cap / seconds
    seeds, rounds = len(grid.axes.get(SEED, (0,))), grid.base.federation.rounds
    ways = [f"{max(1, int(rounds * share))} rounds instead of {rounds}"] if rounds > 1 else []
    if seeds > 1:
        ways.insert(0, f"1 seed instead of {seeds} ({in_words(seconds / seeds)})")
    return f"That is more than the cap of {cap} min. What helps: {', '.join([*ways, 'fewer values', 'a higher cap'])}."


@session.action
def _begin(grid: Grid) -> None:
    """Store the sweep and put its cells into the queue. A second press of the button does nothing."""
    store, opened = engine.store(), session.looked_at("sweep")
    if opened is not None:
        same = [sweep for sweep in store.sweeps() if sweep.sweep_id == opened and sweep.grid == grid]
        if same and any(run.status in ACTIVE for run in store.list(opened)):
            return
    for experiment in {kind(cell.experiment): cell.experiment for cell in grid.cells}.values():
        engine.check(experiment)
    varied = [LABELS.get(key, label).partition(" (")[0] for key, label in grid.labels.items() if key != SEED]
    name = f"{', '.join(varied) or 'seeds'} on {grid.base.data.dataset}"
    sweep_id = store.create_sweep(grid, name=name, owner=session.owner())
    store.queue_sweep(sweep_id)
    engine.pool().wake()
    session.look_at(sweep=sweep_id)
