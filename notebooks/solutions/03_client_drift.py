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
# # 03 · Client drift
#
# - Work out by hand where FedAvg ends when clients differ and take several local steps: not at the optimum.
# - Measure drift in a real network: the angle between the clients' updates, and how far apart their models end.
# - Write the two classic remedies, FedProx's pull and SCAFFOLD's control variates, and see what each can and cannot do.
#
# About 35 minutes.

# %%
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from fedlab_core import Experiment, Federation, Params, Update, simulate
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.lessons.quadratics import PAIR, fixed_point
from fedlab_core.lessons.widgets import drift_explorer, quadratics_explorer
from fedlab_core.lessons.widgets.drift import one_round, started
from fedlab_core.plots.curves import accuracy_curve
from fedlab_core.plots.quadratics import settling_curve
from fedlab_core.plots.records import rows

# %% [markdown]
# ## Predict
#
# The model is a single weight $w$, and there are two clients with equally many examples. Their losses are
#
# $$F_A(w) = \tfrac{1}{2} w^2, \qquad F_B(w) = \tfrac{3}{2} (w - 4)^2 .$$
#
# A alone wants $w = 0$, B alone wants $w = 4$, and the mean of both losses is least at $w = 3$. Now FedAvg: many rounds,
# and in each of them every client takes *very many* steps of gradient descent. Where does the server end?

# %%
my_answer = 3.0  # change this

# %% [markdown]
# ## Drift, by hand
#
# Let client $k$ have the loss $F_k(w) = \frac{a_k}{2} (w - m_k)^2$ with curvature $a_k$ and minimum $m_k$. Its gradient is
# $a_k (w - m_k)$. The mean of the losses is least where the gradients cancel, $\sum_k a_k (w - m_k) = 0$:
#
# $$w^* = \frac{\sum_k a_k m_k}{\sum_k a_k} = \frac{1 \cdot 0 + 3 \cdot 4}{1 + 3} = 3 .$$
#
# One local step with learning rate $\eta$ takes the client from $w$ to $w - \eta a_k (w - m_k)$. Of the way to its own
# minimum, $w - m_k$, the part $1 - \eta a_k$ is left. After $E$ steps (here $E$ counts steps; with all data in one batch a step
# is an epoch) the part $r_k = (1 - \eta a_k)^E$ is left, so the client has moved by
#
# $$w_k - w = -(1 - r_k) (w - m_k) .$$
#
# The server stays where it is when these moves cancel, $\sum_k (1 - r_k) (w - m_k) = 0$. That is the **fixed point**
#
# $$w^\circ = \frac{\sum_k (1 - r_k) m_k}{\sum_k (1 - r_k)} .$$
#
# Compare the two. The optimum weights the clients' minima by $a_k$, FedAvg by $1 - r_k$.
#
# - $E = 1$: $1 - r_k = \eta a_k$. The same weights, the optimum: one step is one step (notebook 01).
# - $E = 2$, $\eta = \frac{1}{4}$: $r_A = (\frac{3}{4})^2 = \frac{9}{16}$ and $r_B = (\frac{1}{4})^2 = \frac{1}{16}$, so
#   $w^\circ = \frac{15/16 \cdot 4}{7/16 + 15/16} = \frac{30}{11} \approx 2.73$.
# - $E \to \infty$: $r_k \to 0$, if $\eta$ is small enough for the steps to settle ($\eta a_k < 2$). All weights are 1, and the server ends at the plain mean of the minima, 2.
#
# With many steps each client arrives at its own minimum and forgets how steep the way was. This is **client drift**. More
# rounds do not cure it: $w^\circ$ is where the rounds *end*.

# %%
print(f"one step: {fixed_point(PAIR, 1, 0.25):.4f}, two steps: {fixed_point(PAIR, 2, 0.25):.4f}")
print(f"a hundred steps: {fixed_point(PAIR, 100, 0.25):.4f}; you said {my_answer}")

# %% [markdown]
# ## Demo: where the walks cancel
#
# The picture shows the server after many rounds, and the walk of each client in one more. At the optimum the *slopes* cancel;
# FedAvg stops where the *walks* cancel. Move $E$ from 1 to 50, then choose FedProx and SCAFFOLD, which come below.

# %%
quadratics_explorer()

