"""Work beside the pages: done once for all windows, left when nobody waits, and a mistake in it ends nothing else."""

from __future__ import annotations

import threading

import pytest

from app.background import Desk, Job, Lane, Say


class Inline(Lane):
    """Jobs wait until the test does them, in its own thread."""

    def __init__(self) -> None:
        self.queued: list[Job] = []

    def do(self, job: Job) -> None:
        self.queued.append(job)

    def run(self) -> None:
        while self.queued:
            self.queued.pop(0).carry_out()


def test_equal_jobs_are_done_once() -> None:
    desk, lane, done = Desk(), Inline(), []
    first = desk.want("window 1", "key", lambda say: done.append(1) or 7, lane)
    second = desk.want("window 2", "key", lambda say: done.append(2) or 8, lane)
    lane.run()
    assert first is second is desk.find("key")
    assert (first.result, first.error, done) == (7, "", [1])
    assert first.done


def test_what_nobody_waits_for_any_more_is_left() -> None:
    desk, lane, begun = Desk(), Inline(), []
    old = desk.want("window:place", "old", lambda say: begun.append("old"), lane)
    new = desk.want("window:place", "new", lambda say: begun.append("new"), lane)
    lane.run()
    assert old.left
    assert not new.left
    assert begun == ["new"]
    assert desk.find("old") is None
    again = desk.want("window:place", "old", lambda say: 3, lane)
    lane.run()
    assert again.result == 3


def test_what_another_window_waits_for_goes_on() -> None:
    desk, lane = Desk(), Inline()
    job = desk.want("window 1", "key", lambda say: 1, lane)
    desk.want("window 2", "key", lambda say: 1, lane)
    desk.want("window 1", "another", lambda say: 2, lane)
    lane.run()
    assert job.result == 1


def test_a_job_is_left_in_the_middle_when_its_place_is_taken() -> None:
    desk, lane, steps = Desk(), Inline(), []

    def work(say: Say) -> None:
        say("the first half", 0.5)
        steps.append(1)
        desk.want("place", "new", lambda say: None, lane)
        say("the second half", 1.0)
        steps.append(2)

    old = desk.want("place", "old", work, lane)
    lane.run()
    assert steps == [1]
    assert old.left
    assert old.said == "the first half"


def test_what_cannot_be_is_a_sentence_and_a_mistake_too(capsys: pytest.CaptureFixture[str]) -> None:
    def impossible(say: Say) -> None:
        raise ValueError("there is no such data")

    def mistaken(say: Say) -> None:
        raise KeyError("oh")

    desk, lane = Desk(), Inline()
    jobs = [desk.want(name, name, work, lane) for name, work in (("a", impossible), ("b", mistaken))]
    lane.run()
    assert jobs[0].error == "there is no such data"
    assert "the server's log says what" in jobs[1].error
    assert "KeyError" in capsys.readouterr().err


def test_a_lane_does_its_jobs_in_a_thread_of_its_own() -> None:
    desk, lane = Desk(), Lane()
    job = desk.want("place", "key", lambda say: threading.current_thread().name, lane)
    assert job.wait(30)
    assert job.result != threading.current_thread().name
