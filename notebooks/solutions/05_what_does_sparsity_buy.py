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
# # 05 · What does sparsity buy?
#
# - Count the bytes of a sparse message by hand, and get the length of the real one.
# - Derive the densities at which one encoding overtakes another.
# - Tell FLOPs that are counted from FLOPs that are computed, and both from time.
#
# About 40 minutes. What a network *learns* plays no part here: bytes, FLOPs and time follow from the masks, so the weights may
# stay untrained. The counts follow FedSparsify (Stripelis et al. 2022, arXiv 2204.12430) where it has one; the rest is
# arithmetic and our reading.

# %%
import torch

from fedlab_core import Experiment, Federation, Masks, Params, ServerState
from fedlab_core.costs.codec import MaskMemory, encode, label_bytes
from fedlab_core.costs.flops import effective_flops, forward_flops
from fedlab_core.encodings import message_bytes
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.lessons.widgets import cost_explorer
from fedlab_core.plots.costs import encoding_bars, flops_bars, latency_bars
from fedlab_core.pruning.masks import apply_masks, full_masks, prunable_names, purge
from fedlab_core.pruning.units import drop_units, hidden_units
from fedlab_core.speed import measure_networks, network_flops

# %% [markdown]
# ## Predict
#
# We set 90 % of the weights of a convolutional network to zero, the smallest ones, wherever they are. Ten times fewer weights:
# how many times smaller is the message that sends the model, how many times fewer FLOPs does a forward pass compute, and how
# many times less time does it take?

# %%
my_bytes, my_flops, my_time = 10, 10, 10  # change these: how many times less?

# %% [markdown]
# ## Zeros are not small
#
# The network is FedSparsify's CNN with six convolutions, here for digits of $8 \times 8$ pixels. A mask says which weights are
# kept. We multiply the weights by the masks and send the model, at first without saying anything about the masks.

# %%
experiment = Experiment().replace({"model.name": "cnn6", "strategy.name": "fedsparsify-global"})
federation = Federation.of(experiment)
server = federation.start().server
masks = purge(server.params, full_masks(server.params, prunable_names(server.params)), 0.9)
pruned = ServerState(apply_masks(server.params, masks), server.buffers, masks)

dense_length = len(encode({**server.params, **server.buffers}))
print("dense:              ", dense_length, "bytes")
print("90 % zeros:         ", len(encode({**pruned.params, **pruned.buffers})), "bytes")
print("90 % zeros and masks:", len(encode({**pruned.params, **pruned.buffers}, masks)), "bytes")

# %% [markdown]
# **Expected:** the first two are equal. A zero is a number of 32 bits like any other. The message shrinks only when sender and
# receiver agree that zeros are left out, and then the receiver has to be told *where* the other numbers belong. That costs
# bytes, too: the message is not ten times smaller, but a bit less than nine times.
#
# ## The price of a mask: a derivation
#
# Take a layer with $N$ weights, of which $n$ are kept: its **density** is $d = n / N$, its sparsity $1 - d$. A value has
# $b$ bits (32 for float32). Bits for each of the $N$ entries:
#
# | encoding | what travels | bits an entry |
# |---|---|---|
# | dense | every value | $b$ |
# | bitmap | one bit an entry: kept or not; the kept values | $1 + d\,b$ |
# | COO | the kept values, and the position of each in $i$ bits | $d\,(b + i)$ |
# | entropy coder | the *gaps* between kept entries, short codes for frequent gaps | about $H(d) + d\,b$ |
#
# $H(d) = -d \log_2 d - (1 - d) \log_2 (1 - d)$ is the entropy of one entry of a random mask. On average no code is shorter
# than that. At $d = 0.1$ it is 0.469 bits: less than half of the bitmap's 1, but not nothing. All the values together
# take $0.1 \cdot 32 = 3.2$ bits an entry, so a bitmap gives 4.2 instead of 32, and the best possible code 3.669: 8.7 times less.
#
# FedSparsify's own plots count the values alone ($d\,b$), as if masks travelled for free. The lab sends them and counts them.

# %%
message = message_bytes(pruned.params, pruned.buffers, masks)
print(f"{dense_length / message.by_encoding['shortest form']:.1f} times smaller; you said {my_bytes}")
encoding_bars(message)

