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
# # 13 · From simulation to deployment
#
# - Split a round into what the server does and what clients do, and see that the same bytes travel wherever clients are.
# - Decide which updates may be merged at all when clients are machines that break, come late, or lie.
# - Merge by rules that withstand a few false updates, and say what each of them takes for granted.
#
# About 40 minutes. This notebook is optional: it asks what changes when clients are other machines.

# %%
import torch

from fedlab_core import Experiment, Federation, simulate
from fedlab_core.clients import Download, client_side
from fedlab_core.costs.codec import decode
from fedlab_core.federation.messages import unpack_update
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.plots import rows
from fedlab_core.plots.overlay import overlay
from fedlab_core.robustness.faults import KINDS, Fault, Faulty, spoil
from fedlab_core.rounds import finish, run_round, send
from fedlab_core.strategies.fedavg import FedAvg

# %% [markdown]
# ## Predict
#
# Ten clients train together and reach 94 %. Then two of them turn: they send the *opposite* of what they have learned, five
# times as large, in every round. The server takes the weighted mean, as always. Where is the accuracy after six rounds?

# %%
my_accuracy = 0.8  # change this

# %% [markdown]
# ## A round has two halves
#
# Until now one process was server and clients. But nothing passed between the two except messages. Write $s$ for what the
# server does before clients begin (choose them, encode their downloads), $c$ for what clients do, and $f$ for what the server
# does afterwards (decode, merge, prune, measure). With the state $\theta^t$ a round is
#
# $$\theta^{t+1} = f(\theta^t, c(s(\theta^t))) .$$
#
# If $c$ sees nothing but the bytes of $s$ and its own data, it does not matter where it is computed. Look at what travels:

# %%
experiment = Experiment().replace(
    {"model.name": "mlp", "data.num_clients": 10, "data.alpha": 1.0, "federation.participation": 1}
    | {"federation.rounds": 6, "federation.local_epochs": 1, "federation.batch_size": 16}
    | {"federation.learning_rate": 0.1, "strategy.name": "fedavg"}
)
federation = Federation.of(experiment)
server, ctx = federation.initial_state(), federation.context(1)
downloads = send(federation, server, ctx)
answers = client_side(federation, downloads, ctx)
for name, tensor in decode(answers[0].payload).tensors.items():
    print(f"{name:20} {tensor.dtype!s:14} {list(tensor.shape)}")
print(f"client 0: {len(downloads[0].payload):,} bytes down, {len(answers[0].payload):,} up")

# %% [markdown]
# The upload has every weight, the number of examples $n_k$ and the training loss. Now a machine that has *nothing* of the cell
# above but a text, the experiment's settings, and the downloads' bytes. It builds its own data and computes the same clients.

# %%
letter = experiment.model_dump_json(), [(one.client_id, bytes(one.payload)) for one in downloads]


def other_machine(settings, tasks, round):
    there = Federation.of(Experiment.model_validate_json(settings))
    return client_side(there, [Download(k, payload) for k, payload in tasks], there.context(round))


theirs = other_machine(*letter, round=1)
print("the same bytes from all clients:", [a.payload for a in theirs] == [a.payload for a in answers])
here, there = (finish(federation, server, ctx, downloads, sent, start=0.0) for sent in (answers, theirs))
print("the same accuracy:", here.test_accuracy == there.test_accuracy)

