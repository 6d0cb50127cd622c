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
# # 06 · FedSparsify: purge, merge, tune
#
# - Write the schedule that decides how much is pruned when, and predict the bytes that it saves.
# - Write the vote by which clients agree on a mask, and know its traps: ties, odd $K$, weights that happen to be zero.
# - Find a bug that looks like training noise: averaging models that have different masks.
#
# About 45 minutes. FedSparsify is by Stripelis et al. (2022, arXiv 2204.12430). What is our reading and not the paper's is
# marked so.

# %%
import torch

from fedlab_core import Experiment, Masks, Params, Update, simulate
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.lessons.widgets import fedsparsify_explorer
from fedlab_core.plots.compare import schedule_curve
from fedlab_core.plots.curves import accuracy_curve, bytes_ledger, sparsity_curve
from fedlab_core.plots.masks import mask_map
from fedlab_core.plots.records import rows
from fedlab_core.strategies.fedsparsify_local import FedSparsifyLocal

# %% [markdown]
# ## Predict
#
# A run prunes step by step, from 0 to 95 % of the weights, fast at first and slowly at the end. Added up over the whole run:
# what fraction of the weights of dense models travels? Write it down.

# %%
my_fraction = 0.5  # change this

# %% [markdown]
# ## The idea
#
# Training works better with many weights; sending works better with few. FedSparsify starts dense and, in every round,
#
# - **tune**: clients train the weights that are left, for a few epochs;
# - **merge**: the server averages their models;
# - **purge**: the smallest weights by magnitude go, up to the sparsity $s_t$ of this round, and never come back.
#
# In *FedSparsify-Global* the server purges the average. In *FedSparsify-Local* each client purges its own model before it
# sends it, and the clients vote. The sparsity of round $t$ is
#
# $$s_t = S_T + (S_0 - S_T) \left(1 - \frac{t' - t_0}{T - t_0}\right)^n, \qquad t' = F \lfloor t / F \rfloor,$$
#
# with final sparsity $S_T$, start $S_0 = 0$ in round $t_0 = 1$, $T$ rounds, exponent $n = 3$, and a level that is held for $F$
# rounds. Before $t_0$ it is 0.
#
# ## Demo: the schedule and its bytes
#
# What do $n$, $F$ and $S_T$ do to the curve, and to the megabytes? Nothing is trained here: the bytes follow from the
# schedule. The still picture shows three exponents.

# %%
experiment = Experiment().replace(
    {
        "model.name": "mlp",
        "data.num_clients": 10,
        "federation.rounds": 20,
        "strategy.name": "fedsparsify-global",
        "strategy.final_sparsity": 0.95,
    }
)
fedsparsify_explorer(experiment)

# %% [markdown]
# ## How much travels? A derivation
#
# Let $x$ run from 0 to 1 over the rounds and take $S_0 = 0$, $F = 1$. The density (the part that is left) is
# $1 - s(x) = 1 - S_T + S_T (1 - x)^n$. Its mean over the run is
#
# $$\int_0^1 \left(1 - S_T + S_T (1 - x)^n\right) dx = 1 - S_T + \frac{S_T}{n + 1}.$$
#
# For $S_T = 0.95$ and $n = 3$: $0.05 + 0.95 / 4 = 0.2875$, about 3.5 times less than dense, which fits the paper's "3-fold".
# That counts the values only, as the authors' plots do; the masks travel, too, and the lab counts them.

# %%
print(f"values that travel: {0.05 + 0.95 / 4:.4f} of dense; you said {my_fraction}")

# %% [markdown]
# ## Exercise 06.1: the schedule
#
# Write $s_t$ for $S_0 = 0$. Look out for $F > 1$: with $F = 5$, what is $t'$ in round 1, and what would the formula give?
# (The paper's code skips levels that are not positive; taking 0 for them is our reading.)
# The last round is no exception: if $F$ does not divide $T$, the level of $t'$ is a little below $S_T$.


