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
# # 09 · Prune and regrow: PruneFL, FedDST, feedback
#
# - Write drop and grow: the density stays what it is, while the mask looks for better places.
# - Say who decides on a new mask, clients (FedDST) or server (PruneFL), and what each of the two has to send for it.
# - Know how feedback (DPF) gives a pruned weight a second chance, and why it goes wrong when local training is long.
#
# About 45 minutes. What is our reading and not a paper's is marked so.

# %%
import numpy as np
import torch

from fedlab_core import Experiment, simulate
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.lessons.widgets import regrow_explorer
from fedlab_core.plots.curves import accuracy_curve, bytes_ledger
from fedlab_core.plots.layers import kept_changes_bars
from fedlab_core.plots.records import rows
from fedlab_core.pruning.regrow import explored
from fedlab_core.strategies.feddst import FedDST
from fedlab_core.strategies.prunefl import PruneFL, fastest

# %% [markdown]
# ## Predict
#
# A network keeps 5 % of its weights in every one of 16 rounds. Every second round clients exchange some of the kept
# weights for pruned ones, up to half of them at first, less and less later. After the last round: what share of *all*
# weights has been in the server's mask at some time? Write it down.

# %%
my_share = 0.5  # change this

# %% [markdown]
# ## The idea
#
# FedSparsify starts dense, and what is pruned never comes back: its masks are nested. Who wants to be sparse *from the
# first round on* has to choose a mask when nothing is known yet. So the mask must be able to change: some kept weights
# are **dropped**, as many pruned ones **grow**. Density and bytes stay what they are.
#
# | | who decides | what has to be known for it | what travels |
# |---|---|---|---|
# | **FedDST** | clients | own gradients of pruned weights, on one batch | masks; the server joins them |
# | **PruneFL** | server | squared gradients of *all* weights, from all clients | these, dense, in some rounds |
# | **DPF** | whoever has the dense weights | nothing else: pruned weights go on learning | the dense weights, always |
#
# In a round of exchange, a **FedDST** client (Bibikar et al. 2022, arXiv 2112.09824; rules as in the code of
# FedPruning, those of the paper's own server could not be checked) trains for half of its steps. Then, in each layer
# with $n$ kept weights, it drops the $k = \lfloor f(t)\, n \rfloor$ smallest $\lvert w \rvert$ and grows the $k$
# largest $\lvert g \rvert$ among the pruned, where $g$ is the gradient of its batch. What has grown starts at 0 and is
# trained for the other half. The server averages, keeps whatever *some* client has kept, and cuts the smallest weights
# of each layer until the density is as before.
#
# Why the largest gradient? A pruned weight is 0. If it moves by $\delta$, the loss changes by about $g\,\delta$; after
# a step of gradient descent, $\delta = -\eta g$, by $-\eta g^2$. The largest $\lvert g \rvert$ promises most.
#
# ## Demo: how much, how often?
#
# $\alpha$ is the share $f(0)$ that is exchanged first. The diamonds are what each client exchanges, the bars what is
# new in the server's mask. Each position of the sliders is a whole run at 95 % sparsity. Try $\alpha = 0$, and read the
# line below.

# %%
experiment = Experiment().replace(
    {
        "model.name": "mlp",
        "data.num_clients": 8,
        "federation.rounds": 16,
        "federation.batch_size": 32,
        "strategy.name": "feddst",
        "strategy.final_sparsity": 0.95,
        "strategy.exchange": 0.5,
        "strategy.every": 2,
    }
)
regrow_explorer(experiment)

# %% [markdown]
# **Expected picture:** bars only in rounds of exchange, and lower than the diamonds. A weight that has just grown
# starts at 0 and has half a round to become large; clients grow different ones, and the mean counts zeros for those who
# did not. So the server's cut throws many newcomers out again.
#
# ## Exercise 09.1: how much is exchanged when
#
# Early, the mask knows little and much is exchanged; late, weights need time to settle. With $T_{end}$ the round from
# which on masks stay as they are,
#
# $$f(t) = \frac{\alpha}{2}\left(1 + \cos\frac{\pi t}{T_{end}}\right) \quad\text{for } t < T_{end}, \qquad f(t) = 0 \quad\text{after.}$$


# %%
def exchange_fraction(t: int, T_end: float, alpha: float) -> float:
    """The share of the kept weights that is exchanged in round t."""
    # BEGIN SOLUTION 09.1
    # 1. From T_end on nothing is exchanged: the cosine itself would rise again.
    if t >= T_end:
        return 0.0
    # 2. A half turn of the cosine, from 1 to -1, becomes alpha down to 0.
    return alpha / 2 * (1 + np.cos(np.pi * t / T_end))
    # END SOLUTION


