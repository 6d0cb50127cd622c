"""Home: what this is, presets to start from, one picture of a round, the last runs, the course."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import actions, engine, live, session
from app.charts import chart
from app.words import STATUS, age, describe, escape, title
from fedlab_core.lessons import my_progress
from fedlab_core.metrics import ACCURACY, metric_of
from fedlab_core.plots.rounds import round_picture
from fedlab_core.plots.style import format_score
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunInfo

# Recipes as cards: what a newcomer would ask.
PRESETS = {
    "fedsparsify-digits": ("Prune while you train", ":material/content_cut:"),
    "fedavg-digits": ("Nothing pruned", ":material/density_large:"),
    "iid-digits": ("Everybody has alike data", ":material/balance:"),
    "two-labels-digits": ("Each client knows two digits", ":material/looks_two:"),
    "sparse95-digits": ("One weight in twenty is left", ":material/scatter_plot:"),
    "dwnp-digits": ("Every device a network of its own", ":material/devices:"),
}

# Two of twenty clients lie: which rule of aggregation falls for it?
ROBUST = {"strategy.name": "robust", "strategy.faulty": 2}
HOSTILE: dict[str, dict[str, Any]] = {
    "Mean (nobody hostile)": {"federation.hostile": 0},
    "Mean (2 hostile)": {},
    "Median (2 hostile)": {**ROBUST, "strategy.rule": "median"},
    "Krum (2 hostile)": {**ROBUST, "strategy.rule": "krum"},
}

# Page, its title, what to do there.
TOUR = (
    ("run", "Run", "Press *Run*: twenty clients learn to read digits while nine of ten weights are removed."),
    ("theatre", "Theatre", "Step through one round: what is sent, who trains, what is pruned?"),
    ("masks", "Masks", "Move the round slider: which weights of a layer survive?"),
    ("design", "Design", "Lower α to 0.1, raise the sparsity target: what would that cost? Then run again."),
    ("whatif", "What-if", "*Fork* the first run from round 20 to another target, or sweep many settings."),
)
LAST_RUNS = 4


def page() -> None:
    """The picture first, then what can be done."""
    st.header("Pruning in federated learning", anchor=False)
    st.markdown(
        "Many clients train one network together without sharing their data, and the network gets smaller while they"
        " do. Choose a preset, press **Run**, then turn one setting at a time."
    )
    runs = engine.store().list()
    picture, tour = st.columns([3, 2], gap="large")
    newest = next((run for run in runs if run.last_row and run.last_row["round"]), None)
    figure = round_picture(
        newest.last_row if newest else None,
        num_clients=newest.experiment.data.num_clients if newest else None,
        dark=session.dark(),
    )
    chart(figure, "home:round", picture, tools=False)
    with tour:
        st.subheader("Two-minute tour", anchor=False)
        _tour()
    st.subheader("Start from a preset", anchor=False)
    _cards()
    _hostile_card()
    st.subheader("Last runs", anchor=False)
    if not runs:
        st.caption("No run yet: choose a preset above.")
    for place, run in zip(st.columns(LAST_RUNS), runs[:LAST_RUNS], strict=False):
        with place.container(border=True, height="stretch"):
            _last_run(run)
    _course()


def _tour() -> None:
    """What to try first, step by step."""
    for number, (name, title_, text) in enumerate(TOUR, start=1):
        link, words = st.columns([1, 3], vertical_alignment="center")
        link.page_link(f"views/{name}.py", label=f":primary[{number}. **{title_}**]", query_params=session.address())
        words.markdown(text)
    st.caption("Keep what you found: **Share** and **Runs**. For a class: **Lesson plan** and **Present**.")


def _cards() -> None:
    """One card a preset; its button opens it on the Run page."""
    for place, (name, (question, icon)) in zip(st.columns(3) * 2, PRESETS.items(), strict=True):
        with place.container(border=True, height="stretch"):
            st.markdown(f"{icon} **{question}**")
            st.caption(escape(describe(recipe(name))))
            if st.button("Open", key=f"preset:{name}", icon=":material/arrow_forward:", on_click=_use, args=(name,)):
                st.switch_page("views/run.py", query_params=session.address())


def _hostile_card() -> None:
    """Four short runs beside each other: with and without hostile clients, merged by three rules."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container():
            st.markdown(":material/gpp_maybe: **Two clients are hostile: which server withstands them?**")
            st.caption(
                "Two of twenty send the opposite of what they learned, ten times as large. The mean without and with "
                "them, the median, and Krum, which takes the model of a single client: four runs of 15 rounds, under a "
                "minute."
            )
        experiments = {name: recipe("hostile-digits").replace(changes) for name, changes in HOSTILE.items()}
        pressed = st.button(
            "Run and compare",
            key="preset:hostile",
            icon=":material/compare_arrows:",
            on_click=actions.start_together,
            args=(experiments,),
        )
        if pressed and session.looked_at("runs"):
            st.switch_page("views/compare.py", query_params=session.address())


def _course() -> None:
    """How far whoever owns this machine has come with the notebooks."""
    standing = my_progress()
    if not standing.total:  # the notebooks are part of the repository, not of the library
        return
    st.subheader("The course", anchor=False)
    st.markdown(f"`make notebooks` opens guided notebooks in which you write the methods yourself. {standing.sentence}")
    with st.expander("Exercises passed on this machine", icon=":material/checklist:"):
        st.dataframe(standing.rows(), hide_index=True)
        st.caption("✓ passed, ✗ tried, · not tried yet")


@session.callback
def _use(name: str) -> None:
    session.use(recipe(name))
    session.look_at(run=None)


def _last_run(run: RunInfo) -> None:
    """A run as a card: where it is, and its accuracy, or error, over the rounds as a small curve."""
    words, icon, _ = STATUS[run.status]
    try:
        rows = live.rows(run.run_id)
    except ValueError:  # damaged; the Run page says more
        rows = []
    metric = metric_of(rows[-1]) if rows else ACCURACY
    curve = [row[metric.test] for row in rows]
    reached = format_score(metric, curve[-1]) if curve else "–"
    words_on_it = f"Test {metric.name}, and its way over the rounds."
    st.metric(escape(title(run)), reached, chart_data=curve or None, help=words_on_it)
    st.caption(f"{icon} {words}, round {run.rounds_done} · {age(run.created)}")
    opened = st.button("Open", key=f"open:{run.run_id}", on_click=actions.open_run, args=(run.run_id,))
    if opened:
        st.switch_page("views/run.py", query_params=session.address())


page()
