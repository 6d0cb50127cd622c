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
# # 01 · FedAvg from scratch
#
# - Write the server's merge: a mean weighted by numbers of examples, and know why it is weighted.
# - Run a whole federation with your own code: sample clients, train locally, merge.
# - Say what $K$ (clients), $C$ (the fraction that takes part) and $E$ (local epochs) do to accuracy and to cost.
#
# About 35 minutes.

# %%
import torch
from torch.func import functional_call, grad
from torch.nn.functional import cross_entropy

from fedlab_core import Experiment, Federation, Params, Update, simulate
from fedlab_core.federation.evaluation import evaluate
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.lessons.widgets import fedavg_explorer
from fedlab_core.plots.curves import accuracy_curve
from fedlab_core.plots.data import size_bars
from fedlab_core.plots.records import rows
from fedlab_core.rounds import sample_clients
from fedlab_core.strategies.fedavg import FedAvg

# %% [markdown]
# ## Predict
#
# Two clients trained the same weight. Client A has 30 examples and returns $w_A = 0$; client B has 10 and returns
# $w_B = 4$. Which value should the server take? Write it down before you go on.

# %%
my_answer = 2.0  # change this

# %% [markdown]
# ## Why the mean is weighted
#
# If all data lay in one place we would minimise the mean loss over all $n$ examples. Sort that sum by client: client $k$
# has $n_k$ of the examples, and $F_k$ is the mean loss over them. Then
#
# $$F(w) = \sum_k \frac{n_k}{n} F_k(w), \qquad n = \sum_k n_k .$$
#
# Let every client take *one* step of gradient descent from the same $w$, on all its data:
# $w_k = w - \eta \nabla F_k(w)$. Their mean, weighted by $n_k / n$, is
#
# $$\sum_k \frac{n_k}{n} w_k = w - \eta \sum_k \frac{n_k}{n} \nabla F_k(w) = w - \eta \nabla F(w),$$
#
# exactly one step on all the data together. That is why FedAvg (McMahan et al. 2017) weights by examples. With more than
# one local step the equality is lost: the clients drift apart, which notebook 03 is about.
#
# ## Demo: K, C and E
#
# Press *Next round* and watch. Then move a slider: a new run starts, and the old one stays for comparison. Below it, as a
# still picture: one local epoch against four.

# %%
experiment = Experiment().replace({"model.name": "mlp", "data.num_clients": 10, "federation.rounds": 20})
fedavg_explorer(experiment)

# %% [markdown]
# ## Exercise 01.1: the merge
#
# An `Update` is what a client returns. You need two of its fields: `num_examples` ($n_k$) and `params`, a dictionary from
# names to tensors. All clients have the same names, shapes and types (float32), and so has the result.


# %%
def aggregate(updates: list[Update]) -> Params:
    """The mean of the clients' parameters, each client weighted by its number of examples."""
    # BEGIN SOLUTION 01.1
    # 1. How many examples do these clients have together?
    total = sum(update.num_examples for update in updates)
    # 2. For every name: add up all clients' tensors, each times its share of the examples.
    return {
        name: sum(update.num_examples / total * update.params[name] for update in updates) for name in updates[0].params
    }
    # END SOLUTION


# %%
result = check("01.1", aggregate)
result

# %% [markdown]
# What does it say to the question above? (Until your function passes, `result.function` is ours.)

# %%
merge = result.function
a = Update(0, {"w": torch.tensor([0.0])}, {}, {}, num_examples=30, train_loss=0.0)
b = Update(1, {"w": torch.tensor([4.0])}, {}, {}, num_examples=10, train_loss=0.0)
print("FedAvg takes", merge([a, b])["w"].item(), "and you said", my_answer)

# %% [markdown]
# ## A federation with your own hands
#
# `Federation` has the data of all clients and the model as an architecture without numbers. Clients have different sizes:

# %%
federation = Federation.of(experiment)
size_bars(federation.data.sizes.tolist())

# %% [markdown]
# Local training is plain gradient descent, here on all data of the client in each step. `functional_call` runs the model
# with the parameters it is given, so nothing is changed in place: what comes in stays as it is.


# %%
def train(params: Params, x_NI: torch.Tensor, y_N: torch.Tensor, steps: int, rate: float = 0.1) -> Params:
    """The parameters of one client after some steps of gradient descent on its own data."""

    def loss(p: Params) -> torch.Tensor:
        return cross_entropy(functional_call(federation.model, p, (x_NI,)), y_N)

    for _ in range(steps):
        slope = grad(loss)(params)
        params = {name: weight - rate * slope[name] for name, weight in params.items()}
    return params


# %% [markdown]
# And a round is: sample clients, train each of them from the same model, merge. These lines are all of FedAvg.