# %% [markdown]
# **Expected picture:** FedAvg's server stands left of the star as soon as $E > 1$, and reaches 2 for $E = 50$. The still
# picture shows all three methods: FedProx ends nearer to 3 for many steps, but not at it, and SCAFFOLD's line is flat.
#
# ## A measure for real networks
#
# A network has no two curvatures to compare. What can be seen is the update of each client, $u_k = w_k - w$, all tensors in one
# long vector. If all clients want the same, their updates point the same way. The cosine of the angle between two of them is
#
# $$\cos(u_k, u_l) = \frac{u_k \cdot u_l}{\lVert u_k \rVert \, \lVert u_l \rVert} ,$$
#
# 1 for the same direction, 0 for a right angle, negative where one undoes what the other does.
#
# ## Exercise 03.1: the mean cosine
#
# Return the mean of the cosines over all pairs of *different* clients. `sent` is the model $w$ that the server sent; every
# `update.params` has the same names and shapes.


# %%
def mean_cosine(sent: Params, updates: list[Update]) -> float:
    """Mean cosine of the angle between the updates of every two clients."""
    # BEGIN SOLUTION 03.1
    # 1. The update of each client as one vector: what it returned minus what was sent, tensor by tensor, in a row.
    moved = [torch.cat([(update.params[name] - sent[name]).flatten() for name in sent]) for update in updates]
    # 2. Divide each by its length, so that only the direction is left.
    units = [vector / vector.norm() for vector in moved]
    # 3. For every pair k < l the product of the two, and the mean of them.
    cosines = [float(units[k] @ units[m]) for k in range(len(units)) for m in range(k + 1, len(units))]
    return sum(cosines) / len(cosines)
    # END SOLUTION


# %%
result = check("03.1", mean_cosine)
result

# %% [markdown]
# Now the network of notebook 01, with ten clients. All start from one model, which has had three short rounds with alike (IID)
# clients; then comes one round under each setting.

# %%
experiment = Experiment().replace(
    {"model.name": "mlp", "data.num_clients": 10, "data.alpha": 0.1, "data.seed": 1, "federation.momentum": 0}
)
experiment = experiment.replace({"federation.rounds": 12, "federation.local_epochs": 5})
server = started(experiment)
for alpha in (0.1, 1, 100):
    updates = {epochs: one_round(experiment, server, alpha, epochs).updates for epochs in (1, 5, 10)}
    cosines = [float(result.function(server.params, sent_back)) for sent_back in updates.values()]
    print(f"alpha = {alpha:5}:  " + ",  ".join(f"E = {e}: {c:.2f}" for e, c in zip(updates, cosines, strict=True)))

# %% [markdown]
# **Expected:** the smaller $\alpha$, the smaller the cosine. With $\alpha = 0.1$ two updates are nearer to a right angle (0)
# than to a common direction (1), and much of what the clients do is lost in the mean.
#
# Read along a line and you may be surprised: *more* local epochs do not make the angle worse here. A short walk of a few
# minibatches goes in a direction that is partly chance, a longer one averages that out (our reading). What grows with $E$ is
# the *length* of the walk, and with it the **spread**: how far the clients' models end from their mean. The explorer shows
# both. Each point is a client: how long its update is, and its cosine with the server's step, whose length is the dashed line.

# %%
drift_explorer(experiment)

# %% [markdown]
# **Expected picture:** for large $\alpha$ the points sit high up, with cosines that are much alike. For $\alpha = 0.1$ they lie
# lower and are scattered: clients with many examples take more steps and get further. In the still picture the cosine falls from bottom to top and the
# spread grows from left to right.
#
# ## FedProx: pull the clients back
#
# FedProx (Li et al. 2020) adds a **proximal term** to the loss of each client. It costs more the further the client walks from
# the model $w_g$ that it received:
#
# $$\min_w \; F_k(w) + \frac{\mu}{2} \lVert w - w_g \rVert^2 .$$
#
# ## Exercise 03.2: a local step of FedProx
#
# Take the gradient of the new term by hand, then write one step of gradient descent. `gradient` is $\nabla F_k(w)$; all four
# dictionaries have the same names.


# %%
def local_step(w: Params, gradient: Params, w_global: Params, rate: float, mu: float) -> Params:
    """The weights after one step against the gradient of F_k(w) + mu / 2 ||w - w_global||^2."""
    # BEGIN SOLUTION 03.2
    # 1. The gradient of the proximal term, name by name: what does the square leave behind?
    pull = {name: mu * (w[name] - w_global[name]) for name in w}
    # 2. One step with this learning rate against both gradients together; new tensors, nothing in place.
    return {name: w[name] - rate * (gradient[name] + pull[name]) for name in w}
    # END SOLUTION


# %%
result_step = check("03.2", local_step)
result_step

# %% [markdown]
# With your step, a real client: the one with the most examples takes 30 steps on all its data. How far does it get from the
# model that it received?

# %%
data, model = Federation.of(experiment).data, Federation.of(experiment).model
x_own, y_own = data.train(int(data.sizes.argmax()))


def loss(params: Params) -> torch.Tensor:
    return cross_entropy(functional_call(model, params, (x_own,)), y_own)


