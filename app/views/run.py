"""Run: turn the settings, press Run, watch."""

from __future__ import annotations

import streamlit as st

from app import actions, classroom, engine, live, session
from app.controls import all_controls
from app.words import STATUS, age, changes, escape, title
from fedlab_core.metrics import MAE
from fedlab_core.runs.recipes import describe as purpose
from fedlab_core.runs.recipes import recipe, recipe_names
from fedlab_core.runs.store import RunInfo


def page() -> None:
    """Controls on the left; buttons, the run and its fork on the right."""
    with st.sidebar:
        _presets()
        all_controls()
    run = actions.opened()
    _buttons(run)
    shown = run or _example()
    if shown is None:
        st.info("Nothing has been run yet. Press **Run**: the curves grow with every round.", icon=":material/start:")
        return
    _headline(shown, is_example=run is None)
    live.watch(shown)
    _fork(shown)


def _presets() -> None:
    """Named experiments, to start from."""
    names = {recipe(name): name for name in recipe_names()}
    st.session_state["preset"] = names.get(session.experiment())
    st.selectbox(
        "Preset",
        recipe_names(),
        key="preset",
        placeholder="your own settings",
        on_change=_use_preset,
        help="A named experiment to start from; every setting can be changed below.",
    )
    if chosen := st.session_state["preset"]:
        st.caption(escape(purpose(chosen)))


@session.callback
def _use_preset() -> None:
    if st.session_state["preset"]:
        session.use(recipe(st.session_state["preset"]))


def _buttons(run: RunInfo | None) -> None:
    """Run, Step, Pause, Resume, Stop; those that mean nothing now are grey."""
    if not classroom.shows("buttons"):
        return
    can = actions.possible(run)
    run_id = run.run_id if run else ""
    steps_on = can["resume"]
    with st.container(horizontal=True):
        st.button(
            "Run",
            icon=":material/play_arrow:",
            type="primary",
            key="button:run",
            on_click=actions.start,
            disabled=not can["run"],
            help="A new run of the settings on the left.",
        )
        st.button(
            "Step",
            icon=":material/skip_next:",
            key="button:step",
            on_click=actions.ask if steps_on else actions.start,
            args=(run_id, "step") if steps_on else (True,),
            disabled=not can["step"],
            help="One round, then pause.",
        )
        for action, icon in (("pause", "pause"), ("resume", "resume"), ("stop", "stop")):
            st.button(
                action.capitalize(),
                icon=f":material/{icon}:",
                key=f"button:{action}",
                on_click=actions.ask,
                args=(run_id, action),
                disabled=not can[action],
            )
        _predict()


def _predict() -> None:
    """Predict first: where accuracy, or the error, will end is drawn beside what it does. Part of the address."""
    metric = live.metric()
    with st.popover(
        "Predict", icon=":material/lightbulb:", help=f"Say first where the {metric.name} will end, then run."
    ):
        guess = live.guess()
        st.session_state["run:guess"] = 50 if guess is None else round(live.guess_steps() * guess)
        st.slider(
            f"Test {metric.name} after the last round" + (" (tenths of a year)" if metric is MAE else ""),
            0,
            100,
            format="%d" if metric is MAE else "%d %%",
            key="run:guess",
            on_change=session.turn,
            args=("guess", "run:guess"),
        )
        st.button("Forget it", key="run:forget", on_click=_forget, disabled=guess is None)


@session.callback
def _forget() -> None:
    session.look_at(guess=None)


def _headline(run: RunInfo, is_example: bool) -> None:
    """Which run this is, how it is, and how the settings on the left differ from it."""
    words, icon, color = STATUS[run.status]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{escape(title(run))}**", width="content")
        st.badge(words, icon=icon, color=color)
        st.caption(f"{age(run.created)} · {run.run_id}", width="content")
    if is_example:
        st.caption("A finished run, to begin with. Press Run to start your own.")
    elif not actions.may_control(run):
        st.caption("It was started in another browser: you can watch and fork it, or start your own.")
    elif different := changes(session.experiment(), run.experiment):
        st.caption(f"The settings on the left differ from this run: {escape('; '.join(different[:4]))}")
    if run.status == "failed":
        st.error(escape(run.error), icon=":material/error:")
    elif run.status == "interrupted":
        st.warning(
            f"Its process ended before the run did. Resume goes on after round {run.rounds_done}, to the same numbers"
            " as if nothing had happened.",
            icon=":material/power_off:",
        )
    elif run.status == "queued":
        _waiting()


def _waiting() -> None:
    """Why a run has not started yet."""
    running = next((other for other in engine.store().list() if other.status == "running"), None)
    if running is not None:
        st.caption(f"Waiting for {escape(title(running))} ({running.run_id}); it comes next.")
    elif not engine.pool().ready:
        st.caption("The worker is starting; that takes a few seconds, once.")


def _fork(run: RunInfo) -> None:
    """Continue this run from one of its rounds, under the settings on the left."""
    if run.status in actions.ACTIVE or run.rounds_done <= run.first_round:
        return
    last = min(run.rounds_done, session.experiment().federation.rounds - 1)
    different = changes(session.experiment(), run.experiment)
    with st.container(border=True):
        st.markdown("**What if?** Continue this run from one of its rounds under other settings.")
        if not different:
            st.caption("Change a setting on the left first, for example the sparsity target.")
            return
        st.caption(escape("; ".join(different)))
        if last <= run.first_round:
            st.caption("More rounds than the run has already are needed: raise the rounds on the left.")
            return
        round_ = st.slider(
            "Continue after round", run.first_round, last, (2 * last + run.first_round) // 3, key="fork:round"
        )
        st.button(
            f"Fork from round {round_}",
            icon=":material/fork_right:",
            key="fork:start",
            on_click=actions.fork,
            args=(run.run_id, round_),
        )


def _example() -> RunInfo | None:
    """Without an opened run: a finished run of exactly these settings, else the newest finished one."""
    finished = [run for run in engine.store().list() if run.status == "finished"]
    same = (run for run in finished if run.experiment == session.experiment())
    return next(same, finished[0] if finished else None)


page()
