"""A figure of `fedlab_core.plots` on the page, in the page's own font; under it, the same as words and a table."""

from __future__ import annotations

import pandas  # noqa: F401  whole: plotly looks at it where another window's thread may have imported half of it
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import classroom, session
from app.words import escape
from fedlab_core.plots.tables import figure_page, figure_tables, figure_words

FONT = {"family": '"Source Sans", sans-serif', "size": 13}
"""The font that Streamlit brings along; nothing is fetched for it."""


def chart(figure: go.Figure, key: str, place: DeltaGenerator | None = None, tools: bool = True) -> None:
    """Draw a figure. A redraw of the same figure keeps zoom and hidden lines; a changed one is drawn afresh.

    Args:
        figure: with the colours of the page's theme (`session.dark`).
        key: unique on the page.
        place: a column or container; the page itself without one.
        tools: whether zoom and download are offered when the mouse is over it.
    """
    if figure.layout.font.family is None:
        figure.update_layout(font=FONT)
    figure = classroom.enlarged(figure)
    image = {"format": "png", "scale": 2, "filename": key.replace(":", "-")}
    config = {"displaylogo": False, "displayModeBar": None if tools else False, "toImageButtonOptions": image}
    with place or st.container():
        st.plotly_chart(figure, theme=None, key=key, config=config)
        _in_words(figure, key)


def _in_words(figure: go.Figure, key: str) -> None:
    """What the figure says without seeing it, and the figure as a file. Nothing is computed before it is asked for."""
    with st.popover("Table", type="tertiary", icon=":material/table:", key=f"{key}:table", on_change="rerun") as box:
        if not box.open:
            return
        for line in figure_words(figure):
            st.markdown(escape(line))
        for table in figure_tables(figure):
            st.dataframe(table, hide_index=True)
        dark = session.dark()
        st.download_button(
            "Figure as HTML",
            lambda: figure_page(figure, dark),
            file_name=f"{key.replace(':', '-')}.html",
            mime="text/html",
            icon=":material/download:",
            key=f"{key}:html",
            on_click="ignore",
            help="One file of about 5 MB that works offline; its camera button saves SVG. Here it saves PNG.",
        )
