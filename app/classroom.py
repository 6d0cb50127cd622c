"""What an instructor asks of the dashboard, in its address: hidden parts, large type, a window that only watches.

?hide=controls,data.alpha   these are not drawn: pages, parts of pages, sections of settings, single settings
?large=1                    type for a projector
?watch=1                    nothing can be started, changed or deleted from this window

It keeps a class from being distracted. It is no lock: whoever edits the address gets everything back.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

import plotly.graph_objects as go
import streamlit as st

from app import session
from app.words import escape

PARTS = {
    "controls": "all settings",
    "data": "settings of the data",
    "strategy": "settings of the method",
    "federation": "settings of the federation",
    "model": "setting of the model",
    "buttons": "Run, Step, Pause, Resume, Stop",
}
"""What can be hidden beside pages and single settings."""

SCALE = 1.35
"""Large type is so many times as large; figures grow with it."""

# Streamlit sizes everything by the root's font.
_LARGE = f"<style>html {{ font-size: {100 * SCALE:.0f}%; }}</style>"


def hidden() -> frozenset[str]:
    """The names in ?hide=; who only watches sees neither controls nor buttons."""
    asked = {name.strip() for name in (session.looked_at("hide") or "").split(",") if name.strip()}
    return frozenset(asked | {"controls", "buttons"} if session.is_watching() else asked)


def shows(name: str) -> bool:
    """Whether a part or a setting is drawn; "data.alpha" is hidden by its section and by "controls", too."""
    section, dot, _ = name.partition(".")
    asked = {name, section, "controls"} if dot or (name in PARTS and name != "buttons") else {name}
    return not asked & hidden()


def shows_page(name: str) -> bool:
    """Whether a page is linked. The settings of the data and the page Data have one name: ?hide=data hides both."""
    return name not in hidden()


def is_large() -> bool:
    """Whether type is large."""
    return session.looked_at("large") == "1"


def enlarge() -> None:
    """Large type on the page, if it is asked for."""
    if is_large():
        st.html(_LARGE)


def enlarged(figure: go.Figure) -> go.Figure:
    """A figure for the same: a copy whose type and height have grown with the page's."""
    if not is_large():
        return figure
    figure = go.Figure(figure).update_layout(font_size=round(SCALE * figure.layout.font.size))
    return figure.update_layout(height=round(SCALE * figure.layout.height)) if figure.layout.height else figure


def link(**view: str) -> str:
    """The address of what this window looks at, with more in the view."""
    here = urlsplit(st.context.url or "")
    return urlunsplit(here._replace(query=urlencode(session.address() | view), fragment=""))


def menu(pages: Mapping[str, str]) -> None:
    """What an instructor can turn on, and links to hand out.

    Args:
        pages: names of the pages that can be hidden, and their titles.
    """
    box = st.popover(
        "Present",
        type="tertiary",
        icon=":material/co_present:",
        help="Large type, hidden parts, links for a class.",
        key="present",
        on_change="rerun",
    )
    if not box.open:
        return
    with box:
        st.session_state["present:large"] = is_large()
        st.toggle("Large type, for a projector", key="present:large", on_change=_set_large)
        names = {name: f"page {title}" for name, title in pages.items()}
        for name, words in PARTS.items():
            names[name] = f"{words}, and {names[name]}" if name in names else words
        names |= {name: f"setting {name}" for name in hidden() if name not in names}
        st.session_state["present:hide"] = [name for name in names if name in hidden()]
        st.multiselect("Hide", list(names), format_func=names.__getitem__, key="present:hide", on_change=_set_hidden)
        st.caption("Single settings can be hidden in the address: `hide=data.alpha,strategy.final_sparsity`.")
        st.markdown("**Link for spectators**: they see everything grow, and can change nothing.")
        st.code(link(watch="1"), language=None, wrap_lines=True)


def notice() -> None:
    """Says that this window only watches."""
    if session.is_watching():
        st.caption(
            f":material/visibility: {escape('This window only watches. Remove watch=1 from the address to act.')}"
        )


@session.callback
def _set_large() -> None:
    session.look_at(large="1" if st.session_state["present:large"] else None)


@session.callback
def _set_hidden() -> None:
    session.look_at(hide=",".join(st.session_state["present:hide"]) or None)
