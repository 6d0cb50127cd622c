"""Is `shapes` hard enough to teach with? Writes results/shapes_difficulty.json beside the machine it ran on.

Four accuracies on the test pictures: a linear model; cnn_small, dense; cnn_small pruned to 95 % by magnitude; the same
by a random permutation. Both prunings follow one schedule (FedSparsify's, an epoch for a round) and tune after it.

    python benchmarks/shapes_difficulty.py --seeds 0 1
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from machine import machine
from torch import Tensor, nn

from fedlab_core.data.datasets import Dataset, load_dataset
from fedlab_core.models import build_model, init_params
from fedlab_core.pruning.masks import apply_masks, full_masks, prunable_names, purge, purge_random, random_order
from fedlab_core.pruning.schedules import polynomial
from fedlab_core.types import Masks, Params, seeded_generator

EPOCHS, PRUNING_EPOCHS = 24, 16
BATCH_SIZE, LEARNING_RATE, MOMENTUM = 32, 0.02, 0.9
FINAL_SPARSITY = 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    dataset = load_dataset("shapes")
    accuracies = {name: [run(dataset, seed) for seed in seeds] for name, run in MODELS.items()}
    result = {
        "claim": "shapes: linear far below, dense CNN near 0.9, random pruning visibly worse than magnitude",
        "machine": machine(),
        "setting": {
            "epochs": EPOCHS,
            "batch_size": BATCH_SIZE,
            "learning_rate": LEARNING_RATE,
            "momentum": MOMENTUM,
            "sparsity": FINAL_SPARSITY,
            "seeds": seeds,
        },
        "test_accuracy": accuracies,
    }
    target = Path(__file__).parent / "results" / "shapes_difficulty.json"
    target.write_text(json.dumps(result, indent=2) + "\n")
    print(target.read_text())


def linear(dataset: Dataset, seed: int) -> float:
    """Softmax regression on the pixels."""
    generator = seeded_generator(seed, "linear")
    layer = nn.utils.skip_init(nn.Linear, dataset.x_train_NI[0].numel(), dataset.num_classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    model = nn.Sequential(nn.Flatten(), layer)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, weight_decay=0.01)
    for _ in range(EPOCHS):
        train_epoch(model, optimizer, dataset, {}, generator)
    return accuracy(model, dataset)


def dense(dataset: Dataset, seed: int) -> float:
    """cnn_small as it is."""
    return train_cnn(dataset, seed, lambda params, masks, target: masks)


def magnitude(dataset: Dataset, seed: int) -> float:
    """The smallest weights of all layers go."""
    return train_cnn(dataset, seed, purge)


def random(dataset: Dataset, seed: int) -> float:
    """The first weights of one random permutation go."""
    order: dict[str, Tensor] = {}

    def prune(params: Params, masks: Masks, target: float) -> Masks:
        order.update(order or random_order(masks, seeded_generator(seed, "order")))
        return purge_random(order, masks, target)

    return train_cnn(dataset, seed, prune)


MODELS = {"linear": linear, "dense": dense, "magnitude_95": magnitude, "random_95": random}


def train_cnn(dataset: Dataset, seed: int, prune: Callable[[Params, Masks, float], Masks]) -> float:
    """Train, prune after each of the first PRUNING_EPOCHS epochs, go on training what is left."""
    generator = seeded_generator(seed, "cnn")
    model = build_model("cnn_small", dataset.input_shape, dataset.num_classes)
    params, _ = init_params(model, generator)
    model.load_state_dict(params, assign=True)
    model.requires_grad_(True)
    masks = full_masks(params, prunable_names(params))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    for epoch in range(1, EPOCHS + 1):
        train_epoch(model, optimizer, dataset, masks, generator)
        if epoch <= PRUNING_EPOCHS:
            target = polynomial(epoch, PRUNING_EPOCHS, final=FINAL_SPARSITY)
            masks = prune(dict(model.named_parameters()), masks, target)
            model.load_state_dict(apply_masks(dict(model.named_parameters()), masks))
    return accuracy(model, dataset)


def train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, dataset: Dataset, masks: Masks, generator: torch.Generator
) -> None:
    """One pass in random order; pruned weights are set back to zero after every step."""
    named = dict(model.named_parameters())
    for index_B in torch.randperm(len(dataset.y_train_N), generator=generator).split(BATCH_SIZE):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(dataset.x_train_NI[index_B]), dataset.y_train_N[index_B])
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for name, mask in masks.items():
                named[name].mul_(mask)


def accuracy(model: nn.Module, dataset: Dataset) -> float:
    """Fraction of test pictures that are recognised."""
    with torch.no_grad():
        return int((model(dataset.x_test_NI).argmax(1) == dataset.y_test_N).sum()) / len(dataset.y_test_N)


if __name__ == "__main__":
    main()
