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
# # 12 · Capstone: a fair comparison
#
# - Say what has to be the same before two methods may be compared, and write the test for it.
# - Compare three pruning systems at the same rounds and at the same bytes, with seeds, means and deviations.
# - Write a report that states its limits, and pass the rubric.
#
# About 45 minutes, more if you do your own comparison, and you should.

# %%
import torch

from fedlab_core import Experiment
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.lessons.comparison import Trial, compare
from fedlab_core.lessons.report_builder import Report, missing, report_page
from fedlab_core.lessons.widgets import comparison_explorer
from fedlab_core.plots.overlay import overlay
from fedlab_core.plots.seeds import seed_dots
from fedlab_core.runs.until import total_bytes

# %% [markdown]
# ## Predict
#
# Two models are equally good: each is right on any new image with probability 0.9. You test each of them once, on 359 images of its
# own. In which share of such comparisons is one of them at least one percentage point "better" than the other?

# %%
my_share = 0.1  # change this

# %% [markdown]
# ## Three ways to fool yourself
#
# **The test set is small.** An accuracy over $N$ images that is $p$ on average has the standard deviation
# $\sqrt{p (1 - p) / N}$, here $\sqrt{0.9 \cdot 0.1 / 359} = 0.0158$, that is 1.6 points. The difference of two of them has
# $\sqrt{2} \cdot 1.6 = 2.2$ points.
#
# **The best of several seeds.** Training is random, too: initial weights, batches, the split over clients. Of $n$ runs the best
# is better than the mean, by luck alone: with normal noise of standard deviation $\sigma$ by $0.85\, \sigma$ for $n = 3$ and by
# $1.16\, \sigma$ for $n = 5$. Who runs the own method five times and the other one once wins without a better method.
#
# **The same of what?** A sparse model sends less in a round. At the same *rounds* the dense one has sent more bytes; at the same
# *bytes* the sparse one has done more rounds. Both are fair questions, with different answers.

# %%
draw = torch.Generator().manual_seed(0)
right = torch.rand(4000, 2, 359, generator=draw) < 0.9
accuracy = right.double().mean(2)
apart = ((accuracy[:, 0] - accuracy[:, 1]).abs() >= 0.01).double().mean()
print(f"at least a point apart: {float(apart):.0%} of the comparisons; you said {my_share:.0%}")
noise = torch.randn(20_000, 5, generator=draw)
print(f"the best of 3: +{float(noise[:, :3].amax(1).mean()):.2f} sigma, of 5: +{float(noise.amax(1).mean()):.2f} sigma")

# %% [markdown]
# **Expected:** about two thirds. So: several seeds, the *same* seeds for all, and differences taken seed by seed. Let $A_s$ and $B_s$
# be two methods' accuracies with seed $s$. Then
#
# $$\mathrm{Var}(A_s - B_s) = \mathrm{Var}(A_s) + \mathrm{Var}(B_s) - 2\, \mathrm{Cov}(A_s, B_s) .$$
#
# With the same split, initial weights and test images a hard seed is hard for both: the covariance is positive as a rule, and the
# difference less noisy than with seeds of their own.
#
# ## Demo: choose three
#
# Every method runs with the same three seeds, once, and is read twice: after its last round, and at the last round within a budget
# of bytes, up and down together. Move the budget. The still picture has a small one.

# %%
experiment = Experiment().replace(
    {
        "model.name": "mlp",
        "data.num_clients": 4,
        "data.alpha": 0.3,
        "federation.rounds": 8,
        "federation.local_epochs": 1,
        "federation.batch_size": 32,
        "federation.learning_rate": 0.1,
        "strategy.name": "fedsparsify-global",
        "strategy.final_sparsity": 0.8,
    }
)
comparison_explorer(experiment)

# %% [markdown]
# ## Exercise 12.1: is it fair?
#
# A `Trial` is one result as a report states it: `method`, `setup` (data, clients, model and training in one text), `seed`,
# `rounds` (after which it was read) and `budget` (of bytes, or None where bytes did not decide). A comparison is fair if all
# trials have the same setup; every method has the same seeds, each of them once; and the rounds are the same for all *or* the
# budget is.


