"""Laws of FedSparsify's relatives: OneShot, SNIP, GraSP, PruneFL, FedDST, DPF, FedNova."""

from itertools import pairwise, product

import pytest
import torch
from torch.func import functional_call

from fedlab_core.costs.codec import MESSAGE_BYTES, CodecError
from fedlab_core.experiment import Experiment
from fedlab_core.federation.messages import pack_masks, unpack_masks
from fedlab_core.federation.programs import LocalSettings
from fedlab_core.lab import Federation
from fedlab_core.models import init_params
from fedlab_core.pruning.masks import total
from fedlab_core.rounds import run_round
from fedlab_core.simulation import fork_start, simulate
from fedlab_core.strategies import make_strategy
from fedlab_core.strategies.dpf import DPF
from fedlab_core.strategies.fednova import STEPS
from fedlab_core.strategies.prunefl import fastest
from fedlab_core.types import Assignment, Batch, Gradient, Params, RoundContext, RoundRecord, ServerState, Update

BASE = Experiment().replace(
    {
        "data.num_clients": 5,
        "data.alpha": 0.3,
        "model.name": "mlp",
        "federation.rounds": 8,
        "federation.local_epochs": 2,
        "federation.batch_size": 32,
    }
)


def run(**settings: object) -> list[RoundRecord]:
    return list(simulate(BASE.replace({key.replace("__", "."): value for key, value in settings.items()})))


def kept(record: RoundRecord) -> torch.Tensor:
    return torch.cat([mask.flatten() for mask in record.state.masks.values()])


def test_one_shot_prunes_once() -> None:
    records = run(strategy__name="one-shot", strategy__prune_after=0.5)
    prunable = total(records[0].state.masks)
    pruned = [int((~kept(record)).sum()) for record in records]
    assert pruned == [0] * 4 + [int(0.9 * prunable)] * 5
    assert all(torch.equal(kept(records[4]), kept(record)) for record in records[4:])
    assert [record.target_sparsity for record in records] == [0.0] * 4 + [0.9] * 5


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_masks_from_the_start(name: str) -> None:
    records = run(strategy__name=name, strategy__final_sparsity=0.8)
    prunable = total(records[0].state.masks)
    assert int(kept(records[0]).sum()) == round(0.2 * prunable)
    assert all(torch.equal(kept(records[0]), kept(record)) for record in records)
    assert all(not (record.state.params[n][~m]).any() for record in records for n, m in record.state.masks.items())


