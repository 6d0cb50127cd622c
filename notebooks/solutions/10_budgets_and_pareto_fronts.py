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
# # 10 · Budgets and Pareto fronts
#
# - Choose the best setting under a budget of bytes and one of FLOPs.
# - Find the settings that no other one beats: the Pareto front.
# - Say whether A is really better than B when you have three seeds, and when you cannot say it.
#
# About 40 minutes. You should know FedAvg (notebook 01), what a mask saves (05) and FedSparsify (06). The statistics are
# textbook material; how it is applied to federated runs is our reading.

# %%
import torch

from fedlab_core import Experiment, RoundRecord, simulate
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.lessons.widgets import budget_explorer
from fedlab_core.plots.choices import paired_runs

# %% [markdown]
# ## Predict
#
# The *same* method is run with three seeds, and again with three other seeds. A seed decides who has which data, the first
# weights, and the order of the batches. How often do the two mean accuracies differ by one percentage point or more, although
# there is nothing to be found? Write down a fraction.

# %%
my_share = 0.05  # change this

# %% [markdown]
# ## Some runs to choose from
#
# Bytes are spent on messages, FLOPs on training. There are more ways to save them than one: fewer **rounds**, more **local
# epochs** $E$ for each round (fewer messages for the same training), a **sparser** network. Each family below is one method with
# one $E$; the numbers are the rounds after which it might stop. Stopping early costs nothing to try out: a run of 12 rounds
# *contains* the run of 4, as long as the method does not look at the number of rounds. FedAvg and SNIP (which prunes before
# the first round) do not. The others follow a schedule, so only their last round counts. "Channels" prunes whole hidden units;
# "Random" follows FedSparsify's schedule, but tosses dice instead of looking at magnitudes.

# %%
base = Experiment().replace({"model.name": "mlp", "data.num_clients": 5, "federation.local_epochs": 1})
four, sparse = {"federation.local_epochs": 4}, {"strategy.final_sparsity": 0.9}
families = {
    "FedAvg, E = 1": ({}, (2, 4, 8, 12)),
    "FedAvg, E = 4": (four, (1, 2, 4)),
    "SNIP 90 %, E = 1": ({"strategy.name": "snip"} | sparse, (3, 6, 12)),
    "SNIP 90 %, E = 4": ({"strategy.name": "snip"} | sparse | four, (2, 4, 6)),
    "FedSparsify 90 %, E = 1": ({"strategy.name": "fedsparsify-global"} | sparse, (12,)),
    "Channels 80 %, E = 1": ({"strategy.name": "channel-pruning", "strategy.final_sparsity": 0.8}, (12,)),
    "Random 90 %, E = 1": ({"strategy.name": "random"} | sparse, (12,)),
}
SEEDS = (0, 1, 2)


# %%
def run(changes: dict, seed: int, rounds: int) -> list[RoundRecord]:
    """One run; the seed decides on the split of the data and on everything else."""
    seeds = {"data.seed": seed, "federation.seed": seed, "federation.rounds": rounds}
    return list(simulate(base.replace(seeds | changes)))


runs = {name: {seed: run(changes, seed, stops[-1]) for seed in SEEDS} for name, (changes, stops) in families.items()}

# %% [markdown]
# Costs are added up over all rounds until the stop, round 0 included, and over all clients. Seeds differ a little in bytes; a
# budget has to hold for each of them, so the dearest seed counts. FLOPs are those of training, weighted by density.


# %%
def row(family: str, stop: int) -> dict:
    """A setting: what it costs, and its accuracy with each seed."""
    parts = [records[: stop + 1] for records in runs[family].values()]
    return {
        "name": f"{family}, {stop} rounds",
        "upload_bytes": max(sum(record.upload_bytes for record in part) for part in parts),
        "download_bytes": max(sum(record.download_bytes for record in part) for part in parts),
        "flops": max(sum(record.effective_flops for record in part) for part in parts),
        "accuracies": [part[-1].test_accuracy for part in parts],
    }


# %%
settings = [row(family, stop) for family, (_, stops) in families.items() for stop in stops]
for one in settings[::5]:
    sent = (one["upload_bytes"] + one["download_bytes"]) / 1e6
    print(f"{one['name']:34} {sent:4.1f} MB  ", *(f"{accuracy:.1%}" for accuracy in one["accuracies"]))

