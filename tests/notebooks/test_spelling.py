"""Every word that a student reads is spelt right: the notebooks' texts, the laws and the hints."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import jupytext
import pytest
from spellchecker import SpellChecker

from fedlab_core.lessons.checks import exercises
from fedlab_core.lessons.checks.exercise import ENDS, LEAVES_ITS_INPUT, RUNS

HERE = Path(__file__).parent
SOURCES = sorted((HERE.parents[1] / "notebooks" / "solutions").glob("*.py"))
NO_WORDS = (
    r"(?s)```.*?```",  # code
    r"`[^`]*`",
    r"(?s)\$\$.*?\$\$",  # formulas
    r"\$[^$]*\$",
    r"<[^>]+>",  # tags
    r"\]\([^)]*\)",  # addresses of links
    r"\S*[_\d/\\=^@{}]\S*",  # names, numbers, formulas in plain text
)


@cache
def dictionary() -> SpellChecker:
    """English, and the words of the field in `words.txt`."""
    known = SpellChecker(language="en", distance=1)
    known.word_frequency.load_words((HERE / "words.txt").read_text(encoding="utf-8").split())
    return known


def misspelt(text: str) -> set[str]:
    for pattern in NO_WORDS:
        text = re.sub(pattern, " ", text)
    words = set(re.findall(r"[^\W\d_]+(?:['’][a-z]+)?", text))
    # Words of one or two letters are symbols; capitals are abbreviations.
    plain = {re.sub(r"['’]s?$|['’]s$", "", word) for word in words if len(word) > 2 and not word.isupper()}
    return dictionary().unknown(plain)


@pytest.mark.parametrize("source", SOURCES, ids=[source.stem for source in SOURCES])
def test_the_text_of_a_notebook(source: Path) -> None:
    cells = jupytext.read(source, fmt="py:percent").cells
    # Comments in code are read as well: the steps of an exercise are such comments.
    comments = (line for cell in cells if cell.cell_type == "code" for line in re.findall(r"# (.*)", cell.source))
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert misspelt(text + "\n" + "\n".join(comments)) == set()


@pytest.mark.parametrize("number", exercises())
def test_the_laws_and_hints_of_an_exercise(number: str) -> None:
    laws = exercises()[number].laws
    assert misspelt("\n".join(" ".join([law.says, law.hints.where, law.hints.idea]) for law in laws)) == set()


def test_the_words_that_every_exercise_may_say() -> None:
    assert misspelt(" ".join(" ".join([one.says, *one.hints]) for one in (RUNS, ENDS, LEAVES_ITS_INPUT))) == set()


def test_a_mistake_is_seen_and_code_is_not_read() -> None:
    assert misspelt("The clinets' `modle` is $\\alhpa$ [here](http://x.yz/pgae); it's averaged") == {"clinets"}