# %% [markdown]
# **Expected:** twice True. Random draws (batches, participation) depend on seed, round and client number, not on the machine,
# and bytes are what the lab charges in both cases. (Between unlike processors the last digits may differ: sums are rounded in
# another order.)
#
# ## What may be merged?
#
# Other machines fail in ways that a loop over clients does not. A node is switched off; it answers an hour late; its weights
# are nan; it runs another version of the model; it says that it has a hundred times its examples. Two rules help:
#
# - **A deadline.** The round ends with those who have answered by then; who has not is *dropped*. Note what this does: if slow
#   devices have other data than fast ones, the model learns less from them. Let client $k$ be in time with probability $p_k$.
#   The server then merges, about, with the weights $p_k n_k / \sum_j p_j n_j$ instead of $n_k / \sum_j n_j$.
# - **Nothing on trust.** An update that cannot be right is left out by name, the others make the round.
#
# Why look at every value? A mean is a sum: one nan among a million weights makes that weight nan in the merged model, every
# client downloads it, and after one round of training all weights are nan.
#
# ## Exercise 13.1: admit
#
# `update` has `params` (a dictionary of tensors) and `num_examples`. `pattern` is a dictionary of tensors as the model has
# them. `num_examples` is what the server knows about the client. Return True if the update may be merged.


# %%
def admit(update, pattern: dict[str, torch.Tensor], num_examples: int) -> bool:
    """Whether the update has the model's tensors, finite numbers, and the known number of examples."""
    # BEGIN SOLUTION 13.1
    # 1. The same names on both sides, and the known number of examples.
    if update.params.keys() != pattern.keys() or update.num_examples != num_examples:
        return False
    # 2. For every name: the same shape.
    if any(update.params[name].shape != pattern[name].shape for name in pattern):
        return False
    # 3. Every value of every tensor is finite.
    return all(bool(torch.isfinite(tensor).all()) for tensor in update.params.values())
    # END SOLUTION


# %%
result_admit = check("13.1", admit)
result_admit

# %% [markdown]
# Now real faults, put into client 3's real message. What does the server see, what do you say, and what does the lab's round
# say?


# %%
def round_with(faults):
    """A round in which these clients have these faults."""
    clients = Faulty(client_side, faults)
    return lambda federation, server, ctx, *more: run_round(federation, server, ctx, *more, run_clients=clients)


for kind in KINDS:
    payload = spoil(Fault(kind, 5.0), downloads[3].payload, answers[3].payload) or b""
    try:
        sound = result_admit.function(unpack_update(payload, 3, server), server.params, int(federation.data.sizes[3]))
        verdict = "admitted" if sound else "refused"
    except ValueError:
        verdict = "cannot be decoded"
    dropped = round_with({3: Fault(kind, 5.0)})(federation, server, ctx).dropped
    print(f"{kind:10} you: {verdict:18} the lab: {dropped[0].reason if dropped else 'merged'}")

# %% [markdown]
# **Expected:** six of the eight faults are seen: nothing to decode, a message that cannot be decoded (its checksum is wrong, or
# its shapes are not the model's), or a refusal. The last two are *admitted*: `flipped` and `scaled` are well formed and wrong.
# No check of form can see them.
#
# ## Merging when some lie
#
# Let $n$ clients send $w_1, \dots, w_n$, and count each once. The mean $\bar w = \frac{1}{n} \sum_k w_k$ is in the hands of any
# one of them: to get the target $\tau$, client $n$ sends $w_n = n \tau - \sum_{k<n} w_k$. Four honest clients say 1, the fifth
# wants $-1$: it sends $5 \cdot (-1) - 4 = -9$, and the mean is $(4 - 9) / 5 = -1$. How large its number of examples is does not
# even matter.
#
# **Trimmed mean** (Yin et al. 2018). Of each weight leave out the $f$ largest and the $f$ smallest values, and take the mean of
# the other $n - 2f$. If at most $f$ clients are faulty, every value that is left lies between honest ones, because to pass the
# cut a false value must have an honest one beyond it on either side. This needs $n \ge 2f + 1$. In the example with $f = 1$:
# $-9$ and one of the ones go, and 1 is left.
#
# ## Exercise 13.2: the trimmed mean
#
# `values` is a tensor [K, P]: row $k$ has the weights of client $k$. Return [P].


