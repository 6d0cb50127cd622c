"""The forecast of a run's memory: what it follows, what it refuses, and whether real runs need about so much."""

import json
import subprocess
import sys

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.runs.memory import PROCESS_MB, forecast_mb, most_mb, refuse_too_large


def forecast(processes=1, **changes):
    settings = {"data.num_clients": 10, "data.partition": "iid", "model.name": "mlp"}
    settings |= {f"federation.{key}": value for key, value in changes.items()}
    return forecast_mb(Federation.of(Experiment().replace(settings)), processes)


def test_more_of_anything_needs_more():
    alone = forecast()
    assert alone > PROCESS_MB
    assert forecast(batch_size=64) > alone
    assert forecast(participation=0.2) < alone
    assert forecast(processes=2) > alone + PROCESS_MB


def test_what_does_not_fit_is_refused_with_both_numbers(monkeypatch):
    federation = Federation.of(Experiment())
    monkeypatch.setenv("FEDLAB_MAX_MEMORY", "100000")
    refuse_too_large(federation)
    monkeypatch.setenv("FEDLAB_MAX_MEMORY", "250")
    with pytest.raises(ValueError, match=r"would need about [56]\d\d MB of memory; allowed are 250 MB"):
        refuse_too_large(federation)


@pytest.mark.parametrize("text", ["", "0", "much", "-5"])
def test_half_of_the_machine_is_allowed_where_nothing_else_is_said(monkeypatch, text):
    monkeypatch.setenv("FEDLAB_MAX_MEMORY", text)
    assert most_mb() > 500


PEAK = r"""
import json, re, sys
from pathlib import Path
from fedlab_core.experiment import Experiment
from fedlab_core.processes import one_thread
from fedlab_core.simulation import simulate
with one_thread():
    for record in simulate(Experiment().replace(json.loads(sys.argv[1]))):
        pass
print(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])
"""  # not getrusage, whose peak is that of whoever started this process where that was larger


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(
    "settings",
    [
        {"model.name": "cnn6", "data.num_clients": 150, "data.partition": "iid"},  # many updates
        {"model.name": "mlp", "data.num_clients": 700, "federation.batch_size": 2},  # a small model
    ],
    ids=["updates", "small"],
)
def test_real_runs_need_about_so_much(settings):
    """Within a factor of two: of the whole process, and of what it needs beside PyTorch itself where that is much."""
    settings |= {"federation.rounds": 1, "federation.local_epochs": 1}
    command = [sys.executable, "-c", PEAK, json.dumps(settings)]
    kilobytes = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    measured = kilobytes * 1024 / 1e6
    expected = forecast_mb(Federation.of(Experiment().replace(settings)))
    assert measured / 2 < expected < measured * 2
    if measured > 1.5 * PROCESS_MB:
        assert (measured - PROCESS_MB) / 2 < expected - PROCESS_MB < (measured - PROCESS_MB) * 2
