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
# # 07 · Adaptive dynamic pruning: salience by sample
#
# - Write the gate that lets every image open its own channels, and say what a closed channel saves and what it does
#   not.
# - Tell apart the three mechanisms that carry this name: gates, a threshold, salient gradients.
# - Count the FLOPs of a gated network, $r^2$ inside, and see that PyTorch does not get faster by multiplying with zero.
#
# About 45 minutes. Adaptive dynamic pruning is by Yu, Nguyen, Anwar and Jannesari (arXiv 2106.06921, versions of 2021
# and 2023). What is our reading and not the paper's is marked so.

# %%
import torch
from torch.func import functional_call, grad
from torch.nn.functional import conv2d, cross_entropy, group_norm
from torch.utils.flop_counter import FlopCounterMode

from fedlab_core import Experiment, Federation, simulate
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.lessons.widgets import gates_explorer
from fedlab_core.measures import client_gates
from fedlab_core.plots.curves import accuracy_curve
from fedlab_core.plots.gates import open_frequency_heatmap
from fedlab_core.plots.records import rows
from fedlab_core.strategies.fedavg import FedAvg

# %% [markdown]
# ## Predict
#
# Every convolution of a network computes only 70 % of its channels for an image. Look at a convolution in the middle of
# the network: what fraction of its multiplications is left? Write it down.

# %%
my_fraction = 0.7  # change this

# %% [markdown]
# ## The idea
#
# FedSparsify (notebook 06) prunes a weight for everybody, for good. Adaptive dynamic pruning asks *for which sample* a
# weight matters: "evaluate the salience of the model's parameter according to the input training sample, and only
# retain the salient parameter's gradients" (version 2). Under this name there are three mechanisms:
#
# | | who is closed | decided by | when | from |
# |---|---|---|---|---|
# | **gates** | channels, for each image | a small learned gate | every forward pass | code of version 1 |
# | **threshold** | single weights, for all | $\lvert w \rvert \le \tau$ | end of each local epoch | public code of version 2 (FedDP) |
# | **salient gradients** | gradients of single weights | salience on the batch | every step | text of version 2, **our reading** |
#
# **Gates.** A convolution has input $x$ with $I$ channels and makes $C$. Let $s_i$ be the mean of input channel $i$
# over its pixels (global average pooling). A linear layer $W_g, b_g$ with ReLU turns them into one number for each
# output channel, and the $k = \mathrm{round}(r\,C)$ largest stay:
#
# $$g = \mathrm{ReLU}(W_g s + b_g), \qquad \tilde g_c = \begin{cases} g_c & \text{among the } k \text{ largest of this image} \\ 0
# & \text{else} \end{cases}, \qquad y_c = \mathrm{Norm}(\mathrm{conv}(x))_c \cdot \tilde g_c .$$
#
# This is the form of feature boosting and suppression (Gao et al. 2019, arXiv 1810.05331) without its L1 term. $r$ is
# the keep ratio. What stays is multiplied by its gate, not by 1: the gate also weighs. It is trained with everything
# else, by the plain cross-entropy. (The code's VGG puts a sigmoid on $s$; the lab does so
# in residual networks only, which is our choice.)
#
# **Threshold.** At the end of each local epoch, weights of convolutions with $\lvert w \rvert \le \tau$ become zero. No
# mask is kept: they may grow again in the next epoch.
#
# ## Demo: who uses what?
#
# A small network with gates, trained for three rounds. Each row is a test image, each column a channel of the second
# convolution; the colour says which share of the channel's weights is multiplied with for this image. Move $r$: rows
# differ. Put $r$ to 1 and move $\tau$: rows become alike (nearly: a gate that ReLU makes 0 stays closed). The still
# picture has one beside the other.

# %%
experiment = Experiment().replace(
    {
        "data.num_clients": 6,
        "data.partition": "shards",
        "data.labels_per_client": 3,
        "federation.rounds": 6,
        "federation.batch_size": 32,
        "strategy.name": "dynamic-gate",
        "strategy.ratio": 0.7,
    }
)
gates_explorer(experiment)

