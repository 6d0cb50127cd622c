# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 · Non-IID data
#
# - Tell three kinds of skew apart: of labels, of sizes, of features; and see what each does to FedAvg.
# - Write the split that nearly every paper uses: Dirichlet($\alpha$) over the labels.
# - Measure skew with one number, the Jensen-Shannon divergence.
#
# About 40 minutes.

# %%
import numpy as np
import torch

from fedlab_core import Experiment, Federation, simulate
from fedlab_core.data.datasets import load_dataset
from fedlab_core.data.skew import label_counts
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.lessons.widgets import partition_explorer
from fedlab_core.plots.curves import accuracy_curve
from fedlab_core.plots.data import image_grid, label_heatmap, size_bars
from fedlab_core.plots.records import rows

# %% [markdown]
# ## Predict
#
# Ten clients share the ten digits by Dirichlet($\alpha = 0.1$). How many of the ten labels does a client hold, on average?
# And with $\alpha = 100$? Write down both before you move a slider.

# %%
my_labels_small_alpha, my_labels_large_alpha = 5, 5  # change these

# %% [markdown]
# ## Demo: who holds which labels
#
# *IID* (independent and identically distributed) means: every client's data look like everybody's. Move $\alpha$, then try
# *labels per client* and *power-law sizes*. The line below gives two skew measures. The still picture shows three
# strengths beside each other.

# %%
base = Experiment().replace({"model.name": "mlp", "data.num_clients": 10, "federation.rounds": 12})
partition_explorer(base)

# %%
for alpha, guess in ((0.1, my_labels_small_alpha), (100, my_labels_large_alpha)):
    counts = Federation.of(base.replace({"data.alpha": alpha})).data.label_counts_KC
    held = (counts > 0).sum(1).double().mean()
    print(f"alpha = {alpha:g}: {held:.1f} labels per client; you said {guess}")

# %% [markdown]
# ## Three kinds of skew
#
# **Labels.** Clients have the same kind of images, but other classes. **Sizes.** Some have much more than others; here
# client $i = 1, 2, \dots$ gets a share proportional to $i^{-1.35}$, a power law. The exponent 1.35 is our choice. In the
# split of brain scans by Stripelis et al. (2022) the sizes fall in another way: 2401, 1765, 1303, 964, ..., each about 1.35
# times smaller than the one before it, a geometric sequence.

# %%
sizes = Federation.of(base.replace({"data.partition": "quantity"})).data.sizes
size_bars(sizes.tolist())

# %% [markdown]
# **Features.** The same classes, but they look different: other scanners, other handwriting. Here every client turns its
# images by an angle of its own and adds noise. A zero of each of six clients:

# %%
turned = base.replace({"data.partition": "feature", "data.rotation_degrees": 90, "data.noise_std": 0.5})
data = Federation.of(turned).data
zeros = []
for k in range(6):
    examples, labels = data.train(k)
    zeros.append(examples[labels == 0][0])
images = data.dataset.to_images(torch.stack(zeros)).numpy()
image_grid(images, [f"client {k}" for k in range(6)], columns=6, sentence="A zero, as six clients see it")

# %% [markdown]
# ## Exercise 02.1: a Dirichlet split
#
# For each label $c$ draw shares $p = (p_1, \dots, p_K) \sim \mathrm{Dir}(\alpha, \dots, \alpha)$: numbers that are at least 0
# and add up to 1. Client $k$ gets the part $p_k$ of that label's examples. Every share has
#
# $$\mathrm{E}\,p_k = \frac1K, \qquad \mathrm{Var}\,p_k = \frac{\frac1K (1 - \frac1K)}{K \alpha + 1} :$$
#
# with large $\alpha$ the variance vanishes, and with $\alpha \to 0$ it reaches that of an all-or-nothing draw: the whole
# label goes to one client. Three things are easily done wrong: it must be a **partition** (each example exactly once), it
# must be **stable** (the same seed, the same split, nobody else's random numbers disturbed), and it must work for **small
# alpha**.
#
# Useful: `np.random.default_rng(seed)` with its methods `permutation` and `dirichlet`, `np.flatnonzero`, `np.rint`,
# `np.split(index, cuts)`, which cuts a list in front of the positions in `cuts`.