# %%
def fedavg_round(params: Params, number: int, participation: float, steps: int) -> Params:
    """One round; `number` decides which clients are drawn."""
    updates = []
    for k in sample_clients(federation.data.num_clients, participation, federation.context(number)):
        x_NI, y_N = federation.data.train(k)
        trained = train(params, x_NI, y_N, steps)
        updates.append(Update(k, trained, {}, {}, len(y_N), train_loss=0.0))
    return merge(updates)


# %%
params = federation.initial_state().params
for number in range(1, 9):
    params = fedavg_round(params, number, participation=0.5, steps=10)
    measured = evaluate(federation.model, params, {}, federation.data)
    print(f"round {number}: {measured.score:.1%} of the test images are right")

# %% [markdown]
# **Expected:** it climbs from about 10 % (guessing) to well above 80 % within eight rounds, with only half of the clients
# in each of them. It is not smooth: another half, with other labels, has its say in each round.
#
# ## One step is one step
#
# The derivation said: with one step and all clients, FedAvg *is* gradient descent on all the data. Check it: the largest
# difference between the two in any weight is rounding. With ten steps it is not.

# %%
start = federation.initial_state().params
x_all, y_all = federation.data.dataset.x_train_NI, federation.data.dataset.y_train_N
for steps in (1, 10):
    federated = fedavg_round(start, 1, participation=1.0, steps=steps)
    central = train(start, x_all, y_all, steps)
    gap = max(float((federated[name] - central[name]).abs().max()) for name in start)
    print(f"{steps:2} local steps: largest difference {gap:.6f}")

# %% [markdown]
# ## Your merge in the lab
#
# A method is a small class that says what it does differently from FedAvg. This one merges with your function; the lab's
# trainer runs it, with minibatches and momentum. Beside it: every client counts the same, whatever its size.


# %%
class MyFedAvg(FedAvg):
    def aggregate(self, updates, previous):
        return merge(updates)


class EveryClientTheSame(FedAvg):
    def aggregate(self, updates, previous):
        return {name: sum(u.params[name] for u in updates) / len(updates) for name in previous.params}


# %%
skewed = experiment.replace({"data.alpha": 0.1, "data.seed": 1, "federation.rounds": 15})
mine = list(simulate(skewed.model_copy(update={"strategy": MyFedAvg()})))
same = list(simulate(skewed.model_copy(update={"strategy": EveryClientTheSame()})))
data = Federation.of(skewed).data
for name, records in (("weighted by examples", mine), ("every client the same", same)):
    last = records[-1]
    clients = evaluate(federation.model, last.state.params, last.state.buffers, data).client_score_K
    k, worst = int(clients.argmin()), float(clients.min())
    n = len(data.test_indices[k])
    told = f"worst client {k}: {worst:.1%} ({worst * n:.0f} of n = {n})"
    print(f"{name:22} all test data {last.test_accuracy:.1%}, {told}")
accuracy_curve(rows(mine), compare={"every client the same": rows(same)})

# %% [markdown]
# **Expected picture:** on all test data the two end close together. Look at the worst client, in the legend too, but do not
# read too much into it: $n$ is the number of its test images, and with $n = 11$ a single image is 9 percentage points. The
# worst client got 7 of 11 right in our run against 9 of 11 with the plain mean: two images. Over ten splits (`data.seed` 0 to
# 9) the plain mean was better for the worst client in about half, and level or worse in the others. What does not depend on
# luck: the plain mean is not FedAvg. It minimises $\frac{1}{K}\sum_k F_k$, another goal, in which a small client weighs as
# much as a large one. That may be what you want (fairness), but then it should be a decision and not a slip.
#
# ## Reflect
#
# - Bytes per round grow with $C \cdot K$, the clients' computing time with $E$. Which of the two is scarce on phones? And
#   between hospitals?
# - In the demo, a large $E$ helps at first. Why can it hurt when the clients' data differ a lot?
#
# ## Recap
#
# FedAvg: sample a fraction $C$ of the $K$ clients, let each train for $E$ epochs from the same $w$, and take the mean
# $\sum_k \frac{n_k}{n} w_k$ over the clients that took part.
#
# **1. Ten clients with 100 examples each, one with 9,000. What does the plain mean do to the large one?**
#
# <details><summary>Answer</summary>
#
# It holds 90 % of the examples and gets 1/11 of the say. Weighted by examples it gets 90 %.
# </details>
#
# **2. Only clients 2, 5 and 7 took part. What is $n$ in the weights?**
#
# <details><summary>Answer</summary>
#
# $n_2 + n_5 + n_7$. With the total over all clients the weights would not add up to 1, and the model would shrink.
# </details>
#
# **3. When is FedAvg the same as gradient descent on all the data?**
#
# <details><summary>Answer</summary>
#
# With one local step on all the client's data and all clients taking part. More steps: only about, and less so the more the
# clients' data differ.
# </details>
#
# The skewed experiment in the dashboard:

# %%
dashboard_link(skewed)