# %% [markdown]
# With $\tau = 0$, the mean of the heatmap is the share of the layer's multiplications that is left. For which $r$ is it
# about a half? The FLOPs below the sliders are counted on paper: what would be computed if zeros were skipped.
#
# ## Exercise 07.1: the gate
#
# Write the choice. `g_BC` has a row for each image of the batch and a column for each channel, and is not negative. Of
# equal gates only as many may stay as there is room for: the budget is $k$ channels, whatever is equal. Which of them
# is up to you. Where ReLU has left fewer than $k$ positive gates, fewer are open.


# %%
def top_k_gate(g_BC: torch.Tensor, k: int) -> torch.Tensor:
    """Each image's k largest gates with their values, 0 elsewhere."""
    # BEGIN SOLUTION 07.1
    # 1. The places of the k largest gates of each image.
    places = g_BC.topk(k, dim=1).indices
    # 2. A mask of 1 at these places and 0 elsewhere: a new tensor, g_BC stays as it is.
    mask = torch.zeros_like(g_BC).scatter(1, places, 1.0)
    # 3. Open gates keep their values.
    return g_BC * mask
    # END SOLUTION


# %%
result_gate = check("07.1", top_k_gate)
result_gate

# %% [markdown]
# Now a federation: six clients that know three digits each. Dense FedAvg beside gates that keep 70 % and 25 % of the
# channels. (The fourth run is for later.)


# %%
def run(name: str, **settings: float) -> list:
    """The experiment with another strategy: one record a round."""
    changes = {f"strategy.{key}": value for key, value in settings.items()}
    return list(simulate(experiment.replace({"strategy.name": name, **changes})))


dense, gates = run("fedavg"), run("dynamic-gate", ratio=0.7)
few, salient = run("dynamic-gate", ratio=0.25), run("dynamic-salient", keep_ratio=0.1)
accuracy_curve(rows(gates), compare={"dense": rows(dense), "r = 0.25": rows(few)})

# %% [markdown]
# **Expected picture:** gates with $r = 0.7$ (the thick line) end near dense; after so few rounds it depends on the seed
# which of the two is ahead. With $r = 0.25$ the network has 4 and 8 channels for an image, and ends clearly lower. Over
# 30 rounds the lab's gates with $r = 0.5$ ended one to three points below dense (`docs/REPRODUCTION.md`): the less
# over-fitting that the paper speaks of is not seen on data this small.
#
# Your gate in the trained network, layer by layer. `weights` is the model after the last round:

# %%
federation = Federation.of(experiment)
weights = gates[-1].state.params
images = federation.data.dataset.x_test_NI[:100]


def gated_conv(x, name, k):
    """One gated layer by hand: gate, convolution, norm, product, ReLU."""
    w = {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}
    g_BC = (x.mean((2, 3)) @ w["gate.weight"].T + w["gate.bias"]).relu()
    open_BC = result_gate.function(g_BC, k)
    y = conv2d(x, w["body.conv.weight"], w["body.conv.bias"], padding=1)
    y = group_norm(y, 4, w["body.norm.weight"], w["body.norm.bias"])
    return (y * open_BC[:, :, None, None]).relu(), open_BC


# %%
h1, open1 = gated_conv(images, "conv1", 11)  # round(0.7 * 16)
h2, open2 = gated_conv(h1, "conv2", 22)  # round(0.7 * 32)
upto = torch.nn.Sequential(*list(federation.model)[:4])  # conv1, relu1, conv2, relu2 of the lab's model
mine = {key: value for key, value in weights.items() if key.startswith("conv")}
theirs = functional_call(
    upto, {key.replace("conv1", "0").replace("conv2", "2"): v for key, v in mine.items()}, (images,)
)
print(f"largest difference to the lab's layers: {float((h2 - theirs).abs().max()):.5f}")
print(f"open channels of an image: {(open1 > 0).sum(1).unique().tolist()}, {(open2 > 0).sum(1).unique().tolist()}")

