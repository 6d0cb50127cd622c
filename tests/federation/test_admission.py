"""Updates that cannot be right are left out by name; the round is that of the others, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pytest
import torch

from fedlab_core.clients import Download, Lost, Report, client_side
from fedlab_core.experiment import Experiment
from fedlab_core.federation.messages import pack_update, unpack_update
from fedlab_core.federation.trainer import OnStep, no_step_hook
from fedlab_core.lab import Federation
from fedlab_core.rounds import initial_record, run_round
from fedlab_core.simulation import refuse_divergence, simulate
from fedlab_core.types import RoundContext, ServerState, Update

SMALL = Experiment().replace(
    {"model.name": "mlp", "data.num_clients": 4, "federation.rounds": 3, "federation.local_epochs": 1}
)
BAD = 2

Spoil = Callable[[Report, ServerState], Report | Lost]


def changed(change: Callable[[Update], Update]) -> Spoil:
    """A client that changes its update before it is encoded."""

    def spoil(report: Report, server: ServerState) -> Report:
        return report._replace(payload=pack_update(change(unpack_update(report.payload, BAD, server))))

    return spoil


def with_first_weight(update: Update, change: Callable[[torch.Tensor], torch.Tensor]) -> Update:
    name = next(iter(update.params))
    masks = {key: mask for key, mask in update.masks.items() if key != name}
    return replace(update, params={**update.params, name: change(update.params[name])}, masks=masks)


def holed(weight: torch.Tensor, value: float) -> torch.Tensor:
    weight = weight.clone()
    weight.view(-1)[7] = value
    return weight


FAULTS: dict[str, tuple[Spoil, str]] = {
    "gone": (lambda report, server: Lost("did not answer"), "did not answer"),
    "nan": (
        changed(lambda u: replace(u, params={n: holed(w, float("nan")) for n, w in u.params.items()})),
        "values that are not finite in fc1.weight",
    ),
    "infinite": (
        changed(lambda u: replace(u, params={n: holed(w, float("inf")) for n, w in u.params.items()})),
        "values that are not finite in fc1.weight",
    ),
    "shapes": (changed(lambda u: with_first_weight(u, torch.t)), "not of the model that was sent"),
    "types": (changed(lambda u: with_first_weight(u, torch.Tensor.double)), "not of the model that was sent"),
    "fewer masks": (
        changed(lambda u: replace(u, masks=dict(list(u.masks.items())[1:]))),
        "masks of other tensors than were sent: fc1.weight",
    ),
    "more examples": (changed(lambda u: replace(u, num_examples=10**9)), "claims 1000000000 examples; the client has"),
    "no examples": (changed(lambda u: replace(u, num_examples=0)), "claims 0 examples; the client has"),
    "negative": (changed(lambda u: replace(u, num_examples=-5)), "claims -5 examples; the client has"),
    "odd extras": (changed(lambda u: replace(u, extras={"x": torch.ones(1)})), "extras are not those of the method: x"),
    "odd loss": (changed(lambda u: replace(u, train_loss=float("nan"))), "not finite in the training loss"),
    "damaged": (
        lambda report, server: report._replace(payload=report.payload[:99] + b"?" + report.payload[100:]),
        "payload is damaged",
    ),
    "cut off": (lambda report, server: report._replace(payload=report.payload[:50]), "payload"),
    "empty": (lambda report, server: report._replace(payload=b""), "payload has 0 bytes"),
}


def with_fault(spoil: Spoil, server: ServerState, bad: Sequence[int] = (BAD,)):
    """The clients' side of a round in which some clients are faulty."""

    def run_clients(
        federation: Federation, downloads: Sequence[Download], ctx: RoundContext, on_step: OnStep = no_step_hook
    ) -> list[Report | Lost]:
        reports = client_side(federation, downloads, ctx, on_step)
        return [
            spoil(report, server) if one.client_id in bad else report
            for one, report in zip(downloads, reports, strict=True)
        ]

    return run_clients


