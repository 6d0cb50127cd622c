"""The checks judge answers: right ones pass however they are written, wrong ones fail with the hint that helps."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedlab_core.lessons.checks import check, exercises

from .answers import RIGHT, WRONG, Function, Wrong

NUMBERS = tuple(exercises())
SEEDS = range(3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "answer"), [(number, answer) for number, answers in RIGHT.items() for answer in answers]
)
def test_right_answers_pass_on_any_random_input(number: str, answer: Function) -> None:
    for seed in SEEDS:
        report = check(number, answer, seed=seed)
        assert report.passed, report
        assert report.function is answer


@pytest.mark.parametrize(
    ("number", "wrong"),
    [pytest.param(number, wrong, id=f"{number} {wrong.fault}") for number, faults in WRONG.items() for wrong in faults],
)
def test_wrong_answers_are_rejected_with_the_hint_that_names_their_fault(number: str, wrong: Wrong) -> None:
    for seed in SEEDS:
        report = check(number, wrong.answer, seed=seed)
        assert report.status == "failed", f"{wrong.fault} passed"
        assert wrong.law in report.law, report
    assert len(report.hints) == 3
    assert wrong.hint in " ".join(report.hints), report


def test_every_exercise_has_enough_answers_of_both_kinds() -> None:
    assert set(RIGHT) == set(WRONG) == set(NUMBERS)
    assert min(map(len, RIGHT.values())) >= 3
    assert min(map(len, WRONG.values())) >= 4


@pytest.mark.parametrize("number", NUMBERS)
def test_our_own_answer_keeps_every_law_of_its_exercise(number: str) -> None:
    for seed in range(10):
        report = check(number, exercises()[number].ours, seed=seed)
        assert report.passed, report


@pytest.mark.parametrize("number", NUMBERS)
def test_every_law_can_fail(number: str) -> None:
    """Each is broken by a plausible answer; only the last is a net for whatever else there may be."""
    broken = {check(number, wrong.answer).law for wrong in WRONG[number]}
    assert [law.says for law in exercises()[number].laws[:-1] if law.says not in broken] == []


class _Nasty:
    """A result that answers every question about it with an error."""

    def _refuse(self, *args: Any) -> Any:
        raise RuntimeError("nothing to see")

    __getattr__ = __repr__ = __eq__ = __len__ = __iter__ = __bool__ = __float__ = __getitem__ = _refuse
    __hash__ = None


def _recurse(*args: Any) -> Any:
    return _recurse(*args)


def _exit(*args: Any) -> None:
    raise SystemExit(3)


def _interrupt(*args: Any) -> None:
    raise KeyboardInterrupt


class _TextlessError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def _textless(*args: Any) -> None:
    raise _TextlessError


ODD_RESULTS = [
    None,
    ...,
    0,
    -1,
    True,
    float("nan"),
    float("inf"),
    "text",
    "```\n</pre><script>alert(1)</script>",
    b"\0\xff",
    [],
    [[]],
    {},
    {"w": None},
    {1: 2},
    (x for x in range(3)),
    iter(int, 1),
    np.zeros((2, 2)),
    np.array("text"),
    torch.zeros(0),
    torch.zeros(2, 3),
    torch.tensor(1j),
    torch.tensor([True]),
    torch.zeros(3).to_sparse(),
    torch.zeros(2, device="meta"),
    [torch.zeros(2, device="meta")] * 4,
    object(),
    type,
    _Nasty(),
    [_Nasty()],
    {"w": _Nasty()},
]


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_no_result_is_too_odd_for_a_report(number: str) -> None:
    for odd in ODD_RESULTS:
        report = check(number, lambda *args, odd=odd: odd)
        assert report.status == "failed", type(odd)
        assert repr(report)
        assert report._repr_markdown_()


@pytest.mark.parametrize("number", NUMBERS)
def test_no_answer_is_too_odd_for_a_report(number: str) -> None:
    for answer in (None, 3, "aggregate", torch.zeros(3), _Nasty(), {}, lambda: 1, len, print):
        assert check(number, answer).status == "failed"


@pytest.mark.parametrize("answer", [_recurse, _exit, _interrupt, _textless])
def test_an_error_in_the_answer_is_reported_with_its_type(answer: Function) -> None:
    report = check("01.1", answer)
    assert report.law == "it is a function that runs without an error"
    assert re.search("RecursionError|SystemExit|KeyboardInterrupt|_TextlessError", repr(report))


def test_an_error_in_the_answer_is_reported_with_the_line_that_raised_it() -> None:
    def answer(updates: Any) -> Any:
        return updates[0].parameters

    assert "return updates[0].parameters" in " ".join(repr(check("01.1", answer)).split())


def test_an_endless_loop_is_reported_and_stopped() -> None:
    def answer(updates: Any) -> Any:
        while True:
            with suppress(Exception):
                sum(range(1000))

    start = time.monotonic()
    report = check("01.1", answer, time_limit_s=0.3)
    assert time.monotonic() - start < 5
    assert report.law == "it comes to an end"
    assert "did not finish in 0.3 s" in repr(report)
    assert not any(thread.name == "fedlab-check" for thread in threading.enumerate())


def test_a_stub_is_not_a_failure() -> None:
    def stub(updates: Any) -> Any:
        raise NotImplementedError("exercise 01.1: replace this line by your code")

    report = check("01.1", stub)
    assert report.status == "unwritten"
    assert "not written yet" in repr(report)
    assert report.function is exercises()["01.1"].ours


def test_torchs_own_not_implemented_error_is_a_failure() -> None:
    def answer(updates: Any) -> Any:
        raise NotImplementedError('"add_cpu" not implemented for this type')

    assert check("01.1", answer).status == "failed"


def test_an_unknown_exercise_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"exercise is '1.1'; allowed is one of 00.1, 01.1"):
        check("1.1", len)


def test_hints_come_one_by_one_and_start_again_for_another_law() -> None:
    unweighted, total = WRONG["01.1"][0].answer, WRONG["01.1"][1].answer
    assert [len(check("01.1", unweighted).hints) for _ in range(4)] == [1, 2, 3, 3]
    assert len(check("01.1", total).hints) == 1
    assert check("01.1", RIGHT["01.1"][0]).passed
    assert len(check("01.1", unweighted).hints) == 1


def test_progress_is_stored_and_a_later_failure_does_not_take_it_back(progress: Path) -> None:
    check("01.1", RIGHT["01.1"][0])
    check("01.1", WRONG["01.1"][0].answer)
    check("06.2", WRONG["06.2"][0].answer)
    stored = json.loads(progress.read_text())
    assert stored["01.1"]["passed"] is True
    assert stored["06.2"] == {"passed": False, "broken": {"a tie prunes": 1}}
    assert list(progress.parent.iterdir()) == [progress]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"01.1": 3}', '{"01.1": {"passed": 1, "broken": {"a": "b"}}}', "\0"])
def test_a_damaged_progress_file_counts_as_empty(progress: Path, text: str) -> None:
    progress.parent.mkdir()
    progress.write_text(text)
    assert len(check("01.1", WRONG["01.1"][0].answer).hints) == 1
    assert json.loads(progress.read_text())["01.1"]["passed"] is False


def test_a_place_that_cannot_be_written_is_said_and_stops_nothing(progress: Path) -> None:
    progress.parent.write_text("a file where the folder should be")
    passed, failed = check("01.1", RIGHT["01.1"][0]), check("01.1", WRONG["01.1"][0].answer)
    assert passed.passed
    assert "could not be saved" in repr(passed)
    assert "could not be saved" in failed._repr_markdown_()


def test_the_report_says_law_input_expected_and_got() -> None:
    text = repr(check("01.1", WRONG["01.1"][0].answer))
    assert "a client counts by its number of examples" in text
    assert "Update(num_examples=3, params={'w': [0]})" in text
    assert re.search(r"expected +\{'w': \[1\]\}\ngot +\{'w': \[2\]\}", text)


def test_the_students_text_stays_inside_a_code_block() -> None:
    markdown = check("01.1", lambda updates: "`````\n<b onclick=x>bold</b>")._repr_markdown_()
    (block,) = re.findall(r"^(`{6,})text\n(.*?)\n\1$", markdown, flags=re.DOTALL | re.MULTILINE)
    assert "<b onclick" in block[1]
    assert markdown.count("<b onclick") == 1


def test_equal_seeds_give_equal_reports() -> None:
    answer = WRONG["02.1"][0].answer
    check("02.1", answer)
    check("02.1", answer)
    assert repr(check("02.1", answer)) == repr(check("02.1", answer))
