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
# # 08 · Device-wise pruning: a network for every device
#
# - Write a gate that decides hard, "keep" or "drop", and can be learnt all the same.
# - Write the regulariser that pulls a network to its budget of FLOPs, and watch it work.
# - Merge the choices of server and device, and judge sub-networks by accuracy and by what they cost.
#
# About 50 minutes. It is the hardest notebook of the course; each exercise is short. DWNP is by Gao et al. (Device-Wise
# Federated Network Pruning, CVPR 2024). Equations are those of the poster and of the authors' code; what is our reading is
# marked so.

# %%
import torch

from fedlab_core import Experiment, Federation, simulate
from fedlab_core.federation.cotraining import network_of_server
from fedlab_core.federation.evaluation import predict
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.lessons.widgets import hypernetwork_explorer
from fedlab_core.models.hypernetwork import logits
from fedlab_core.plots import cell_heatmap, gate_curves, share_curve, subnetworks
from fedlab_core.pruning.budget import ChannelCosts
from fedlab_core.pruning.masks import apply_masks

# %% [markdown]
# ## Predict
#
# The server keeps 80 % of the channels of every layer, chosen at random. A device keeps 80 % of the channels of every layer,
# too, chosen at random by itself, and computes only with those that both keep. Take a layer in the middle of the network. What
# share of its multiplications is left?

# %%
my_share = 0.8  # change this

# %% [markdown]
# ## The idea
#
# A phone and a workstation take part in the same federation. The methods so far give both the same network. DWNP gives each
# device $n$ a sub-network of its own, within its own budget of FLOPs.
#
# A *channel* is an output of a convolution, or, in the small network here, a unit of a dense layer. The server keeps the
# channels $a^0$, device $n$ the channels $a^n$, vectors of 0 and 1 with an entry for each channel. A device computes with
# $a^0 \odot a^n$: what both keep. Two things are learnt:
#
# - the **weights** $W$, by local training under the device's channels (W-steps), averaged as in FedAvg;
# - the **choice of channels**, by a small second network with parameters $\theta$ (theta-steps, every few W-steps):
#
# $$\min_\theta \; \frac{1}{N} \sum_n L(W, D_n;\, a^0 \odot a^n) + \lambda \Big[ R(\rho(a^0), p_s) + \frac{1}{N} \sum_n R(\rho(a^0 \odot a^n), p_d^n) \Big].$$
#
# $N$ devices, $L$ the loss on their data $D_n$, $\rho$ the share of the FLOPs that a network keeps, $p_s$ the share that the
# server's may keep, $p_d^n$ the share that device $n$ may keep, $\lambda = 4$ as in the code. $R$ says how far from its budget a
# network is.
#
# The second network is the **hypernetwork**. Its input is a *code* for each device (and one for the server), which is learnt as
# well; its output is a number $o$ for each channel, its *logit*: the larger, the more likely is the channel kept. A GRU reads the
# code layer by layer, in both directions, so that the layers know of each other; then a linear map for each layer.
#
# ## Demo: what the hypernetwork does
#
# Four budgets, one hypernetwork, 80 theta-steps. There are no data here, only $R$: the hypernetwork learns *how many* channels
# may stay. Which ones is left to chance. Take back the steps to see it learn; give a device more than the server has.

# %%
experiment = Experiment().replace(
    {
        "model.name": "mlp",
        "data.num_clients": 6,
        "data.alpha": 0.3,
        "federation.rounds": 12,
        "strategy.name": "dwnp",
        "strategy.p_s": 0.8,
        "strategy.p_d": 0.25,
        "strategy.width": 8,
        "strategy.rate": 0.05,
    }
)
hypernetwork_explorer(experiment)

