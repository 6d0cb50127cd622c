"""The field's terms, each in a sentence or two."""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """A term, its symbol in LaTeX ('' if it has none), and what it means."""

    name: str
    symbol: str
    meaning: str


_WHO = (
    Term(
        "Client", "k", "Who has data and trains on them: a phone, a hospital. The data stay there; only models travel."
    ),
    Term("Server", "", "Sends the global model, merges what comes back, and decides with the strategy what is pruned."),
    Term(
        "Global model",
        "w",
        "The one model that the server has. Clients start every round from it, or from a part of it.",
    ),
    Term("Number of clients", "K", "All clients of the federation, whether they take part in a round or not."),
    Term("Examples of a client", "n_k", "How many training examples client $k$ has; it weighs so much in the average."),
    Term(
        "Round", "t", "Send, train, return, merge, prune: once. Round 0 is the untrained model; $T$ is the last round."
    ),
    Term("Participation", "C", "Share of the clients that train in a round, drawn anew each time; at least one."),
    Term("Local epochs", "E", "Passes of a client over its own data in one round."),
    Term("Batch size", "B", "Examples of one step of local training."),
    Term("Learning rate", r"\eta", "How far a step goes against the gradient."),
    Term("Momentum", r"\rho", "How much of the last step goes into the next. It starts at zero in every round."),
    Term("Strategy", "", "The method: what is sent, how clients train, how the server merges and what is pruned."),
    Term(
        "Robust aggregation",
        "",
        "Merging so that $f$ clients who send nonsense, by accident or on purpose, do not decide what the model is.",
    ),
    Term("Seed", "", "The number from which all random draws of a run follow. Same settings and seed: same numbers."),
    Term("Fork", "", "A run that continues another one after one of its rounds, under other settings."),
)

_PRUNING = (
    Term(
        "Prunable weight",
        "P",
        "Weights of linear and convolutional layers. Biases and norms are kept, unless asked for.",
    ),
    Term("Mask", "m", "One bit for each prunable weight: 1 kept, 0 pruned. A kept weight may happen to be zero."),
    Term("Sparsity", "s", "Pruned / prunable weights of the global model. 90 %: one weight in ten is left."),
    Term("Density", "d", "Kept / all weights: $1 - s$. Said of layers, because layers end up with different ones."),
    Term("Purge", "", "FedSparsify's word for pruning: the smallest magnitudes go, and stay gone (nested masks)."),
    Term("Schedule", "s_t", "How much is to be pruned after round $t$; from $S_0$ to the target $S_T$."),
    Term("Sparsity target", "S_T", "The sparsity after the last round."),
    Term(
        "Unstructured pruning",
        "",
        "Single weights go. Messages get smaller; the network is as large and as slow as before.",
    ),
    Term("Structured pruning", "", "Whole channels or neurons go. The network really is smaller, and faster."),
    Term("Slimming", "", "Cutting units that a mask has switched off for good, with the same result as masking them."),
    Term("Magnitude", "|w_i|", "Size of a weight without its sign; the usual guess of what a weight is worth."),
    Term("Vote", "V_i", "FedSparsify-Local: how many clients of a round keep weight $i$. Enough votes keep it."),
    Term("Regrowth", "", "Pruned weights come back. FedDST, PruneFL, DPF and dynamic pruning can; FedSparsify cannot."),
    Term("Gate", "g", "Dynamic pruning: a small layer that says, for one image, which channels matter for it."),
    Term(
        "Salience", "S", "How much a weight matters on the batch at hand; by default $|w\\,g|$ with the gradient $g$."
    ),
    Term("Sub-network", "a^n", "DWNP: the channels that device $n$ keeps. $a^0$ are the server's."),
    Term(
        "Hypernetwork",
        r"\theta",
        "A network that puts out, for each device, which channels it keeps. It travels, and counts.",
    ),
    Term(
        "Mask overlap",
        r"\mathrm{IoU}",
        "Weights kept in both masks / weights kept in either: 1 alike, 0 nothing in common.",
    ),
)

_DATA = (
    Term("IID", "", "Every client's data look like everybody's: drawn at random from the same pot."),
    Term("Partition", "", "How the examples of a data set are spread over the clients."),
    Term(
        "Dirichlet alpha",
        r"\alpha",
        "How evenly each label is spread: 0.1, few clients have most of it; 100, nearly IID.",
    ),
    Term("Labels per client", "", "Partition *shards*: every client has examples of exactly so many labels."),
    Term("Label skew", "", "How unlike the clients' labels are: mean JS divergence (0 to 1 bit), or EMD (0 to 2)."),
    Term("Quantity skew", "", "Clients have very different numbers of examples; their labels are alike."),
    Term("Feature skew", "", "Clients have the same labels, but their images are turned and noisy in their own way."),
    Term("Client drift", "", "Clients with unlike data walk apart while they train; their average fits nobody well."),
)

_COSTS = (
    Term("Uplink", "", "What clients send to the server. Often the slower and dearer direction."),
    Term("Downlink", "", "What the server sends to the clients."),
    Term("Encoded bytes", "", "Length of the messages as they were really encoded, masks and extras included."),
    Term(
        "FLOPs",
        "",
        "Floating-point operations; a multiplication and an addition are two. Biases, norms and pooling are left out.",
    ),
    Term("Dense FLOPs", "", "As if nothing were pruned."),
    Term(
        "Effective FLOPs",
        "",
        "Each layer weighted by the density of its mask: *theoretical*, no saving of time by itself.",
    ),
    Term(
        "FLOPs of the slimmed network", "", "Of the network that is left when whole units are cut. These do save time."
    ),
    Term("Seconds", "", "What this machine took, everything else that it did included."),
)

_JUDGED = (
    Term("Accuracy", "", "Share of the test examples that are classed rightly."),
    Term("Mean absolute error", r"\mathrm{MAE}", "By how many years the answers are off, on average (brain age)."),
    Term("Worst client", "", "The client that the global model serves worst, on that client's own test examples."),
    Term("Generalisation gap", "", "How much better the model is on data that it was trained on than on others."),
    Term(
        "Membership inference",
        "",
        "An attack: was this example in the training data? Guessing is right half of the time.",
    ),
    Term("ROC curve", "", "Members found (TPR) against non-members accused (FPR), over all thresholds of an attacker."),
    Term("AUC", "", "Area under the ROC curve: 0.5 is guessing, 1 is certainty."),
    Term("TPR at 1 % FPR", "", "Members that are found while at most one non-member in a hundred is accused."),
    Term(
        "Black-box, white-box",
        "",
        "The attacker has only the model's answers, or also its weights, as every client has.",
    ),
)

TERMS: tuple[tuple[str, tuple[Term, ...]], ...] = (
    ("Federation", _WHO),
    ("Pruning", _PRUNING),
    ("Data", _DATA),
    ("Costs", _COSTS),
    ("How good, how private", _JUDGED),
)
"""All terms, by subject."""
