"""Runs whose clients are at Flower's nodes, as the core sees them: who holds them, and how they end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.runs import elsewhere
from fedlab_core.runs.elsewhere import execute_elsewhere
from fedlab_core.runs.info import HERE, Where
from fedlab_core.runs.store import RunError, RunStore

SMALL = Experiment().replace({"model.name": "mlp", "data.num_clients": 2, "federation.rounds": 2})
FLOWER = {"where": Where(nodes=2).model_dump()}


@pytest.fixture
def store(tmp_path: Path):
    with RunStore(tmp_path / "runs.sqlite") as opened:
        yield opened


@pytest.fixture
def claimed(store: RunStore) -> str:
    run_id = store.create(SMALL, status="interrupted", machine=FLOWER)
    store.claim(run_id)
    return run_id


def child_does(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """In the place of `python -m fedlab_core.flower.deploy --store S --run R --holder P`."""
    monkeypatch.setattr(elsewhere, "check_flower", lambda: None)
    monkeypatch.setattr(elsewhere, "COMMAND", [sys.executable, "-c", script])


# The child's command line is ["-c", "--store", S, "--run", R, "--holder", P].
TAKE_OVER = """
import sys
from fedlab_core.runs.store import RunStore
store, run_id, holder = RunStore(sys.argv[2]), sys.argv[4], int(sys.argv[6])
store.claim(run_id, from_pid=holder)
"""
CARRY_OUT = TAKE_OVER + "from fedlab_core.runs.execute import execute_claimed; execute_claimed(store, run_id)"
WAIT = "import sys; sys.stdin.read()"


def test_without_flower_the_run_fails_in_a_sentence(
    store: RunStore, claimed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"Flower is not installed: pip install 'fedlab_core\[flower\]'"):
        execute_elsewhere(store, claimed, on_look=lambda: None)
    info = store.get(claimed)
    assert (info.status, info.error) == ("failed", "Flower is not installed: pip install 'fedlab_core[flower]'")


@pytest.mark.slow
def test_another_process_takes_the_run_over_and_its_rounds_are_told(
    store: RunStore, claimed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    child_does(monkeypatch, CARRY_OUT)
    rows: list[dict[str, object]] = []
    execute_elsewhere(store, claimed, on_look=lambda: None, on_row=rows.append)
    assert store.get(claimed).status == "finished"
    assert [row["round"] for row in rows] == [0, 1, 2]
    assert store.get(claimed).where == Where(nodes=2)


def test_a_child_that_cannot_begin_leaves_a_failed_run(
    store: RunStore, claimed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    child_does(monkeypatch, "import sys; print('chatter', file=sys.stderr); sys.exit('no SuperLink')")
    with pytest.raises(RunError, match=r"^no SuperLink$"):
        execute_elsewhere(store, claimed, on_look=lambda: None)
    assert (store.get(claimed).status, store.get(claimed).error) == ("failed", "no SuperLink")


def test_leaving_ends_the_child_and_interrupts_the_run(
    store: RunStore, claimed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    child_does(monkeypatch, WAIT)

    def leave() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute_elsewhere(store, claimed, on_look=leave)
    assert store.get(claimed).status == "interrupted"
    assert store.holder(claimed) is None


@pytest.mark.slow
def test_whoever_still_has_the_run_is_ended(store: RunStore, claimed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is cut off from its nodes would go on to skip rounds, beside whoever resumes the run."""
    child_does(monkeypatch, "import sys; sys.exit('the SuperLink ended')")
    script = TAKE_OVER + "print('taken', flush=True); sys.stdin.read()"
    options = ["--store", str(store.path), "--run", claimed, "--holder", str(store.holder(claimed))]
    server = subprocess.Popen(
        [sys.executable, "-c", script, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdout is not None
        assert server.stdout.readline() == "taken\n"
        with pytest.raises(RunError, match="the SuperLink ended"):
            execute_elsewhere(store, claimed, on_look=lambda: None)
        server.wait(60)  # it was waiting for us to speak
    assert (store.get(claimed).status, store.get(claimed).error) == ("interrupted", "")


@pytest.mark.slow
def test_who_resumes_a_run_while_flower_still_ends_keeps_it(
    store: RunStore, claimed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped run goes to another worker at once; the one that had it is still ending its processes."""
    ends_slowly = "import time\nstore.leave(run_id, 'stopped')\nwhile store.holder(run_id) is None: time.sleep(0.05)"
    child_does(monkeypatch, TAKE_OVER + ends_slowly)
    script = "import sys; from fedlab_core.runs.store import RunStore; RunStore(sys.argv[1]).claim(sys.argv[2])"
    others: list[subprocess.Popen[str]] = []

    def resume_when_stopped() -> None:
        if not others and store.get(claimed).status == "stopped":
            command = [sys.executable, "-c", f"{script}; sys.stdin.read()", str(store.path), claimed]
            others.append(subprocess.Popen(command, stdin=subprocess.PIPE, text=True))

    execute_elsewhere(store, claimed, on_look=resume_when_stopped)
    (other,) = others
    assert other.poll() is None
    assert (store.get(claimed).status, store.holder(claimed)) == ("running", other.pid)
    other.communicate("", timeout=60)


def test_only_who_is_named_may_hand_a_run_over(store: RunStore, claimed: str) -> None:
    with pytest.raises(RunError, match="in another process"):
        store.claim(claimed, from_pid=1)


@pytest.mark.parametrize("machine", [{}, {"where": {"nodes": -1}}, {"where": "far away"}, {"where": {"nodez": 3}}])
def test_a_run_that_says_nothing_possible_is_here(store: RunStore, machine: dict[str, object]) -> None:
    assert store.get(store.create(SMALL, machine=machine)).where == HERE


def test_where_in_words() -> None:
    assert HERE.text() == "in process"
    assert Where(nodes=3).text() == "Flower on this machine, 3 nodes"
    assert Where(nodes=3, faults={1: "nan"}).text() == "Flower on this machine, 3 nodes, 1 of them with a fault"
    assert Where(nodes=3, address="lab.example:8000").text() == "Flower at lab.example:8000, 3 nodes"


@pytest.mark.parametrize("address", ["lab", "lab:port", "lab:80:80", "http://lab:80", "a b:80", "lab:800000", "-:"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Where(nodes=1, address=address)