# %%
def is_fair(trials: list[Trial]) -> bool:
    """Same setup, the same seeds once each, and the same rounds or the same byte budget."""
    # BEGIN SOLUTION 12.1
    # 1. The setup has to be the same for all.
    if len({trial.setup for trial in trials}) > 1:
        return False
    # 2. The seeds of each method, sorted; all lists alike, and no seed twice in one.
    seeds = {t.method: sorted(other.seed for other in trials if other.method == t.method) for t in trials}
    lists = list(seeds.values())
    if any(own != lists[0] or len(own) > len(set(own)) for own in lists):
        return False
    # 3. The same rounds, or the same budget; None is no budget.
    budgets = {trial.budget for trial in trials}
    return len({trial.rounds for trial in trials}) == 1 or (len(budgets) == 1 and None not in budgets)
    # END SOLUTION


# %%
result_fair = check("12.1", is_fair)
result_fair

# %% [markdown]
# Now run four methods, which prune at different times: never, step by step, once in the middle, before the first round. Then judge
# four ways to report them.

# %%
methods = {
    "FedAvg": {"strategy.name": "fedavg"},
    "FedSparsify": {"strategy.name": "fedsparsify-global"},
    "OneShot": {"strategy.name": "one-shot"},
    "SNIP": {"strategy.name": "snip"},
}
runs = compare(experiment, methods, seeds=(0, 1, 2))
budget = min(total_bytes(run.rows) for run in runs)

# %%
reports = {
    "all seeds, last round": [run.trial() for run in runs],
    "all seeds, at the same bytes": [run.trial(budget) for run in runs],
    "FedAvg's last round, the others at a budget": [
        run.trial(None if run.method == "FedAvg" else budget) for run in runs
    ],
    "SNIP with one seed only": [run.trial() for run in runs if run.method != "SNIP" or run.experiment.data.seed == 1],
}
for name, trials in reports.items():
    print(f"{name:44} {'fair' if result_fair.function(trials) else 'NOT fair'}")

# %% [markdown]
# **Expected:** the first two are fair, the last two are not.
#
# ## Exercise 12.2: accuracy at equal bytes
#
# `rows` are the rounds of a run, from round 0 on, which is the untrained model (SNIP sends something even then). Each is a
# dictionary; you need `"upload_bytes"`, `"download_bytes"` (of this round, all clients together) and `"test_accuracy"`. Return the
# accuracy of the last round that ended before more than `budget` bytes were spent.


# %%
def accuracy_at(rows: list[dict], budget: float) -> float:
    """Test accuracy after the last round within a budget of bytes, up and down together."""
    # BEGIN SOLUTION 12.2
    spent, accuracy = 0, 0.0
    for row in rows:
        # 1. Add what this round costs, both ways.
        spent += row["upload_bytes"] + row["download_bytes"]
        # 2. If that is too much, the round before was the last.
        if spent > budget:
            break
        # 3. Else this is the model that we have.
        accuracy = row["test_accuracy"]
    return accuracy
    # END SOLUTION


# %%
result_bytes = check("12.2", accuracy_at)
result_bytes

# %%
names = list(methods)
last = {name: [run.rows[-1]["test_accuracy"] for run in runs if run.method == name] for name in names}
paid = {name: [float(result_bytes.function(r.rows, budget)) for r in runs if r.method == name] for name in names}
seed_dots({"equal rounds": last, f"equal bytes ({budget / 1e6:.1f} MB)": paid})

# %% [markdown]
# **Expected picture:** on the left FedAvg leads, FedSparsify is next, and the two that prune at once follow. On the right SNIP is
# far ahead: the budget is the cheapest of all runs, one of its own, and pays for one round of the others, none of which has
# pruned anything by then. And in between? Here is all of it:

# %%
groups = {name: [run.rows for run in runs if run.method == name] for name in names}
overlay(groups, x="megabytes")

