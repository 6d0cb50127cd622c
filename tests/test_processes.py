"""Helpers change who computes a client, and nothing else; what goes wrong with one is said."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.clients import Download
from fedlab_core.experiment import Experiment
from fedlab_core.helpers import Frame, may_fork, read, write
from fedlab_core.lab import Federation
from fedlab_core.processes import MOST, Crew, HelperError, default_processes, split
from fedlab_core.rounds import initial_record, run_round
from fedlab_core.simulation import simulate

pytestmark = pytest.mark.slow  # processes come and go

BASE = Experiment().replace({"data.num_clients": 6, "federation.rounds": 3, "federation.local_epochs": 1})
STRATEGIES = ["fedavg", "fedprox", "fedsparsify-global", "fedsparsify-local", "random", "channel-pruning"]


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with_helper = Crew(2)
    with_helper.start()
    yield with_helper
    with_helper.close()


@pytest.fixture(autouse=True)
def ready(crew: Crew, wait_until_ready: None) -> None:
    """Every test finds the helper ready."""


@pytest.fixture
def wait_until_ready(crew: Crew) -> None:
    crew.start()
    crew.wait()


def helper_of(crew: Crew) -> psutil.Process:
    (helper,) = crew._helpers  # there may be others of other crews
    return psutil.Process(helper.process.pid)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_ready_helper_and_an_absent_one_give_the_same_bytes(crew: Crew, strategy: str) -> None:
    experiment = BASE.replace({"strategy.name": strategy})
    federation = Federation.of(experiment)
    alone = Crew(2)  # its helper is never ready in time: all shares are computed here
    alone.start = lambda federation=None: None  # type: ignore[method-assign]
    shared = apart = initial_record(federation)
    for round in range(1, 4):
        shared = run_round(federation, shared.state, federation.context(round), run_clients=crew)
        apart = run_round(federation, apart.state, federation.context(round), run_clients=alone)
        assert shared.state.sha256() == apart.state.sha256()
        assert shared.upload_bytes == apart.upload_bytes
        assert shared.effective_flops == apart.effective_flops


def test_one_process_or_two_agree(crew: Crew) -> None:
    federation = Federation.of(BASE)
    server, ctx = initial_record(federation).state, federation.context(1)
    one = run_round(federation, server, ctx)
    two = run_round(federation, server, ctx, run_clients=crew)
    for name, weight in one.state.params.items():
        assert float((weight - two.state.params[name]).abs().max()) < 1e-5
    assert one.train_loss == pytest.approx(two.train_loss, rel=1e-5)
    assert (one.clients, one.dense_flops) == (two.clients, two.dense_flops)


def test_a_killed_helper_is_said_and_the_next_round_goes_on(crew: Crew) -> None:
    federation = Federation.of(BASE)
    server, ctx = initial_record(federation).state, federation.context(1)
    helper, steps = helper_of(crew), iter(range(1000))

    def kill_at_once() -> None:
        if next(steps) == 0:
            os.kill(helper.pid, signal.SIGKILL)

    with pytest.raises(HelperError, match=r"a helper process ended in round 1 \(exit code -9\); .* resumed"):
        run_round(federation, server, ctx, kill_at_once, run_clients=crew)
    again = run_round(federation, server, ctx, run_clients=crew)
    assert again.round == 1


def test_what_fails_in_a_helper_is_named(crew: Crew) -> None:
    federation = Federation.of(BASE)
    crew._helpers[0].send(federation.experiment, 1, [Download(0, b"no message")])
    with pytest.raises(HelperError, match="a helper process failed in round 1: CodecError"):
        crew._helpers[0].receive(1, lambda: None)


def test_leaving_a_round_ends_the_helper_that_is_in_it(crew: Crew) -> None:
    federation = Federation.of(BASE)
    helper = helper_of(crew)

    def leave() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_round(federation, initial_record(federation).state, federation.context(1), leave, run_clients=crew)
    assert not helper.is_running()


def test_a_helper_ends_with_the_pipe(crew: Crew) -> None:
    own = Crew(2)
    own.start()
    own.wait()
    (process,) = [helper.process for helper in own._helpers]
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 0
    own.close()


def test_a_helper_that_never_gets_ready_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # no Python can start so
    broken, federation = Crew(2), Federation.of(BASE)
    broken.start()
    (first,) = broken._helpers
    broken.wait()
    first.process.wait()
    record = run_round(federation, initial_record(federation).state, federation.context(1), run_clients=broken)
    assert record.round == 1
    assert broken._helpers == []


def test_what_a_helper_cannot_build_is_computed_here(crew: Crew) -> None:
    federation = Federation.of(BASE.replace({"federation.seed": 77}))
    missing = BASE.replace({"data.dataset": "images", "data.path": "/nowhere at all"})
    unknown = replace(federation, experiment=missing)
    record = run_round(unknown, initial_record(federation).state, unknown.context(1), run_clients=crew)
    assert record.round == 1
    assert helper_of(crew).is_running()
    after = run_round(federation, initial_record(federation).state, federation.context(1), run_clients=crew)
    assert after.round == 1


FORKING = """
import json, os, signal, sys, threading
from fedlab_core.experiment import Experiment
from fedlab_core.helpers import may_fork
from fedlab_core.processes import Crew, HelperError
from fedlab_core.lab import Federation
from fedlab_core.rounds import initial_record, run_round

