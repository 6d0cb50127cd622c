"""Run an experiment in this process, as an iterator of rounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol

from torch import Tensor

from fedlab_core.clients import client_side
from fedlab_core.experiment import Experiment, SettingError
from fedlab_core.federation.admission import NOT_FINITE
from fedlab_core.federation.trainer import OnStep, no_step_hook
from fedlab_core.lab import Federation, Start
from fedlab_core.processes import crew
from fedlab_core.rounds import diverged, initial_record, run_round
from fedlab_core.types import RoundContext, RoundRecord, ServerState


class OneRound(Protocol):
    """Does a round, wherever its clients are."""

    def __call__(
        self, federation: Federation, server: ServerState, ctx: RoundContext, on_step: OnStep
    ) -> RoundRecord: ...


def simulate(
    experiment: Experiment,
    *,
    start: tuple[int, ServerState] | None = None,
    on_step: OnStep = no_step_hook,
    processes: int = 1,
    federation: Federation | None = None,
    one_round: OneRound | None = None,
) -> Iterator[RoundRecord]:
    """Yield the record of each round as it ends: round 0 (the untrained model) to round T.

    Args:
        experiment: the configuration. The same one gives the same bytes on the same machine and number of threads.
        start: (r, the state after round r): continue with round r + 1. Going on from a saved state or never having
            stopped makes no difference, because every random draw depends on seed, round, purpose and client only.
        on_step: called between client steps; it may block (pause) or raise (stop).
        processes: the clients of a round are spread over so many. Another number may round sums differently. Without
            meaning on an accelerator.
        federation: of this experiment, if it has been built already, or cannot be built from it alone.
        one_round: does each round; default: `run_round` with the clients in `processes` of this machine.

    Raises:
        SettingError: `start` is no state of this experiment.
        DataError, PartitionError, ValueError: as `Federation.of`; or training diverged.
        HelperError: one of the processes ended.
    """
    federation = federation or Federation.of(experiment)
    if start is None:
        record = initial_record(federation)
        yield record
        start = (0, record.state)
    done, server = start
    _refuse_foreign(federation, server)
    on_processor = experiment.federation.device == "cpu"  # an accelerator takes all clients of a round from one process
    run_clients = crew(processes) if processes > 1 and on_processor else client_side
    one_round = one_round or partial(run_round, run_clients=run_clients)
    for round in range(done + 1, experiment.federation.rounds + 1):
        record = one_round(federation, server, federation.context(round), on_step)
        server = record.state
        yield record
        refuse_divergence(record)


def refuse_divergence(record: RoundRecord) -> None:
    """One client without numbers may be broken; more than half of them, and it is training that has run away.

    Raises:
        ValueError: it has.
    """
    broken = [reason for _, reason in record.dropped if reason.startswith(NOT_FINITE)]
    if 2 * len(broken) > len(record.clients):
        raise diverged(record.round, broken[0].removeprefix(f"{NOT_FINITE} in "))


def fork_start(parent: Experiment, federation: Federation, server: ServerState) -> Start:
    """The state from which the experiment of `federation` continues a run of `parent`: same weights and masks.

    The strategy's memory goes along where the strategy is the same; a new one starts with its own. What clients have
    learned from their data stays behind where the child has others.

    Raises:
        SettingError: the child's model is another one.
    """
    child, shapes = federation.experiment, {name: tuple(w.shape) for name, w in federation.model.named_parameters()}
    if shapes != {name: tuple(w.shape) for name, w in server.params.items()}:
        raise SettingError(_another_model(parent, child))
    start = federation.start(server, ask=child.strategy != parent.strategy)
    same = type(child.strategy) is type(parent.strategy) and _shapes(server.state) == _shapes(start.server.state)
    if not same:
        return start
    others = child.strategy.of_clients if child.data != parent.data else ()
    anew = {name: value for name, value in start.server.state.items() if name.startswith(others)} if others else {}
    return start._replace(server=replace(start.server, state=server.state | anew))


def _another_model(parent: Experiment, child: Experiment) -> str:
    if (child.model, child.data.dataset) == (parent.model, parent.data.dataset):
        return (
            f"strategy.name is {child.strategy.name!r}; a fork keeps the network of its parent, and "
            f"{parent.strategy.name!r} trains another one"
        )
    return (
        f"model.name is {child.model.name!r} with {child.data.dataset}; a fork keeps the model of its parent, "
        f"{parent.model.name!r} with {parent.data.dataset}"
    )


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _refuse_foreign(federation: Federation, server: ServerState) -> None:
    fresh, found = federation.initial_state().tensors(), server.tensors()
    needless = federation.experiment.strategy.to_look_at
    for name in sorted(fresh.keys() | found.keys()):
        if needless and name.startswith(f"state/{needless}"):
            continue
        if name not in fresh or name not in found or fresh[name].shape != found[name].shape:
            raise SettingError(f"the state is not one of this experiment: {name} does not fit")