# %%
def dirichlet_split(y_N: torch.Tensor, num_clients: int, alpha: float, seed: int) -> list[torch.Tensor]:
    """For each client the indices of its examples; `y_N` are the labels of all examples."""
    # BEGIN SOLUTION 02.1
    # 1. Make a random generator of your own from the seed, and an empty list for each client.
    rng = np.random.default_rng(seed)
    parts = [[] for _ in range(num_clients)]
    # 2. For each label: its indices, shuffled; and the clients' shares, drawn from Dir(alpha, ..., alpha).
    for label in y_N.unique():
        index = rng.permutation(np.flatnonzero(y_N == label))
        p = rng.dirichlet(np.full(num_clients, alpha))
        # 3. Cut the indices at the rounded CUMULATIVE shares, and give client k the k-th piece.
        cuts = np.rint(p.cumsum()[:-1] * len(index)).astype(int)
        for part, piece in zip(parts, np.split(index, cuts), strict=True):
            part.append(torch.from_numpy(piece))
    # 4. Join each client's pieces.
    return [torch.cat(part) for part in parts]
    # END SOLUTION


# %%
result = check("02.1", dirichlet_split)
result

# %% [markdown]
# Your split of the digits at $\alpha = 0.1$ (ours until yours passes):

# %%
digits = load_dataset("digits")
parts = result.function(digits.y_train_N, 10, 0.1, 0)
# Lists and arrays are fine, too; the type is named because an empty list has none.
parts = [torch.as_tensor(part, dtype=torch.int64) for part in parts]
label_heatmap(label_counts(digits.y_train_N, parts, digits.num_classes), digits.class_names)

# %% [markdown]
# **Expected picture:** most cells are dark; each label has one or two bright cells, at different clients for different
# labels. If whole columns are bright and others dark, only the sizes are skewed: then all labels shared one draw.
#
# ## Exercise 02.2: one number for skew
#
# How far is a client's label distribution $p$ from everybody's, $q$? The Kullback-Leibler divergence
# $\mathrm{KL}(p, m) = \sum_c p_c \log_2 \frac{p_c}{m_c}$ is infinite as soon as $m$ lacks a label of $p$. Jensen and Shannon
# compare both with their mean $m = (p + q) / 2$, which lacks nothing:
#
# $$\mathrm{JS}(p, q) = \tfrac12 \mathrm{KL}(p, m) + \tfrac12 \mathrm{KL}(q, m).$$
#
# It is symmetric, 0 for equal distributions, and 1 bit for distributions without a common label. A label with $p_c = 0$ adds
# nothing ($0 \log 0 = 0$, the limit).


# %%
def jensen_shannon(p_C: torch.Tensor, q_C: torch.Tensor) -> float:
    """The divergence of two distributions over C labels, in bits."""
    # BEGIN SOLUTION 02.2
    # 1. The mean of the two distributions.
    m_C = (p_C + q_C) / 2
    # 2. KL of each to the mean, in bits; labels with share 0 add nothing (torch.xlogy(0, ...) is 0).
    bits = [torch.xlogy(r_C, r_C / m_C.clamp(min=1e-30)).sum() / np.log(2) for r_C in (p_C, q_C)]
    # 3. The mean of the two.
    return float(sum(bits) / 2)
    # END SOLUTION


# %%
result_js = check("02.2", jensen_shannon)
result_js

# %% [markdown]
# With it: how skewed is the split for each alpha? (Mean over the clients.)

# %%
for alpha in (0.05, 0.1, 0.5, 1, 10, 100):
    counts = Federation.of(base.replace({"data.alpha": alpha})).data.label_counts_KC.double()
    everybody = counts.sum(0) / counts.sum()
    skew = np.mean([float(result_js.function(client / client.sum(), everybody)) for client in counts])
    print(f"alpha = {alpha:6g}: {skew:.2f} bits  {'#' * round(60 * skew)}")

