"""What is said before a run is what its rehearsal spends, and "about" where training decides."""

import pytest

from fedlab_core.budgets import Spending, outlook, rehearse
from fedlab_core.costs.codec import MESSAGE_BYTES
from fedlab_core.lab import Federation
from fedlab_core.pruning.masks import layer_density
from fedlab_core.rounds import broadcast
from tests.budgets.test_rehearsal import of


def test_an_outlook_is_its_rehearsal_with_the_schedule() -> None:
    federation, heard = Federation.of(of("fedsparsify-global")), []
    seen = outlook(federation, heard.append)
    assert heard == [0, 1, 2, 3]
    assert seen.costs == rehearse(federation)
    assert seen.spending("final") == Spending.of(seen.costs, "final")
    assert seen.sparsities == pytest.approx(seen.targets, abs=1e-3)
    assert [row["layer_density"] for row in seen.rows[:-1]] == [{}] * 3
    assert seen.rows[-1]["layer_density"] == layer_density(seen.server.masks)
    assert seen.rows[2]["upload_bytes"] == seen.costs[2].upload_bytes


def test_the_last_message_is_the_one_that_the_next_round_would_begin_with() -> None:
    federation = Federation.of(of("fedsparsify-global"))
    seen = outlook(federation)
    (download,) = broadcast(federation, seen.server, [0], federation.context(3))
    parts = sum(cost.num_bytes for cost in seen.last_message) + MESSAGE_BYTES
    assert seen.clients == 3  # 60 % of five
    groups = len("params/") * len(seen.last_message)  # an assignment says of each tensor what it is
    assert len(download.payload) == parts + groups


@pytest.mark.parametrize(
    ("name", "flops", "sent"),
    [("fedavg", False, False), ("fedsparsify-global", True, True), ("snip", False, False), ("prunefl", True, True)],
)
def test_about_is_said_where_training_decides(name: str, flops: bool, sent: bool) -> None:
    seen = outlook(Federation.of(of(name)))
    assert (seen.is_about("flops"), seen.is_about("bytes")) == (flops, sent)