# %%
def sparsity_at(t: int, T: int, S_T: float, n: float = 3.0, F: int = 1, t0: int = 1) -> float:
    """The sparsity that FedSparsify asks for after round t of T."""
    # BEGIN SOLUTION 06.1
    # 1. Hold the level: t' is the last multiple of F that has been reached.
    held = F * (t // F)
    # 2. Up to t0 nothing is pruned.
    if held <= t0:
        return 0.0
    # 3. The part of the way that is left, from 1 down to 0; then the formula.
    left = 1 - (held - t0) / (T - t0)
    return S_T * (1 - left**n)
    # END SOLUTION


# %%
result = check("06.1", sparsity_at)
result

# %%
level, T = result.function, 200
print([round(float(level(t, T, 0.95)), 4) for t in (2, 50, 100, 150, 199, 200)])
settings = {"n = 3": (3, 1), "n = 1": (1, 1), "n = 12": (12, 1), "n = 3, F = 40": (3, 40)}
curves = {name: [float(level(t, T, 0.95, n, F)) for t in range(1, T + 1)] for name, (n, F) in settings.items()}
mean_density = 1 - sum(curves["n = 3"]) / T
schedule_curve(curves, title=f"With n = 3 the mean density over {T} rounds is {mean_density:.4f}")

# %% [markdown]
# **Expected:** the printed values are 0.0142, 0.5431, 0.8295, 0.9349, 0.95, 0.95 (computed with the authors' code). The curve
# for $n = 1$ is straight, $n = 12$ prunes nearly everything in the first fifth, and $F = 40$ is a staircase. The mean density
# is close to the 0.2875 of the derivation.
#
# ## Global: prune by magnitude, or at random?
#
# Three runs with the same schedule or none. The rings are the accuracy just *before* a purge, the line just after.


# %%
def run(**changes: object) -> list[dict]:
    """The experiment with some changes, as rows; `strategy_name="random"` sets strategy.name."""
    return rows(simulate(experiment.replace({key.replace("_", ".", 1): value for key, value in changes.items()})))


magnitude = list(simulate(experiment))
others = {"random pruning": run(strategy_name="random"), "dense (FedAvg)": run(strategy_name="fedavg")}
accuracy_curve(rows(magnitude), compare=others)

# %% [markdown]
# **Expected picture:** random pruning on the very same schedule falls apart; by magnitude the model ends a few points below
# dense with a twentieth of the weights. On the way it dips: when much is purged at once the line falls below the ring, and
# the next rounds of tuning repair most of it. Which weights of the first layer are left? Columns without a dark cell are
# pixels at the edge of the image, which are always empty; rows without one are hidden units that are cut off.

# %%
masks = magnitude[-1].state.masks
mask_map(masks["fc1.weight"], name="fc1")

# %% [markdown]
# And the bytes, really encoded, masks included. They are above 0.2875 of dense: masks and biases travel as well, and the first
# rounds are still dense, which counts in a short run. Compare the sum with the prediction below the sliders.

# %%
dense_up = others["dense (FedAvg)"][1]["upload_bytes"]
bytes_ledger(rows(magnitude), dense_bytes_per_round=dense_up)

# %% [markdown]
# ## Exercise 06.2: the vote
#
# In FedSparsify-Local each client $k$ has a mask $m_k$ of its own (true: kept). Weight $i$ stays if more than half of the $K$
# clients kept it:
#
# $$V_i = \sum_k m_{k,i}, \qquad M_i = 1 \;\text{ if }\; V_i > K / 2 .$$
#
# One client, one vote, whatever its size. This **strict majority** is our reading. The paper's code asks for
# $V_i \ge \lfloor K / 2 \rfloor$: a tie keeps, with $K = 3$ a single vote keeps, and with $K = 1$ everything stays.


# %%
def vote(updates: list[Update]) -> Masks:
    """For each name in the clients' `masks`: true where more than half of the clients kept the weight."""
    # BEGIN SOLUTION 06.2
    masks = {}
    for name in updates[0].masks:
        # 1. Count the votes for each weight of this tensor.
        votes = torch.stack([update.masks[name] for update in updates]).sum(0)
        # 2. Keep what MORE than half of the clients kept.
        masks[name] = votes > len(updates) / 2
    return masks
    # END SOLUTION


# %%
result_vote = check("06.2", vote)
result_vote

# %% [markdown]
# Your vote in the lab: a strategy that differs from FedSparsify-Local in one line. Clients only keep what the server kept,
# so `&` with the old mask changes nothing but says it.


# %%
class MyLocal(FedSparsifyLocal):
    def update_masks(self, server, updates, ctx):
        votes = result_vote.function(updates)
        return {name: mask & votes[name] for name, mask in server.masks.items()}, server.state


local = list(simulate(experiment.model_copy(update={"strategy": MyLocal(final_sparsity=0.95)})))
sparsity_curve(rows(local))

# %% [markdown]
# **Expected picture:** the line runs through the rings, nearly. Every client purges exactly $s_t$ of its own model, but a vote
# has no target: where clients disagree, what only a minority kept goes, and what only a minority pruned stays. The two almost
# cancel here. How large is the gap at most? And which of the two methods dips less?

# %%
gap = max(abs(record.sparsity - record.target_sparsity) for record in local)
print(f"at most {100 * gap:.2f} percentage points between the sparsity and its target")
accuracy_curve(rows(local), compare={"Global": rows(magnitude)})

# %% [markdown]
# ## Exercise 06.3: find the bug
#
# A colleague wrote this merge for models with different masks. Its docstring is right: that is what it *should* do. (It is
# the paper's second variant, which averages over the holders of a weight. The first one counts zeros on purpose.)


# %%
def merge_of_a_colleague(updates: list[Update]) -> Params:
    """Each weight averaged over the clients that KEPT it, weighted by examples; 0 where nobody kept it."""
    total = sum(update.num_examples for update in updates)
    return {
        name: sum(update.num_examples * update.params[name] for update in updates) / total for name in updates[0].params
    }


kept, gone = torch.tensor([True]), torch.tensor([False])
a = Update(0, {"w": torch.tensor([6.0])}, {}, {"w": kept}, num_examples=10, train_loss=0.0)
b = Update(1, {"w": torch.tensor([0.0])}, {}, {"w": gone}, num_examples=10, train_loss=0.0)
print(merge_of_a_colleague([a, b]))

# %% [markdown]
# One client holds the weight, and its value is 6; the other pruned it. The result is 3. No error, no nan: only a model that
# shrinks wherever clients disagree, and an accuracy that is "a bit noisy". Write it as the docstring says. Names without a mask
# (biases) are held by everybody.


# %%
def merge(updates: list[Update]) -> Params:
    """Each weight averaged over the clients that KEPT it, weighted by examples; 0 where nobody kept it."""
    # BEGIN SOLUTION 06.3
    merged = {}
    for name in updates[0].params:
        # 1. How many examples stand behind each weight, client by client? n_k where kept, 0 where not.
        everywhere = torch.ones_like(updates[0].params[name])
        held = [update.num_examples * update.masks.get(name, everywhere) for update in updates]
        # 2. The sum of the held weights, and the sum of what holds them.
        total = sum(share * update.params[name] for share, update in zip(held, updates, strict=True))
        # 3. Divide where somebody holds the weight; elsewhere it is 0.
        merged[name] = torch.where(sum(held) > 0, total / sum(held), 0.0)
    return merged
    # END SOLUTION


# %%
result_merge = check("06.3", merge)
result_merge

# %% [markdown]
# How much does the bug shrink a model? After one round of FedSparsify-Local at high sparsity the clients' masks differ, and
# the two merges give models of different length $\lVert w \rVert$.

# %%
late = Experiment().replace({"model.name": "mlp", "data.num_clients": 10, "strategy.name": "fedsparsify-local"})
late = late.replace({"strategy.initial_sparsity": 0.9, "strategy.final_sparsity": 0.9, "federation.rounds": 2})
seen = []


class Spy(FedSparsifyLocal):
    def aggregate(self, updates, previous):
        seen.append(updates)
        return super().aggregate(updates, previous)


list(simulate(late.model_copy(update={"strategy": Spy(**late.strategy.model_dump())})))
for name, rule in (("colleague", merge_of_a_colleague), ("holders", result_merge.function)):
    length = sum(float(weight.square().sum()) for weight in rule(seen[-1]).values()) ** 0.5
    print(f"{name:10} |w| = {length:.2f}")

# %% [markdown]
# The holders' mean is longer. Is it also better? In the lab, `strategy.merge` chooses between "all" (zeros count, the
# paper's default) and "holders":

# %%
holders = run(strategy_name="fedsparsify-local", strategy_merge="holders")
accuracy_curve(holders, compare={"all (zeros count)": rows(local)})

# %% [markdown]
# **Expected picture:** not what one might think. Counting zeros shrinks a weight that few clients kept, so little is lost when
# the vote removes it, and the curve is smooth. The holders' mean keeps full values, and its model dips when the vote takes some
# of them away; tuning repairs it. The bug was not "zeros in a mean" but code that does something else than it says.
#
# ## Reflect
#
# - Accuracy is measured after the purge here. What would the curve look like if it were measured before? Which one is the
#   model that clients receive?
# - The biases are never pruned here (our reading). The paper's code prunes them, too, and infers masks from zeros. What
#   happens then to biases, which start at zero?
#
# ## Recap
#
# The schedule prunes fast at first, and its mean density is $1 - S_T + S_T / (n + 1)$. Global: one server sorts once. Local:
# clients sort, and a majority decides. A mask is its own thing: never infer it from zeros, and say over whom you average.
#
# **1. $S_T = 0.9$, $n = 1$, $F = 1$: which part of the values travels?**
#
# <details><summary>Answer</summary>
#
# $1 - 0.9 + 0.9 / 2 = 0.55$, nearly twice as much as with $n = 3$ ($0.325$).
# </details>
#
# **2. Four clients, two keep a weight. What does the strict vote do, what does the paper's code do, and why does it matter?**
#
# <details><summary>Answer</summary>
#
# Strict: pruned (2 is not more than 2). Paper's code: kept (2 is at least floor(4 / 2)). With even $K$ ties are common, so the
# two rules give visibly different sparsities.
# </details>
#
# **3. Why may a client not prune a weight in round 10 and grow it again in round 12?**
#
# <details><summary>Answer</summary>
#
# After every step the weights are multiplied by the mask, and what the server pruned is in no later mask: masks are nested.
# Methods that let weights grow again come in notebook 09.
# </details>
#
# The same experiment in the dashboard:

# %%
dashboard_link(experiment)
