"""Batches: every example once an epoch, and the stacked form shows the same ones."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.data.cohort import Cohort, LocalData, epoch_orders
from fedlab_core.types import RoundContext, seeded_generator


@given(size=st.integers(0, 40), epochs=st.integers(1, 3), batch=st.integers(1, 20))
def test_every_epoch_sees_every_example_once(size: int, epochs: int, batch: int) -> None:
    rows_N = torch.arange(size) + 100
    everything = (torch.arange(200.0)[:, None], torch.arange(200), rows_N)
    local = LocalData.of(0, everything, epochs, batch, {}, RoundContext(1, 1, 0))
    batches = list(local.batches())
    steps = -(-size // batch)
    assert local.num_examples == size
    assert local.batch_sizes == [len(step.y_B) for step in batches]
    assert len(batches) == epochs * steps
    for epoch in range(epochs):
        seen = batches[epoch * steps : (epoch + 1) * steps]
        assert all(len(step.y_B) == batch for step in seen[:-1])
        assert sorted(int(y) for step in seen for y in step.y_B) == rows_N.tolist()
        assert all(torch.equal(step.x_BI[:, 0], step.y_B.float()) for step in seen)


def test_every_epoch_has_an_order_of_its_own() -> None:
    first, second = epoch_orders(30, 2, seeded_generator("orders"))
    assert not torch.equal(first, second)


def clients(ctx: RoundContext, sizes: tuple[int, ...]) -> list[LocalData]:
    examples = [
        (torch.full((n, 1), float(k)) + torch.arange(n)[:, None] / 100, torch.arange(n)) for k, n in enumerate(sizes)
    ]
    return [
        LocalData.of(k, (x_NI, y_N, torch.arange(len(y_N))), 2, 4, {"drop.uniform": 3}, ctx)
        for k, (x_NI, y_N) in enumerate(examples)
    ]


def test_clients_of_one_data_set_share_it() -> None:
    x_NI, y_N = torch.arange(12.0)[:, None], torch.arange(12)
    parts = (torch.tensor([0, 2, 4]), torch.tensor([7]), torch.tensor([1, 3, 5, 9, 11]))
    ctx = RoundContext(1, 1, 0)
    data = [LocalData.of(k, (x_NI, y_N, rows_N), 1, 2, {}, ctx) for k, rows_N in enumerate(parts)]
    cohort = Cohort(data)
    assert cohort.num_steps == [3, 2, 1]
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for step in range(3):
        batch = cohort.batch(step)
        for row in range(cohort.active(step)):
            real = batch.weight_B[row] > 0
            assert torch.equal(batch.x_BI[row][real][:, 0], batch.y_B[row][real].float())
            seen[cohort.clients[row].client_id] += batch.y_B[row][real].tolist()
    assert {k: sorted(rows) for k, rows in seen.items()} == {k: rows_N.tolist() for k, rows_N in enumerate(parts)}


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
    plans = [who.order_EN.tolist() for who in (*first, *again, *later)]
    assert plans[0] == plans[2] != plans[1]
    assert plans[0] != plans[4]
