"""Experiments for hypothesis: some settings of any strategy at any allowed value."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from fedlab_core.data.datasets import dataset_names
from fedlab_core.experiment import Experiment, setting_fields
from fedlab_core.models import model_names
from fedlab_core.strategies import strategy_names

HOSTILE = (
    "a b ",
    "it's",
    'say "no"; rm -rf ~',
    "$(reboot) `reboot` ${HOME}",
    "line\nbreak\r\n",
    "a=b&c=d#e%20+",
    "\\",
    '""")\n__import__(\'os\')',
    "ü–雪\u202e",
    "--set",
)
"""Text that a shell, Python, an address or JSON would read as something else, were it not quoted."""


def values(name: str, info: FieldInfo) -> st.SearchStrategy[Any]:
    """What a field allows."""
    if get_origin(info.annotation) is Literal:
        return st.sampled_from(get_args(info.annotation))
    named = {"data.dataset": dataset_names, "model.name": model_names}
    if name in named:
        return st.sampled_from(named[name]())
    if info.annotation is bool:
        return st.booleans()
    if info.annotation is str:
        return st.sampled_from(HOSTILE) | st.text(max_size=20)
    rules = {
        key: getattr(rule, key) for rule in info.metadata for key in ("ge", "gt", "le", "lt") if hasattr(rule, key)
    }
    if info.annotation is int:
        return st.integers(rules.get("ge", 0), rules.get("le", rules.get("lt", 2**31) - 1))
    low, high = rules.get("ge", rules.get("gt", -1e6)), rules.get("le", rules.get("lt", 1e6))
    return st.floats(low, high, exclude_min="gt" in rules, exclude_max="lt" in rules)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """Any experiment: some settings of any strategy at any allowed value."""
    base = Experiment().replace({"strategy.name": draw(st.sampled_from(strategy_names()))})
    fields = dict(setting_fields(base))
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), unique=True))
    return base.replace({name: draw(values(name, fields[name])) for name in chosen})
