"""Three costs of using one network, which are easily confused: FLOPs as counted, FLOPs as they could be, and time.

flops = network_flops(federation, record.state)
times = measure_networks(federation, record.state)
verdict(flops, times)  # "90 % of the weights are pruned, but the network is not faster: ..."

A masked network computes its zeros like any other number. Only whole units that are gone make a network faster.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fedlab_core.costs.flops import effective_flops, forward_flops
from fedlab_core.export import small_model
from fedlab_core.lab import Federation
from fedlab_core.models import init_params
from fedlab_core.models.gating import open_shares
from fedlab_core.processes import one_thread
from fedlab_core.pruning.masks import sparsity
from fedlab_core.pruning.units import hidden_units
from fedlab_core.types import Masks, ServerState, seeded_generator

Runner = Callable[[], object]

DENSE, MASKED, SLIMMED = "dense", "masked", "slimmed"

TURNS = 21
TURN_S = 0.02
"""A turn has as many calls as fit into so many seconds, at least one."""

BATCH = 32
"""Images of a forward pass that is timed."""

FASTER = 1.1
"""Who is faster by less than this is not faster: repeated measurements differ by as much."""


NEARLY = 0.95
"""A slimmed network with more than this share of the dense FLOPs is as good as whole."""


class Turn(NamedTuple):
    """Mean milliseconds of a call, over the calls of a turn.

    Attributes:
        processor_ms: that the thread was computing. On an idle machine it is what a clock says; on a busy one it leaves
            out the time in which others had the processor.
        wall_ms: what a clock says.
    """

    processor_ms: float
    wall_ms: float


class Quartiles(NamedTuple):
    """Of several measurements: a quarter is below `low`, half are below `median`, a quarter is above `high`."""

    low: float
    median: float
    high: float


class NetworkFlops(NamedTuple):
    """FLOPs of a forward pass of one example; a multiply-add (MAC) is two.

    Attributes:
        dense: every weight counts, pruned or not. What profilers say, for they do not see zeros.
        weighted: "theoretical": layers by the density of their masks, and by the channels that gates open.
        slimmed: dense FLOPs of the network without the units that are gone as a whole.
        sparsity: pruned / prunable weights.
        empty_units: units of hidden layers for which every weight that makes them is pruned.
    """

    dense: int
    weighted: float
    slimmed: int
    sparsity: float
    empty_units: int


def network_flops(federation: Federation, server: ServerState) -> NetworkFlops:
    """Of the server's network: the three counts of FLOPs."""
    shares = open_shares(federation.model)
    opened = {name: round(flops * shares.get(name, 1.0)) for name, flops in federation.layer_flops.items()}
    small = forward_flops(small_model(federation, server), federation.data.dataset.input_shape)
    return NetworkFlops(
        sum(federation.layer_flops.values()),
        effective_flops(opened, server.masks),
        sum(small.values()),
        sparsity(server.masks),
        _empty_units(federation.model, server.masks),
    )


def _empty_units(model: nn.Module, masks: Masks) -> int:
    weights = {layer.weight for layer in hidden_units(model)} & masks.keys()
    return sum(int((~masks[name].flatten(1).any(1)).sum()) for name in weights)


def measure_networks(
    federation: Federation, server: ServerState, on_turn: Callable[[], None] = lambda: None, turns: int = TURNS
) -> dict[str, Quartiles]:
    """Milliseconds of computing for a forward pass of `BATCH` examples, by network: "dense", "masked", "slimmed".

    One thread, PyTorch, evaluation mode. The dense network has the same layers with fresh weights, none of them zero.
    """
    x_BI = torch.rand(
        BATCH, *federation.data.dataset.input_shape, generator=seeded_generator("speed"), dtype=torch.float32
    )
    runners = {name: torch_runner(model, x_BI) for name, model in _networks(federation, server).items()}
    times = time_in_turns(runners, turns, on_turn)
    return {name: quartiles([turn.processor_ms for turn in each]) for name, each in times.items()}


def _networks(federation: Federation, server: ServerState) -> dict[str, nn.Module]:
    params, buffers = init_params(federation.model, seeded_generator("speed"))
    networks: dict[str, nn.Module] = {}
    for name, tensors in ((DENSE, {**params, **buffers}), (MASKED, {**server.params, **server.buffers})):
        model = copy.deepcopy(federation.model)
        model.load_state_dict(tensors, assign=True, strict=False)
        networks[name] = model.eval().requires_grad_(False)
    return {**networks, SLIMMED: small_model(federation, server)}