# %% [markdown]
# ## Demo: two budgets
#
# Everything that costs at most so many bytes *and* so many FLOPs is **feasible**. Start with 1 MB (that is the whole run, all
# clients, both ways; one dense round alone takes 1.05 MB) and loosen or tighten one budget after the other. The line below says
# what each of the two costs you. Then look along the other axis.

# %%
budget_explorer(settings)

# %% [markdown]
# **Expected picture:** bars go from the worst to the best seed. Under 1 MB nothing dense fits, and SNIP with $E = 4$ is best:
# few bytes, well used by more local training. Counted in FLOPs the same $E = 4$ is what you pay for: at equal FLOPs SNIP with
# $E = 1$ and more rounds is better. Two costs have two fronts. Random pruning sends as much as FedSparsify and is far below
# every front.
#
# ## Exercise 10.1: the best one under 1 MB
#
# Each setting is a dictionary as above. Return the *name* of the one with the highest mean accuracy over its seeds among those
# that keep both budgets:
#
# - bytes are upload plus download; a budget may be spent to the last byte and FLOP;
# - of two with the same mean the one with fewer bytes is taken;
# - if nothing fits, the answer is `None`.


# %%
def best_setting(settings: list[dict], max_bytes: float, max_flops: float) -> str | None:
    """Name of the best affordable setting, or None."""

    # BEGIN SOLUTION 10.1
    # 1. What does a setting cost, both ways? How good is it on average?
    def total(one: dict) -> int:
        return one["upload_bytes"] + one["download_bytes"]

    # 2. First leave out what breaks a budget. Nothing left: None.
    fitting = [one for one in settings if total(one) <= max_bytes and one["flops"] <= max_flops]
    # 3. Then the highest mean; of equals the one with fewer bytes.
    best = max(fitting, key=lambda one: (sum(one["accuracies"]) / len(one["accuracies"]), -total(one)), default=None)
    return best["name"] if best else None
    # END SOLUTION


# %%
result_best = check("10.1", best_setting)
result_best

# %%
for megabytes, gigaflops in ((1, 10), (1, 0.3), (5, 10), (5, 0.3), (0.1, 10)):
    name = result_best.function(settings, megabytes * 1e6, gigaflops * 1e9)
    print(f"at most {megabytes:3} MB and {gigaflops:4} GFLOPs: {name}")

# %% [markdown]
# **Expected:** five budgets, and several different winners; the last budget is too small for anything. There is no
# "best method", only a best one for a budget.
#
# ## Without a budget: the Pareto front
#
# You do not know your budget yet? Then leave out only what *nobody* would choose. A setting with cost $c$ and accuracy $a$ is
# **dominated** by one with $c'$ and $a'$ if
#
# $$c' \le c \quad\text{and}\quad a' \ge a \quad\text{and}\quad (c' < c \;\text{ or }\; a' > a):$$
#
# no worse in either, better in at least one. What nothing dominates is the **Pareto front**. Ties follow from the definition: of
# two with the same accuracy the dearer one is dominated; two that are equal in both do not dominate each other, so both stay.
#
# For one cost the front holds the answer to every budget: take the best setting $s$ under some budget, the cheapest of equals.
# Whatever dominated $s$ would cost no more, so it would fit, too, and be better, or as good and cheaper. So nothing
# dominates it. (With two costs, "dominated" has to look at all three numbers.)
#
# ## Exercise 10.2: what nothing dominates
#
# `points` are pairs (cost, accuracy). Return the places, counted from 0, in the order of the list.


# %%
def non_dominated(points: list[tuple[float, float]]) -> list[int]:
    """Places of the points on the Pareto front: low cost, high accuracy."""
    # BEGIN SOLUTION 10.2
    front = []
    for place, (cost, accuracy) in enumerate(points):
        # 1. Who is no worse in either of the two?
        rivals = [(c, a) for c, a in points if c <= cost and a >= accuracy]
        # 2. Is one of them better in at least one, which means: is it another point than this?
        dominated = any(rival != (cost, accuracy) for rival in rivals)
        # 3. Keep the place if not.
        if not dominated:
            front.append(place)
    return front
    # END SOLUTION


# %%
result_front = check("10.2", non_dominated)
result_front