def gradient_of(params: Params) -> Params:
    leaves = {name: weight.detach().requires_grad_() for name, weight in params.items()}
    return dict(zip(leaves, torch.autograd.grad(loss(leaves), list(leaves.values())), strict=True))


# %%
for mu in (0, 0.01, 0.1, 1):
    w = server.params
    for _ in range(30):
        w = result_step.function(w, gradient_of(w), server.params, 0.1, mu)
    distance = sum(float((w[name] - server.params[name]).square().sum()) for name in w) ** 0.5
    print(f"mu = {mu:4}: distance {distance:.2f}, loss on its own data {float(loss(w)):.3f}")

# %% [markdown]
# **Expected:** the larger $\mu$, the shorter the walk, and the less the client learns from its own data. That is the price.
#
# What does it do to the fixed point? With the pull a client walks towards $\frac{a_k m_k + \mu w_g}{a_k + \mu}$, and an
# argument like the one above gives the weights $\frac{a_k}{a_k + \mu} \left(1 - q_k^E\right)$ with $q_k = 1 - \eta (a_k + \mu)$.
# For many steps they are $\frac{a_k}{a_k + \mu}$: with $\mu = 1$ that is $\frac{1}{2}$ for A and $\frac{3}{4}$ for B, so the
# server ends at $\frac{3/4 \cdot 4}{1/2 + 3/4} = 2.4$ instead of 2. Nearer to 3, but only as $\mu \to \infty$ all the way, and then
# nobody moves any more. And for $E = 2$ the pull does not help at all: $\frac{8}{3} \approx 2.67$ against $2.73$ without it.
#
# ## SCAFFOLD: correct the direction
#
# SCAFFOLD (Karimireddy et al. 2020) does not shorten the walk, it turns it. Client $k$ remembers a **control variate** $c_k$: the
# gradient that it usually sees. The server knows their mean $c$. Each local step becomes
#
# $$w \leftarrow w - \eta \left( \nabla F_k(w) - c_k + c \right) .$$
#
# If $c_k$ is a good guess of $\nabla F_k(w)$, the client's own direction cancels and it walks along $c$, where *all* want to go.
# Let $c_k = \nabla F_k(w^*)$ at the optimum. Then $c = 0$, because there the gradients cancel, and each client's step at $w^*$ is
# $-\eta (\nabla F_k(w^*) - c_k + 0) = 0$. Nobody leaves the optimum, for any number of steps.
#
# Where does $c_k$ come from? From the walk itself. In $S$ steps the client went from $w$ to $w_k$, so
#
# $$w - w_k = \eta \sum_{s=1}^{S} \left( g_s - c_k + c \right) = \eta S \left( \bar g - c_k + c \right),$$
#
# where $\bar g$ is the mean of the gradients $g_s$ that it saw. That mean becomes the new control variate $c_k^+$ (the paper's
# *option II*; its $K$ is our $S$, for $K$ counts clients here).
#
# ## Exercise 03.3: the new control variate
#
# Solve for $\bar g$ and write it.


# %%
def new_control(c_k: Params, c: Params, w: Params, w_k: Params, steps: int, rate: float) -> Params:
    """The mean gradient that the client saw on its way from w to w_k, when its steps were corrected by c_k and c."""
    # BEGIN SOLUTION 03.3
    # 1. The mean corrected gradient: the way from w to w_k, over the number of steps and the learning rate.
    corrected = {name: (w[name] - w_k[name]) / (steps * rate) for name in w}
    # 2. Take the correction out again.
    return {name: corrected[name] + c_k[name] - c[name] for name in w}
    # END SOLUTION


# %%
result_control = check("03.3", new_control)
result_control

# %% [markdown]
# ## All three on the two quadratics
#
# Your two functions, used for 60 rounds. With $\mu = 0$ and $c = c_k = 0$ it is FedAvg.


# %%
def settle(steps: int, mu: float = 0.0, scaffold: bool = False, rate: float = 0.25) -> float:
    w, c_K = {"w": torch.tensor([0.0])}, [{"w": torch.tensor([0.0])} for _ in PAIR]
    for _ in range(60):
        c = {"w": sum(c_k["w"] for c_k in c_K) / len(c_K)}
        ends = []
        for k, client in enumerate(PAIR):
            w_k = w
            for _ in range(steps):
                gradient = {"w": client.gradient(w_k["w"]) - c_K[k]["w"] + c["w"]}
                w_k = result_step.function(w_k, gradient, w, rate, mu)
            c_K[k] = result_control.function(c_K[k], c, w, w_k, steps, rate) if scaffold else c_K[k]
            ends.append(w_k)
        w = {"w": sum(w_k["w"] for w_k in ends) / len(ends)}
    return float(w["w"])


