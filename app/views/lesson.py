"""Lesson plan: five demonstrations, with what to open, to ask and to say."""

from __future__ import annotations

import streamlit as st

from app import session
from app.demos import DEMOS, Demo, Step
from app.words import escape
from fedlab_core.experiment import Experiment


def page() -> None:
    """The demonstrations, one after the other."""
    st.header("Lesson plan", anchor=False)
    st.markdown(
        "Five demonstrations, three minutes each. Every blue link opens the page with all settings in place; come back"
        " here with the browser's Back. **Present** in the head of the page has large type for a projector."
    )
    for number, demo in enumerate(DEMOS, start=1):
        with st.expander(f"{number}. {demo.title}", expanded=number == 1):
            _demo(demo)


def _demo(demo: Demo) -> None:
    st.markdown(f":material/psychology_alt: **Ask first.** {demo.ask}")
    experiment = session.experiment()
    for number, step in enumerate(demo.steps, start=1):
        experiment = step.experiment or experiment
        _step(f"{number}", step, experiment)
    st.markdown(f":material/lightbulb: **In a sentence.** {demo.lesson}")


def _step(number: str, step: Step, experiment: Experiment) -> None:
    link, words = st.columns([1, 4], vertical_alignment="center")
    # A step without settings of its own goes on with what the class has just run.
    query = session.to_query(experiment, step.view) if step.experiment else session.address()
    label = f":primary[{number}. Open **{step.page.capitalize()}**]"
    link.page_link(f"views/{step.page}.py", label=label, icon=":material/open_in_browser:", query_params=query)
    words.markdown(f"**{escape(step.do)}** {escape(step.say)}")


page()