# %% [markdown]
# **Expected picture:** after dense, positions cost most ("indices" is COO), then the bitmap; "gaps" and "runs", which
# are entropy coders, come within 1 % of the bound. The hatched bars cannot be sent by anybody.
#
# ## Demo: three costs
#
# Bytes are one cost. **FLOPs as counted** multiply the FLOPs of each layer by its density, as papers do: what a machine
# *would* compute that skips every zero. **FLOPs as computed** are those of the network that is left when whole units
# (channels, neurons) are cut away: what PyTorch really does. Each is drawn as a share of the dense network's. Start with 90 %
# and compare: which encoding is best at 20 %? At 99 %? Then prune whole units.

# %%
cost_explorer(experiment)

# %% [markdown]
# **Expected picture:** with scattered zeros two costs fall together and the third stays at 100 %: no unit is gone. (At the far
# right whole units are empty by accident. That is layer collapse, see notebook 04.) With whole units all three fall together.
# Encoded as "dense" nothing is saved at all, and COO is *dearer* than dense up to a sparsity that you will now compute.
#
# ## Exercise 05.1: bytes by hand
#
# How long is the message if every mask travels as a bitmap? Add up over the tensors:
#
# - a tensor that is not in `masks`, like a bias, travels whole: all its values;
# - of a masked one the bitmap travels, one bit for each entry, *filled up to whole bytes*, and the kept values;
# - where a mask keeps everything there is no bitmap.
#
# `tensor.element_size()` is the number of bytes of a value. Leave out names and shapes: they are "labels".


# %%
def bitmap_bytes(tensors: Params, masks: Masks) -> int:
    """Bytes of masks (as bitmaps) and values in a message; True in a mask means kept."""
    # BEGIN SOLUTION 05.1
    total = 0
    for name, tensor in tensors.items():
        kept = tensor.numel()
        if name in masks and not masks[name].all():
            # 1. Which values travel? Those that the mask keeps.
            kept = int(masks[name].sum())
            # 2. One bit for each entry, in whole bytes: round up.
            total += (masks[name].numel() + 7) // 8
        # 3. The values themselves.
        total += kept * tensor.element_size()
    return total
    # END SOLUTION


# %%
result_bytes = check("05.1", bitmap_bytes)
result_bytes

# %% [markdown]
# Your count, plus the labels, against the length of the real message:

# %%
tensors = {**pruned.params, **pruned.buffers}
payload = encode(tensors, masks, MaskMemory(only="bitmap"))
by_hand = int(result_bytes.function(tensors, masks)) + label_bytes(payload)
print(f"by hand {by_hand}, really {len(payload)}: equal is {by_hand == len(payload)}")
print(f"names, shapes and counts are {label_bytes(payload)} of these bytes")

# %% [markdown]
# ## Break-even densities: a derivation
#
# When is a bitmap worth its bits? When $1 + d\,b < b$, that is $d < 1 - 1/b$: for float32 as soon as 3.1 % of the weights are
# gone. And COO, the format of `torch.sparse` and of most "sparse" files? It beats dense when
#
# $$d\,(b + i) < b \iff d < \frac{b}{b + i},$$
#
# half of the weights for $b = i = 32$, and it beats the bitmap when
#
# $$d\,(b + i) < 1 + d\,b \iff d < \frac{1}{i},$$
#
# beyond 96.9 % sparsity for $i = 32$. The values drop out: only the positions compete with the bits of the map.
#
# ## Exercise 05.2: where COO breaks even
#
# Positions are whole numbers of 1, 2, 4 or 8 bytes, and the lab takes the narrowest that can name every place of the layer,
# counted from 0. So $i$ depends on the number of entries. Return the density below which COO is shorter than its rival.


# %%
def coo_break_even(elements: int, value_bits: int, against: str) -> float:
    """Density at which COO costs as much as its rival; `against` is "dense" or "bitmap"."""
    # BEGIN SOLUTION 05.2
    # 1. How many bits has a position among so many entries? 8, 16, 32 or 64.
    i = next(bits for bits in (8, 16, 32, 64) if elements <= 2**bits)
    # 2. Against dense: d (b + i) = b.
    if against == "dense":
        return value_bits / (value_bits + i)
    # 3. Against a bitmap: d (b + i) = 1 + d b.
    return 1 / i
    # END SOLUTION


# %%
result_even = check("05.2", coo_break_even)
result_even

