"""Each fault under each aggregation rule, over Flower's nodes: left out and named, or let in for the rule to judge."""

from __future__ import annotations

import pytest

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'fedlab_core[flower]'")

from fedlab_core.experiment import Experiment
from fedlab_core.robustness import ABSENT, HOSTILE, KINDS
from tests.flower.grid import HereGrid
from tests.flower.test_strategy import over_flower

pytestmark = pytest.mark.slow

RULES = {
    "weighted mean": {"strategy.name": "fedsparsify-global"},
    "mask-aware mean": {"strategy.name": "fedsparsify-local", "strategy.merge": "holders"},
    "majority vote": {"strategy.name": "fedsparsify-local"},
    "median": {"strategy.name": "robust", "strategy.rule": "median", "strategy.faulty": 1},
    "trimmed mean": {"strategy.name": "robust", "strategy.rule": "trimmed_mean", "strategy.faulty": 1},
    "Krum": {"strategy.name": "robust", "strategy.rule": "krum", "strategy.faulty": 1},
}
SMALL = Experiment().replace(
    {
        "model.name": "mlp",
        "data.num_clients": 7,
        "federation.rounds": 1,
        "federation.local_epochs": 1,
        "federation.trainer": "loop",
    }
)
BAD = 3


def with_fault(rule: str, fault: str):
    """One round in which node 3 of 7 has a fault; one that does not answer is played by the grid."""
    absent = fault in ABSENT
    grid = HereGrid.of(7, {100 + BAD: lambda reply: None} if absent else {})
    if not absent:
        grid.settings[100 + BAD]["fault"] = fault
    return over_flower(SMALL.replace(RULES[rule]), grid, deadline_s=0.05)[-1]


@pytest.fixture(scope="module")
def gone() -> dict[str, str]:
    """The state after the round in which node 3 does not answer, by rule."""
    return {}


@pytest.mark.parametrize("fault", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_no_fault_is_merged_in_silence(rule: str, fault: str, gone: dict[str, str]) -> None:
    record = with_fault(rule, fault)
    if rule not in gone:
        gone[rule] = with_fault(rule, "gone").state.sha256()
    if fault in HOSTILE:  # well formed: only the rule can judge
        assert record.dropped == ()
        assert (record.state.sha256() == gone[rule]) == (rule == "Krum")  # it takes one client's model, an honest one's
    else:
        assert [one.client_id for one in record.dropped] == [BAD]
        assert record.state.sha256() == gone[rule]


def test_a_rule_whose_assumptions_fail_is_refused() -> None:
    """Krum with f = 1 needs 5 updates: with 5 clients it cannot lose one."""
    grid = HereGrid.of(5)
    grid.settings[100 + BAD]["fault"] = "nan"
    with pytest.raises(ValueError, match=r"Krum: 4 updates with f = 1 faulty; it needs n >= 2f \+ 3 = 5"):
        over_flower(SMALL.replace({**RULES["Krum"], "data.num_clients": 5}), grid)
