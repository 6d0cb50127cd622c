"""Words for people: nothing in them can act, and what they say is so."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.words import age, changes, coordinate, describe, escape, ordinal
from fedlab_core.experiment import Experiment
from fedlab_core.runs.recipes import recipe, recipe_names


@given(st.text())
def test_escaped_text_has_no_punctuation_that_markdown_would_read(text: str) -> None:
    escaped = escape(text)
    assert not re.search(r"(?<!\\)(\\\\)*[!-/:-@\[\]-`{-~]", escaped)
    assert "\n" not in escaped
    assert re.sub(r"\\(.)|\u200b", r"\1", escaped) == " ".join(text.split()).replace("\u200b", "")


@pytest.mark.parametrize("text", ["see http://a.example/b", "HTTPS://a.example", "www.a.example", "a@b.example"])
def test_addresses_are_parted_so_that_they_do_not_become_links(text: str) -> None:
    assert "\u200b" in escape(text)
    assert not re.search(r"(?i)https?:|www\\?\.|@\w", escape(text).replace("\\", ""))


@pytest.mark.parametrize(
    ("seconds", "words"), [(5, "just now"), (300, "5 min ago"), (7200, "2 h ago"), (10 * 86400, "2")]
)
def test_ages(seconds: int, words: str) -> None:
    assert age((datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()).startswith(words)


def test_descriptions_name_what_differs() -> None:
    assert describe(recipe("fedsparsify-digits")) == "FedSparsify-Global 90 %, digits, 20 clients, α 0.5"
    assert len({describe(recipe(name)) for name in recipe_names()}) == len(recipe_names())


def test_ordinals() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th")
    ]


def test_coordinates() -> None:
    settings = {"strategy.name": "fedavg", "strategy.final_sparsity": 0.9, "data.alpha": 1.0, "strategy.every": 3}
    words = [coordinate(key, value) for key, value in settings.items()]
    assert words == ["FedAvg", "90 %", "α 1", "every 3"]


def test_changes_name_both_values() -> None:
    base = Experiment()
    assert changes(base.replace({"data.alpha": 0.1}), base) == ["data.alpha: 0.5 → 0.1"]
    assert "strategy.mu: – → 0.01" in changes(base.replace({"strategy.name": "fedprox"}), base)
