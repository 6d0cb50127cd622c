"""What the page Costs shows of one network: worked out in a thread, from a stored run or from the settings."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from app import background, engine
from fedlab_core.budgets import outlook
from fedlab_core.encodings import MessageBytes, Structure, message_bytes, sweep
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.runs.models import Saved, save_run_model
from fedlab_core.speed import TURNS, NetworkFlops, Quartiles, measure_networks, network_flops
from fedlab_core.types import ServerState


class Source(NamedTuple):
    """Whose costs: those of a stored run after a round, or of settings, as a rehearsal leaves them."""

    experiment: Experiment
    run_id: str | None
    round: int

    @property
    def key(self) -> tuple[str, str | None, int]:
        """What tells it from others."""
        return self.experiment.to_json(), self.run_id, self.round


class Bill(NamedTuple):
    """Bytes by encoding, at the sparsity at hand and along others; FLOPs; the round after which it is so."""

    round: int
    message: MessageBytes
    sweeps: dict[Structure, list[MessageBytes]]
    flops: NetworkFlops


def bill(source: Source) -> background.Job:
    """The costs of a network; a `Bill`."""
    return background.want("bill", ("bill", source.key), lambda say: _bill(source, say))


def find_times(source: Source) -> background.Job | None:
    """The measurement of its milliseconds, if somebody has asked for it."""
    return background.find(("times", source.key))


def measure_times(source: Source) -> None:
    """Ask for it; measurements are done one after the other."""
    background.want("times", ("times", source.key), lambda say: _times(source, say), "measure")


def find_onnx(run_id: str, round: int) -> background.Job | None:
    """The run's network as ONNX, if somebody has asked for it."""
    return background.find(("onnx", run_id, round))


def make_onnx(run_id: str, round: int) -> None:
    """Ask for it."""

    def work(say: background.Say) -> tuple[bytes, Saved]:
        say("Writing the network as ONNX …", 0.3)
        return model_file(run_id, ".onnx")

    background.want("onnx", ("onnx", run_id, round), work, "onnx")


def model_file(run_id: str, ending: str) -> tuple[bytes, Saved]:
    """The run's newest network as a file, and what is in it. Raises ValueError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{ending}"
        saved = save_run_model(engine.store(), run_id, path)
        return path.read_bytes(), saved


def _bill(source: Source, say: background.Say) -> Bill:
    federation, server, round = _network(source, say)
    message = message_bytes(server.params, server.buffers, server.masks)
    sweeps: dict[Structure, list[MessageBytes]] = {}
    for structure in ("single weights", "whole units"):
        points: list[MessageBytes] = []
        try:
            for point in sweep(federation.model, server.params, server.buffers, structure):
                points.append(point)
                say(f"Encoding the model at {point.sparsity:.0%} sparsity, {structure} …", point.sparsity)
        except ValueError:  # no units that could be pruned as a whole
            points = []
        sweeps[structure] = points
    return Bill(round, message, sweeps, network_flops(federation, server))


def _times(source: Source, say: background.Say) -> dict[str, Quartiles]:
    federation, server, _ = _network(source, say)
    turns = iter(range(1, TURNS + 1))

    def on_turn() -> None:
        turn = next(turns)
        say(f"Measuring, turn {turn} of {TURNS} …", turn / TURNS)

    return measure_networks(federation, server, on_turn)


def _network(source: Source, say: background.Say) -> tuple[Federation, ServerState, int]:
    say("Reading the data and building the network …", 0.0)
    federation = Federation.of(source.experiment)
    if source.run_id is not None:
        round, server = engine.store().state(source.run_id, source.round)
        return federation, server, round
    rounds = source.experiment.federation.rounds
    seen = background.find(("outlook", source.experiment.to_json()))
    if seen and seen.done and not seen.error:
        return federation, seen.result.server, rounds
    done = outlook(federation, lambda round: say(f"Rehearsing round {round} of {rounds} …", round / rounds))
    return federation, done.server, rounds
