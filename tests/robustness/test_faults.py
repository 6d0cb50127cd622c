"""Faults: what each does to a message, and a small version of the table that benchmarks/faults.py makes."""

from functools import lru_cache

import pytest
import torch

from fedlab_core.clients import Download, Lost, Report, client_side
from fedlab_core.costs.codec import CodecError, decode
from fedlab_core.experiment import Experiment
from fedlab_core.federation.messages import unpack_update
from fedlab_core.lab import Federation
from fedlab_core.robustness import ABSENT, HOSTILE, KINDS, Fault, Faulty, expose, spoil
from fedlab_core.rounds import Answers, broadcast, merge, read, run_round, send
from fedlab_core.types import Dropped, Update

BAD, CLIENTS = 2, 7
BASE = Experiment().replace(
    {
        "data.num_clients": CLIENTS,
        "data.partition": "iid",
        "model.name": "mlp",
        "federation.rounds": 3,
        "federation.local_epochs": 1,
    }
)
RULES = {
    "weighted mean": {"strategy.name": "fedavg"},
    "mask-aware mean": {"strategy.name": "fedsparsify-local", "strategy.merge": "holders"},
    "majority vote": {"strategy.name": "fedsparsify-local"},
    "median": {"strategy.name": "robust", "strategy.rule": "median"},
    "trimmed mean": {"strategy.name": "robust", "strategy.rule": "trimmed_mean"},
    "Krum": {"strategy.name": "robust", "strategy.rule": "krum"},
}


@lru_cache
def federation(rule: str) -> Federation:
    return Federation.of(BASE.replace(RULES[rule]))


@lru_cache
def sound() -> tuple[Download, Report]:
    """What one client gets and sends in the first round."""
    lab = federation("weighted mean")
    ctx = lab.context(1)
    (download,) = broadcast(lab, lab.initial_state(), [BAD], ctx)
    (report,) = client_side(lab, [download], ctx)
    return download, report


def sent(fault: Fault | None) -> Update:
    download, report = sound()
    payload = spoil(fault, download.payload, report.payload) if fault else report.payload
    return unpack_update(payload, BAD, federation("weighted mean").initial_state())


@pytest.mark.parametrize("kind", ABSENT)
def test_who_is_gone_or_late_sends_nothing(kind: str) -> None:
    assert spoil(Fault(kind), b"", b"") is None
    faulty = Faulty(client_side, {BAD: Fault(kind)})
    record = run_round(lab := federation("median"), lab.initial_state(), lab.context(1), run_clients=faulty)
    assert [(one.client_id, one.reason) for one in record.dropped] == [(BAD, ABSENT[kind])]


@pytest.mark.parametrize("kind", ["gone", "damaged", "examples"])
def test_who_is_left_out_has_no_part_in_the_model(kind: str) -> None:
    """The same bits as merging, from the start, what the others send."""
    lab = federation("majority vote")
    ctx, server = lab.context(2), lab.initial_state()
    downloads = send(lab, server, ctx)
    updates = read(lab, server, downloads, client_side(lab, downloads, ctx)).updates
    others = [update for update in updates if update.client_id != BAD]
    record = run_round(lab, server, ctx, run_clients=Faulty(client_side, {BAD: Fault(kind)}))
    assert len(others) == CLIENTS - 1
    assert record.state.sha256() == merge(lab, server, others, ctx)[1].sha256()


@pytest.mark.parametrize(("kind", "error"), [("shapes", "not of the model"), ("damaged", "checksum")])
def test_what_cannot_be_read(kind: str, error: str) -> None:
    with pytest.raises(CodecError, match=error):
        sent(Fault(kind))


def test_a_message_too_large_by_a_row_is_intact() -> None:
    download, report = sound()
    larger = decode(spoil(Fault("shapes"), download.payload, report.payload))
    before = decode(report.payload)
    changed = [name for name, tensor in larger.tensors.items() if tensor.shape != before.tensors[name].shape]
    assert changed == ["params/fc1.weight"]
    assert len(larger.tensors[changed[0]]) == len(before.tensors[changed[0]]) + 1