# %% [markdown]
# Does it hold for real messages? We take one layer of the network and random masks with 5 % less and 5 % more than your density.

# %%
layer = server.params["conv3b.weight"]
order = torch.randperm(layer.numel(), generator=torch.Generator().manual_seed(0)).view_as(layer)
for against in ("dense", "bitmap"):
    even = float(result_even.function(layer.numel(), 32, against))
    for density in (0.95 * even, 1.05 * even):
        kept = {"w": order < density * layer.numel()}
        coo = len(encode({"w": layer}, kept, MaskMemory(only="indices")))
        rival = len(encode({"w": layer}, kept if against == "bitmap" else {}, MaskMemory(only="bitmap")))
        print(f"density {density:.4f}: COO {coo:6}, {against} {rival:6} bytes: {'COO' if coo < rival else against}")

# %% [markdown]
# **Expected:** COO wins below the density, its rival above. With values of 8 bits instead of 32, $b / (b + i)$ falls from 50 %
# to 20 %: the smaller the values, the dearer the positions. So quantisation and sparsity do not simply multiply.
#
# ## Small is not fast
#
# A forward pass computes $y = W x$ as one dense product. The kernel multiplies by zero as diligently as by anything else.

# %%
per_layer = forward_flops(federation.model, (1, 8, 8))
print(f"dense:       {sum(per_layer.values()) / 1e6:6.2f} MFLOPs an image")
print(f"as counted:  {effective_flops(per_layer, masks) / 1e6:6.2f} MFLOPs, each layer times its density")
print(f"as computed: {network_flops(federation, pruned).slimmed / 1e6:6.2f} MFLOPs; you said {my_flops} times fewer")

# %% [markdown]
# **Expected:** the count falls to 13.8 % (not to 10 %: magnitude pruning leaves more in some layers than in others, and these
# have many positions). What is computed stays what it was. What has to be pruned for that to fall?
#
# ## Whole channels: a derivation
#
# A convolution with $C_{in}$ channels in, $C_{out}$ out, a kernel of $k \times k$ and an output of $h \times w$ positions sums
# $k^2 C_{in}$ products for each of its $C_{out}\, h\, w$ outputs. A multiply-add is two FLOPs:
#
# $$\text{FLOPs} = 2\, k^2\, C_{in}\, C_{out}\, h\, w .$$
#
# **Structured pruning** removes whole channels. If every hidden layer keeps the share $r$ of its channels, a layer between two
# hidden ones has $r\,C_{in}$ inputs and $r\,C_{out}$ outputs: $r^2$ of its FLOPs, a quarter at $r = 1/2$. The same is
# true of its weights. But the image keeps its channels and the classes stay: the first and the last layer keep $r$.
#
# ## Exercise 05.3: a chain of layers
#
# `channels` starts with those of the image and ends with the classes, e.g. `[1, 16, 32, 10]` for three layers, with
# outputs of `sides` $\times$ `sides` pixels, e.g. `[8, 8, 4]`. Hidden channels are multiples of 4 here, so $r\,C$ is whole.


# %%
def chain_flops(channels: list[int], sides: list[int], kernel: int = 3, keep: float = 1.0) -> int:
    """FLOPs of all layers if each hidden one keeps the share `keep` of its channels; biases are not counted."""
    # BEGIN SOLUTION 05.3
    # 1. How many channels are left everywhere? The first and the last number stay.
    left = [channels[0], *(round(keep * width) for width in channels[1:-1]), channels[-1]]
    # 2. Layer l reads left[l] channels and makes left[l + 1].
    layers = zip(left[:-1], left[1:], sides, strict=True)
    # 3. Add up 2 k^2 C_in C_out h w.
    return sum(2 * kernel**2 * c_in * c_out * side**2 for c_in, c_out, side in layers)
    # END SOLUTION


# %%
result_flops = check("05.3", chain_flops)
result_flops

# %%
shapes = {"one hidden layer": ([1, 16, 10], [8, 8]), "two": ([1, 16, 16, 10], [8, 8, 8])}
vgg = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512, 10]
shapes["VGG-16 on 32 x 32"] = (vgg, [32, 32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2, 1])
for name, (channels, sides) in shapes.items():
    dense = result_flops.function(channels, sides)
    half = result_flops.function(channels, sides, keep=0.5) / dense
    print(f"{name:18} {float(dense) / 1e6:6.1f} MFLOPs; with half of the channels {float(half):.1%} of them")