# %%
def trimmed_mean(values: torch.Tensor, faulty: int) -> torch.Tensor:
    """Of each weight the mean over clients without the f largest and the f smallest values."""
    # BEGIN SOLUTION 13.2
    # 1. Sort each weight's values over the clients.
    ordered = values.sort(dim=0).values
    # 2. Leave out f at each end.
    kept = ordered[faulty : len(values) - faulty]
    # 3. The mean over what is left.
    return kept.mean(dim=0)
    # END SOLUTION


# %%
result_trimmed = check("13.2", trimmed_mean)
result_trimmed

# %% [markdown]
# With it, a strategy: FedAvg, but for the merge. Clients 3 and 7 are those who turn.


# %%
class Trimmed(FedAvg):
    def aggregate(self, updates, previous):
        merged = {}
        for name, old in previous.params.items():
            values = torch.stack([update.params[name].flatten() for update in updates])
            merged[name] = result_trimmed.function(values, 2).reshape(old.shape).to(old.dtype)
        return merged


# %%
lying = round_with({k: Fault("flipped", 5.0) for k in (3, 7)})
trimming = experiment.model_copy(update={"strategy": Trimmed()})
runs = {
    "mean, all honest": rows(simulate(experiment)),
    "trimmed mean, all honest": rows(simulate(trimming)),
    "mean, two lie": rows(simulate(experiment, one_round=lying)),
    "trimmed mean, two lie": rows(simulate(trimming, one_round=lying)),
}
for name, run in runs.items():
    print(f"{name:26} {run[-1]['test_accuracy']:.1%}")
share = float(sum(federation.data.sizes[k] for k in (3, 7)) / federation.data.sizes.sum())
print(f"you said {my_accuracy:.0%} for the mean when two lie; these two have {share:.0%} of the examples")
overlay({name: [run] for name, run in runs.items()})

# %% [markdown]
# **Expected picture:** without liars both rules end close together. With two, the mean stays near chance (one of ten digits).
# If the liars have the share $p$ of the examples, they turn what is learnt in a round into about $(1 - p) - 5p = 1 - 6p$ of it:
# backwards once $p > 1/6$, and here $p$ is 22 %. The trimmed mean learns, though less than without liars: it leaves out honest
# values, too. These are unlike, because clients have different digits (`data.alpha=1`), and robust rules take for granted that
# honest clients are alike.
#
# **Krum** (Blanchard et al. 2017) does not mix at all: it takes the *whole* model of one client, the one in the densest
# company. With $N_k$ the $n - f - 2$ other clients nearest to $k$, it has the score
#
# $$s_k = \sum_{j \in N_k} \lVert w_k - w_j \rVert^2,$$
#
# and the client with the lowest score is taken. Why $n \ge 2f + 3$? A faulty client has at most $f - 1$ faulty friends. So of
# its $n - f - 2$ neighbours at least $n - f - 2 - (f - 1) = n - 2f - 1$ are honest, and with the condition these are at least
# two: it can only win close to honest ones. Without the condition the rule means nothing, and must not be used.
#
# ## Exercise 13.3: Krum
#
# Return the row of the client that is taken, or None if the condition fails. By hand first: 0, 4, 5, 7 and 100, $f = 1$.


# %%
def krum(values: torch.Tensor, faulty: int) -> int | None:
    """The row with the lowest score; None with fewer than 2f + 3 clients."""
    # BEGIN SOLUTION 13.3
    # 1. The condition.
    n = len(values)
    if n < 2 * faulty + 3:
        return None
    # 2. For each client: squared distances to the others, the n - f - 2 smallest of them added up.
    scores = []
    for i in range(n):
        squares = [float(((values[i] - values[k]) ** 2).sum()) for k in range(n) if k != i]
        scores.append(sum(sorted(squares)[: n - faulty - 2]))
    # 3. The place of the lowest score.
    return scores.index(min(scores))
    # END SOLUTION


# %%
result_krum = check("13.3", krum)
result_krum