# %% [markdown]
# **Expected:** it falls from more than half a bit to nearly nothing; the fall is between $\alpha = 0.1$ and $10$. That is why
# papers compare $\alpha = 0.1$ with $\alpha = 1$, and why sliders for $\alpha$ are logarithmic.
#
# ## What does skew do to FedAvg?
#
# The same model, the same number of rounds, only the split changes. Before you run it: which one is slowest?
#
# The lines show the accuracy on the whole test set, as it is: upright and clean. Clients that turn their images care about
# another one, on their *own* test images, turned and noisy as well. That is one more line: the mean over the clients.

# %%
splits = {
    "alpha = 0.05": {"data.alpha": 0.05},
    "two labels each": {"data.partition": "shards", "data.labels_per_client": 2},
    "skewed sizes": {"data.partition": "quantity"},
    "turned and noisy": turned.changes_from(base),
}
runs = {name: rows(simulate(base.replace(change))) for name, change in splits.items()}
iid = rows(simulate(base.replace({"data.partition": "iid"})))
# Where no image is changed, a client's own test images are a part of the test set; so one line more is enough.
own = [{**row, "test_accuracy": row["mean_client_accuracy"]} for row in runs["turned and noisy"]]
accuracy_curve(iid, compare={**runs, "the same, on own images": own})

# %% [markdown]
# **Expected picture:** the black line (IID) is quick. Skewed sizes hardly matter, for all clients agree on what to learn.
# Skewed labels cost many rounds: each client pulls the model towards its own labels, and the mean has to undo it. The model
# of the turned and noisy images ends at about 91 % on upright, clean images (IID: 96 %), but at about 84 % on the clients' own.
#
# Is that the skew, or are turned images harder for everybody? We mixed all clients' changed images and dealt them out anew,
# so that the clients were alike: about 80 % after 4 rounds instead of 72 %, and 85 % after 12 rounds instead of 84 %. So the
# skew costs rounds here, and most of what is missing at the end is the harder task.
#
# In a table. *Mean client* and *worst client* are measured on each client's own test images:

# %%
for name, run in {"IID": iid, **runs}.items():
    last = run[-1]
    whole, mean, worst = (last[f"{part}_accuracy"] for part in ("test", "mean_client", "worst_client"))
    print(f"{name:18} test set {whole:6.1%}   mean client {mean:6.1%}   worst client {worst:6.1%}")

# %% [markdown]
# ## Reflect
#
# - Two splits can have the same mean divergence and be very different. What does one number hide?
# - Would more local epochs help or hurt under strong label skew? Try it in the dashboard (link below), then read notebook 03.
#
# ## Recap
#
# Label, size and feature skew are different things: here skewed sizes hardly mattered, skewed labels cost rounds, and turned
# images cost accuracy where the clients are. Always say on which images an accuracy was measured. Dirichlet($\alpha$) makes
# label skew with one knob; the Jensen-Shannon divergence measures it. A split must be a partition and must be reproducible.
#
# **1. $\alpha = 0.1$ with 10 clients or with 1,000 clients: the same skew?**
#
# <details><summary>Answer</summary>
#
# No. The variance of a share depends on $K \alpha$, and with 1,000 clients there are only few examples per client. Always
# report $K$ beside $\alpha$.
# </details>
#
# **2. A split gives client 3 all examples of label 7 and every other client an equal part of the rest. Is it a partition?
# Is it IID?**
#
# <details><summary>Answer</summary>
#
# A partition, yes: every example has one owner. Not IID: the labels of client 3 differ from the others'.
# </details>
#
# **3. All clients have the same label distribution. Is the federation IID?**
#
# <details><summary>Answer</summary>
#
# Not necessarily: sizes or features may still differ, and no label statistic sees it.
# </details>
#
# The strongest label skew in the dashboard:

# %%
dashboard_link(base.replace(splits["alpha = 0.05"]))
