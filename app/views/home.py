"""Home: what this is, presets to start from, one picture of a round, the last runs."""

from __future__ import annotations

import streamlit as st

from app import actions, engine, session
from app.charts import chart
from app.words import STATUS, age, describe, escape, title
from fedlab_core.plots.rounds import round_picture
from fedlab_core.plots.style import format_percent
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunInfo

# Recipes as cards: what a newcomer would ask.
PRESETS = {
    "fedsparsify-digits": ("Prune while you train", ":material/content_cut:"),
    "fedavg-digits": ("Nothing pruned", ":material/density_large:"),
    "iid-digits": ("Everybody has alike data", ":material/balance:"),
    "two-labels-digits": ("Each client knows two digits", ":material/looks_two:"),
    "sparse95-digits": ("One weight in twenty is left", ":material/scatter_plot:"),
    "random-digits": ("Prune at random", ":material/casino:"),
}

TOUR = (
    ("run", "Press *Run*: twenty clients learn to read digits while nine of ten weights are removed."),
    ("masks", "Move the round slider: which weights of a layer survive?"),
    ("data", "Lower α to 0.1, so that a client has few digits, and run again. What hurts more?"),
    ("run", "Open the first run, raise the sparsity target, and *fork* from round 20."),
    ("runs", "Keep what you found: export it, or copy the address, which holds every setting."),
)
LAST_RUNS = 5


def page() -> None:
    """The picture first, then what can be done."""
    st.header("Pruning in federated learning", anchor=False)
    st.markdown(
        "Many clients train one network together without sharing their data, and the network gets smaller while they"
        " do. Choose a preset, press **Run**, then turn one setting at a time."
    )
    runs = engine.store().list()
    picture, aside = st.columns([3, 2], gap="large")
    newest = next((run for run in runs if run.last_row and run.last_row["round"]), None)
    figure = round_picture(
        newest.last_row if newest else None,
        num_clients=newest.experiment.data.num_clients if newest else None,
        dark=session.dark(),
    )
    chart(figure, "home:round", picture, tools=False)
    with aside:
        st.subheader("Two-minute tour", anchor=False)
        _tour()
        st.subheader("Last runs", anchor=False)
        _last_runs(runs[:LAST_RUNS])
    st.subheader("Start from a preset", anchor=False)
    _cards()


def _tour() -> None:
    """What to try first, step by step."""
    for number, (name, text) in enumerate(TOUR, start=1):
        link, words = st.columns([1, 4], vertical_alignment="center")
        label = f"{number}. **{name.capitalize()}**"
        link.page_link(f"views/{name}.py", label=label, query_params=session.address())
        words.markdown(text)


def _cards() -> None:
    """One card a preset; its button opens it on the Run page."""
    for place, (name, (question, icon)) in zip(st.columns(3) * 2, PRESETS.items(), strict=True):
        with place.container(border=True, height="stretch"):
            st.markdown(f"{icon} **{question}**")
            st.caption(escape(describe(recipe(name))))
            if st.button("Open", key=f"preset:{name}", icon=":material/arrow_forward:", on_click=_use, args=(name,)):
                st.switch_page("views/run.py", query_params=session.address())


@session.callback
def _use(name: str) -> None:
    session.use(recipe(name))
    session.look_at(run=None)


def _last_runs(runs: list[RunInfo]) -> None:
    """The newest runs, each a click away."""
    if not runs:
        st.caption("No run yet: choose a preset above.")
    for run in runs:
        words, icon, _ = STATUS[run.status]
        reached = (
            f"{format_percent(run.last_row['test_accuracy'])} after round {run.rounds_done}" if run.last_row else ""
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                escape(title(run)),
                key=f"open:{run.run_id}",
                type="tertiary",
                on_click=actions.open_run,
                args=(run.run_id,),
            ):
                st.switch_page("views/run.py", query_params=session.address())
            st.caption(f"{icon} {words} · {reached} · {age(run.created)}", width="content")


page()