# %%
liars = (3, 7)
sent = Faulty(client_side, {k: Fault("flipped", 5.0) for k in liars})(federation, downloads, ctx)
updates = [unpack_update(answer.payload, k, server) for k, answer in enumerate(sent)]
values = torch.stack([torch.cat([weight.flatten() for weight in update.params.values()]) for update in updates])
for faulty in range(5):
    k = result_krum.function(values, faulty)
    print(
        f"f = {faulty}:",
        "refused" if k is None else "a LIAR is taken" if int(k) in liars else "an honest client is taken",
    )
away = (values - values.median(0).values).norm(dim=1)
honest = max(float(away[k]) for k in range(10) if k not in liars)
print(f"from the median: the liars {float(away[3]):.1f} and {float(away[7]):.1f}, the honest ones at most {honest:.1f}")

# %% [markdown]
# **Expected:** an honest client for $f$ from 0 to 3, and a refusal for $f = 4$, because $10 < 11$. These liars are far away and
# easy. One that sends what lies just inside the honest cloud does its harm slowly, and no rule here sees it.
#
# Masks make all this harder: a pruned weight is sent as 0, and zeros of clients with *different* masks would move every median.
# The lab refuses such a mixture (our reading: the papers know no masks).
#
# ## The real thing
#
# To read, not to run here. With the extra `flower` installed, a terminal does this, with a server and two nodes as processes of
# their own:
#
# ```text
# $ fedlab deploy fedsparsify-digits --nodes 2 --rounds 4 --set data.num_clients=2 --set model.name=mlp --set federation.participation=1
# fedsparsify-digits:  50%|█████     | 2/4 [01:15<00:20, 10.03s/round, accuracy=88.9 %, sparsity=63.3 %]
# the SuperLink ended (exit code -9); the run can be resumed
# $ fedlab deploy --resume ddqog4cwl7 --nodes 2
# run ddqog4cwl7 finished after round 4: test accuracy 87.7 %, sparsity 90.0 %
# ```
#
# In between somebody killed the server (`-9`). The rounds that were finished are stored, the rest was computed again, and
# accuracies and bytes of all four rounds are those of `fedlab run` in one process. What is *not* the same is time: 8 to 12
# seconds a round instead of 0.1 to 0.2, because Flower starts a process for every message and nodes ask for work every three
# seconds. On real devices training takes minutes, and this is nothing; for teaching the simulation is better. `docs/DEPLOY.md`
# goes on from here: certificates, keys of nodes, several machines.

# %% [markdown]
# ## Reflect
#
# 1. Set `"data.alpha"` to 0.3 and run the notebook again. What does the trimmed mean cost now when all are honest, and whose
# weights are trimmed?
# 2. The server refuses a wrong number of examples. How does it know the right one, and what if the client has lied from the
# start?
#
# ## Recap
#
# **1. Why does a client on another machine send the same bytes as in the simulation?**
#
# <details><summary>Answer</summary>
#
# It computes from the same three things: the bytes of its download, its data, and random draws that depend on seed, round and
# client number. Nothing else passes between server and client, not even in one process.
#
# </details>
#
# **2. Twelve clients, $f = 5$. Which of mean, trimmed mean, Krum may be used?**
#
# <details><summary>Answer</summary>
#
# The trimmed mean needs $2 \cdot 5 + 1 = 11$: yes, two values of each weight are left. Krum needs $2 \cdot 5 + 3 = 13$: no. The
# mean withstands nobody.
#
# </details>
#
# **3. A checksum, a test for nan, and a median. Which fault is each of them for?**
#
# <details><summary>Answer</summary>
#
# Damage on the way; training that has run away, or a broken machine; an update that is well formed and false. None of them
# replaces the others.
#
# </details>

# %%
dashboard_link(experiment.replace({"strategy.name": "robust", "strategy.rule": "trimmed_mean", "strategy.faulty": 2}))
