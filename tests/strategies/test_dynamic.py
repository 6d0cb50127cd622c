"""Laws of adaptive dynamic pruning: gates, threshold, salient gradients."""

from itertools import pairwise

import pytest
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.federation.programs import LocalSettings
from fedlab_core.lab import Federation
from fedlab_core.measures import client_gates, gate_sizes
from fedlab_core.simulation import fork_start, simulate
from fedlab_core.strategies import make_strategy
from fedlab_core.types import Assignment, Batch, Gradient, Params, RoundContext, RoundRecord

BASE = Experiment().replace(
    {
        "data.num_clients": 5,
        "data.alpha": 0.3,
        "model.name": "mlp",
        "federation.rounds": 4,
        "federation.local_epochs": 2,
        "federation.batch_size": 32,
    }
)
BATCH = Batch(torch.zeros(1), torch.zeros(1), torch.ones(1), {})


def run(**settings: object) -> list[RoundRecord]:
    return list(simulate(BASE.replace({key.replace("__", "."): value for key, value in settings.items()})))


@pytest.mark.slow
def test_gates_save_flops_and_no_bytes() -> None:
    gates = run(strategy__name="dynamic-gate", strategy__ratio=0.5, model__name="cnn_small")
    dense = run(model__name="cnn_small")
    last = gates[-1]
    assert last.effective_flops < 0.45 * last.dense_flops
    assert last.upload_bytes > dense[-1].upload_bytes  # the gates travel, too
    assert last.test_accuracy > 0.6
    assert last.sparsity == 0


def test_all_channels_open_cost_as_much_as_without_gates() -> None:
    record = run(strategy__name="dynamic-gate", strategy__ratio=1, model__name="cnn_small", federation__rounds=1)[-1]
    assert record.effective_flops == record.dense_flops


def test_gates_behind_a_sigmoid_are_trained_alike_by_both_trainers() -> None:
    settings = {"strategy__name": "dynamic-gate", "strategy__signal": "sigmoid", "model__name": "cnn_small"}
    fast, loop = (run(**settings, federation__rounds=1, federation__trainer=name)[-1] for name in ("fast", "loop"))
    assert all(torch.allclose(fast.state.params[n], w, atol=1e-4) for n, w in loop.state.params.items())


@pytest.mark.parametrize("base", ["fedprox", "fednova", "scaffold"])
@pytest.mark.parametrize(
    "form", [{"name": "dynamic-salient", "keep_ratio": 1}, {"name": "dynamic-threshold", "tau": 0}]
)
def test_without_pruning_it_is_the_method_underneath(form: dict[str, object], base: str) -> None:
    settings = {f"strategy__{key}": value for key, value in form.items()}
    here = run(**settings, strategy__base=base, federation__rounds=2)[-1].state
    plain = run(strategy__name=base, federation__rounds=2)[-1].state
    assert all(torch.allclose(here.params[name], weight, atol=1e-6) for name, weight in plain.params.items())


@pytest.mark.slow
@pytest.mark.parametrize("base", ["fedprox", "fednova", "scaffold"])
def test_gates_on_other_methods(base: str) -> None:
    settings = {"strategy__name": "dynamic-gate", "model__name": "cnn_small", "federation__rounds": 2}
    last, fedavg = run(**settings, strategy__base=base)[-1], run(**settings)[-1]
    assert last.test_accuracy > 0.2
    assert not torch.equal(last.state.params["conv2.gate.weight"], fedavg.state.params["conv2.gate.weight"])


@pytest.mark.slow
def test_clients_open_different_channels() -> None:
    experiment = BASE.replace({"strategy.name": "dynamic-gate", "strategy.ratio": 0.25, "model.name": "cnn_small"})
    lab, server = Federation.of(experiment), list(simulate(experiment))[-1].state
    assert gate_sizes(server.params) == {"conv1": 16, "conv2": 32}
    clients, open_KC = client_gates(lab, server, "conv2")
    assert (clients, open_KC.shape) == ([0, 1, 2, 3, 4], (5, 32))
    assert torch.allclose(open_KC.sum(1), torch.full((5,), 8.0, dtype=torch.float64), atol=0.5)
    assert float((open_KC.max(0).values - open_KC.min(0).values).max()) > 0.2


