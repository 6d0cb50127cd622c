"""What each number of a round says, and what it does not say."""

from __future__ import annotations

from typing import NamedTuple


class Number(NamedTuple):
    """A number that is shown, the fields of a `RoundRecord` that hold it, what it says, and what it does not say."""

    name: str
    fields: tuple[str, ...]
    says: str
    not_says: str


NUMBERS: tuple[Number, ...] = (
    Number(
        "Round and clients",
        ("round", "clients"),
        "Which round it was, and who was drawn to train in it.",
        "Nothing about who was available: here every client that is drawn answers.",
    ),
    Number(
        "Test accuracy, or error",
        ("test_accuracy", "test_mae"),
        "How good the model is that is sent **next**, on test examples that nobody trained on.",
        "Not how good it is for you: the test set looks like everybody's data together. One seed is one draw; "
        "differences of less than a point mean little.",
    ),
    Number(
        "Just before the purge",
        ("accuracy_before_purge", "mae_before_purge"),
        "The same, a moment earlier: merged, not yet pruned. The difference is the price of this purge.",
        "Not what a model that was never pruned would reach: for that, run the same settings with no sparsity.",
    ),
    Number(
        "Worst, mean and best client",
        (
            *("worst_client_accuracy", "mean_client_accuracy", "best_client_accuracy"),
            *("worst_client_mae", "mean_client_mae", "best_client_mae"),
        ),
        "The same model on each client's own test examples, under its own sub-network where it has one.",
        "With few test examples of a client, mostly chance. The mean counts clients alike, the test accuracy examples.",
    ),
    Number(
        "Test loss and training loss",
        ("test_loss", "train_loss"),
        "What training makes small. Training loss: mean over the clients' steps, while their models still changed.",
        "The two are not of the same model, so their distance is no exact generalisation gap.",
    ),
    Number(
        "Sparsity and its target",
        ("sparsity", "target_sparsity"),
        "Which share of the prunable weights the mask has switched off, and what the schedule asks for.",
        "Neither the size of the file nor speed: a mask costs bits, too, and zeros are multiplied like other numbers.",
    ),
    Number(
        "Density of a layer",
        ("layer_density",),
        "Which share of this layer's weights is kept.",
        "Not how much the layer matters: small layers are often kept denser because little is gained from them.",
    ),
    Number(
        "Bytes up and down",
        ("upload_bytes", "download_bytes"),
        "Length of the encoded messages of all clients of the round: values, masks, and what a method sends beside.",
        "Not time on a network, and nothing for headers, encryption or lost messages.",
    ),
    Number(
        "Dense and effective FLOPs",
        ("dense_flops", "effective_flops"),
        "Training work of all clients: three forward passes for each example (the backward pass counts as two), dense, "
        "and weighted by the density of each layer.",
        "Effective FLOPs are theoretical: ordinary hardware does not skip zeros. They are no seconds, and no energy.",
    ),
    Number(
        "Dropped updates, skipped rounds",
        ("dropped", "skipped"),
        "Clients that did not answer, or sent what cannot be right, and why. If nobody is left, the round is skipped.",
        "Not that all others were honest: what is well formed and false is not seen.",
    ),
    Number(
        "Seconds",
        ("round_s",),
        "What the round took on this machine, testing included.",
        "Nothing about phones or hospitals: all clients share this one processor, and other programs do, too.",
    ),
)
"""Everything that a round records."""
