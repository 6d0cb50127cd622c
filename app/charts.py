"""A figure of `fedlab_core.plots` on the page, in the page's own font."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import classroom

FONT = {"family": '"Source Sans", sans-serif', "size": 13}
"""The font that Streamlit brings along; nothing is fetched for it."""


def chart(figure: go.Figure, key: str, place: DeltaGenerator | None = None, tools: bool = True) -> None:
    """Draw a figure; the same `key` at every redraw keeps zoom and hidden lines.

    Args:
        figure: with the colours of the page's theme (`session.dark`).
        key: unique on the page.
        place: a column or container; the page itself without one.
        tools: whether zoom and download are offered when the mouse is over it.
    """
    figure.update_layout(font=FONT)
    classroom.enlarge_figure(figure)
    config = {"displaylogo": False, "displayModeBar": None if tools else False}
    (place or st).plotly_chart(figure, theme=None, key=key, config=config)