# %%
means = [sum(one["accuracies"]) / len(SEEDS) for one in settings]
cost_of = {
    "bytes": [one["upload_bytes"] + one["download_bytes"] for one in settings],
    "FLOPs": [one["flops"] for one in settings],
}
for name, costs in cost_of.items():
    places = result_front.function(list(zip(costs, means, strict=True)))
    print(f"front of {name}:")
    for place in sorted(map(int, places), key=lambda place: costs[place]):
        print(f"    {settings[place]['name']:34} {means[place]:.1%}")

# %% [markdown]
# **Expected:** both fronts end with dense FedAvg. At the cheap end $E = 4$ is on the front of bytes and $E = 1$ on that of
# FLOPs, and FedSparsify, which saves FLOPs in every late round, is on the front of FLOPs only. But look at the accuracies:
# some neighbours are less than a point apart. A front is drawn through *measured* means, and a lucky seed puts a point on
# it. How much is luck?
#
# ## Noise
#
# Back to your prediction. Twelve runs of one method, FedAvg after four rounds. Every choice of three of them against three
# others is a "comparison" of the method with itself.

# %%
twelve = torch.tensor([run({}, seed, rounds=4)[-1].test_accuracy for seed in range(12)], dtype=torch.float64)
triples = torch.combinations(torch.arange(12), 3)
member = torch.nn.functional.one_hot(triples, 12).sum(1)
apart = member @ member.T == 0  # the two triples have no run in common
gaps = (twelve[triples].mean(1)[:, None] - twelve[triples].mean(1)).abs()[apart]
share = float((gaps >= 0.01).double().mean())
print(f"twelve runs of one method: from {twelve.min():.1%} to {twelve.max():.1%}")
print(f"two means of three differ by a point or more in {share:.0%} of the comparisons; you said {my_share:.0%}")

# %% [markdown]
# **Expected:** far more often than most people think: in about half of all comparisons. Whoever reports the best of twelve
# seeds gains points for nothing. And part of the noise is in no seed at all: with 359 test images and an accuracy of
# $p = 0.95$, drawing other images would move it by a standard error of $\sqrt{p (1 - p) / 359} = 1.15$ points.
#
# ## Pairs: a derivation
#
# A seed that is hard for A (a nasty split of the data) is mostly hard for B, too. Run both with the *same* seeds $1, \dots, n$
# and look at the differences $d_s = a_s - b_s$: what the seed does to both cancels. Their mean and standard error are
#
# $$\bar d = \frac{1}{n} \sum_s d_s, \qquad \text{SE} = \frac{s}{\sqrt n}, \qquad
# s^2 = \frac{1}{n - 1} \sum_s (d_s - \bar d)^2 .$$
#
# Why $n - 1$? The mean was fitted to the same numbers, so they lie closer to it than to the truth: $n$ deviations, one of
# them determined by the others, leave $n - 1$ **degrees of freedom**. Why $\sqrt n$? The variance of a sum of independent
# numbers is the sum of their variances, so a mean of $n$ has $1/n$ of it.
#
# **The rule.** A is better if $\bar d > t \cdot \text{SE}$, B if $\bar d < -t \cdot \text{SE}$; otherwise the seeds do not say.
# For normal differences with no true mean, $\bar d / \text{SE}$ follows Student's distribution. With $n = 3$, two degrees of
# freedom, it has a short formula:
#
# $$P(|\bar d| > t \cdot \text{SE}) = 1 - \frac{t}{\sqrt{2 + t^2}} .$$
#
# For 5 % false alarms $t = 4.303$. The famous 1.96 is for *many* seeds. With three it raises a false alarm in 18.9 % of all
# cases. ($t$ for $n = 5$: 2.776, for $n = 10$: 2.262.)
#
# ## Exercise 10.3: the difference and its standard error
#
# `a` and `b` are dictionaries from seed to accuracy, not always in the same order, and a run may have been lost: only seeds
# that both have are a pair. Return $\bar d$ of A minus B, and SE. (There are at least two pairs. One pair has no SE: a single
# seed says nothing about noise.)


# %%
def paired_difference(a: dict[int, float], b: dict[int, float]) -> tuple[float, float]:
    """Mean of A minus B over common seeds, and its standard error."""
    # BEGIN SOLUTION 10.3
    # 1. One difference for each seed that both have.
    differences = [a[seed] - b[seed] for seed in a if seed in b]
    n = len(differences)
    # 2. Their mean.
    mean = sum(differences) / n
    # 3. Their variance, with n - 1; the standard error of a mean of n is its root over the root of n.
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    return mean, (variance / n) ** 0.5
    # END SOLUTION