# %% [markdown]
# **Expected:** no difference, and never more than 11 and 22 open channels. Which channels do the clients' images open?
# Each client has images of three digits only.

# %%
quarter = Federation.of(experiment.replace({"strategy.ratio": 0.25}))
clients, often = client_gates(quarter, few[-1].state, "conv2")
open_frequency_heatmap([f"client {k}" for k in clients], often, layer="conv2 (r = 0.25)")

# %% [markdown]
# **Expected picture:** many columns are dark for everybody (channels that no image opens), one or two bright for
# everybody, and in between clients differ somewhat: who has other digits uses other parts of the one network. That is
# the link to non-IID data.
#
# ## What learns?
#
# For sample $b$, the output of a closed channel $c$ is multiplied by 0. By the chain rule the loss of this sample has
# gradient 0 for filter $c$, for its norm and for row $c$ of its gate. The gradient of filter $c$ over a batch is the
# sum over those samples in which $c$ was open. *That* is how gates "only retain the salient parameter's gradients".
#
# The text of version 2 speaks of single parameters, and no public code has it. **Our reading:** for each layer and each
# batch
#
# $$S = \lvert w \odot \nabla_w L \rvert, \qquad M = \mathbf 1[S \ge \text{the } \mathrm{round}(\rho\, n)\text{-th largest of } S],
# \qquad w \leftarrow w - \eta\, (M \odot \nabla_w L),$$
#
# with $n$ weights in the layer, $\odot$ entry by entry, $\rho$ the keep ratio (of weights now), $\eta$ the learning
# rate. Why $\lvert w\,g \rvert$? Setting a weight to 0 changes the loss by about $L(0) - L(w) \approx -w\,g$ (Taylor,
# first order): a weight is salient if the loss would notice. The weights that are not salient are not pruned; they just
# do not move.
#
# ## Exercise 07.2: salient gradients
#
# Write $M \odot \nabla_w L$ for one layer. At least one entry is left. Unlike the gate's, this rule keeps all that are
# as salient as the last one: a gradient more costs nothing.


# %%
def salient_gradient(weight: torch.Tensor, grad: torch.Tensor, keep: float) -> torch.Tensor:
    """The gradient where |w g| is among the round(keep x n) largest of the layer, ties included; 0 elsewhere."""
    # BEGIN SOLUTION 07.2
    # 1. The salience of each weight.
    salience = (weight * grad).abs()
    # 2. How many are to be left, and the salience of the last of them.
    count = max(1, round(keep * weight.numel()))
    threshold = salience.flatten().topk(count).values[-1]
    # 3. The gradient where the salience is at least that, 0 elsewhere.
    return grad * (salience >= threshold)
    # END SOLUTION


# %%
result_salient = check("07.2", salient_gradient)
result_salient

# %% [markdown]
# One local epoch by hand on a client: which weights of `fc1` have moved after each batch? Only those have to be sent.

# %%
plain = federation.under(FedAvg())  # the same data, the network without gates
(inputs, labels), start = plain.data.train(0), plain.initial_state().params


def loss(p, x, y):
    return cross_entropy(functional_call(plain.model, p, (x,)), y)


params, moved = start, []
for x, y in zip(inputs.split(32), labels.split(32), strict=True):
    slopes = grad(loss)(params, x, y)
    left = {n: result_salient.function(params[n], g, 0.1) if g.dim() > 1 else g for n, g in slopes.items()}
    params = {n: w - 0.05 * left[n] for n, w in params.items()}
    moved.append(float((params["fc1.weight"] != start["fc1.weight"]).float().mean()))
print("moved so far:", " ".join(f"{share:.0%}" for share in moved))

