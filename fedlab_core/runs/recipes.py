"""Named experiments. A recipe is a function that returns one frozen `Experiment`; its docstring says what it is for."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from fedlab_core.experiment import Experiment, SettingError

Recipe = Callable[[], Experiment]
RECIPES: dict[str, Recipe] = {}


def _recipe(build: Recipe) -> Recipe:
    """List the function under its name with hyphens."""
    RECIPES[build.__name__.replace("_", "-")] = build
    return build


def recipe_names() -> tuple[str, ...]:
    """All recipes, in the order of this file."""
    return tuple(RECIPES)


def describe(name: str) -> str:
    """What a recipe is for, one sentence."""
    return (RECIPES[name].__doc__ or "").strip().splitlines()[0]


def recipe(name: str) -> Experiment:
    """The experiment called `name`. Raises `SettingError`, which names the nearest one."""
    if name not in RECIPES:
        near = get_close_matches(name, RECIPES, n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SettingError(f"there is no recipe {name!r}{hint}")
    return RECIPES[name]()


_DIGITS = Experiment()
_SHAPES = Experiment().replace(
    {
        "data.dataset": "shapes",
        "data.num_clients": 10,
        "data.alpha": 1,
        "federation.rounds": 25,
        "federation.participation": 0.3,  # a round takes about a second
    }
)


_BRAINS = Experiment().replace(
    {
        "data.dataset": "brains",
        "data.partition": "iid",
        "data.num_clients": 8,
        "model.name": "brain_small",
        "federation.rounds": 12,
        "federation.local_epochs": 4,
        "federation.batch_size": 8,
        "federation.learning_rate": 0.005,
        "federation.momentum": 0.9,
    }
)


@_recipe
def fedavg_digits() -> Experiment:
    """FedAvg on handwritten digits, 20 clients with unlike labels: the dense reference."""
    return _DIGITS


@_recipe
def fedsparsify_digits() -> Experiment:
    """FedSparsify-Global on digits: the server prunes to 90 % while the clients train."""
    return _DIGITS.replace({"strategy.name": "fedsparsify-global", "strategy.final_sparsity": 0.9})


@_recipe
def fedsparsify_local_digits() -> Experiment:
    """FedSparsify-Local on digits: every client prunes to 90 %, a majority vote decides."""
    return _DIGITS.replace({"strategy.name": "fedsparsify-local", "strategy.final_sparsity": 0.9})


@_recipe
def robust_digits() -> Experiment:
    """Robust aggregation on digits: of each weight the mean without the 4 largest and 4 smallest of 20 clients."""
    return _DIGITS.replace({"strategy.name": "robust", "strategy.rule": "trimmed_mean", "strategy.faulty": 4})


@_recipe
def hostile_digits() -> Experiment:
    """FedAvg on digits, alike data, two of twenty clients hostile: the opposite of what they learned, ten times."""
    return _DIGITS.replace({"data.partition": "iid", "federation.hostile": 2, "federation.rounds": 15})


@_recipe
def random_digits() -> Experiment:
    """Random pruning to 90 % on digits, on the same schedule: what choosing by magnitude is worth."""
    return _DIGITS.replace({"strategy.name": "random", "strategy.final_sparsity": 0.9})


@_recipe
def sparse95_digits() -> Experiment:
    """FedSparsify-Global on digits to 95 %: one weight in twenty is left."""
    return fedsparsify_digits().replace({"strategy.final_sparsity": 0.95})


@_recipe
def two_labels_digits() -> Experiment:
    """FedSparsify-Global to 90 % where every client has seen two digits only."""
    return fedsparsify_digits().replace({"data.partition": "shards", "data.labels_per_client": 2})


@_recipe
def iid_digits() -> Experiment:
    """FedSparsify-Global to 90 % where all clients have alike data: the easy case."""
    return fedsparsify_digits().replace({"data.partition": "iid"})


@_recipe
def fedprox_digits() -> Experiment:
    """FedProx on digits: dense, clients are pulled back towards the model they received."""
    return _DIGITS.replace({"strategy.name": "fedprox", "strategy.mu": 0.01})


@_recipe
def fednova_digits() -> Experiment:
    """FedNova on digits: dense, clients with many examples do not pull harder than their share."""
    return _DIGITS.replace({"strategy.name": "fednova"})


@_recipe
def scaffold_digits() -> Experiment:
    """SCAFFOLD on digits: dense, clients correct their steps by what the others' data want; twice the bytes."""
    return _DIGITS.replace({"strategy.name": "scaffold"})