def torch_runner(model: nn.Module, x_BI: Tensor) -> Runner:
    """Calls a model in evaluation mode; without gradients."""

    def run() -> object:
        with torch.inference_mode():
            return model(x_BI)

    return run


def time_in_turns(
    runners: Mapping[str, Runner], turns: int = TURNS, on_turn: Callable[[], None] = lambda: None
) -> dict[str, list[Turn]]:
    """How long a call of each takes, by name; one thread. Each is called before its first turn, to warm up.

    Runners take turns, so that whatever else the machine does meets them all: figures of one call can be compared.
    """
    times: dict[str, list[Turn]] = {name: [] for name in runners}
    with one_thread():
        calls = {name: max(1, int(1000 * TURN_S / _turn(run, 1).wall_ms)) for name, run in runners.items()}
        for _ in range(turns):
            for name, run in runners.items():
                times[name].append(_turn(run, calls[name]))
            on_turn()
    return times


def _turn(run: Runner, calls: int) -> Turn:
    """Means of some calls after one that brings the network back into the caches."""
    run()
    processor_s, wall_s = time.thread_time(), time.perf_counter()
    for _ in range(calls):
        run()
    processor_s, wall_s = time.thread_time() - processor_s, time.perf_counter() - wall_s
    return Turn(1000 * processor_s / calls, 1000 * wall_s / calls)


def quartiles(values: list[float]) -> Quartiles:
    """Of at least one measurement."""
    if len(values) == 1:
        return Quartiles(*values * 3)
    return Quartiles(*statistics.quantiles(values, n=4, method="inclusive"))


def verdict(flops: NetworkFlops, times: Mapping[str, Quartiles] | None = None) -> str:
    """One sentence: whether pruning has made the network faster, and why, or why not.

    Args:
        times: from `measure_networks`; without them it says what is to be expected.
    """
    if flops.weighted >= flops.dense:
        return "Nothing is pruned: the masked and the slimmed network are the dense one."
    left = flops.slimmed / flops.dense
    gone = f"{flops.sparsity:.0%} of the weights are pruned" if flops.sparsity else "Channels are closed image by image"
    if left > NEARLY:
        known = "no faster network is to be expected" if times is None else "the network is not faster"
        return f"{gone}, but {known}{_times(times, MASKED)}: {_why_not(flops)}."
    rest = f"the slimmed network has {left:.0%} of the dense FLOPs"
    if times is None:
        return f"{gone}, whole units among them: {rest}. Measure what that is worth on this machine."
    faster = times[DENSE].median / times[SLIMMED].median
    if faster < FASTER:
        return (
            f"{gone}, but the network is not faster{_times(times, SLIMMED)}: {rest}, and so small a saving vanishes "
            "in what every layer costs anyway."
        )
    return (
        f"{gone}; slimmed, the network is {faster:.1f} times faster{_times(times, SLIMMED)}, because whole units are "
        f"gone: {rest}. Masked, it takes {times[MASKED].median:.3g} ms: zeros alone save nothing."
    )


def _why_not(flops: NetworkFlops) -> str:
    if not flops.sparsity:
        return "PyTorch still computes the closed channels, and throws them away"
    if flops.slimmed < flops.dense:
        left = f"{flops.slimmed / flops.dense:.2%}"
        return (
            f"nearly all zeros are scattered; without the few units that are gone, {left} of the dense FLOPs are left"
        )
    if flops.empty_units:
        return (
            f"{flops.empty_units} whole units are gone, but none can be cut here (GroupNorm, say, mixes the channels "
            "of a group, so that only whole groups can), and dense kernels multiply zeros, too"
        )
    return "the zeros are scattered, no whole unit is gone, and dense kernels multiply zeros, too"


def _times(times: Mapping[str, Quartiles] | None, name: str) -> str:
    """ " (0.41 ms, dense 0.40 ms)"."""
    if times is None:
        return ""
    return f" ({times[name].median:.3g} ms, dense {times[DENSE].median:.3g} ms)"
