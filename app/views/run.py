"""Run: turn the settings, press Run, watch."""

from __future__ import annotations

import streamlit as st

from app import actions, classroom, engine, forking, live, predict, replay, session, share, stopping, where
from app.controls import all_controls
from app.words import STATUS, age, changes, escape, ordinal, title
from fedlab_core.runs.recipes import describe as purpose
from fedlab_core.runs.recipes import recipe, recipe_names
from fedlab_core.runs.store import RunInfo


def page() -> None:
    """Controls on the left; buttons, the run and its fork on the right."""
    with st.sidebar:
        _presets()
        all_controls()
    where.settle()
    run = actions.opened()
    shown = run or _example()
    _buttons(run, shown)
    if shown is None:
        st.info("Nothing has been run yet. Press **Run**: the curves grow with every round.", icon=":material/start:")
        return
    _headline(shown, is_example=run is None)
    live.watch(shown)
    forking.fork_box(shown, with_settings=True)


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
    share.settings_file()


@session.callback
def _use_preset() -> None:
    if st.session_state["preset"]:
        session.use(recipe(st.session_state["preset"]))


def _buttons(run: RunInfo | None, shown: RunInfo | None) -> None:
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
        predict.controls()
        stopping.controls()
        where.controls()
        if shown:
            replay.control(shown)


def _headline(run: RunInfo, is_example: bool) -> None:
    """Which run this is, how it is, and how the settings on the left differ from it."""
    words, icon, color = STATUS[run.status]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{escape(title(run))}**", width="content")
        st.badge(words, icon=icon, color=color)
        at = f" · {escape(run.where.text())}" if run.where.nodes else ""
        st.caption(f"{age(run.created)} · {run.run_id}{at}", width="content")
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
        st.fragment(_waiting, run_every=1.0)(run.run_id)


def _waiting(run_id: str) -> None:
    """Where it stands in the queue, and what is carried out meanwhile."""
    place = engine.store().place_in_queue(run_id)
    if place is not None and place.running:
        titles = [f"{escape(title(engine.store().get(running)))} ({running})" for running in place.running]
        verb = "is" if len(titles) == 1 else "are"
        line = f"{ordinal(place.position)} in line" if place.waiting > 1 else "Next in line"
        st.caption(f"{line}; {' and '.join(titles)} {verb} carried out now.")
    elif not engine.pool().ready:
        st.caption("The worker is starting; that takes a few seconds, once.")


def _example() -> RunInfo | None:
    """Without an opened run: a finished run of exactly these settings, else the newest finished one."""
    finished = [run for run in engine.store().list() if run.status == "finished"]
    same = (run for run in finished if run.experiment == session.experiment())
    return next(same, finished[0] if finished else None)


page()
