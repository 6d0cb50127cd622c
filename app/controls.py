"""Settings as widgets. Each is made from its field: limits, choices, help and symbol come from there.

A strategy's settings need nothing here: a new method brings its controls along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import cleandoc
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo
from streamlit.delta_generator import DeltaGenerator

from app import classroom, session, uploads
from app.taste import CHOICES, LABELS, ONLY_FOR, RANGES, STEPS, Range
from app.words import escape
from fedlab_core.experiment import Experiment, allowed, setting_fields
from fedlab_core.strategies import strategy_class, strategy_names
from fedlab_core.strategies.fedavg import FedAvg

DATA = (
    "data.dataset",
    "data.path",
    "data.num_clients",
    "data.partition",
    "data.alpha",
    "data.labels_per_client",
    "data.size_power",
    "data.size_ratio",
    "data.overlap",
    "data.rotation_degrees",
    "data.noise_std",
    "data.seed",
)
FEDERATION = ("federation.rounds", "federation.participation", "federation.local_epochs", "federation.hostile")


def data_controls() -> None:
    """Which data, and who has it."""
    draw(name for name in DATA if is_shown(name, session.experiment()))
    if session.experiment().data.dataset == "images" and classroom.shows("data.path"):
        uploads.box()


def all_controls() -> None:
    """Everything that decides a run: what is turned most first, the rest folded away."""
    with _section("data", "Data"):
        data_controls()
    with _section("strategy", "Method"):
        strategy_controls()
    with _section("federation", "Federation"):
        draw(FEDERATION)
    with _section("model", "Model and optimiser", expanded=False):
        fields = [name for name, _ in setting_fields(session.experiment())]
        first = {*DATA, *FEDERATION}
        draw(name for name in fields if name not in first and not name.startswith("strategy."))


def _section(name: str, title: str, expanded: bool = True) -> DeltaGenerator:
    """Where a section is drawn; nothing is seen of one that is hidden."""
    return st.expander(title, expanded=expanded) if classroom.shows(name) else st.container()


def strategy_controls() -> None:
    """The method and its own settings, read from its class."""
    if not classroom.shows("strategy"):
        return
    name, key = session.experiment().strategy.name, "setting:strategy.name"
    st.session_state[key] = name
    titles = {name: strategy_class(name).title or name for name in strategy_names()}
    st.selectbox(
        "Strategy",
        list(titles),
        format_func=titles.__getitem__,
        key=key,
        on_change=session.change,
        args=("strategy.name", key),
    )
    method = strategy_class(name)
    first, *more = [" ".join(part.split()) for part in cleandoc(method.__doc__ or "").split("\n\n")]
    st.caption(escape(f"{first} {method.source}".strip()), help=escape(" ".join(more)) or None)
    own = {key: info for key, info in setting_fields(session.experiment()) if key.startswith("strategy.")}
    draw(own)
    st.caption(escape(as_fedavg(name, own)))
    for remark in session.experiment().strategy.remarks(session.experiment().federation.rounds):
        st.caption(f":material/info: {escape(remark)}")


def draw(names: Iterable[str]) -> None:
    """One widget for each setting, in the given order."""
    fields, values = dict(setting_fields(session.experiment())), session.experiment().settings()
    for name in filter(classroom.shows, names):
        _widget(name, fields[name], values[name])


def is_shown(name: str, experiment: Experiment) -> bool:
    """Whether a setting of the data plays a role."""
    field, value = ONLY_FOR.get(name, ("", ""))
    return not field or getattr(experiment.data, field) == value


def label(name: str, info: FieldInfo) -> str:
    """What a person calls the setting; with its symbol, if the field has one."""
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    words = LABELS.get(name) or name.partition(".")[2].replace("_", " ").capitalize()
    return f"{words} {extra.get('symbol') or ''}".strip()


def help_text(name: str, info: FieldInfo) -> str:
    """What it does, what is allowed, the value that makes it FedAvg, and its name for links and the command line."""
    fedavg, rule = _fedavg(info), allowed(info)
    same = f" {fedavg} makes it FedAvg." if fedavg is not None else ""
    text = f"{info.description or ''} {rule[0].upper()}{rule[1:]}.{same}"
    return f"{escape(text)} `{name}`"


def as_fedavg(strategy: str, own: Mapping[str, FieldInfo]) -> str:
    """Which settings of a strategy make it FedAvg, in one sentence."""
    if strategy == FedAvg.name:
        return "This is FedAvg itself."
    values = [f"{label(name, info)} = {_fedavg(info)}" for name, info in own.items() if _fedavg(info) is not None]
    return f"It is FedAvg with {' and '.join(values)}." if values else "No setting of it makes it FedAvg."


def _fedavg(info: FieldInfo) -> Any:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    return extra.get("fedavg")


def _widget(name: str, info: FieldInfo, value: Any) -> None:
    """The widget that fits the field's type and limits. It shows the configuration and writes back to it."""
    key = f"setting:{name}"
    st.session_state[key] = value
    common: dict[str, Any] = {
        "key": key,
        "on_change": session.change,
        "args": (name, key),
        "help": help_text(name, info),
    }
    text = label(name, info)
    choices = get_args(info.annotation) if get_origin(info.annotation) is Literal else CHOICES.get(name, tuple)()
    if choices:
        st.selectbox(text, choices, **common)
    elif info.annotation is bool:
        st.toggle(text, **common)
    elif info.annotation is str:
        st.text_input(text, **common)
    elif name in STEPS:
        st.select_slider(text, sorted({*STEPS[name], value}), format_func=lambda step: f"{step:g}", **common)
    else:
        _number(name, text, info, value, common)


def _number(name: str, text: str, info: FieldInfo, value: Any, common: dict[str, Any]) -> None:
    """A slider where the range is worth sliding through, else a field to type in."""
    kind = int if info.annotation is int else float
    low, high = _limits(info, kind)
    span = RANGES.get(name) or _span(low, high, kind)
    if span is None:
        bounds = {"min_value": low, "max_value": high}
        st.number_input(
            text, **bounds, step=None if kind is int else 0.01, format=None if kind is int else "%g", **common
        )
        return
    ends: dict[str, Any] = {"min_value": kind(min(span.low, value)), "max_value": kind(max(span.high, value))}
    share = kind is float and span.high <= 1 and name.endswith(("sparsity", "participation"))
    fine = "%.3f" if span.step < 0.01 else None
    st.slider(text, **ends, step=kind(span.step), format="percent" if share else fine, **common)


def _limits(info: FieldInfo, kind: type) -> tuple[Any, Any]:
    """Lowest and highest value that the field allows, None where it is open. An excluded bound is moved inwards."""
    rules = {
        key: getattr(rule, key) for rule in info.metadata for key in ("ge", "gt", "le", "lt") if hasattr(rule, key)
    }
    inwards = 1 if kind is int else 1e-4
    low = rules["ge"] if "ge" in rules else rules["gt"] + inwards if "gt" in rules else None
    high = rules["le"] if "le" in rules else rules["lt"] - inwards if "lt" in rules else None
    return (None if low is None else kind(low)), (None if high is None else kind(high))


def _span(low: Any, high: Any, kind: type) -> Range | None:
    """A slider for up to a hundred whole numbers, or for fractions up to 1."""
    if low is None or high is None or high - low > (100 if kind is int else 1):
        return None
    return Range(low, high, 1 if kind is int else 0.01)
