"""What one browser window is looking at: an experiment, a run, a view. The address bar holds all of it.

The configuration lies under plain keys of `st.session_state`, never under a widget's key, because a widget's value is
lost when its page is left. Widgets are drawn from it and write to it in their callbacks; `publish` mirrors it in the
address.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec

import streamlit as st

from fedlab_core.experiment import Experiment, SettingError
from fedlab_core.runs.recipes import recipe

START = recipe("fedsparsify-digits")
"""What an empty address means: the preset that a newcomer runs first."""

VIEW_KEYS = (
    "run",
    "layer",
    "round",
    "view",
    "x",
    "client",
    "order",
    "guess",
    "of",
    "structure",
    "alone",
    "target",
    "cost",
    "limit",
    "scope",
    "find",
    "step",
    "part",
    "sweep",
    "axes",
    "cap",
    "to",
    "runs",
    "base",
    "overlap",
    "drift",
    "hide",
    "large",
    "watch",
    "replay",
    "goal",
    "most",
    "where",
    "nodes",
    "deadline",
)
"""What is looked at, beside the configuration: the opened run, and what of it is drawn."""

OF_ONE_RUN = ("round", "overlap", "drift")
"""What another run is not looked at with: a round of this one, and what was computed again for it."""

_XSRF_COOKIE = "_streamlit_xsrf"

P = ParamSpec("P")


def to_query(experiment: Experiment, view: Mapping[str, str]) -> dict[str, str]:
    """The address of a configuration: the method, and every setting in which it differs from `Experiment()`."""
    settings = {} if experiment == START else experiment.to_query()
    return settings | {key: view[key] for key in VIEW_KEYS if key in view}


def from_query(params: Mapping[str, str]) -> tuple[Experiment, dict[str, str], list[str]]:
    """The configuration and the view of an address, and one sentence for each setting that cannot be.

    Such a setting keeps its default. An address without settings is `START`.
    """
    view = {key: params[key] for key in VIEW_KEYS if params.get(key)}
    settings = {key: value for key, value in params.items() if key not in VIEW_KEYS}
    if not settings:
        return START, view, []
    try:
        return Experiment().replace(settings), view, []
    except SettingError:
        experiment, complaints = Experiment(), []
    # The method first: it decides which other settings there are.
    for key in sorted(settings, key=lambda key: key != "strategy.name"):
        try:
            experiment = experiment.replace({key: settings[key]})
        except SettingError as error:
            complaints.append(f"{error}. The address asked for it; the default is used instead.")
    return experiment, view, complaints


def adopt() -> None:
    """Take over the address if it is a new one: a page opened, a link followed, Back or Forward.

    What a widget changed has been published by its callback before this, so it is never undone by an older address.
    """
    state, params = st.session_state, st.query_params.to_dict()
    if "experiment" not in state or params != state["address"]:
        state["experiment"], state["view"], state["complaints"] = from_query(params)
        state["address"] = params


def publish() -> None:
    """Mirror configuration and view in the address. Every change is one step of the browser's history."""
    params = address()
    st.session_state["address"] = params
    if st.query_params.to_dict() != params:
        st.query_params.from_dict(params)


def address() -> dict[str, str]:
    """The query of what this window looks at; links to other pages carry it along."""
    return to_query(experiment(), st.session_state["view"])


def experiment() -> Experiment:
    """The configuration that Run would start."""
    current: Experiment = st.session_state["experiment"]
    return current


def use(new: Experiment) -> None:
    """Make `new` the configuration."""
    st.session_state["experiment"] = new


def callback(action: Callable[P, None]) -> Callable[P, None]:
    """Make a callback for a widget: what cannot be done is said on top of the page, and the address follows at once.

    At once, because a fragment's callback is not followed by the rest of the page, and because the browser may send the
    next click with an address that is older than this one.
    """

    @wraps(action)
    def act(*args: P.args, **kwargs: P.kwargs) -> None:
        st.session_state["complaints"] = []
        try:
            action(*args, **kwargs)
        except ValueError as error:  # RunError, SettingError, DataError, PartitionError: one sentence each
            complain(str(error))
        publish()

    return act


def action(act: Callable[P, None]) -> Callable[P, None]:
    """Make a callback that starts, changes or deletes something: not from a window that only watches."""

    @callback
    @wraps(act)
    def acted(*args: P.args, **kwargs: P.kwargs) -> None:
        if is_watching():
            raise ValueError("this window only watches; remove watch=1 from the address to act")
        act(*args, **kwargs)

    return acted


@callback
def note() -> None:
    """For a widget that changes nothing but itself."""


@callback
def change(name: str, widget: str) -> None:
    """A control was moved: change one setting of the configuration."""
    use(experiment().replace({name: st.session_state[widget]}))


@callback
def turn(key: str, widget: str) -> None:
    """A widget chose what is looked at."""
    chosen = st.session_state[widget]
    look_at(**{key: None if chosen is None else str(chosen)})


def look_at(**view: str | None) -> None:
    """Change what is looked at; None forgets it. Another run is looked at from its own newest round."""
    current = dict(st.session_state["view"])
    if view.get("run", current.get("run")) != current.get("run"):
        for key in OF_ONE_RUN:
            current.pop(key, None)
    merged = {**current, **view}
    st.session_state["view"] = {key: value for key, value in merged.items() if value is not None}


def looked_at(key: str) -> str | None:
    """One entry of the view."""
    value: str | None = st.session_state["view"].get(key)
    return value


def window() -> str:
    """An id of this browser window, as long as it is open; nobody else learns it."""
    own: str = st.session_state.setdefault("window", uuid.uuid4().hex)
    return own


def is_watching() -> bool:
    """Whether nothing can be started, changed or deleted from this window."""
    return looked_at("watch") == "1"


def number(key: str) -> int | None:
    """The same where it is a whole number; of nine digits at most, for addresses are typed by anyone."""
    text = looked_at(key) or ""
    return int(text) if text.isdecimal() and len(text) < 10 else None


def complain(sentence: str) -> None:
    """Say on top of the page what could not be done; it stays until something else is done."""
    st.session_state["complaints"] = [*complaints(), sentence]


def complaints() -> list[str]:
    """What could not be done, one sentence each."""
    found: list[str] = st.session_state["complaints"]
    return found


def owner() -> str:
    """Who may pause and stop a run: the browser that started it, also after a reload. Everybody else watches."""
    if "owner" not in st.session_state:
        st.session_state["owner"] = _browser_token(st.context.cookies.get(_XSRF_COOKIE, "")) or uuid.uuid4().hex
    token: str = st.session_state["owner"]
    return token


def dark() -> bool:
    """Whether the page has a dark background."""
    return bool(st.context.theme.type == "dark")


def _browser_token(cookie: str) -> str:
    """A browser's own number, or '': a hash of what Streamlit's cookie against forged requests hides."""
    try:
        _, mask, masked, _ = cookie.split("|")
        key = bytes.fromhex(mask)
        secret = bytes(byte ^ key[i % len(key)] for i, byte in enumerate(bytes.fromhex(masked)))
    except (ValueError, ZeroDivisionError):
        return ""
    return hashlib.sha256(secret).hexdigest()[:32]
