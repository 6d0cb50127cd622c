"""02 Non-IID data, first exercise: a Dirichlet split of the training examples."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedlab_core.data.partition import dirichlet
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer
from fedlab_core.lessons.checks.show import show
from fedlab_core.types import seeded_generator

LABELS, EACH = 200, 50
"""One call that splits 200 labels of 50 examples is 200 draws from the Dirichlet distribution."""
PARTITIONS = ((6, 2, 2, 1.0), (10, 3, 4, 0.5), (200, 5, 7, 0.3), (500, 10, 20, 100.0), (300, 12, 5, 0.5))
"""Examples, labels, clients and alpha."""
CALLS, FEW, BATCH = 160, 4, 25
"""So many splits of a few labels of 25 examples tell whether labels know of each other."""


def _parts(answer: Answer, *args: Any) -> list[Tensor]:
    """One int64 tensor of indices for each client; lists, NumPy arrays and tensors are all welcome."""
    got, wanted = answer(*args), f"a list of {args[1]} clients, each with whole numbers: indices into y_N"
    if not isinstance(got, (list, tuple)) or len(got) != args[1]:
        answer.broken(args, wanted, show(got))
    parts = [_indices(part) for part in got]
    if any(part is None for part in parts):
        answer.broken(args, wanted, show(got))
    return [part for part in parts if part is not None]


def _indices(part: Any) -> Tensor | None:
    if isinstance(part, (list, tuple, np.ndarray)):
        array = np.asarray(part)
        part = torch.from_numpy(array.astype(np.int64)) if array.dtype.kind in "iu" or not array.size else None
    whole = isinstance(part, Tensor) and part.dim() == 1 and not part.is_floating_point() and part.dtype != torch.bool
    empty = isinstance(part, Tensor) and part.numel() == 0
    return part.long() if whole or empty else None


def _counts(answer: Answer, *args: Any) -> Tensor:
    """How many examples of each label each client has, [clients, labels]."""
    y_N, parts = args[0], _parts(answer, *args)
    return torch.stack([torch.bincount(y_N[part], minlength=int(y_N.max()) + 1) for part in parts]).double()


def _labels(draw: torch.Generator, examples: int, labels: int) -> Tensor:
    return torch.randint(labels, (examples,), generator=draw)


@law(
    "it is a partition: every example belongs to exactly one client",
    where="Count the indices of all clients: how many are there, and is one missing or there twice?",
    idea=(
        "Rounding each client's share on its own loses examples. Cut the list of a label's indices at rounded "
        "CUMULATIVE shares."
    ),
    code="`cuts = np.rint(p.cumsum()[:-1] * len(index)).astype(int)`, then `np.split(index, cuts)`",
)
def partition(answer: Answer, draw: torch.Generator) -> None:
    for examples, labels, clients, alpha in PARTITIONS:
        args = (_labels(draw, examples, labels), clients, alpha, integer(0, 99, draw))
        got = torch.cat(_parts(answer, *args)).sort().values
        if not torch.equal(got, torch.arange(examples)):
            missing = sorted(set(range(examples)) - set(got.tolist()))
            twice = sorted({i for i in got.tolist() if (got == i).sum() > 1})
            seen = f"{len(got)} indices; missing: {show(missing)}; more than once: {show(twice)}"
            answer.broken(args, f"each of 0 to {examples - 1} once", seen)


@law(
    "the same seed gives the same split, another seed another one",
    where="Where does your randomness come from, and where does `seed` enter?",
    idea=(
        "Make your own generator from the seed. A global one depends on who drew before, and re-seeding it disturbs "
        "others."
    ),
    code="`rng = np.random.default_rng(seed)`, then `rng.dirichlet(...)` and `rng.permutation(...)`",
)
def seeded(answer: Answer, draw: torch.Generator) -> None:
    y_N = _labels(draw, 200, 5)
    before = _global_state()
    first, again = _parts(answer, y_N, 4, 0.5, 1), _parts(answer, y_N, 4, 0.5, 1)
    if not all(torch.equal(a, b) for a, b in zip(first, again, strict=True)):
        answer.broken((y_N, 4, 0.5, 1), "the same split in every call", "two calls that differ")
    other = _parts(answer, y_N, 4, 0.5, 2)
    if all(len(a) == len(b) and torch.equal(a, b) for a, b in zip(first, other, strict=True)):
        answer.broken((y_N, 4, 0.5, 2), "another split than for seed 1", "the same split")
    if _global_state() != before:
        wanted = "the global generators of Python, NumPy and torch left alone"
        answer.broken((y_N, 4, 0.5, 1), wanted, "one of them was used")


@law(
    "small alpha works: hardly any client shares a label",
    where="Try alpha = 0.01 with two clients, many times. Is there a nan, an error, a label that is shared evenly?",
    idea=(
        "With small alpha nearly all of p is in one client. Numbers drawn one by one can all be rounded to 0, and 0 / "
        "0 is nan."
    ),
    code="Let the library normalise: `p = rng.dirichlet(np.full(num_clients, alpha))`",
)
def small_alpha(answer: Answer, draw: torch.Generator) -> None:
    y_N = torch.arange(LABELS).repeat_interleave(100)
    for clients in (2, 10):
        args = (y_N, clients, 0.01, integer(0, 99, draw))
        share_KC = _counts(answer, *args) / 100
        together = float(share_KC.square().sum(0).mean())
        exact = 1.01 / (0.01 * clients + 1)  # E sum_k p_k^2 of Dir(alpha, ..., alpha)
        if not together > exact - 0.04:
            chance = "two examples of a label are with the same client in {:.0%} of all cases"
            answer.broken(args, chance.format(exact), chance.format(together))


@law(
    "large alpha comes close to IID: clients are alike in every label",
    where="Try alpha = 1000: do all clients have about the same number of each label?",
    idea=(
        "Dir(alpha, ..., alpha) with large alpha gives shares near 1 / K. If yours are not, does alpha enter the "
        "right way round?"
    ),
    code="`rng.dirichlet(np.full(num_clients, alpha))`: larger alpha, more even",
)
def large_alpha(answer: Answer, draw: torch.Generator) -> None:
    clients = integer(2, 5, draw)
    args = (torch.arange(10).repeat(200), clients, 1000.0, integer(0, 99, draw))
    share_KC = _counts(answer, *args) / 200
    worst = float((share_KC - 1 / clients).abs().max())
    if worst > 0.1:
        answer.broken(args, f"shares near {1 / clients:.2f}", f"one that is {worst:.2f} away")


@law(
    "each label is dealt out anew",
    where="Is the Dirichlet draw inside the loop over labels?",
    idea=(
        "Skew of LABELS: client 3 may have most of the sevens and no ones. One draw for all labels only makes clients "
        "large or small; and a generator that is made anew for each label draws the same shares again."
    ),
    code="`for label in range(num_classes):` first `p = rng.dirichlet(...)`, then cut that label's indices",
)
def label_by_label(answer: Answer, draw: torch.Generator) -> None:
    args = (torch.arange(LABELS).repeat(20), 2, 0.05, integer(0, 99, draw))
    first_C = _counts(answer, *args)[0] / 20
    if float(first_C.var()) < 0.1:
        got = f"client 0 has {float(first_C.mean()):.0%} of EVERY label"
        answer.broken(args, "client 0 has most of some labels and hardly any of others", got)


@law(
    "labels know nothing of each other",
    where="Has a client that got much of one label more of the next one in your split, or less?",
    idea=(
        "Each label has a draw of its own, over the CLIENTS, whatever went before. One distribution over labels for "
        "each client, or shares cut down for clients that have enough, make clients alike in size; a draw that serves "
        "several labels makes them unlike."
    ),
    code="inside the loop over labels `p = rng.dirichlet(np.full(num_clients, alpha))`, and `p` is used as it is",
)
def independent(answer: Answer, draw: torch.Generator) -> None:
    y_N, first = torch.arange(FEW).repeat(BATCH), integer(0, 99, draw)
    args = (y_N, 3, 0.5, first)
    share_SC = torch.stack([_counts(answer, y_N, 3, 0.5, first + call)[0] for call in range(CALLS)]) / BATCH
    ratio = float(share_SC.sum(1).var() / share_SC.var(0).sum())
    if not 0.6 < ratio < 1.6:
        wanted = f"over {CALLS} seeds: the size of client 0 varies as much as its labels by themselves"
        answer.broken(args, wanted, f"its variance is {ratio:.0%} of the sum of theirs")


@law(
    "shares have the mean and the spread of Dir(alpha, ..., alpha)",
    where=(
        "Look at one client's share of a label over many labels: its mean must be 1 / K, for the last client as for "
        "the first."
    ),
    idea=(
        "The variance of a share is (1/K)(1 - 1/K) / (K alpha + 1): neither alpha / K nor normalised uniform numbers "
        "give it."
    ),
    code=(
        "`p = rng.dirichlet(np.full(num_clients, alpha))`; leftovers of rounding must not always go to the same client"
    ),
)
def distribution(answer: Answer, draw: torch.Generator) -> None:
    for clients, alpha, each in ((2, 3.0, EACH), (3, 0.3, EACH), (10, 1.0, 10)):
        args = (torch.arange(LABELS).repeat(each), clients, alpha, integer(0, 99, draw))
        share_KC = _counts(answer, *args) / each
        mean, variance = 1 / clients, (1 - 1 / clients) / clients / (clients * alpha + 1)
        rounding, noise = 0.5 / each, 5 * (variance / LABELS) ** 0.5
        if float((share_KC.mean(1) - mean).abs().max()) > rounding + noise:
            answer.broken(args, f"mean shares near {mean:.2f}", f"mean shares of the clients {show(share_KC.mean(1))}")
        if each == EACH and not 0.65 < float(share_KC.var()) / variance < 1.5:
            answer.broken(args, f"shares of variance {variance:.4f}", f"variance {float(share_KC.var()):.4f}")


@law(
    "which examples of a label a client gets is random",
    where="Who gets the FIRST examples of a label in the data set? Always client 0?",
    idea=(
        "Data sets are often sorted (by writer, by day). Shuffle a label's indices before you cut them, anew for each "
        "seed; to begin elsewhere or to take every other one is no shuffling."
    ),
    code="`index = rng.permutation(np.flatnonzero(y_N == label))`",
)
def shuffled(answer: Answer, draw: torch.Generator) -> None:
    y_N = torch.zeros(400, dtype=torch.int64)
    args = (y_N, 2, 1000.0, integer(0, 99, draw))
    own = _parts(answer, *args)[0]
    mean = float(own.double().mean())
    if not 150 < mean < 250:
        answer.broken(
            args, "client 0 has examples from everywhere", f"its indices are {mean:.0f} on average, of 0 to 399"
        )
    has_N = torch.zeros(400, dtype=torch.bool)
    has_N[own] = True
    together = int((has_N[1:] == has_N[:-1]).sum())
    if not 140 < together < 260:
        answer.broken(args, "about 200 of 399 neighbours in the data set with the same client", f"{together} of them")
    again = int(has_N[_parts(answer, *args[:3], args[3] + 1)[0]].sum())
    if not 60 < again < 140:
        wanted = "with another seed client 0 has about 100 of these 200 examples again"
        answer.broken(args, wanted, f"it has {again} of them again")


def _global_state() -> tuple[object, bytes, bytes]:
    """What the global generators of Python, NumPy and torch would draw next; they are looked at and never used."""
    _, keys, position, *_ = getattr(np.random, "get_state")()  # noqa: B009
    python = sys.modules["random"].getstate()  # not imported: this package never draws from it
    return python, keys.tobytes() + str(position).encode(), torch.get_rng_state().numpy().tobytes()


def _ours(y_N: Tensor, num_clients: int, alpha: float, seed: int) -> list[Tensor]:
    return dirichlet(y_N, num_clients, alpha, seeded_generator(seed), min_size=0)


EXERCISES = (
    Exercise(
        "02.1",
        "dirichlet_split",
        _ours,
        (partition, seeded, large_alpha, label_by_label, independent, distribution, small_alpha, shuffled),
    ),
)