# %%
result_fraction = check("09.1", exchange_fraction)
result_fraction

# %%
f = result_fraction.function
print("alpha = 0.2, T_end = 100:", [round(float(f(t, 100, 0.2)), 4) for t in (0, 25, 50, 75, 99, 100, 150)])
print("this run, rounds 2, 4, ..., 12:", [round(float(f(t, 12, 0.5)), 3) for t in range(2, 13, 2)])

# %% [markdown]
# **Expected:** 0.2, 0.1707, 0.1, 0.0293, then practically and really 0. The second line is the diamonds of the demo.
#
# ## Exercise 09.2: drop and grow
#
# For one tensor: `mask` is true where a weight is kept, `weight` is 0 elsewhere, `grad` is the gradient of *all*
# weights, also of the pruned ones. $k = \lfloor \text{fraction} \cdot n \rfloor$ of the $n$ kept weights go, but never
# more than there are pruned ones to take their places. What has just gone counts as pruned: it may come back at once.


# %%
def prune_and_regrow(weight: torch.Tensor, grad: torch.Tensor, mask: torch.Tensor, fraction: float) -> torch.Tensor:
    """The mask after k smallest kept weights have gone and k largest gradients among the pruned have come."""
    # BEGIN SOLUTION 09.2
    # 1. How many?
    k = min(int(fraction * int(mask.sum())), int((~mask).sum()))
    after = mask.flatten().clone()
    # 2. The k smallest |w| among the KEPT: pruned ones must not be found.
    smallest = weight.abs().flatten().masked_fill(~after, torch.inf)
    after[smallest.topk(k, largest=False).indices] = False
    # 3. The k largest |g| among those that are pruned NOW; back into the tensor's shape.
    after[grad.abs().flatten().masked_fill(after, -1.0).topk(k).indices] = True
    return after.view_as(mask)
    # END SOLUTION


# %%
result_regrow = check("09.2", prune_and_regrow)
result_regrow

# %% [markdown]
# Your two functions as a method: *the server* drops and grows, by the squared gradients that clients report, as
# PruneFL's clients do every few rounds. (FedPruning's version of PruneFL has this rule.) The first mask is FedDST's:
# the largest initial weights.


# %%
class ServerRegrow(PruneFL):
    def first_masks(self, loss, params, masks, ctx):
        return FedDST(final_sparsity=0.95).init(params, ctx)[0]

    def update_masks(self, server, updates, ctx):
        if ctx.round % self.every:
            return server.masks, server.state
        squares = {n: sum(u.num_examples * u.extras[n] for u in updates) for n in server.masks}
        share = result_fraction.function(ctx.round, 0.75 * ctx.num_rounds, 0.5)
        regrow = result_regrow.function
        return {n: regrow(server.params[n], squares[n], m, share) for n, m in server.masks.items()}, server.state


# %%
def run(name: str, **settings: object) -> list:
    """The experiment with another strategy: one record a round."""
    changes = {f"strategy.{key}": value for key, value in settings.items()}
    return list(simulate(experiment.replace({"strategy.name": name, **changes})))


fixed, feddst = run("feddst", exchange=0.0), run("feddst")
mine = list(simulate(experiment.model_copy(update={"strategy": ServerRegrow(every=2)})))
dense = run("fedavg")
compared = {"fixed mask": rows(fixed), "server regrows": rows(mine), "dense": rows(dense)}
accuracy_curve(rows(feddst), compare=compared)

# %% [markdown]
# **Expected picture:** four runs, three of them with 5 % of the weights in every round; the thick line is FedDST. The
# fixed mask of the beginning learns very slowly; with an exchange, by clients or by the server, the same number of
# weights gets much further. None is dense: 5 % from the first round on is hard, and 16 rounds are few. Which weights
# were exchanged, and does the density hold?

# %%
everywhere = [sum(int(mask.sum()) for mask in record.state.masks.values()) for record in mine]
print(f"kept weights of the server's regrowth: {min(everywhere):,} to {max(everywhere):,}, in every round")
print(
    f"in the mask at some time: {explored([r.state.masks for r in feddst]):.1%} of all weights; you said {my_share:.0%}"
)
kept_changes_bars(feddst[0].state.masks, feddst[-1].state.masks)