@pytest.mark.parametrize("name", ["snip", "grasp", "prunefl"])
def test_asking_a_client_costs_bytes(name: str) -> None:
    """Down goes the dense model; up comes one bit a weight, and a few bytes around them."""
    first = run(strategy__name=name, federation__rounds=1)[0]
    floats = sum(weight.numel() for weight in first.state.params.values())
    bits = sum(-(-mask.numel() // 8) for mask in first.state.masks.values())
    assert 4 * floats < first.download_bytes < 4 * floats + 300
    assert bits + MESSAGE_BYTES < first.upload_bytes < bits + 200
    nobody = run(strategy__name="fedavg", federation__rounds=1)[0]
    assert nobody.download_bytes == nobody.upload_bytes == 0


def test_snip_scores_the_first_batch_of_a_client_drawn_at_random() -> None:
    """The masks once more, from the data and PyTorch alone."""
    federation = Federation.of(BASE.replace({"strategy.name": "snip"}))
    ctx, data = federation.context(0), federation.data
    client = int(torch.randint(data.num_clients, (1,), generator=ctx.generator("probe")))
    order = torch.randperm(len(data.train_indices[client]), generator=ctx.generator("batches", client))
    x_BI, y_B = (one[order[:32]] for one in data.train(client))
    params = {n: w.requires_grad_() for n, w in init_params(federation.model, ctx.generator("init"))[0].items()}
    torch.nn.functional.cross_entropy(functional_call(federation.model, params, (x_BI,)), y_B).backward()
    score = torch.cat([(w * w.grad).abs().flatten() for n, w in params.items() if n.endswith("weight")])  # type: ignore[operator]
    best = torch.zeros(len(score), dtype=torch.bool)
    best[score.topk(round(0.2 * len(score))).indices] = True
    masks = federation.initial_state().masks
    assert int((torch.cat([mask.flatten() for mask in masks.values()]) != best).sum()) <= 2  # ties in rounding


@pytest.mark.parametrize("name", ["snip", "prunefl"])
def test_a_fork_with_the_same_method_asks_nobody(name: str) -> None:
    parent = BASE.replace({"strategy.name": name})
    server = list(simulate(parent))[6].state
    start = fork_start(parent, Federation.of(parent.replace({"federation.learning_rate": 0.01})), server)
    assert start.download_bytes == start.upload_bytes == 0
    assert start.server.sha256() == server.sha256()


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_a_fork_prunes_on_from_the_parents_masks(name: str) -> None:
    parent = BASE.replace({"strategy.name": name, "strategy.final_sparsity": 0.8})
    server = list(simulate(parent))[3].state
    same = fork_start(parent, Federation.of(parent), server).server
    assert all(torch.equal(same.masks[layer], server.masks[layer]) for layer in server.masks)
    sparser = parent.replace({"strategy.final_sparsity": 0.95})
    start = fork_start(parent, Federation.of(sparser), server)
    assert start.upload_bytes > 0
    assert sum(int(m.sum()) for m in start.server.masks.values()) == round(0.05 * total(server.masks))
    assert all(not (start.server.masks[n] & ~server.masks[n]).any() for n in server.masks)
    assert all(not start.server.params[n][~m].any() for n, m in start.server.masks.items())


def test_feddst_keeps_its_density_and_grows() -> None:
    records = run(strategy__name="feddst", strategy__every=1, strategy__final_sparsity=0.8)
    sizes = [{name: int(mask.sum()) for name, mask in record.state.masks.items()} for record in records]
    assert all(now == sizes[0] for now in sizes)
    prunable = total(records[0].state.masks)
    assert sum(sizes[0].values()) == pytest.approx(0.2 * prunable, abs=3)
    grown = [int((kept(after) & ~kept(before)).sum()) for before, after in pairwise(records)]
    assert all(grown[:5])
    assert not any(grown[6:])  # from T_end on, nothing is exchanged


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_feddst_keeps_its_density_however_long_clients_train(epochs: int) -> None:
    settings = {"strategy__every": 1, "strategy__exchange": 1, "strategy__stop_after": 1, "federation__rounds": 5}
    records = run(strategy__name="feddst", data__num_clients=1, federation__local_epochs=epochs, **settings)
    assert [record.sparsity for record in records] == pytest.approx([records[0].sparsity] * 6)


def test_feddst_exchanges_every_few_rounds_only() -> None:
    records = run(strategy__name="feddst", strategy__every=3)
    changed = [not torch.equal(kept(before), kept(after)) for before, after in pairwise(records)]
    assert changed == [False, False, True, False, False, False, False, False]  # round 6 = T_end


def test_fastest_masks_by_brute_force() -> None:
    """Of all masks of seven weights that keep what must stay, none makes more progress for its time."""
    generator = torch.Generator().manual_seed(4)
    for _ in range(50):
        squares = {"a": torch.rand(3, generator=generator), "b": torch.rand(4, generator=generator)}
        chance = torch.rand(7, generator=generator) < 0.3
        must = {"a": chance[:3] | (squares["a"] == squares["a"].max()), "b": chance[3:]}
        must["b"] = must["b"] | (squares["b"] == squares["b"].max())
        times, fixed = {"a": 0.05, "b": 0.2}, 0.4
        both = torch.cat([squares["a"], squares["b"]]).double()
        time = torch.tensor([0.05] * 3 + [0.2] * 4, dtype=torch.float64)
        must_stay = torch.cat([must["a"], must["b"]])

        def gamma(mask: torch.Tensor, both: torch.Tensor = both, time: torch.Tensor = time) -> float:
            return float(both[mask].sum() / (0.4 + time[mask].sum()))

        choices = (torch.tensor(bits) for bits in product([False, True], repeat=7))
        best = max(gamma(mask) for mask in choices if (mask | ~must_stay).all())
        found = fastest(squares, times, must, fixed)
        assert gamma(torch.cat([found["a"], found["b"]])) == pytest.approx(best)
        assert all(not (must[name] & ~found[name]).any() for name in must)


def test_prunefl_keeps_more_where_pruning_saves_less() -> None:
    sparse = run(strategy__name="prunefl", strategy__every=2, strategy__fixed_time=0.01)
    dense = run(strategy__name="prunefl", strategy__every=2, strategy__fixed_time=5)
    assert sparse[-1].sparsity > dense[-1].sparsity + 0.1
    changed = [not torch.equal(kept(before), kept(after)) for before, after in pairwise(sparse)]
    assert changed == [False, True] * 4
    asked, unasked = sparse[2], sparse[3]  # squares of all weights travel in a round of new masks
    floats = sum(mask.numel() for mask in sparse[0].state.masks.values())
    assert asked.upload_bytes > unasked.upload_bytes + 5 * 4 * floats * 0.9


def test_a_layer_without_gradients_keeps_one_weight() -> None:
    squares = {"a": torch.rand(10, 10, generator=torch.Generator().manual_seed(0)), "dead": torch.zeros(10, 10)}
    nothing = {name: torch.zeros(10, 10, dtype=torch.bool) for name in squares}
    masks = fastest(squares, {"a": 0.005, "dead": 0.005}, nothing, 0.2)
    assert int(masks["dead"].sum()) == 1


def test_prunefl_keeps_all_if_all_is_worth_it() -> None:
    squares = {"a": torch.ones(4)}
    assert fastest(squares, {"a": 0.1}, {"a": torch.zeros(4, dtype=torch.bool)}, 1.0)["a"].all()


def test_dpf_steps_by_hand() -> None:
    """The gradient is asked for at the pruned weights (2, 0); the step moves both; the hidden one is not lost."""
    program = DPF().program(LocalSettings(1, 1, learning_rate=0.1))
    masks = {"w": torch.tensor([[True, False]])}
    state = program.begin(Assignment(0, {"w": torch.tensor([[2.0, 0.0]])}, {}, masks, {"w": torch.tensor([5.0])}), 1)
    asked = []

    def grad(params: Params, buffers: Params, batch: Batch, onto: Params, decay: float) -> Gradient:
        asked.append(params["w"].tolist())
        onto["w"].mul_(decay).add_(torch.tensor([[1.0, -10.0]]))
        return Gradient(torch.tensor(0.0), onto, {})

    state = program.step(state, None, grad, RoundContext(1, 1, 0))  # type: ignore[arg-type]
    assert asked == [[[2.0, 0.0]]]
    update = program.end(state)
    assert update.params["w"].tolist() == [[pytest.approx(1.9), 6.0]]
    assert update.extras["w"].tolist() == [6.0]


def test_what_needs_all_gradients_says_so() -> None:
    """The gradient of all weights, and two passes with what is kept: of 90 % sparsity, 1 + 2 x 0.1 of 3 are left."""
    dpf = run(strategy__name="dpf", strategy__initial_sparsity=0.9, strategy__final_sparsity=0.9)[-1]
    assert dpf.effective_flops / dpf.dense_flops == pytest.approx((1 + 2 * 0.1) / 3, rel=0.2)
    assert not DPF(initial_sparsity=0.9, final_sparsity=0.5).remarks(10)


def test_dpf_brings_weights_back() -> None:
    records = run(strategy__name="dpf", strategy__final_sparsity=0.9)
    assert records[-1].sparsity == pytest.approx(0.9, abs=1e-4)
    back = [int((kept(after) & ~kept(before)).sum()) for before, after in pairwise(records)]
    assert sum(back) > 0
    dense = run(strategy__name="fedavg")[-1]
    assert records[-1].upload_bytes > 0.98 * dense.upload_bytes  # what is pruned travels, too


def test_fednova_by_hand() -> None:
    """From 0, one client moves by 2 in 2 steps, the other by 6 in 4, of 1 and 3 examples. Directions 1 and 1.5, their
    mean 1.375, the mean of steps 3.5."""
    previous = ServerState({"w": torch.zeros(1)}, {}, {})
    updates = [
        Update(0, {"w": torch.tensor([2.0])}, {}, {}, 1, 0.0, {STEPS: torch.tensor(2.0)}),
        Update(1, {"w": torch.tensor([6.0])}, {}, {}, 3, 0.0, {STEPS: torch.tensor(4.0)}),
    ]
    assert make_strategy({"name": "fednova"}).aggregate(updates, previous)["w"].item() == pytest.approx(1.375 * 3.5)


def test_fednova_counts_steps_with_momentum() -> None:
    """With rho = 0.5, weights of gradients in 3 steps are 1.75, 1.5 and 1: a = 4.25."""
    program = make_strategy({"name": "fednova"}).program(LocalSettings(1, 1, 0.1, momentum=0.5))
    state = program.begin(Assignment(0, {"w": torch.zeros(1)}, {}, {}), 3)
    assert float(program.end(state._replace(num_steps=torch.tensor(3))).extras[STEPS]) == pytest.approx(4.25)


def test_fednova_is_fedavg_where_all_take_as_many_steps() -> None:
    same = {"data.partition": "iid", "data.num_clients": 3, "federation.rounds": 2}  # 1,437 examples = 3 x 479
    nova, mean = (list(simulate(BASE.replace(same | {"strategy.name": name})))[-1] for name in ("fednova", "fedavg"))
    assert all(torch.allclose(nova.state.params[n], w, atol=1e-6) for n, w in mean.state.params.items())
    skewed = {"federation.rounds": 2}
    nova, mean = (list(simulate(BASE.replace(skewed | {"strategy.name": name})))[-1] for name in ("fednova", "fedavg"))
    assert not all(torch.allclose(nova.state.params[n], w, atol=1e-4) for n, w in mean.state.params.items())


def test_a_damaged_answer_about_masks_is_refused() -> None:
    masks = {"a": torch.tensor([[True, False, True]]), "b": torch.ones(9, dtype=torch.bool)}
    again = unpack_masks(pack_masks(masks), masks)
    assert all(torch.equal(again[name], mask) for name, mask in masks.items())
    with pytest.raises(CodecError, match="not of the model"):
        unpack_masks(pack_masks({"a": masks["a"]}), masks)


def test_snip_asks_without_moving_running_statistics() -> None:
    """BatchNorm writes into its buffers while a batch is scored; those of the model must stay."""
    experiment = BASE.replace({"data.dataset": "shapes", "model.name": "cnn6", "strategy.name": "snip"})
    server = Federation.of(experiment).initial_state()
    assert all((server.buffers[n] == float(n.endswith("running_var"))).all() for n in server.buffers)


def test_grown_weights_start_at_zero() -> None:
    federation = Federation.of(BASE.replace({"strategy.name": "prunefl", "strategy.every": 1}))
    server = federation.initial_state()
    after = run_round(federation, server, federation.context(1)).state
    grown = {name: after.masks[name] & ~server.masks[name] for name in server.masks}
    assert any(mask.any() for mask in grown.values())
    assert all(not after.params[name][mask].any() for name, mask in grown.items())
