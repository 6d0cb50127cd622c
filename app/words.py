"""Words for people: text that may come from anybody, what to call an experiment or a run, how long ago it was."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Literal

from fedlab_core.experiment import Experiment
from fedlab_core.plots.style import format_percent
from fedlab_core.runs.store import RunInfo, Status
from fedlab_core.strategies import strategy_class

Color = Literal["gray", "blue", "orange", "green", "red"]

STATUS: dict[Status, tuple[str, str, Color]] = {
    "queued": ("waiting for a worker", ":material/hourglass_empty:", "gray"),
    "running": ("running", ":material/play_circle:", "blue"),
    "paused": ("paused", ":material/pause_circle:", "orange"),
    "stopped": ("stopped", ":material/stop_circle:", "gray"),
    "finished": ("finished", ":material/check_circle:", "green"),
    "interrupted": ("interrupted", ":material/power_off:", "orange"),
    "failed": ("failed", ":material/error:", "red"),
}
"""Each status in words, with an icon and a colour: colour is never alone."""

# Addresses, and what Streamlit would draw as arrows, dashes and signs.
_CHANGED = re.compile(r"(https?|www)(?=[:.])|@|[-<>~](?=[-=>])", re.IGNORECASE)
_PUNCTUATION = re.compile(r"([!-/:-@[-`{-~])")


def escape(text: str) -> str:
    """Text as it is, where Streamlit reads markdown: no link, no picture, no HTML, no formula comes out of it.

    What looks like an address becomes a link, and "--" a dash, even where punctuation is escaped: a space without width
    parts them.
    """
    return _PUNCTUATION.sub(r"\\\1", _CHANGED.sub("\\g<0>\u200b", " ".join(text.split())))


def describe(experiment: Experiment) -> str:
    """An experiment in half a line: method, sparsity, data, who has it."""
    settings, data = experiment.settings(), experiment.data
    target = settings.get("strategy.final_sparsity")
    spread = {
        "iid": "IID",
        "dirichlet": f"α {data.alpha:g}",
        "shards": f"{data.labels_per_client} labels each",
        "quantity": "unequal sizes",
        "ranges": "ranges",
        "feature": "unequal images",
    }[data.partition]
    method = strategy_class(experiment.strategy.name).title or experiment.strategy.name
    sparse = [format_percent(target)] if target else []
    hostile = experiment.federation.hostile
    who = f"{data.num_clients} clients" + (f" ({hostile} hostile)" if hostile else "")
    return ", ".join([" ".join([method, *sparse]), data.dataset, who, spread])


def ordinal(number: int) -> str:
    """1 -> "1st", 2 -> "2nd", 11 -> "11th"."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def coordinate(key: str, value: Any) -> str:
    """One setting in a word or two: "FedAvg", "90 %", "α 0.1", "width 8"."""
    if key == "strategy.name":
        return strategy_class(value).title or str(value)
    if key.endswith("final_sparsity"):
        return format_percent(value)
    label = "α" if key == "data.alpha" else key.partition(".")[2].replace("_", " ")
    return f"{label} {_short(value)}"


def title(run: RunInfo) -> str:
    """What to call a run: the name that a person gave, else its experiment. Escape it where markdown is read."""
    return run.name or describe(run.experiment)


def age(created: str) -> str:
    """How long ago an ISO time was: "just now", "5 min ago", "3 h ago", then the date."""
    then = datetime.fromisoformat(created)
    seconds = (datetime.now(UTC) - then).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 24 * 3600:
        return f"{seconds // 3600:.0f} h ago"
    return then.date().isoformat()


def changes(new: Experiment, old: Experiment) -> list[str]:
    """What `new` has differently, one "setting: old → new" each."""
    before = old.settings()
    return [f"{name}: {_short(before.get(name))} → {_short(value)}" for name, value in new.changes_from(old).items()]


def _short(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