# %% [markdown]
# **Expected:** 10 % after the first batch, then more and more, but far less than 10 % for each further batch: the same
# weights are salient again and again. (`fc1` has most of the weights; some of its inputs are always 0, and so is their
# gradient.)
#
# ## What does it cost? A derivation
#
# A convolution with kernels of $\kappa \times \kappa$ on maps of $H \times W$ has $2\,\kappa^2\, I\, C\, H W$ FLOPs: a
# multiplication and an addition for each weight and position. If only $a I$ of its inputs are not zero and only $b\,C$
# of its outputs are wanted, $\;2\,\kappa^2\, (a I)(b\, C)\, H W = a\,b \cdot \text{dense}\;$ are left. With keep ratio
# $r$ everywhere:
#
# - an **interior** layer reads what a gate left open and is gated itself: $a\,b = r \cdot r = r^2$;
# - the **first** layer reads the whole image: $1 \cdot r$;
# - the **last** layer (the classifier) has no gate, but reads gated channels: $r \cdot 1$.
#
# So $r = 0.7$ leaves $0.49$ of an interior layer: the "50 % FLOPs" of the paper is $r^2$. A gate itself costs
# $2\,I\,C$, the $\kappa^2 H W$-th part of its convolution.
#
# ## Exercise 07.3: FLOPs of a gated network
#
# Layers in a chain, dense FLOPs `flops[0], flops[1], ...`; layer $l$ keeps the share `kept[l]` of its outputs. The last
# one has no gate, so `kept` is one shorter. Leave the gates' own FLOPs out.


# %%
def gated_flops(flops: list[float], kept: list[float]) -> float:
    """FLOPs that open channels leave, of all layers together."""
    # BEGIN SOLUTION 07.3
    # 1. The share of its inputs that each layer reads: the first one reads the whole image.
    reads = [1.0, *kept]
    # 2. The share of its outputs that each layer makes: the last one makes all.
    makes = [*kept, 1.0]
    # 3. The shares multiply; add up the layers.
    return sum(dense * a * b for dense, a, b in zip(flops, reads, makes, strict=True))
    # END SOLUTION


# %%
result_flops = check("07.3", gated_flops)
result_flops

# %% [markdown]
# First the 13 convolutions of the authors' VGG on $32 \times 32$ images (channels, and the side of the maps), with
# $r = 0.7$; then the lab's network, where what comes after `fc1` is dense.

# %%
widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
sides = [32, 32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2]
vgg = [2 * 9 * i * c * side**2 for i, c, side in zip([3, *widths], widths, sides, strict=False)]
left = result_flops.function([*vgg, 0], [round(0.7 * c) / c for c in widths])
print(f"VGG: {left / sum(vgg):.3f} of {sum(vgg) / 2e6:.1f} million multiply-adds; you said {my_fraction} of a layer")
small = list(plain.layer_flops.values())  # conv1, conv2, fc1, fc2
for r in (1.0, 0.7, 0.25):
    kept = [round(r * 16) / 16, round(r * 32) / 32, 1.0]
    print(f"lab's network, r = {r}: {result_flops.function(small, kept) / sum(small):.3f} of dense")

# %% [markdown]
# **Expected:** 0.492 of 313.2 million for VGG, as counted from the authors' network. In a ResNet-32 the same $r$ leaves
# 0.585: the first convolution of each block reads the sum that goes around the block, which is not gated, so it is $r$
# and not $r^2$.
#
# ## And on the clock?
#
# PyTorch has a counter of its own, which counts what is really computed. Ask it about 100 images: the dense network,
# the gated one, and then one image for which we really cut the closed channels out of `conv2`.