@_recipe
def one_shot_digits() -> Experiment:
    """OneShot to 90 % on digits: dense for half of the rounds, one cut, then fine-tuning."""
    return _DIGITS.replace({"strategy.name": "one-shot", "strategy.final_sparsity": 0.9})


@_recipe
def snip_digits() -> Experiment:
    """SNIP to 90 % on digits: one client prunes the untrained model; sparse from round 1 on."""
    return _DIGITS.replace({"strategy.name": "snip", "strategy.final_sparsity": 0.9})


@_recipe
def grasp_digits() -> Experiment:
    """GraSP to 90 % on digits: as SNIP, with a score that one small, skewed batch serves badly."""
    return _DIGITS.replace({"strategy.name": "grasp", "strategy.final_sparsity": 0.9})


@_recipe
def prunefl_digits() -> Experiment:
    """PruneFL on digits: it finds its own sparsity, by progress for the time of a round."""
    return _DIGITS.replace({"strategy.name": "prunefl"})


@_recipe
def feddst_digits() -> Experiment:
    """FedDST at 90 % on digits: sparse in every round, clients exchange weak weights for better ones."""
    return _DIGITS.replace({"strategy.name": "feddst", "strategy.final_sparsity": 0.9})


@_recipe
def dpf_digits() -> Experiment:
    """DPF to 90 % on digits: pruned weights keep learning and may come back; nothing is saved on the way."""
    return _DIGITS.replace({"strategy.name": "dpf", "strategy.final_sparsity": 0.9})


@_recipe
def dynamic_gate_digits() -> Experiment:
    """Dynamic pruning by gates on digits: every image opens half of the channels; a quarter of the FLOPs is left."""
    return _DIGITS.replace({"strategy.name": "dynamic-gate", "strategy.ratio": 0.5})


@_recipe
def dynamic_threshold_digits() -> Experiment:
    """Dynamic pruning by a threshold on digits: small weights are zeroed after each epoch, and may grow back."""
    return _DIGITS.replace({"strategy.name": "dynamic-threshold", "strategy.tau": 0.02})


@_recipe
def dynamic_salient_digits() -> Experiment:
    """Dynamic pruning by salient gradients on digits: a batch moves 2 % of the weights; uploads are sparse."""
    return _DIGITS.replace({"strategy.name": "dynamic-salient", "strategy.keep_ratio": 0.02})


@_recipe
def dwnp_digits() -> Experiment:
    """DWNP on digits: a small hypernetwork gives every device its own half of the network."""
    return _DIGITS.replace({"strategy.name": "dwnp", "strategy.width": 8, "strategy.rate": 0.05})


@_recipe
def fedavg_shapes() -> Experiment:
    """FedAvg on generated pictures of shapes (32 x 32, colour), 10 clients: the dense reference."""
    return _SHAPES


@_recipe
def fedsparsify_shapes() -> Experiment:
    """FedSparsify-Global on shapes to 95 %: harder than digits, so pruning has a price."""
    return _SHAPES.replace({"strategy.name": "fedsparsify-global", "strategy.final_sparsity": 0.95})


@_recipe
def random_shapes() -> Experiment:
    """Random pruning to 95 % on shapes: accuracy falls where magnitude pruning holds."""
    return _SHAPES.replace({"strategy.name": "random", "strategy.final_sparsity": 0.95})


@_recipe
def fedavg_brains() -> Experiment:
    """FedAvg on generated brains (3-D volumes): eight hospitals learn to tell age; the dense reference."""
    return _BRAINS


@_recipe
def fedsparsify_brains() -> Experiment:
    """FedSparsify-Global on generated brains to 90 %: the error in years while weights go."""
    return _BRAINS.replace({"strategy.name": "fedsparsify-global", "strategy.final_sparsity": 0.9})


@_recipe
def skewed_brains() -> Experiment:
    """FedSparsify-Global on generated brains where hospitals differ in size and in the age of their patients."""
    return fedsparsify_brains().replace({"data.partition": "ranges", "data.size_ratio": 1.354, "data.overlap": 0.5})


@_recipe
def fedsparsify_fashionmnist() -> Experiment:
    """FedSparsify-Global on FashionMNIST, the paper's network and settings (needs the data set's files)."""
    return Experiment().replace(
        {
            "data.dataset": "fashionmnist",
            "data.partition": "iid",
            "data.num_clients": 10,
            "model.name": "mlp",
            "federation.rounds": 200,
            "federation.local_epochs": 4,
            "federation.batch_size": 32,
            "federation.learning_rate": 0.02,
            "federation.momentum": 0.0,
            "strategy.name": "fedsparsify-global",
            "strategy.final_sparsity": 0.95,
        }
    )