# %% [markdown]
# **Expected picture:** read it from left to right. SNIP rises first, and ends first, at less than 2 MB. FedSparsify ends below 4 MB,
# and there it lies above FedAvg, which has done four of its eight rounds for these bytes. FedAvg has the last word, for four
# times the bytes of SNIP. "Which is best?" has three answers.
#
# ## Exercise 12.3: mean, deviation, number
#
# A table of results has three numbers in each cell: the mean over seeds, the *sample* standard deviation
#
# $$s = \sqrt{\frac{1}{n - 1} \sum_{i=1}^n (a_i - \bar a)^2},$$
#
# and $n$. Why $n - 1$? The mean $\bar a$ is taken from the same values and lies closer to them than the true mean, so that the
# squares come out too small, on average by the factor $(n - 1) / n$. With $n = 3$ that is a third. A single seed has no deviation:
# return None for it.


# %%
def summary(values: list[float]) -> tuple[float, float | None, int]:
    """Mean, sample standard deviation (None for a single value), and how many values there are."""
    # BEGIN SOLUTION 12.3
    # 1. How many, and their mean.
    n = len(values)
    mean = sum(values) / n
    # 2. A single value says nothing about chance.
    if n == 1:
        return mean, None, n
    # 3. The squares of what is left, divided by n - 1; then the root.
    return mean, (sum((value - mean) ** 2 for value in values) / (n - 1)) ** 0.5, n
    # END SOLUTION


# %%
result_summary = check("12.3", summary)
result_summary

# %% [markdown]
# With it, differences to FedAvg at the same rounds: seed by seed, and as if the seeds had nothing to do with each other
# ($\sqrt{s_A^2 + s_B^2}$).

# %%
_, dense_spread, _ = result_summary.function(last["FedAvg"])
for name in names[1:]:
    mean, spread, n = result_summary.function([a - b for a, b in zip(last[name], last["FedAvg"], strict=True)])
    _, own_spread, _ = result_summary.function(last[name])
    loose = (float(own_spread) ** 2 + float(dense_spread) ** 2) ** 0.5
    print(
        f"{name:12} {100 * float(mean):+.1f} points, seed by seed ± {100 * float(spread):.1f}, loosely ± {100 * loose:.1f}"
    )

# %% [markdown]
# **Expected:** all three are below FedAvg, and seed by seed the noise is a little smaller. With three seeds the deviations
# themselves are rough: in a comparison of yours pairing may not help.
#
# ## The three systems, side by side
#
# This course is about three ways to prune in a federation: FedSparsify (06), adaptive dynamic pruning (07, here in the form that
# lets only salient gradients move, our reading), and device-wise pruning (08). Same data, same seeds, same rounds, each with about a
# fifth: of the weights, of the gradients, of each device's FLOPs. Is that fair? And what is "the" accuracy, if every device has a
# network of its own?

# %%
systems = {
    "FedAvg": {"strategy.name": "fedavg"},
    "FedSparsify": {"strategy.name": "fedsparsify-global", "strategy.final_sparsity": 0.8},
    "adaptive": {"strategy.name": "dynamic-salient", "strategy.keep_ratio": 0.2},
    "device-wise": {"strategy.name": "dwnp", "strategy.p_s": 0.5, "strategy.p_d": 0.2}
    | {"strategy.width": 8, "strategy.rate": 0.05},
}
three = compare(experiment, systems, seeds=(0, 1, 2))
print("fair:", result_fair.function([run.trial() for run in three]))

# %%
seen = {}
for name in systems:
    own = [run.rows for run in three if run.method == name]
    model, devices = ([rows[-1][key] for rows in own] for key in ("test_accuracy", "mean_client_accuracy"))
    up, down = (sum(row[f"{way}_bytes"] for rows in own for row in rows) / 3e6 for way in ("upload", "download"))
    flops = sum(rows[-1]["effective_flops"] / rows[-1]["dense_flops"] for rows in own) / 3
    seen[name] = [float(result_summary.function(values)[0]) for values in (model, devices)] + [up, down, flops]
    print(f"{name:12} server's model {seen[name][0]:.1%}, devices' own {seen[name][1]:.1%}; ", end="")
    print(f"{up:.1f} MB up, {down:.1f} MB down; FLOPs at the end {flops:.0%}")

