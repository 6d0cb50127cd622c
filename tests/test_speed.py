"""Counts of FLOPs by hand, measurements in turns, and a sentence for each case."""

import re

import pytest
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.pruning.units import drop_units, hidden_units
from fedlab_core.speed import (
    DENSE,
    MASKED,
    SLIMMED,
    NetworkFlops,
    Quartiles,
    measure_networks,
    network_flops,
    quartiles,
    time_in_turns,
    verdict,
)
from fedlab_core.types import ServerState

SCATTERED = NetworkFlops(dense=1000, weighted=100.0, slimmed=1000, sparsity=0.9, empty_units=0)
SLOW = {name: Quartiles(0.9, 1.0, 1.1) for name in (DENSE, MASKED, SLIMMED)}
FAST = SLOW | {SLIMMED: Quartiles(0.2, 0.25, 0.3)}


def of(model: str, strategy: str = "fedavg", **settings: object) -> tuple[Federation, ServerState]:
    named = {"model.name": model, "strategy.name": strategy, "data.num_clients": 2}
    federation = Federation.of(Experiment().replace(named | {f"strategy.{key}": v for key, v in settings.items()}))
    return federation, federation.initial_state()


def halved(server: ServerState, federation: Federation) -> ServerState:
    """Without half of the units of every hidden layer."""
    everything = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in server.params.items()}
    masks = drop_units(server.params, everything, 0.5, hidden_units(federation.model))
    return ServerState(server.params, server.buffers, masks)


def test_nothing_pruned_is_three_times_the_same() -> None:
    federation, server = of("mlp")
    flops = network_flops(federation, server)
    assert flops.dense == flops.weighted == flops.slimmed == sum(federation.layer_flops.values())
    assert flops.empty_units == 0


def test_without_half_of_the_units_inner_layers_have_a_quarter_of_the_flops() -> None:
    federation, server = of("mlp")
    flops = network_flops(federation, halved(server, federation))
    first, *inner, last = federation.layer_flops.values()
    expected = first / 2 + sum(inner) / 4 + last / 2
    assert flops.slimmed == flops.weighted == pytest.approx(expected)
    assert flops.empty_units == sum(len(server.params[units.weight]) // 2 for units in hidden_units(federation.model))


def test_half_of_the_channels_under_group_norm_are_counted_but_cannot_be_cut() -> None:
    federation, server = of("cnn_small")
    masks = {name: mask.clone() for name, mask in server.masks.items()}
    weight = hidden_units(federation.model)[0].weight
    masks[weight][::2] = False
    flops = network_flops(federation, ServerState(server.params, server.buffers, masks))
    assert flops.weighted < flops.slimmed == flops.dense
    assert flops.empty_units == len(masks[weight]) // 2
    assert "none can be cut here" in verdict(flops)


def test_gates_close_channels_and_the_network_stays_whole() -> None:
    flops = network_flops(*of("cnn_small", "dynamic-gate", ratio=0.5))
    assert flops.weighted < 0.5 * flops.dense
    assert flops.slimmed == flops.dense
    assert "PyTorch still computes the closed channels" in verdict(flops, SLOW)


def test_networks_are_timed_in_turns() -> None:
    federation, server = of("mlp")
    turns: list[int] = []
    times = measure_networks(federation, halved(server, federation), lambda: turns.append(1), turns=3)
    assert len(turns) == 3
    assert list(times) == [DENSE, MASKED, SLIMMED]
    assert all(0 < one.low <= one.median <= one.high for one in times.values())


def test_a_turn_says_what_the_thread_computed_and_what_the_clock_said() -> None:
    (turn,) = time_in_turns({"sum": lambda: sum(range(20_000))}, turns=1)["sum"]
    assert turn.processor_ms > 0
    assert turn.wall_ms > 0


def test_quartiles_by_hand() -> None:
    assert quartiles([4.0, 1.0, 3.0, 2.0, 5.0]) == (2.0, 3.0, 4.0)
    assert quartiles([7.0]) == (7.0, 7.0, 7.0)


@pytest.mark.parametrize(
    ("flops", "times", "says"),
    [
        (SCATTERED._replace(weighted=1000.0, sparsity=0.0), SLOW, "Nothing is pruned"),
        (
            SCATTERED,
            None,
            "90% of the weights are pruned, but no faster network is to be expected: the zeros are scattered",
        ),
        (SCATTERED, SLOW, r"not faster \(1 ms, dense 1 ms\)"),
        (
            SCATTERED._replace(slimmed=999),
            None,
            "to be expected: nearly all zeros .* 99.90% of the dense",
        ),
        (SCATTERED._replace(slimmed=300), None, "Measure what that is worth"),
        (SCATTERED._replace(slimmed=300), SLOW, "not faster .* vanishes"),
        (SCATTERED._replace(slimmed=300), FAST, "4.0 times faster .*, because whole units are gone: .* 30%"),
    ],
)
def test_one_sentence_for_each_case(flops, times, says: str) -> None:
    assert re.search(says, verdict(flops, times))