@pytest.mark.parametrize("strategy", ["fedavg", "fedsparsify-local"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_update_alone_is_dropped_and_named(fault: str, strategy: str) -> None:
    federation = Federation.of(SMALL.replace({"strategy.name": strategy}))
    server, ctx = initial_record(federation).state, federation.context(1)
    spoil, reason = FAULTS[fault]
    record = run_round(federation, server, ctx, run_clients=with_fault(spoil, server))
    assert record.clients == (0, 1, 2, 3)
    assert [one.client_id for one in record.dropped] == [BAD]
    assert reason in record.dropped[0].reason
    assert not record.skipped
    without = run_round(federation, server, ctx, run_clients=with_fault(FAULTS["gone"][0], server))
    assert record.state.sha256() == without.state.sha256()
    healthy = run_round(federation, server, ctx)
    assert healthy.dropped == ()
    assert healthy.state.sha256() != record.state.sha256()


def test_what_came_is_charged_and_what_did_not_come_is_not() -> None:
    federation = Federation.of(SMALL)
    server, ctx = initial_record(federation).state, federation.context(1)
    gone, broken = (
        run_round(federation, server, ctx, run_clients=with_fault(FAULTS[fault][0], server))
        for fault in ("gone", "nan")
    )
    healthy = run_round(federation, server, ctx)
    assert healthy.download_bytes == gone.download_bytes == broken.download_bytes
    assert healthy.upload_bytes == broken.upload_bytes == gone.upload_bytes * 4 // 3
    assert gone.dense_flops < broken.dense_flops == healthy.dense_flops


@pytest.mark.parametrize("fault", ["gone", "damaged", "nan"])
def test_nobody_left_skips_the_round(fault: str) -> None:
    federation = Federation.of(SMALL.replace({"strategy.name": "fedsparsify-global"}))
    first = run_round(federation, initial_record(federation).state, federation.context(1))
    everyone = with_fault(FAULTS[fault][0], first.state, range(4))
    record = run_round(federation, first.state, federation.context(2), run_clients=everyone)
    assert record.skipped
    assert not first.skipped
    assert len(record.dropped) == 4
    assert record.state.sha256() == first.state.sha256()
    assert record.test_accuracy == record.accuracy_before_purge == first.test_accuracy
    assert record.train_loss is None
    row = record.to_json()
    assert row["skipped"] is True
    assert row["dropped"][0][0] == 0


def test_after_a_skipped_round_the_run_goes_on() -> None:
    calls = []

    def first_lost(federation, downloads, ctx, on_step=no_step_hook):
        calls.append(ctx.round)
        if ctx.round == 1:
            return [Lost("did not answer")] * len(downloads)
        return client_side(federation, downloads, ctx, on_step)

    records = list(simulate(SMALL, one_round=partial(run_round, run_clients=first_lost)))
    assert [record.skipped for record in records] == [False, True, False, False]
    assert calls == [1, 2, 3]
    assert records[-1].test_accuracy > records[1].test_accuracy


def test_most_without_numbers_is_divergence_and_one_is_not() -> None:
    federation = Federation.of(SMALL)
    server, ctx = initial_record(federation).state, federation.context(1)
    for bad in ((0, 1), (0, 1, 2)):
        record = run_round(federation, server, ctx, run_clients=with_fault(FAULTS["nan"][0], server, bad))
        if len(bad) == 2:
            refuse_divergence(record)
        else:
            with pytest.raises(ValueError, match=r"training diverged in round 1: fc1.weight holds values"):
                refuse_divergence(record)


def test_a_method_under_which_masks_stay_insists_on_it() -> None:
    federation = Federation.of(SMALL.replace({"strategy.name": "robust", "strategy.final_sparsity": 0.5}))
    first = run_round(federation, initial_record(federation).state, federation.context(1))
    everything = changed(lambda u: replace(u, masks={n: torch.ones_like(m) for n, m in u.masks.items()}))
    ctx = federation.context(3)
    pruned = run_round(federation, first.state, federation.context(2)).state
    record = run_round(federation, pruned, ctx, run_clients=with_fault(everything, pruned))
    assert record.dropped == ((BAD, "another mask than was sent: fc1.weight"),)


def test_fednova_refuses_a_client_that_has_gone_nowhere() -> None:
    federation = Federation.of(SMALL.replace({"strategy.name": "fednova"}))
    server = initial_record(federation).state
    still = changed(lambda u: replace(u, extras={n: torch.zeros_like(t) for n, t in u.extras.items()}))
    with pytest.raises(ValueError, match=r"FedNova: client 2 says that it has made no step"):
        run_round(federation, server, federation.context(1), run_clients=with_fault(still, server))
