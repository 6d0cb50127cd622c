"""Batches: every example once an epoch, and the stacked form shows the same ones."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.data.cohort import Cohort, LocalData, batch_plan
from fedlab_core.types import RoundContext, seeded_generator


@given(size=st.integers(0, 40), epochs=st.integers(1, 3), batch=st.integers(1, 20))
def test_every_epoch_sees_every_example_once(size: int, epochs: int, batch: int) -> None:
    plan = batch_plan(size, epochs, batch, seeded_generator("plan"))
    steps = -(-size // batch)
    assert len(plan) == epochs * steps
    for epoch in range(epochs):
        seen = plan[epoch * steps : (epoch + 1) * steps]
        assert all(len(step) == batch for step in seen[:-1])
        indices = torch.cat(seen) if seen else torch.zeros(0)
        assert sorted(indices.tolist()) == list(range(size))


def clients(ctx: RoundContext, sizes: tuple[int, ...]) -> list[LocalData]:
    examples = [
        (torch.full((n, 1), float(k)) + torch.arange(n)[:, None] / 100, torch.arange(n)) for k, n in enumerate(sizes)
    ]
    return [LocalData.of(k, pair, 2, 4, {"drop.uniform": 3}, ctx) for k, pair in enumerate(examples)]


def test_stack_shows_each_client_its_own_batches() -> None:
    ctx, sizes = RoundContext(1, 1, 0), (3, 9, 4)
    alone = {client.client_id: list(client.batches()) for client in clients(ctx, sizes)}
    cohort = Cohort(clients(ctx, sizes))
    assert cohort.num_steps == [6, 2, 2]
    for step in range(6):
        batch = cohort.batch(step)
        assert batch.x_BI.shape[0] == cohort.active(step)
        for row, client in enumerate(cohort.clients[: cohort.active(step)]):
            own = alone[client.client_id][step]
            real = batch.weight_B[row] > 0
            assert torch.equal(batch.x_BI[row][real], own.x_BI)
            assert torch.equal(batch.y_B[row][real], own.y_B)
            assert torch.equal(batch.weight_B[row][real], own.weight_B)
            assert torch.equal(batch.noise["drop.uniform"][row][real], own.noise["drop.uniform"])
            assert float(batch.weight_B[row].sum()) == 1


def test_batches_depend_on_round_seed_and_client_only() -> None:
    first = clients(RoundContext(1, 10, 0), (5, 5))
    again = clients(RoundContext(1, 10, 0), (5, 5))
    later = clients(RoundContext(2, 10, 0), (5, 5))
    plans = [[step.tolist() for step in who.plan] for who in (*first, *again, *later)]
    assert plans[0] == plans[2] != plans[1]
    assert plans[0] != plans[4]