def test_threshold_by_hand() -> None:
    """Of 3 examples in batches of 2, two steps are an epoch: small weights go then, and grow back in the next."""
    program = make_strategy({"name": "dynamic-threshold", "tau": 0.5}).program(LocalSettings(2, 2, learning_rate=0.1))
    start = torch.tensor([[1.0, 0.4, 0.45]])
    state = program.begin(Assignment(0, {"w": start}, {}, {"w": torch.tensor([[True, True, False]])}), 3)
    state.params["w"][0, 2] = 0.45  # what the mask hid on the way is trained like the rest

    def grad(params: Params, buffers: Params, batch: Batch, onto: Params, decay: float) -> Gradient:
        onto["w"].mul_(decay).add_(torch.tensor([[1.0, 0.0, -0.1]]))
        return Gradient(torch.tensor(0.0), onto, {})

    seen = []
    for _ in range(4):
        state = program.step(state, BATCH, grad, RoundContext(1, 1, 0))  # type: ignore[arg-type]
        seen.append([round(value, 4) for value in state.params["w"][0].tolist()])
    assert seen == [[0.9, 0.4, 0.46], [0.8, 0, 0], [0.7, 0, 0.01], [0.6, 0, 0]]


@pytest.mark.slow
def test_threshold_sends_what_is_left_and_lets_it_grow_back() -> None:
    records = run(strategy__name="dynamic-threshold", strategy__tau=0.05, model__name="cnn_small")
    assert records[-1].sparsity > 0.3
    assert records[-1].effective_flops == records[-1].dense_flops
    assert records[-1].upload_bytes < 0.7 * run(model__name="cnn_small")[-1].upload_bytes
    grown = [
        sum(int((after.state.masks[n] & ~m).sum()) for n, m in before.state.masks.items())
        for before, after in pairwise(records[1:])
    ]
    assert any(grown)
    smallest = min(float(w[w != 0].abs().min()) for n, w in records[-1].state.params.items() if n.endswith("weight"))
    assert smallest < 0.05  # a mean of clients' weights, of which each is above the threshold or zero


@pytest.mark.parametrize(
    ("salience", "moved"),
    [
        ("taylor", [True, False, False]),
        ("magnitude", [False, True, False]),
        ("gradient", [False, False, True]),
    ],
)
def test_salience_by_hand(salience: str, moved: list[bool]) -> None:
    """w = (2, 3, 0.1), g = (2, 0.5, 5): |w g| is largest for the first, |w| for the second, |g| for the third."""
    strategy = make_strategy({"name": "dynamic-salient", "keep_ratio": 0.34, "salience": salience})
    program = strategy.program(LocalSettings(1, 1, learning_rate=0.1))
    start = torch.tensor([[2.0, 3.0, 0.1]])
    state = program.begin(Assignment(0, {"w": start}, {}, {"w": torch.ones(1, 3, dtype=torch.bool)}), 1)

    def grad(params: Params, buffers: Params, batch: Batch) -> Gradient:
        return Gradient(torch.tensor(0.0), {"w": torch.tensor([[2.0, 0.5, 5.0]])}, {})

    state = program.step(state, BATCH, grad, RoundContext(1, 1, 0))  # type: ignore[arg-type]
    update = program.end(state)
    assert (update.params["w"] != start).tolist() == [moved]
    assert update.masks["w"].tolist() == [moved]


def test_salient_uploads_are_sparse_and_downloads_dense() -> None:
    records = run(strategy__name="dynamic-salient", strategy__keep_ratio=0.02, federation__local_epochs=1)
    dense = run(federation__local_epochs=1)
    assert records[-1].upload_bytes < 0.4 * dense[-1].upload_bytes
    assert records[-1].download_bytes == dense[-1].download_bytes
    assert records[-1].sparsity == 0
    assert records[-1].test_accuracy > 0.4


def test_after_a_fork_nothing_pruned_is_moved() -> None:
    parent = BASE.replace({"strategy.name": "fedsparsify-global"})
    server = list(simulate(parent))[3].state
    child = parent.replace({"strategy.name": "dynamic-salient", "strategy.salience": "gradient"})
    start = fork_start(parent, Federation.of(child), server).server
    last = list(simulate(child, start=(3, start)))[-1]
    assert last.effective_flops < 0.5 * last.dense_flops
    assert last.upload_bytes < last.download_bytes  # at most what is kept
    assert all(torch.equal(last.state.masks[name], mask) for name, mask in start.masks.items())


def test_what_did_not_move_is_as_it_was_sent() -> None:
    first, second = run(strategy__name="dynamic-salient", strategy__keep_ratio=0.001, federation__rounds=1)
    same = (first.state.params["fc1.weight"] == second.state.params["fc1.weight"]).double().mean()
    assert 0.5 < float(same) < 1
