"""The head of every page: links to all pages, in groups that stay together where a line ends; Share and Present."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import streamlit as st

from app import classroom, session, share

# Streamlit leaves 6 rem above a page and 5 beside it, which a projector or half a screen cannot spare.
# Figures side by side go below each other where their titles would be clipped: plotly does not wrap these.
_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 4rem clamp(1rem, 3vw, 3.5rem); }
[data-testid="stColumn"]:has([data-testid="stPlotlyChart"]) { min-width: min(100%, 29rem); }
.st-key-head { gap: 0.1rem 1rem; overflow-x: clip; padding-bottom: 0.3rem; }
.st-key-head { border-bottom: 1px solid rgba(128, 128, 128, 0.25); }
/* The line before a group falls outside where the group begins a row. */
.st-key-head > * { margin-left: -0.5rem; padding-left: 0.5rem; border-left: 1px solid rgba(128, 128, 128, 0.4); }
.st-key-head [class*="st-key-head-"] { gap: 0; }
.st-key-head a { padding: 0.2rem 0.3rem; }
.st-key-head button { min-height: 1.75rem; padding: 0 0.4rem; }
</style>"""


def draw(pages: Mapping[str, str], groups: Collection[str]) -> None:
    """Links that carry the configuration along, and two buttons.

    Args:
        pages: titles by the names of their files.
        groups: the titles with which a new group begins.
    """
    st.html(_STYLE)
    shown = {name: title for name, title in pages.items() if classroom.shows_page(name)}
    with st.container(horizontal=True, vertical_alignment="center", key="head"):
        for number, group in enumerate(_grouped(shown, groups)):
            with st.container(horizontal=True, vertical_alignment="center", width="content", key=f"head-{number}"):
                for name, title in group.items():
                    st.page_link(f"views/{name}.py", label=title, query_params=session.address())
        with st.container(horizontal=True, vertical_alignment="center", width="content", key="head-buttons"):
            share.share_button()
            classroom.menu(pages)


def _grouped(pages: Mapping[str, str], groups: Collection[str]) -> list[dict[str, str]]:
    """The pages in their groups."""
    found: list[dict[str, str]] = [{}]
    for name, title in pages.items():
        if title in groups and found[-1]:
            found.append({})
        found[-1][name] = title
    return found