# %% [markdown]
# **Expected picture:** with 80 steps the bars end near the lines, up to a tenth too high where a network keeps most of its
# channels: a gate that is usually open while it learns is always open when the noise is gone. With 0 steps everybody has
# everything. A device whose budget is larger than $p_s$ ends with the server's network.
#
# ## A random gate, derived
#
# Is channel $c$ kept? DWNP adds noise to its logit, $x = o + G + b$, and keeps the channel if $x \ge 0$. The noise lets both
# answers be tried while they are learnt. $G$ is a **Gumbel** number: draw $u$ evenly between 0 and 1, and take $G = -\log(-\log u)$.
# Because $P(G \le g) = P(u \le e^{-e^{-g}}) = e^{-e^{-g}}$,
#
# $$P(\text{dropped}) = P(G < -o - b) = e^{-e^{\,o + b}}.$$
#
# With the *offset* $b = 3$ a channel with $o = 0$ is dropped twice in a thousand million times: training starts from the full
# network. A soft version of the same decision is the **Gumbel-sigmoid** with temperature $\tau = 0.4$:
#
# $$y = \sigma\!\left(\frac{o + G + b}{\tau}\right), \qquad \hat y = 1 \text{ if } y \ge \tfrac12, \text{ else } 0 .$$
#
# (One Gumbel number, as in the code. Elsewhere you meet the difference of two, which is logistic noise.)

# %%
gate_curves((0.4, 0.1, 1.5))

# %% [markdown]
# ## Exercise 08.1: the gate
#
# The noise is an input: `u_C` holds one $u$ for each of the $C$ channels. Give back the soft gates $y$ and the hard ones
# $\hat y$, both as numbers.


