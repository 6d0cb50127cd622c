"""Theatre: one round of a run, step by step, large enough for a projector."""

from __future__ import annotations

import streamlit as st

from app import engine, live, session
from app.charts import chart
from app.choose import choose_run
from app.words import escape
from fedlab_core.left_out import note
from fedlab_core.plots.theatre import NAMES, scene_facts, scene_picture
from fedlab_core.runs.store import RunInfo, RunStore
from fedlab_core.theatre import Scene, scenes
from fedlab_core.types import ServerState

# In the address: the last step of a round, whichever that is.
END = "end"


def page() -> None:
    """A run, a round, a step; Back and Next go through all of them."""
    runs = [run for run in engine.store().list() if run.last_row and run.last_row["clients"]]
    if not runs:
        st.info(
            "No round has been run yet. Start a run on the page **Run**, then come back.", icon=":material/theaters:"
        )
        return
    left, right = st.columns(2)
    with left:
        run = choose_run(runs, "theatre")
    try:
        rows = [row for row in live.rows(run.run_id) if row["clients"]]
        rounds = [row["round"] for row in rows]
        with right:
            round_ = _choose_round(rounds, next((row["round"] for row in rows if row["sparsity"]), rounds[0]))
        acts = _scenes(run.run_id, round_)
    except ValueError as error:  # damaged, deleted in another window, or data that are not here
        st.error(f"This round cannot be shown: {escape(str(error))}.", icon=":material/error:")
        return
    _act(acts, rounds)
    if said := note(next(row for row in rows if row["round"] == round_)):
        st.caption(f":material/person_off: {escape(f'Round {round_}: {said}.')}")


def _act(acts: list[Scene], rounds: list[int]) -> None:
    """The step of the address, with the buttons that lead to its neighbours."""
    steps = [scene.step for scene in acts]
    wanted = session.looked_at("step")
    at = steps.index(wanted) if wanted in steps else len(steps) - 1 if wanted == END else 0
    scene, place = acts[at], rounds.index(acts[at].round)
    back = (scene.round, steps[at - 1]) if at else (rounds[max(place - 1, 0)], END)
    on = (scene.round, steps[at + 1]) if at + 1 < len(steps) else (rounds[min(place + 1, len(rounds) - 1)], steps[0])
    first, last = not at and not place, at + 1 == len(steps) and place + 1 == len(rounds)
    left, right = st.columns(2)
    _turn(left, "Back", "arrow_back", "Left", back, disabled=first)
    _turn(right, "Next", "arrow_forward", "Right", on, disabled=last)
    chart(scene_picture(scene, at + 1, len(acts), dark=session.dark()), "theatre:picture", tools=False)
    with st.container(horizontal=True, gap="large"):
        for name, value in scene_facts(scene).items():
            st.metric(name, value, width="content")
    st.caption(
        f"The steps of this round: {', '.join(NAMES[step] for step in steps)}. Sixteen squares: all weights, blue ones "
        "are kept. Arrow keys left and right turn the page."
    )


def _turn(
    place: st.delta_generator.DeltaGenerator, name: str, icon: str, key: str, to: tuple[int, str], disabled: bool
) -> None:
    """A large button to another step."""
    place.button(
        f"**{name}**",
        icon=f":material/{icon}:",
        key=f"theatre:{name.lower()}",
        type="primary" if name == "Next" else "secondary",
        width="stretch",
        shortcut=key,
        on_click=_go,
        args=to,
        disabled=disabled,
    )


@session.callback
def _go(round: int, step: str) -> None:
    session.look_at(round=str(round), step=step)


def _choose_round(rounds: list[int], first: int) -> int:
    """The round of the address; without one, `first`, in which something is pruned."""
    wanted = session.number("round")
    at = wanted if wanted in rounds else first
    st.session_state["theatre:round"] = at
    if len(rounds) > 1:
        st.select_slider("Round", rounds, key="theatre:round", on_change=session.turn, args=("round", "theatre:round"))
    return at


@st.cache_resource(max_entries=256, show_spinner="Encoding this round's messages again …")
def _scenes(run_id: str, round: int) -> list[Scene]:
    store = engine.store()
    run = store.get(run_id)
    row = next(row for row in store.rows(run_id, after=round - 1) if row["round"] == round)
    masks = [store.masks(run_id, at) for at in (round - 1, round)]
    before, after = _state(store, run, round - 1), _state(store, run, round)
    return scenes(engine.lab(run.experiment), before, after, masks, row)


def _state(store: RunStore, run: RunInfo, round: int) -> ServerState | None:
    """The state after exactly this round, where it is stored: of large models not every one is."""
    stored, state = store.state(run.run_id, round)
    return state if stored == round else None


page()