federation = Federation.of(Experiment.parse(json.loads(sys.argv[1])))
crew, record, told = Crew(3), initial_record(federation), {"may": may_fork()}
for round in (1, 2, 3):
    record = run_round(federation, record.state, federation.context(round), run_clients=crew)
told["sha256"] = record.state.sha256()
told["forked"] = [type(helper.process).__name__ for helper in crew._helpers]
first = crew._helpers[0]
os.kill(first.process.pid, signal.SIGKILL)
first.process.wait()
record = run_round(federation, record.state, federation.context(4), run_clients=crew)
told["again"] = [type(helper.process).__name__ for helper in crew._helpers]
told["pids"] = [helper.process.pid for helper in crew._helpers]
print(json.dumps(told), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="helpers are forked on Linux only")
def test_forked_helpers_give_the_same_bytes_and_end_with_their_parent(crew: Crew) -> None:
    federation = Federation.of(BASE)
    three = Crew(3)
    three.start = lambda federation=None: None  # type: ignore[method-assign]
    here = initial_record(federation)
    for round in (1, 2, 3):
        here = run_round(federation, here.state, federation.context(round), run_clients=three)
    done = subprocess.run([sys.executable, "-c", FORKING, BASE.to_json()], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    told = json.loads(done.stdout)
    assert told["may"]
    assert told["sha256"] == here.state.sha256()
    assert told["forked"] == ["_Fork", "_Fork"]
    assert told["again"] == ["_Fork", "Popen"]  # by then there are threads
    gone, alive = psutil.wait_procs([psutil.Process(pid) for pid in told["pids"] if psutil.pid_exists(pid)], timeout=60)
    assert not alive, (gone, alive)


def test_a_program_with_threads_is_not_forked() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert not may_fork()
    finally:
        stop.set()
        thread.join()


def test_simulate_with_processes() -> None:
    whole = list(simulate(BASE, processes=2))
    assert [record.round for record in whole] == [0, 1, 2, 3]
    resumed = list(simulate(BASE, start=(1, whole[1].state), processes=2))
    assert resumed[-1].state.sha256() == whole[-1].state.sha256()


@given(sizes=st.lists(st.integers(0, 1000), max_size=30), parts=st.integers(1, 8))
def test_every_client_is_in_one_share_and_shares_are_alike(sizes: list[int], parts: int) -> None:
    shares = split(sizes, parts)
    assert sorted(place for share in shares for place in share) == list(range(len(sizes)))
    loads = sorted(sum(sizes[place] for place in share) for share in shares)
    assert loads[-1] - loads[0] <= max(sizes, default=0)
    assert all(a <= b for a, b in pairwise(loads))


@pytest.mark.parametrize(("asked", "count"), [("3", 3), ("1", 1), ("1000", MOST)])
def test_the_number_of_processes_can_be_asked_for(asked: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDLAB_PROCESSES", asked)
    assert default_processes() == count


@pytest.mark.parametrize("asked", ["", "0", "many", "-2"])
def test_the_number_of_processes_is_by_default_that_of_the_processors(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDLAB_PROCESSES", asked)
    assert 1 <= default_processes() <= MOST


def test_a_frame_that_was_cut_off_is_the_end() -> None:
    stream = io.BytesIO()
    write(stream, Frame({"round": 1}, [b"", b"some bytes"]))
    whole = stream.getvalue()
    frame = read(io.BytesIO(whole))
    assert frame is not None
    assert (frame.head["round"], frame.payloads) == (1, [b"", b"some bytes"])
    assert all(read(io.BytesIO(whole[:cut])) is None for cut in range(len(whole)))


def test_one_client_needs_no_helper(crew: Crew) -> None:
    federation = Federation.of(BASE.replace({"federation.participation": 0.1}))
    record = run_round(federation, initial_record(federation).state, federation.context(1), run_clients=crew)
    assert len(record.clients) == 1