# %%
result_pairs = check("10.3", paired_difference)
result_pairs

# %% [markdown]
# First a check of the rule itself: 10,000 comparisons of pure noise, three seeds each. How many false alarms?

# %%
draw = torch.Generator().manual_seed(0)
alarms = {1.96: 0, 4.303: 0}
for a, b in torch.randn(10_000, 2, 3, generator=draw).tolist():
    mean, error = map(float, result_pairs.function(dict(enumerate(a)), dict(enumerate(b))))
    for t in alarms:
        alarms[t] += abs(mean) > t * error
for t, count in alarms.items():
    print(f"t = {t}: {count / 10_000:.1%} false alarms; the formula says {1 - t / (2 + t**2) ** 0.5:.1%}")

# %% [markdown]
# Now the real runs. Which of these pairs can three seeds tell apart?

# %%
last = {name: {seed: records[-1].test_accuracy for seed, records in of.items()} for name, of in runs.items()}
sparsify, channels = "FedSparsify 90 %, E = 1", "Channels 80 %, E = 1"
pairs = (("FedAvg, E = 1", sparsify), (sparsify, channels), (sparsify, "Random 90 %, E = 1"))
for a, b in pairs:
    mean, error = map(float, result_pairs.function(last[a], last[b]))
    said = "A" if mean > 4.303 * error else "B" if mean < -4.303 * error else "the seeds do not say"
    print(f"{a} against {b}: {100 * mean:.1f} points, SE {100 * error:.1f}; better: {said}")
shown = {name.split(",")[0]: last[name] for name in ("FedAvg, E = 1", sparsify, channels)}
paired_runs(shown, title="The same seeds under three methods: parallel lines are what pairing is good for")

# %% [markdown]
# **Expected picture:** against random pruning nobody needs a test. FedSparsify and channel pruning cannot be told apart with
# three seeds. That does *not* mean that they are equal: it means that these runs do not say. Dense FedAvg is above
# FedSparsify by a small difference, but by nearly the same one with every seed, and that is what counts. Compare with a
# standard error that ignores the pairs:

# %%
for a, b in pairs[:2]:
    paired = float(result_pairs.function(last[a], last[b])[1])
    variances = [torch.tensor(list(last[name].values())).double().var() / len(SEEDS) for name in (a, b)]
    print(f"{a} against {b}: SE paired {100 * paired:.2f}, unpaired {100 * float(sum(variances)) ** 0.5:.2f} points")

# %% [markdown]
# **Expected:** here pairing makes the standard error smaller; how much depends on how alike the methods react to a seed. It
# costs nothing: use the same seeds for everything.
#
# ## Reflect
#
# - We chose the best of 16 settings by the same test images on which we then reported it. In which direction is its accuracy
#   off, and how would you report it honestly?
# - Ten methods are compared with a baseline, each with the 5 % rule. How many false alarms do you expect if none of them is better?
#
# ## Recap
#
# A budget comes first; then the best mean, over seeds, of what fits. The front is what some budget would choose. Three seeds see
# large differences only: pair them, use $n - 1$, and $t = 4.303$, not 1.96.
#
# **1. Two settings have the same accuracy, one costs 1 MB and one 2 MB. Which are on the front? And if both cost 1 MB?**
#
# <details><summary>Answer</summary>
#
# Only the one with 1 MB: it is no worse in accuracy and better in cost. If both cost 1 MB, both are on it: neither is better in
# anything.
# </details>
#
# **2. Differences of 1, 2 and 3 points over three seeds: is A better by the rule?**
#
# <details><summary>Answer</summary>
#
# The mean is 2, $s = 1$, SE = $1 / \sqrt 3 = 0.577$, and $2 / 0.577 = 3.46 < 4.303$. The seeds do not say, although A won three
# times out of three. (With no difference that happens in 1 of 4 cases, counting wins of either side.)
# </details>
#
# **3. A paper reports "the best of five seeds" for its method and the mean for the baseline. What is wrong?**
#
# <details><summary>Answer</summary>
#
# The best of five is above the mean even if the methods are equal: the comparison is one of luck with average.
# </details>
#
# Budgets as requests ("at most 1 MB a round") are on the page Design of the dashboard; sweeps with their front on the page What-if.
# This opens FedSparsify from above:

# %%
dashboard_link(base.replace(families[sparsify][0] | {"federation.rounds": 12}), page="whatif")