# %% [markdown]
# **Expected:** the number of kept weights never changes. And the surprise: not half of the network was tried, but 8 %
# or so. The exchanges add up to more than a whole mask at the clients, but newcomers are few at the server, and some of
# them are old acquaintances. A little search was enough for the gain.
#
# ## Who sends what?
#
# Clients in FedDST decide with gradients of their own and send no more than a model under their mask. The server's
# regrowth needs squared gradients of *all* weights: dense, however sparse the model.

# %%
sparsify, prunefl = run("fedsparsify-global"), run("prunefl", every=5)
runs = {"dense": dense, "fixed mask": fixed, "FedDST": feddst, "server regrows": mine}
for name, records in {**runs, "FedSparsify": sparsify, "PruneFL": prunefl}.items():
    up, down = (sum(getattr(r, f"{way}_bytes") for r in records) / 1e6 for way in ("upload", "download"))
    last = records[-1]
    print(f"{name:15}{last.test_accuracy:6.1%}, sparsity {last.sparsity:.0%}, {up:5.2f} MB up, {down:5.2f} MB down")

# %% [markdown]
# **Expected:** FedDST sends what the fixed mask sends, a fourteenth or so of dense. The server's regrowth sends several
# times as much up. FedSparsify ends at the same sparsity and much more accurate, with several times FedDST's bytes: it
# was dense when it mattered. Sparse from the start is for those who cannot pay for the first rounds.
#
# ## PruneFL: how sparse, too, is a decision
#
# PruneFL (Jiang et al. 2022, arXiv 1909.12326) has no target. A round with mask $M$ takes the time
# $c + \sum_{j \in M} t_j$: $c$ in any case, $t_j$ for weight $j$. The progress of a step is about
# $\sum_{j \in M} g_j^2$ (see above). It wants most progress per time:
#
# $$\Gamma(M) = \frac{\sum_{j \in M} g_j^2}{c + \sum_{j \in M} t_j} .$$
#
# When does another weight $j$ raise $\Gamma = G / T$? With $G, T, t_j > 0$,
#
# $$\frac{G + g_j^2}{T + t_j} > \frac{G}{T} \iff g_j^2\, T > G\, t_j \iff \frac{g_j^2}{t_j} > \Gamma .$$
#
# So sort by $g_j^2 / t_j$ and add weights as long as the next one is above the present $\Gamma$. Four weights by hand,
# each with $t_j = 1$:

# %%
squares = torch.tensor([9.0, 4.0, 1.0, 0.25])
for c in (0.5, 4.0, 100.0):
    gammas = squares.cumsum(0) / (c + torch.arange(1, 5))
    nothing = {"w": torch.zeros(4, dtype=torch.bool)}
    kept = fastest({"w": squares}, {"w": 1.0}, nothing, c)["w"]
    print(f"c = {c:5}: Gamma of 1, 2, 3, 4 weights {[round(g, 3) for g in gammas.tolist()]}, kept {int(kept.sum())}")

# %% [markdown]
# **Expected:** where a round costs little by itself ($c = 0.5$) one weight is best, at $c = 4$ two, at $c = 100$ all
# four: if a round is expensive anyway, use it well. In the run above PruneFL chose its own sparsity. Its bytes, added
# up over the rounds:

# %%
bytes_ledger(rows(prunefl), dense_bytes_per_round=dense[1].upload_bytes)

# %% [markdown]
# **Expected picture:** the uplink makes a step in rounds 5, 10 and 15, when every client reports a square for each
# weight. (The authors do so every 50 rounds of thousands. That the first mask comes from one batch of one client is our
# reading; in the paper one client trains first.)
#
# ## Exercise 09.3 (optional): feedback
#
# DPF (Lin et al. 2020, arXiv 2006.07253) never forgets the dense weights $w$. The mask $m$ hides some of them; the
# network that is run has $w \odot m$. What is withheld is $e = w - w \odot m$. A step is
#
# $$g = \nabla L(w \odot m), \qquad w \leftarrow w - \gamma\, g .$$
#
# The gradient is the pruned network's, but *all* of $w$ moves: what was not applied to the pruned network piles up in
# $e$ until the next mask, again the largest $\lvert w \rvert$, lets it out. That is error feedback. Write the step.
# `gradient` is a function from weights to the gradient there, $\gamma$ is `rate`.


# %%
def feedback_step(dense: torch.Tensor, mask: torch.Tensor, gradient, rate: float) -> torch.Tensor:
    """The dense weights after a step by the gradient at the pruned ones."""
    # BEGIN SOLUTION 09.3
    # 1. The gradient at the weights that the pruned network has.
    slope = gradient(dense * mask)
    # 2. A step of ALL dense weights, whether they are hidden or not.
    return dense - rate * slope
    # END SOLUTION


# %%
result_feedback = check("09.3", feedback_step)
result_feedback