# %% [markdown]
# **Expected:** 50 % with one hidden layer, and the deeper the network the closer to $r^2 = 25\,\%$. The 13 convolutions of VGG-16
# take 313.2 million multiply-adds, and twice as many FLOPs. With $r = 0.7$, in whole channels, they keep 0.492 of them:
# that is where "half of the FLOPs" comes from in adaptive dynamic pruning (notebook 07). Now the network from above without the
# weaker half of its units, really cut:

# %%
everything = full_masks(server.params, prunable_names(server.params, include_vectors=True))
units = drop_units(server.params, everything, 0.5, hidden_units(federation.model))
halved = ServerState(apply_masks(server.params, units), server.buffers, units)
flops = network_flops(federation, halved)
print(f"{flops.sparsity:.1%} of the weights gone; FLOPs as computed are {flops.slimmed / flops.dense:.1%} of dense")
flops_bars(flops)

# %% [markdown]
# **Expected:** half of the units are three quarters of the weights and of the FLOPs. And the time? Three networks, measured on
# your machine: dense, masked (90 % scattered zeros), and slimmed (half of the units cut). You said how many times less the
# scattered zeros take.

# %%
print(f"you said: scattered zeros take {my_time} times less time")
scattered, cut = (measure_networks(federation, state, turns=7) for state in (pruned, halved))
latency_bars({"dense": scattered["dense"], "masked": scattered["masked"], "slimmed": cut["slimmed"]}, batch=32)

# %% [markdown]
# **Expected picture:** the masked network takes about as long as the dense one: 90 % zeros, nothing gained. The slimmed one is
# clearly faster, but not four times: ReLU, pooling and moving numbers about shrink with $r$ and not with $r^2$, and
# starting a kernel costs the same for a small one. FLOPs are a forecast of time, and a rough one.
#
# So which cost is yours? On a slow uplink bytes count, and scattered zeros are fine. On a phone time counts, and only what is
# really gone helps. Both at once: structured pruning also has short masks, because whole rows are runs of zeros.

# %%
for name, state in (("90 %, scattered", pruned), ("half of the units", halved)):
    message, flops = message_bytes(state.params, state.buffers, state.masks), network_flops(federation, state)
    sent, nominal = message.by_encoding["shortest form"], message.by_encoding["values alone (nominal)"]
    print(
        f"{name:18} bytes {sent / dense_length:.1%}, FLOPs as computed {flops.slimmed / flops.dense:.1%} of dense;",
        end=" ",
    )
    print(f"masks and labels are {1 - nominal / sent:.1%} of the message")

# %% [markdown]
# ## Reflect
#
# - A paper reports "90 % fewer FLOPs at 90 % sparsity" for scattered zeros, and no times. What would you ask its authors?
# - In a federation the server sends the masks down, and clients keep to them. Which part of the upload could then be left out,
#   and in which methods of this course could it not?
#
# ## Recap
#
# Zeros are not small: they have to be left out, and then positions cost. Small is not fast: scattered zeros are computed like any
# number. Structured pruning saves all three, with $r^2$ between hidden layers.
#
# **1. Values of 8 bits, a layer of 1000 weights: from which density down is a bitmap worth it, and from which COO?**
#
# <details><summary>Answer</summary>
#
# The bitmap beats dense for $d < 1 - 1/8 = 0.875$. Positions take 16 bits, so COO beats dense for $d < 8 / 24 = 1/3$, and the
# bitmap only for $d < 1/16$.
# </details>
#
# **2. Two tensors of 4 weights each, or one of 8: do their bitmaps take the same number of bytes?**
#
# <details><summary>Answer</summary>
#
# No: 2 bytes and 1 byte. Each bitmap fills whole bytes. It matters for many tiny tensors, and for no others.
# </details>
#
# **3. All hidden layers keep 70 % of their channels. Why are the FLOPs of a deep network then about one half?**
#
# <details><summary>Answer</summary>
#
# Between two hidden layers $0.7^2 = 0.49$ is left, and nearly all FLOPs are there. Only the first and the last layer keep 0.7.
# </details>
#
# The same network in the dashboard, where the page Costs has all of these figures for your own runs:

# %%
dashboard_link(experiment, page="costs")