# %%
def gate(o_C: torch.Tensor, u_C: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Soft and hard gates of C channels with logits o_C, for the uniform numbers u_C."""
    # BEGIN SOLUTION 08.1
    # 1. From uniform to Gumbel numbers.
    gumbel_C = -torch.log(-torch.log(u_C))
    # 2. Soft: logit, noise and offset 3, divided by the temperature 0.4, through a sigmoid.
    y_C = torch.sigmoid((o_C + gumbel_C + 3) / 0.4)
    # 3. Hard: 1.0 where the soft gate is at least one half, else 0.0. Return both.
    return y_C, (y_C >= 0.5).float()
    # END SOLUTION


# %%
result_gate = check("08.1", gate)
result_gate

# %% [markdown]
# How often is a channel dropped? Your gate, 20 000 draws for each logit, beside the formula:

# %%
draw = torch.Generator().manual_seed(8)


def uniform(count: int) -> torch.Tensor:
    """Random numbers between 0 and 1, neither of them included."""
    return torch.rand(count, generator=draw).clamp(1e-6, 1 - 1e-6)


for o in (0.0, -1.0, -2.0, -3.0, -4.0):
    _, drawn = result_gate.function(torch.full((20_000,), o), uniform(20_000))
    formula = float(torch.exp(-torch.exp(torch.tensor(o + 3))))
    print(f"o = {o:4.0f}: dropped {1 - float(drawn.mean()):.2f}, formula {formula:.2g}")

# %% [markdown]
# **Expected:** the formula gives 1.9e-09, 0.00062, 0.066, 0.37, 0.69. A logit near -3 leaves it to the noise.
#
# ## The straight-through estimator, derived
#
# The loss sees the hard gate: $L(\hat y)$ with $\hat y = 1[y \ge \frac12]$. To learn $o$ we need
#
# $$\frac{\partial L}{\partial o} = \frac{\partial L}{\partial \hat y} \cdot \frac{\partial \hat y}{\partial y} \cdot \frac{\partial y}{\partial o}.$$
#
# The factor in the middle is the slope of a step: 0 everywhere, but at $\frac12$, where there is none. So the gradient is 0 and
# $\theta$ never moves, however wrong the gates are. One could let the loss see the soft $y$; but then a channel that is "60 % there"
# is trained, and no device has such channels. The **straight-through estimator** (Bengio et al. 2013) does one thing forward
# and another backward: it computes with $\hat y$ and *pretends* that $\partial \hat y / \partial y = 1$:
#
# $$\frac{\partial L}{\partial o} := \frac{\partial L}{\partial \hat y} \cdot 1 \cdot \frac{y (1 - y)}{\tau}, \qquad \text{for} \quad \frac{\partial y}{\partial o} = \frac{\sigma' }{\tau} = \frac{y (1 - y)}{\tau}.$$
#
# That is not the gradient of anything that is computed: it is biased. It points the right way often enough. In code it
# is a sum whose second and third term cancel forward, while autograd sees only one of them:
# $\hat y + y - \text{detach}(y)$.
#
# ## Exercise 08.2: straight through
#
# From soft gates to hard ones, with a gradient. The check asks autograd.


# %%
def straight_through(y_C: torch.Tensor) -> torch.Tensor:
    """1 where y is at least 1/2, else 0; going backward, the gradient passes as if the result were y itself."""
    # BEGIN SOLUTION 08.2
    # 1. The hard gates, as numbers.
    hard_C = (y_C >= 0.5).float()
    # 2. Add nothing: y minus y, of which one is a constant to autograd.
    return hard_C + y_C - y_C.detach()
    # END SOLUTION


# %%
result_through = check("08.2", straight_through)
result_through

# %%
some = torch.tensor([0.0, -2.0, -3.0, -3.5, -5.0], requires_grad=True)
soft, drawn = result_gate.function(some, torch.full((5,), 0.5))
(by_autograd,) = torch.autograd.grad(result_through.function(soft).sum(), some)
by_hand = soft * (1 - soft) / 0.4
for o, y, hard, g, h in zip(*(row.tolist() for row in (some, soft, drawn, by_autograd, by_hand)), strict=True):
    print(f"o = {o:4.1f}: y = {y:.4f}, gate {hard:.0f}, gradient {g:.4f}, by hand {h:.4f}")

# %% [markdown]
# **Expected:** both gradients agree. They are largest near $y = \frac12$ (at most $1 / (4 \tau) = 0.625$), and nearly 0 where
# the gate is wide open or shut: at $o = 0$ it is 0.0006. Learning starts there. That is why the hypernetwork is trained by AdamW,
# which divides each gradient by its usual size.
#
# ## How many FLOPs are left? A derivation
#
# A dense layer with $I$ inputs and $O$ outputs takes $I \cdot O$ multiplications, and DWNP counts three more operations for each
# output (norm, activation). If $c_1$ and $c_2$ of the 128 channels of the two hidden layers are kept,
#
# $$T(a) = 64\, c_1 + c_1 c_2 + 10\, c_2 + 3\, (c_1 + c_2 + 10), \qquad \rho = \frac{T(a)}{T_{\text{total}}}.$$
#
# The term in the middle is a product: the layer *reads* fewer channels and *makes* fewer. (For convolutions the same with
# $k^2$ and the size of the image.) The lab computes $\rho$ from the channels, differentiably. Your prediction:

# %%
federation = Federation.of(experiment)
costs = ChannelCosts.of_model(federation.model, federation.layer_flops)
both = 0.8 * 0.8
print(f"channels that both keep: {both:.2f}; multiplications of a middle layer: {both**2:.2f}; you said {my_share}")
kept = (torch.arange(128) < both * 128).float()
print(f"the whole network, by the lab: {float(costs.share([kept, kept])):.2f} of its FLOPs")

# %% [markdown]
# Now the regulariser. It is nearly 0 at the budget and grows with the *quotient*, so that 2 p and p / 2 are equally bad; both
# sides count, for a device that keeps too little wastes what it may use:
#
# $$R(\rho, p) = \begin{cases} \log \dfrac{\max(\rho,\, p + 0.005)}{p} & \text{if } \rho > p \\[2ex] \log \dfrac{p}{\min(\rho,\, p - 0.005)} & \text{otherwise.} \end{cases}$$
#
# Its slope is $1 / \rho$ above and $-1 / \rho$ below. Within 0.005 of the budget it is flat: a small constant, which does not
# push.
#
# ## Exercise 08.3: the regulariser


# %%
def regulariser(rho: torch.Tensor, p: float) -> torch.Tensor:
    """R of a share of FLOPs `rho` (a tensor with one number) and its budget p."""
    # BEGIN SOLUTION 08.3
    # 1. Above the budget: log of rho / p, with rho at least p + 0.005.
    if rho > p:
        return torch.log(rho.clamp(min=p + 0.005) / p)
    # 2. Otherwise: log of p / rho, with rho at most p - 0.005.
    return torch.log(p / rho.clamp(max=p - 0.005))
    # END SOLUTION


# %%
result_regulariser = check("08.3", regulariser)
result_regulariser

# %% [markdown]
# Your three functions together: one logit a channel, no hypernetwork and no data yet, a budget of 0.5. Once with the
# straight-through gradient, once with the hard gate alone.


# %%
def learn(through, p: float, steps: int = 120) -> list[float]:
    """Share of FLOPs of the drawn gates in each step, while the logits learn from R alone."""
    o_C, shares = torch.zeros(sum(costs.sizes), requires_grad=True), []
    optimiser = torch.optim.Adam([o_C], lr=0.1)
    for _ in range(steps):
        y_C, _ = result_gate.function(o_C, uniform(len(o_C)))
        rho = costs.share(costs.split(through(y_C)))
        shares.append(float(rho.detach()))
        if rho.requires_grad:  # the hard gate alone has no gradient, and backward would be an error
            optimiser.zero_grad()
            result_regulariser.function(rho, p).backward()
            optimiser.step()
    return shares


# %%
curves = {
    "straight-through": learn(result_through.function, 0.5),
    "the hard gate alone": learn(lambda y_C: (y_C >= 0.5).float(), 0.5),
}
share_curve(curves, {"straight-through": 0.5})

# %% [markdown]
# **Expected picture:** the hard gate alone changes nothing: 100 % stay. With the straight-through gradient nothing seems to happen
# for a while (all gates are far from their step), then the share falls, and swings about the budget: the gates are drawn anew in
# each step.
#
# ## Merging the masks
#
# A device has what both keep: $a = a^0 \odot a^n$. Two rules make this work.
#
# - *Who learns what.* The product's gradients are $\partial a / \partial a^0 = a^n$ and $\partial a / \partial a^n = a^0$. Where the server
#   has closed a channel the device can change nothing; so there the code sets $a^n := 1$, and only the server learns
#   whether the channel should come back. In the device's FLOPs $a^0$ is a constant: the server has a budget of its own.
# - *No layer is empty.* If server and device agree on no channel of a layer, nothing passes through the network. One channel
#   stays: the one with the largest logit. That we look for it among the server's channels is our reading: so each device's
#   network is a part of the server's.
#
# ## Exercise 08.4: the merge
#
# Lists with one entry for each layer. `device` is `None` in the static variant of the method, in which all devices have the server's
# network. The server keeps at least one channel of each layer.


# %%
def merge(server, device, o) -> list[torch.Tensor]:
    """By layer, the channels (true and false) that the device computes with; `o` are the device's logits."""
    # BEGIN SOLUTION 08.4
    merged = []
    for place, base in enumerate(server):
        # 1. What both keep; the server's where there is no device mask.
        both = base if device is None else base & device[place]
        # 2. If nothing is left, keep one: of the server's channels the one with the largest logit.
        if not both.any():
            both = torch.zeros_like(base)
            both[o[place].masked_fill(~base, -torch.inf).argmax()] = True
        merged.append(both)
    return merged
    # END SOLUTION


# %%
result_merge = check("08.4", merge)
result_merge

# %% [markdown]
# ## The whole method, in miniature
#
# Six devices with skewed labels ($\alpha = 0.3$) train the weights $W$ and the hypernetwork $\theta$ on digits: 12 rounds, $p_s = 0.8$,
# $p_d = 0.25$. Three phases: round 1 trains weights only; from round 2 to 7 channels are learnt as well; then they are fixed, the
# server's network is cut, and each device tunes its part.

# %%
records = list(simulate(experiment))
state, strategy = records[-1].state, experiment.strategy
network, codes = network_of_server(state.state), state.state["codes"]
o = [logits(network, code) for code in codes]
hard = [[row + 0.5772 + 3 >= 0 for row in layers] for layers in o]  # 0.5772, the mean of G, in place of a draw
everything = [torch.ones_like(row) for row in hard[0]]
base = result_merge.function(everything, hard[0], o[0])
networks = [base, *(result_merge.function(base, own, row) for own, row in zip(hard[1:], o[1:], strict=True))]
shares = [float(costs.share([row.float() for row in layers])) for layers in networks]
print("learnt:", ", ".join(f"{share:.2f}" for share in shares), "(server, then devices)")

# %% [markdown]
# **Expected:** the server a little above 0.8, each device around 0.25, off by up to about a tenth: this is what the hypernetwork
# has learnt, merged by your function. When the lab fixes channels, it keeps the likeliest ones, so many that the budget is met (our reading). The
# sub-networks that the devices really have:

# %%
channels = state.state["channels"]
shares = [float(costs.share(costs.split(row.float()))) for row in channels]
budgets = [strategy.p_s] + 6 * [strategy.p_d]
names = ["server", *(f"device {n}" for n in range(6))]
subnetworks(names, channels.numpy(), costs.sizes, shares, budgets)

# %% [markdown]
# **Expected picture:** all budgets are met within a point. The devices share most of their channels, and each has some that others
# have not. Is a device's own network better *for it* than another device's network? Rows: whose test images; columns:
# whose channels.

# %%
ctx = federation.context(12)


def accuracy(device: int, channels_of: int) -> float:
    """On the test images of one device, with the channels of another one."""
    x_NI, y_N = federation.data.test(device)
    params = apply_masks(state.params, strategy.device_masks(state, channels_of, ctx))
    return float((predict(federation.model, params, state.buffers, x_NI).argmax(1) == y_N).float().mean())


# %%
table = {(f"data of {d}", f"channels of {n}"): [accuracy(d, n)] for d in range(6) for n in range(6)}
own = [table[f"data of {d}", f"channels of {d}"][0] for d in range(6)]
another = (sum(value for (value,) in table.values()) - sum(own)) / 30
print(f"own channels: {sum(own) / 6:.3f}; another's: {another:.3f}")
title = f"With its own channels a device is right on {sum(own) / 6:.1%}, with another's on {another:.1%}"
cell_heatmap(table).update_layout(title_text=title, xaxis_title="", yaxis_title="")

# %% [markdown]
# **Expected picture:** the diagonal is better, on average by a few points. (We tried five seeds: it was so each time.) Does
# that show that the hypernetwork has found the right channels for each device? Not yet: since round 8 every device has tuned *its*
# channels on its data. See the first question below.
#
# ## Is it worth it?
#
# Three more runs: dense FedAvg; one network for all, with $p_s = p_d = 0.25$, so that all devices have the same channels; and
# unequal devices, whose budgets run from 0.05 to 0.8, with a mean of about 0.5.

# %%
changes = {
    "dense": {"strategy.name": "fedavg"},
    "one network for all": {"strategy.p_s": 0.25},
    "unequal devices": {"strategy.p_d": 0.5, "strategy.spread": 0.9},
}
runs = {"DWNP": records} | {name: list(simulate(experiment.replace(change))) for name, change in changes.items()}
for name, run in runs.items():
    last, sent = run[-1], sum(record.upload_bytes + record.download_bytes for record in run) / 1e6
    flops = last.effective_flops / last.dense_flops
    print(f"{name:20} mean {last.mean_client_accuracy:.3f}, worst {last.worst_client_accuracy:.3f}, ", end="")
    print(f"training FLOPs {flops:.2f}, {sent:.1f} MB sent")

# %% [markdown]
# **Expected:** a quarter of the FLOPs costs a device little accuracy, on average over the devices. Own networks come out ahead of
# one network for all, by 0.5 to 5.5 points: in each of five seeds that we tried, but with six devices and a few dozen test
# images each. With a ResNet-20 (`docs/REPRODUCTION.md` of the lab) there was no order at all. Unequal devices have twice the
# FLOPs on average, and do worse in four of five seeds: one set of weights has to serve a tiny and a large network. And look
# at the bytes: they hardly fall, for until round 7 the dense weights travel, and the hypernetwork with them. Who works worst?

# %%
unequal = experiment.replace(changes["unequal devices"]).strategy
channels = runs["unequal devices"][-1].state.state["channels"]
shares = [float(costs.share(costs.split(row.float()))) for row in channels]
budgets = [unequal.p_s, *(unequal.budget(n, ctx) for n in range(6))]
print("channels kept:", ", ".join(f"{share:.2f}" for share in channels.float().mean(1).tolist()))
subnetworks(names, channels.numpy(), costs.sizes, shares, budgets)

# %% [markdown]
# **Expected picture:** a staircase. Each share of the channels is above the share of the FLOPs: layers that read *and* make fewer
# channels save twice.
#
# ## How large is the hypernetwork?
#
# It travels, too. In the authors' setting (ResNet-56, ten devices) hypernetworks and codes have 833 392 numbers, the model has
# 853 018. Here the lab takes a GRU of width 8 instead of 128:

# %%
hypernetwork = sum(weight.numel() for weight in network.values())
model = sum(weight.numel() for weight in state.params.values())
print(f"hypernetwork {hypernetwork}, codes {codes.numel()}, model {model} numbers")

# %% [markdown]
# ## Reflect
#
# - Each device has tuned its own channels for five rounds before we compared them. Think of a fairer test of the question whether
#   the hypernetwork finds the *right* channels for a device. (What if every device got a random part of the same size?)
# - A device was never asked in the rounds in which channels are learnt. What does the hypernetwork know of it, and which
#   sub-network does it get?
#
# ## Recap
#
# A gate is a logit, noise and a step. The step has no slope, so going backward it is taken for the soft gate. FLOPs are a product of
# what a layer reads and makes; the regulariser pulls their share to the budget from both sides. A device computes with what the
# server and it keep, and no layer is ever empty.
#
# **1. Why does the hypernetwork learn nothing from hard gates without the straight-through estimator, and what is its gradient with
# it?**
#
# <details><summary>Answer</summary>
#
# The slope of a step is 0, so every gradient before it is 0. With the estimator the factor is taken as 1, and at the logit
# arrives $\partial L / \partial \hat y \cdot y (1 - y) / \tau$: large where the gate is undecided, small where it is clear.
# </details>
#
# **2. $p_s = 0.5$ and $p_d = 0.8$: what happens?**
#
# <details><summary>Answer</summary>
#
# A device only has what the server has, too. It cannot keep more than 0.5 of the FLOPs, so its regulariser stays at
# $\log (0.8 / 0.5) = 0.47$ and opens all its gates in vain. The lab lowers such a budget to $p_s$ and says so.
# </details>
#
# **3. Every layer keeps half of its channels. Is $\rho$ nearer to $1/2$ or to $1/4$?**
#
# <details><summary>Answer</summary>
#
# Layers that read and make gated channels go to $1/4$, the first and the last one to $1/2$, for only one of their sides is
# gated. In a deep chain most layers are of the first kind. In a ResNet whose blocks are pruned only inside every layer is of the
# second kind, and $\rho = 0.503$ for ResNet-56.
# </details>
#
# The same experiment in the dashboard; its page Masks shows the sub-networks:

# %%
dashboard_link(experiment, page="masks")
