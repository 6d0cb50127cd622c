"""Help explains what there is: every recorded number once, every formula with its source, every term once."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from fedlab_core.glossary import FORMULAS, NUMBERS, TERMS, Formula
from fedlab_core.types import RoundRecord

ALL_TERMS = [term for _, terms in TERMS for term in terms]
ALL_FORMULAS = [formula for _, formulas in FORMULAS for formula in formulas]


def test_every_number_of_a_round_is_explained_once() -> None:
    explained = list(chain.from_iterable(number.fields for number in NUMBERS))
    assert sorted(explained) == sorted(name for name in RoundRecord.__dataclass_fields__ if name != "state")


def test_names_are_unique_and_nothing_is_empty() -> None:
    for named in (ALL_TERMS, ALL_FORMULAS, NUMBERS):
        assert len({one.name.casefold() for one in named}) == len(named)
    assert all(term.meaning.endswith((".", ")")) for term in ALL_TERMS)
    assert all(number.says and number.not_says for number in NUMBERS)


@pytest.mark.parametrize("formula", ALL_FORMULAS, ids=lambda formula: formula.name)
def test_a_formula_is_well_formed_and_says_where_it_comes_from(formula: Formula) -> None:
    assert re.search(r"\d{4}|published code|usual|field|our reading", formula.source)
    depth = 0
    for sign in re.sub(r"\\[{}]", "", formula.latex):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    sizes = re.findall(r"\\(big|Big|bigg|Bigg)(l|r)\b", formula.latex)
    assert sum(side == "l" for _, side in sizes) == sum(side == "r" for _, side in sizes)


@pytest.mark.parametrize("text", [text for one in (*ALL_TERMS, *ALL_FORMULAS) for text in one])
def test_dollars_come_in_pairs(text: str) -> None:
    assert text.count("$") % 2 == 0