def test_nan_and_lies_change_nothing_else() -> None:
    before, broken, lying = sent(None), sent(Fault("nan")), sent(Fault("examples", 3))
    assert [name for name, w in broken.params.items() if not torch.equal(w, before.params[name])] == ["fc1.weight"]
    assert broken.params["fc1.weight"].isnan().all()
    assert lying.num_examples == 3 * before.num_examples
    assert all(torch.equal(weight, before.params[name]) for name, weight in lying.params.items())


@pytest.mark.parametrize(("kind", "sign"), [("flipped", -1), ("scaled", 1)])
def test_a_change_is_measured_from_what_was_received(kind: str, sign: int) -> None:
    start, before, after = federation("weighted mean").initial_state(), sent(None), sent(Fault(kind, 4.0))
    for name, weight in after.params.items():
        change = before.params[name] - start.params[name]
        assert torch.allclose(weight - start.params[name], sign * 4.0 * change, atol=1e-5)
        assert change.any()


def test_the_others_send_the_same_bytes() -> None:
    lab = federation("median")
    ctx, server = lab.context(1), lab.initial_state()
    downloads = broadcast(lab, server, range(CLIENTS), ctx)
    clean = client_side(lab, downloads, ctx)
    spoilt = Faulty(client_side, {BAD: Fault("gone"), 4: Fault("scaled")})(lab, downloads, ctx)
    assert [k for k in range(CLIENTS) if spoilt[k] != clean[k]] == [BAD, 4]
    assert isinstance(spoilt[BAD], Lost)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in HOSTILE and kind != "gone"])
@pytest.mark.parametrize("rule", RULES)
def test_what_cannot_be_right_is_left_out_under_every_rule(rule: str, kind: str) -> None:
    """To the last bit as if the client were gone, and named in every round."""
    assert expose(federation(rule), BAD, Fault(kind)).outcome == "dropped"


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("rule", RULES)
def test_only_robust_rules_withstand_what_looks_right(rule: str, kind: str) -> None:
    """Said plainly: a hostile update that is well formed is merged, and a mean has no defence."""
    result = expose(federation(rule), BAD, Fault(kind))
    assert result.outcome == ("withstood" if RULES[rule]["strategy.name"] == "robust" else "harmed")
    assert result.compared > 0.5


def test_too_few_that_are_left_are_refused_in_the_sentence_of_the_rule() -> None:
    """Krum with f = 2 needs 7 updates: without the one that is left out there are 6, and no mean of them is taken."""
    lab = Federation.of(BASE.replace(RULES["Krum"] | {"strategy.faulty": 2}))
    result = expose(lab, BAD, Fault("nan"))
    assert result.outcome == "refused"
    assert result.said == "Krum: 6 updates with f = 2 faulty; it needs n >= 2f + 3 = 7"


def test_what_is_merged_and_should_not_be_is_called_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table can say so: without the server's look at updates, a lie goes into the mean."""
    monkeypatch.setattr("fedlab_core.rounds.check_update", lambda *given: None)
    assert expose(federation("weighted mean"), BAD, Fault("examples")).outcome == "wrong"
    assert expose(federation("median"), BAD, Fault("nan")).said.startswith("median: client 2 sent 'fc1.weight'")


@pytest.mark.parametrize(("merges", "names"), [(True, True), (False, False)])
def test_left_out_means_not_merged_and_named(monkeypatch: pytest.MonkeyPatch, merges: bool, names: bool) -> None:
    """A server that names a client and merges it all the same, or leaves it out in silence, is wrong."""

    def careless(*given: object) -> Answers:
        return read(*given)._replace(dropped=[Dropped(BAD, "a lie")] if names else [])

    if merges:
        monkeypatch.setattr("fedlab_core.rounds.check_update", lambda *given: None)
    monkeypatch.setattr("fedlab_core.rounds.read", careless)
    assert expose(federation("weighted mean"), BAD, Fault("examples")).outcome == "wrong"