# %%
def counted(work) -> int:
    """The FLOPs that PyTorch computes in `work`."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


now = {"dense": (plain.model, dense[-1].state.params), "gated, r = 0.7": (federation.model, weights)}
for name, (model, p) in now.items():
    print(f"{name:15} {counted(lambda m=model, p=p: functional_call(m, p, (images,))) / 100:10,.0f} FLOPs an image")

# %%
b, kernel = 3, weights["conv2.body.conv.weight"]
reads, makes = open1[b] > 0, open2[b] > 0
cut = kernel[makes][:, reads]
whole = counted(lambda: conv2d(h1[b : b + 1], kernel, padding=1))
part = counted(lambda: conv2d(h1[b : b + 1, reads], cut, padding=1))
same = torch.allclose(conv2d(h1[b : b + 1], kernel)[:, makes], conv2d(h1[b : b + 1, reads], cut), atol=1e-4)
print(
    f"conv2, image {b}: {whole:,} FLOPs; cut for this image {part:,}, which is {part / whole:.3f}; same values: {same}"
)

# %% [markdown]
# **Expected:** the gated network computes *more* than the dense one: everything is computed, then multiplied by 0, and
# the gates come on top. It is not faster in PyTorch; most of the authors' logs show more seconds a round with gates,
# too. Only the cut layer has the $r^2$ (with 11 of 16 and 22 of 32 channels $0.473$), and it fits one image: the next
# one in the batch has other channels. "FLOPs saved" is a number on paper until a kernel skips closed channels, or a
# device that handles one image at a time cuts them.
#
# ## And on the wire?

# %%
threshold = run("dynamic-threshold", tau=0.02)
runs = {"dense": dense, "gates 0.7": gates, "gates 0.25": few, "threshold 0.02": threshold, "salient 0.1": salient}
for name, records in runs.items():
    up, down = (sum(getattr(r, f"{way}_bytes") for r in records) / 1e6 for way in ("upload", "download"))
    flops = sum(r.effective_flops for r in records) / sum(r.dense_flops for r in dense)
    told = f"{records[-1].test_accuracy:6.1%}, {up:.2f} MB up, {down:.2f} MB down"
    print(f"{name:15}{told}, training FLOPs {flops:.0%} of dense, sparsity {records[-1].sparsity:.1%}")

# %% [markdown]
# **Expected:** no method saves all three. Gates save FLOPs (on paper), and *add* bytes: their own weights travel,
# everything else does, too. Salient gradients send what has moved, about a third of the upload here; the download and
# the FLOPs are dense. The threshold sends what is left, which is the lab's addition: the public code sends everything.
# (It also cuts all weights here, not only convolutions.) Its default $\tau = 0.001$ prunes less than one weight in a
# hundred: try it.
#
# The abstract of version 2 says 57 % less communication. Where that number comes from could not be found; it is not in
# a round's bytes of the gates.
#
# ## Reflect
#
# - Two clients with different digits open different channels of the same filter bank. Does averaging their models
#   disturb less, or more, than with dense models? What would you measure?
# - A phone classifies one photo at a time, a server 256 at once. For which of the two are gates worth it?
#
# ## Recap
#
# Gates choose channels for each image; a threshold zeroes weights for all; salient gradients let a batch move only the
# weights that it would notice. An interior layer costs $r^2$, the first and the last one $r$. Zeros that are multiplied
# are not saved.
#
# **1. Which $r$ leaves half of an interior layer's FLOPs? And half of the first layer's?**
#
# <details><summary>Answer</summary>
#
# $r^2 = 0.5$ gives $r = 0.71$. The first layer reads the whole image: $r = 0.5$.
# </details>
#
# **2. A channel is closed for 90 of the 100 images of a batch. What does its filter learn from?**
#
# <details><summary>Answer</summary>
#
# From the other 10 images only: for a closed channel the gradient is 0. Its filter becomes a specialist for images that
# open it.
# </details>
#
# **3. Why does the gate need exactly $k$ channels when gates are equal, while the salient gradient may keep all ties?**
#
# <details><summary>Answer</summary>
#
# The gate is a budget of computation: $k$ channels are what an image may cost. The gradient mask chooses what may move;
# one weight more costs next to nothing.
# </details>
#
# The same experiment in the dashboard; the page Masks shows the gates of every client:

# %%
dashboard_link(experiment, page="masks")