# %% [markdown]
# **Expected:** by the server's model device-wise pruning is clearly last. But no device computes with that one: on its own
# network each device is about as good as with FedAvg, at a fifth of the FLOPs, and whole channels are gone, so that it can really
# leave them out (notebook 05). FedSparsify halves the bytes both ways; its fifth of the FLOPs is counted, not computed. The adaptive
# method halves the uplink and saves nothing else. Device-wise pruning saves few bytes: it was dense for half of the rounds, and its
# hypernetwork travels. A table with one column would have hidden all of this: say *which* accuracy and *which* cost.
#
# ## Your report
#
# Now do it yourself. Change whatever you like above and here: methods, sparsities, data (`data.alpha`), clients, seeds. If
# Fashion-MNIST lies in `data/`, or in the folder that `FEDLAB_DATA` names, `{"data.dataset": "fashionmnist"}` takes it. Then
# state a question, name the budget, answer, and say what you do *not* know. Here is a draft that somebody left behind, and what
# the rubric says to it:

# %%
some = [run for run in runs if run.method in ("FedAvg", "SNIP") and run.experiment.data.seed < 2]
draft = Report("SNIP is great", some, baseline="FedAvg", budget=10 * budget)
for said in missing(draft):
    print("-", said)

# %% [markdown]
# And one that is complete. It uses your `accuracy_at` and your `summary`:

# %%
report = Report(
    question="Which method is most accurate for the bytes that SNIP needs?",
    runs=runs,
    baseline="FedAvg",
    budget=budget,
    answer="SNIP: it prunes before the first round, and the others can pay for one round only.",
    limits=(
        "One data set, digits, with 4 clients, one small network, one sparsity, three seeds.",
        "FedSparsify and OneShot follow a schedule for 8 rounds. Made for this budget, it would prune earlier.",
        "No method's learning rate was tuned, and 359 test images leave 1 to 2 points of noise.",
    ),
)
report_page(report, at_budget=result_bytes.function, summarise=result_summary.function)

# %% [markdown]
# **Expected:** a page with a table and, at its end, "All points are met." The limits are not a formality: the second one says that
# this comparison is hard on FedSparsify, although the rubric calls it fair. A rubric finds what is missing, not what is wrong.
# Somebody has to think.
#
# ## Reflect
#
# - Which two sentences of your report would the author of the losing method object to? Which experiment would settle it?
# - A company pays for bytes, a hospital for time until the model is good. Which axis would each of them put below the figure?
#
# ## Recap
#
# Same data, same model, same training, same seeds; same rounds or same bytes, and say which. Mean, sample deviation, $n$.
# Differences seed by seed. All runs, not the best ones. And the limits.
#
# **1. Our method: 94.0 %, the best of five seeds. Theirs: 93.0 %, one seed. Between seeds the deviation is 1 point. Your verdict?**
#
# <details><summary>Answer</summary>
#
# None. The best of five is about 1.2 deviations above the mean by luck alone: all of the lead. Run both with the same five seeds,
# and compare seed by seed.
# </details>
#
# **2. At the same bytes the sparse method has done ten times as many rounds. Is that not unfair?**
#
# <details><summary>Answer</summary>
#
# It is another question: what a byte buys. It is fair if bytes are what is scarce, and if it is said. It hides that ten times as
# many rounds take ten times as much of the clients' computing time, unless sparse training is really faster.
# </details>
#
# **3. Why seed by seed, and not the difference of two means with their deviations?**
#
# <details><summary>Answer</summary>
#
# The mean difference is the same. Its noise is not: what a seed does to both methods (split, initial weights, test images)
# cancels in the difference.
# </details>
#
# The experiment in the dashboard; the page Compare there has the same axes:

# %%
dashboard_link(experiment)