# %%
steps = (1, 2, 3, 5, 10, 20)
ends = {
    "FedAvg": {E: settle(E) for E in steps},
    "FedProx, mu = 1": {E: settle(E, mu=1.0) for E in steps},
    "SCAFFOLD": {E: settle(E, scaffold=True) for E in steps},
}
print({name: [round(w, 3) for w in by_steps.values()] for name, by_steps in ends.items()})
settling_curve(ends, optimum=3, apart=2)

# %% [markdown]
# **Expected picture:** the values of the derivation, 2.727 for two steps among them. FedProx's line levels out at 2.4, and lies
# *below* FedAvg's for two steps. SCAFFOLD stays at 3.
#
# ## And in the lab?
#
# Ten clients, $\alpha = 0.1$, five local epochs. The lab's FedProx and SCAFFOLD compute what you have written. (Models are merged
# by numbers of examples, as everywhere in the lab; $c$ is the plain mean over all clients, as in the paper.)

# %%
fedavg = rows(simulate(experiment))
others = {
    "FedProx, mu = 0.1": rows(simulate(experiment.replace({"strategy.name": "fedprox", "strategy.mu": 0.1}))),
    "FedProx, mu = 1": rows(simulate(experiment.replace({"strategy.name": "fedprox", "strategy.mu": 1}))),
    "SCAFFOLD": rows(simulate(experiment.replace({"strategy.name": "scaffold"}))),
}
for name, run in {"FedAvg": fedavg, **others}.items():
    accuracies = [row["test_accuracy"] for row in run[1:]]
    sent = sum(row["upload_bytes"] + row["download_bytes"] for row in run) / 1e6
    print(f"{name:18} mean over the rounds {sum(accuracies) / len(accuracies):.1%}, {sent:.1f} MB")
accuracy_curve(fedavg, compare=others)

# %% [markdown]
# **Expected picture:** SCAFFOLD is clearly ahead of FedAvg after the first rounds (in its first round it *is* FedAvg: all control
# variates are 0). FedProx is not: with $\mu = 0.1$ it lies at or a little below FedAvg, with $\mu = 1$ clearly below. Its paper
# reports steadier training than FedAvg's where clients differ much, on other data and with clients that do unequal amounts of
# work. Here twelve rounds are too few for the fixed point to matter, and a pull makes every round shorter (our reading). SCAFFOLD was ahead in the mean over the rounds in each of the three splits that we
# tried (`data.seed` 0 to 2). But it sends twice the bytes, and every client has to remember $c_k$ from one round to the next: a
# client that takes part once in a year remembers an old direction. Against bytes:

# %%
accuracy_curve(fedavg, compare={"SCAFFOLD": others["SCAFFOLD"]}, x="megabytes")

# %% [markdown]
# **Expected picture:** for the same bytes the lead is smaller, for SCAFFOLD has had half as many rounds by then. Where rounds are
# slow it helps; where bytes are dear, look twice.
#
# ## Reflect
#
# - Drift gets worse with more local steps. Why do people not simply take one step a round?
# - Pruning makes clients differ, too, if each has a mask of its own. Which of the two remedies still makes sense then?
#
# ## Recap
#
# With several local steps on unlike data FedAvg has a fixed point that is not the optimum: it weights clients by how far they
# walk. FedProx shortens the walks, at the price of slower learning; SCAFFOLD turns them, at the price of bytes and memory.
#
# **1. Two clients have the same curvature, $a_A = a_B$, and different minima. Does FedAvg with $E = 10$ miss the optimum?**
#
# <details><summary>Answer</summary>
#
# No. $r_A = r_B$, so both weights $1 - r_k$ are equal, as are the $a_k$: fixed point and optimum are both the mean of the minima.
# Different minima alone do no harm to the end point; different curvatures at different minima do.
# </details>
#
# **2. Your function of 03.1 gives 0.05 for ten clients whose updates all have length 1. How long is their mean?**
#
# <details><summary>Answer</summary>
#
# $\lVert \frac{1}{K} \sum_k u_k \rVert^2 = \frac{1}{K^2} \left( K + K (K - 1) \cdot 0.05 \right) = 0.145$, so the length is about 0.38:
# more than half of the way is lost in the mean.
# </details>
#
# **3. What does SCAFFOLD send that FedAvg does not, and what does FedProx send?**
#
# <details><summary>Answer</summary>
#
# SCAFFOLD sends $c$ down and the change of $c_k$ up, each as large as the model: twice the bytes. FedProx sends nothing more: the
# client has the received model already.
# </details>
#
# The experiment with SCAFFOLD in the dashboard, on the page that shows where clients pull:

# %%
dashboard_link(experiment.replace({"strategy.name": "scaffold"}), page="clients")