# %% [markdown]
# Two weights, one may be kept, the loss is $\frac12 \lVert w \odot m - (0.2,\, 2)\rVert^2$. At the start
# $w = (1,\, 0.9)$, so the mask keeps the first: the wrong one. Forty steps, with a new mask every $p$ steps: with what
# value does the second weight come back?


# %%
def two_weights(step, p: int) -> str:
    """What becomes of the second weight, which was pruned by mistake."""
    w, came, best = torch.tensor([1.0, 0.9]), "never", torch.tensor([0.2, 2.0])
    for t in range(40):
        if t % p == 0:
            mask = w.abs() == w.abs().max()
        if mask[1] and came == "never":
            came = f"in step {t} with the value {float(w[1]):.2f}"
        w = step(w, mask, lambda v: v - best, 0.1)
    return f"comes back {came}; loss at the end {float((w * mask - best).square().sum() / 2):.3f}"


print("pruned for good    ", two_weights(lambda w, m, slope, rate: (w - rate * slope(w * m)) * m, 1))
for p in (1, 5, 20):
    print(f"feedback, p = {p:2}   ", two_weights(result_feedback.function, p))

# %% [markdown]
# **Expected:** without feedback the mistake stays, the loss is 2. With it the second weight comes back. But the value
# with which it comes depends on $p$: nothing tells a hidden weight that it has gone far enough. At $p = 20$ it returns
# with 4.9, where 2 would be right, and the loss is worse than before until the next steps repair it.
#
# In a federation the server makes the mask, so $p$ is a whole local training: $E$ epochs. (How often DPF prunes on one
# computer could not be read; once a round is our reading.) The same 32 epochs at 80 % sparsity, cut into rounds
# differently:

# %%
fair = {}
for epochs in (4, 1):
    cut = experiment.replace({"federation.local_epochs": epochs, "federation.rounds": 32 // epochs})
    for name in ("dpf", "fedsparsify-global"):
        fair[name, epochs] = list(simulate(cut.replace({"strategy.name": name, "strategy.final_sparsity": 0.8})))
        last = fair[name, epochs][-1]
        print(f"{name:19} E = {epochs}, {32 // epochs:2} rounds: {last.test_accuracy:.1%}")
sent = {name: sum(r.upload_bytes for r in fair[name, 1]) / 1e6 for name in ("dpf", "fedsparsify-global")}
print(", ".join(f"{name} {megabytes:.1f} MB up" for name, megabytes in sent.items()))

# %% [markdown]
# **Expected:** FedSparsify hardly minds. DPF is far behind with $E = 4$ and much closer with $E = 1$: the longer the
# server looks away, the further hidden weights drift. And it saves no bytes while it trains, since the dense weights
# travel. This is *not* what one hopes for from the single-computer paper; it is what a federation makes of the method
# here.
#
# ## Reflect
#
# - Clients of FedDST grow what *their* labels want. Under strong label skew, what does the join of the masks favour,
#   and what does the cut by magnitude?
# - In the toy with $p = 1$, the first weight is hidden in the end and its gradient is $-0.2$ in every step. What
#   happens after some hundred steps more? Change 40 to 400 and print more.
#
# ## Recap
#
# Drop the smallest kept, grow the largest gradients among the pruned, equally many: the mask moves, density and bytes
# do not. Who decides has to have gradients of pruned weights. PruneFL adds a weight while $g^2 / t$ is above $\Gamma$.
# Feedback lets hidden weights learn, and needs masks to be renewed often.
#
# **1. 1,000 weights are kept, $\alpha = 0.2$, $T_{end} = 100$. How many are exchanged in round 50? In round 120?**
#
# <details><summary>Answer</summary>
#
# $f(50) = 0.1$: 100 go and 100 come. In round 120 none.
# </details>
#
# **2. Why must the smallest weights be looked for among the kept ones only?**
#
# <details><summary>Answer</summary>
#
# Pruned weights are 0, the smallest of all. They would be "dropped" without effect, others would grow, and the density
# would rise with every exchange.
# </details>
#
# **3. A server with sparse models wants to regrow by gradients. Why is its uplink not sparse, and how does FedDST avoid
# that?**
#
# <details><summary>Answer</summary>
#
# It has to compare pruned weights, so it needs their gradients: a number for each weight of the dense model. In FedDST
# clients compare for themselves and send only a mask with their weights; the price is that everybody decides on own
# data.
# </details>
#
# The same experiment in the dashboard; the page Masks shows what is pruned and grown from round to round:

# %%
dashboard_link(experiment, page="masks")
