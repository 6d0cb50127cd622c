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
# # 11 · Brain age and privacy
#
# - Train a federation that reads a number, an age in years, from 3-D volumes, and judge it by its mean absolute error.
# - Attack a model: tell its training examples from unseen ones, and read the attack's ROC curve where it hurts.
# - Say what leaks, the generalisation gap, and argue with the claim that sparse models leak less.
#
# About 45 minutes. The claim is by Stripelis et al. (2022, arXiv 2208.11669). Which features their attack used is not known to
# us; ours is marked as our reading.

# %%
import torch

from fedlab_core import Experiment
from fedlab_core.lessons import check, dashboard_link
from fedlab_core.lessons.attacked import ask, overfitted, rounds, trained
from fedlab_core.lessons.widgets import membership_explorer
from fedlab_core.plots.curves import accuracy_curve
from fedlab_core.plots.data import image_grid
from fedlab_core.plots.privacy import attack_against_sparsity
from fedlab_core.plots.records import rows
from fedlab_core.plots.roc import area_under, roc_beside_gap
from fedlab_core.privacy import attack_membership, auc_chance_std

# %% [markdown]
# ## Predict
#
# A model is right on 95 % of its training examples and on 60 % of unseen ones. Somebody shows you an example with its label, as
# often a training example as an unseen one, and asks: was it in the training data? You may ask the model. Your rule is simple:
# "yes" if the model is right, "no" if it is wrong. How often are *you* right? Write it down.

# %%
my_accuracy = 0.5  # change this

# %% [markdown]
# ## A number instead of a label
#
# Brain age: from a scan of the head, say how old the person is. A large error may mean a brain that ages fast. The model has one
# output $f(x)$, in years. It is trained with the squared error and judged by the **mean absolute error** over $N$ unseen people:
#
# $$\text{loss} = (f(x) - y)^2, \qquad \mathrm{MAE} = \frac{1}{N} \sum_{i=1}^N |f(x_i) - y_i| .$$
#
# Nothing else in a round changes: weights are averaged and pruned as before. Our volumes are drawn by a program, 16 x 20 x 16
# points, and are no people: with age the dark ventricles in the middle grow and the cortex gets thinner. `brain_small` is a small
# sibling of the paper's network. Two hospitals have 30 volumes each. Here are slices through the middle of some, young to old:

# %%
brains = Experiment().replace(
    {
        "data.dataset": "brains",
        "data.partition": "iid",
        "data.num_clients": 2,
        "model.name": "brain_small",
        "federation.rounds": 8,
        "federation.local_epochs": 5,
        "federation.batch_size": 2,
        "federation.learning_rate": 0.003,
        "federation.momentum": 0.9,
        "strategy.name": "fedsparsify-global",
        "strategy.final_sparsity": 0.9,
    }
)

# %%
hospitals = overfitted(brains, examples=30, noise=0)
volumes, ages = hospitals.data.train(0)
order = ages.argsort()[:: len(ages) // 7]
images = hospitals.data.dataset.to_images(volumes[order]).numpy()
image_grid(images, [f"{age:.0f} years" for age in ages[order].tolist()])

# %% [markdown]
# Who guesses the mean age for everybody is off by about 6 years. How far does a federation come with 60 volumes, while
# FedSparsify-Global prunes 90 % of the weights? (This takes some seconds.)

# %%
run = list(rounds(hospitals))
accuracy_curve(rows(run))

# %% [markdown]
# **Expected picture:** nothing happens for some rounds, for the network must first find what to look at. Then the error falls
# from about 6 to about 4 years (to almost 5 with other seeds). In a longer run of ours with 800 volumes and 8 clients the dense
# model came to 2.09 years and the one with 90 % sparsity to 2.22: one seed, see `docs/REPRODUCTION.md`.
#
# ## Who was in the training data?
#
# The volumes never leave the hospital. The model does, and everybody can ask it. **Membership inference**: given an example with
# its label, was the model trained on it (a **member**), or not? To have been in the training data of a model for a disease can
# tell that one has the disease.
#
# An attacker gives each example a score, and says "member" where it reaches a threshold. Two rates tell how good that is:
#
# $$\mathrm{TPR} = \frac{\text{members found}}{\text{members}}, \qquad \mathrm{FPR} = \frac{\text{non-members accused}}{\text{non-members}} .$$
#
# Shown members and non-members equally often, the attacker is right with probability
# $\frac{1}{2} \mathrm{TPR} + \frac{1}{2} (1 - \mathrm{FPR}) = \frac{1}{2} + \frac{1}{2} (\mathrm{TPR} - \mathrm{FPR})$. Now take your rule
# from above, "member if the model is right". Its TPR is the accuracy on training examples, its FPR that on unseen ones, so that
#
# $$\mathrm{TPR} - \mathrm{FPR} = \text{training accuracy} - \text{test accuracy} = \textbf{the generalisation gap} .$$
#
# The simplest attack of all succeeds exactly as far as the model over-fits. (Yeom et al. 2018, arXiv 1709.01604, call
# $\mathrm{TPR} - \mathrm{FPR}$ the attacker's **advantage**.)

# %%
gap = 0.95 - 0.60
print(f"you are right in {0.5 + gap / 2:.1%} of the cases; you said {my_accuracy:.1%}")

# %% [markdown]
# ## Demo: the attack and the gap
#
# 60 volumes are too few to measure an attack. So here are digits, over-fitted on purpose: five clients with 40 training examples
# each, and 30 % of all labels drawn at random, which can only be learned by heart. One model for each sparsity. The score is
# minus the loss: the surer the model is of the given label, the more it looks as if it had seen it. The still picture: dense and
# 95 % sparse.

# %%
experiment = Experiment().replace(
    {
        "data.partition": "iid",
        "data.num_clients": 5,
        "model.name": "mlp",
        "federation.rounds": 12,
        "federation.local_epochs": 5,
        "federation.batch_size": 20,
        "federation.learning_rate": 0.1,
        "strategy.name": "fedsparsify-global",
        "strategy.final_sparsity": 0.0,
    }
)
membership_explorer(experiment)

# %% [markdown]
# ## Exercise 11.1: the ROC curve
#
# The curve shows all thresholds at once: a point (FPR, TPR) for each. Write it by hand. Start with (0, 0), a threshold that
# accuses nobody; then one point for each *different* score, the highest first, accusing all who reach it. `scores` is a tensor of
# numbers, `members` one of true and false. Equal scores cannot be told apart: they are accused together.


# %%
def roc(scores: torch.Tensor, members: torch.Tensor) -> list[tuple[float, float]]:
    """(false positive rate, true positive rate) of every threshold, from (0, 0) to (1, 1)."""
    # BEGIN SOLUTION 11.1
    # 1. A threshold above all scores accuses nobody.
    points = [(0.0, 0.0)]
    # 2. Each different score is a threshold, the highest first; accused is who reaches it.
    for threshold in scores.unique().flip(0):
        accused = scores >= threshold
        # 3. The share of the non-members who are accused, and the share of the members.
        points.append((float(accused[~members].double().mean()), float(accused[members].double().mean())))
    return points
    # END SOLUTION


# %%
result_roc = check("11.1", roc)
result_roc

# %% [markdown]
# Your curve of the dense model. `trained` gives its federation and its last round; `ask` shows it 200 members and 200 others,
# and returns the loss of each. The area under the curve (**AUC**) has a meaning of its own. When the curve moves right, some
# non-member is accused, and its height is the share of the members with a higher score. So the area is the probability that a
# member has a higher score than a non-member; equal scores count one half. Guessing has 0.5.

# %%
federation, last = trained(experiment)
dense = ask(federation, last.state)
points = result_roc.function(-dense.loss_N, dense.member_N)
inside, outside = -dense.loss_N[dense.member_N], -dense.loss_N[~dense.member_N]
wins = (inside[:, None] > outside).double() + 0.5 * (inside[:, None] == outside)
print(f"area under your curve {area_under(points):.4f}, pairs that the member wins {float(wins.mean()):.4f}")
roc_beside_gap({"dense": points}, {"dense": dense.scores})

# %% [markdown]
# **Expected picture:** a curve clearly above the dashed line, and two bars of different height: the gap. Both printed numbers are
# the same.
#
# Is a better attacker far better? In the lab every client attacks every other one with a logistic regression on loss, confidence
# and rightness, learned from its own examples (our reading of Gupta et al. 2021, arXiv 2105.02866):

# %%
report = attack_membership(federation, last.state)
print(f"learned attack: AUC {report.auc:.2f}; by loss alone: {area_under(points):.2f}")

# %% [markdown]
# Hardly: nearly all there is to know is in the loss.
#
# ## Exercise 11.2: few false alarms
#
# An AUC is a mean over all thresholds. To be *sure* of a few people is worse for these few than to know a little about all
# (Carlini et al. 2022, arXiv 2112.03570). So one asks: how many members are found if at most 1 % of the non-members may be
# accused? Nothing is interpolated: the attacker has to choose one of the thresholds.


# %%
def tpr_at(scores: torch.Tensor, members: torch.Tensor, most: float) -> float:
    """The highest true positive rate of a threshold whose false positive rate is at most `most`."""
    # BEGIN SOLUTION 11.2
    # 1. Of all points of the curve, those with few enough false alarms; `result_roc.function` gives the points.
    allowed = [tpr for fpr, tpr in result_roc.function(scores, members) if fpr <= most]
    # 2. The best of them.
    return max(allowed)
    # END SOLUTION


# %%
result_low = check("11.2", tpr_at)
result_low

# %%
for most in (0.5, 0.1, 0.01):
    found = float(result_low.function(-dense.loss_N, dense.member_N, most))
    print(f"at most {most:.0%} of the non-members accused: {found:.1%} of the members found")

# %% [markdown]
# **Expected:** at 50 % far more members are found than by guessing, at 1 % hardly any: this attack suspects many and is sure of
# nobody. Mind how coarse the last number is: 1 % of 200 non-members are two people.
#
# ## Exercise 11.3: the advantage
#
# Yeom's attacker knows one number more, the mean loss on the training data, which papers often print. It says "member" where the
# loss is *at most* this mean. Write its advantage, $\mathrm{TPR} - \mathrm{FPR}$. In the exercise the mean is that of the members shown.


# %%
def advantage(losses: torch.Tensor, members: torch.Tensor) -> float:
    """TPR - FPR of the attacker who says "member" where the loss is at most the members' mean loss."""
    # BEGIN SOLUTION 11.3
    # 1. The threshold: the mean loss of the members.
    threshold = losses[members].mean()
    # 2. Who is accused?
    accused = (losses <= threshold).double()
    # 3. The share of the members who are, minus the share of the others.
    return float(accused[members].mean() - accused[~members].mean())
    # END SOLUTION


# %%
result_gap = check("11.3", advantage)
result_gap

# %% [markdown]
# Give it the loss, and give it only "right or wrong" (loss 0 or 1). With the second it accuses whoever the model is right on: by
# the derivation above, its advantage must be the gap.

# %%
wrong = 1 - dense.score_N
print(f"generalisation gap             {dense.gap:.4f}")
print(f"advantage by right or wrong    {float(result_gap.function(wrong, dense.member_N)):.4f}")
print(f"advantage by the loss          {float(result_gap.function(dense.loss_N, dense.member_N)):.4f}")

# %% [markdown]
# **Expected:** the first two are equal. The loss says more than right and wrong, so the third is another number, here a larger
# one: the gap in accuracy does not show all that leaks.
#
# ## Does sparsity protect?
#
# "Models with high sparsity are less susceptible to membership inference attacks", says the paper's abstract. The reason that is
# offered: a sparse model has less room to memorise. Measure it, with three seeds, your curve and your advantage:

# %%
measured = []
for sparsity in (0.0, 0.5, 0.9, 0.95, 0.99):
    for seed in (0, 1, 2):
        changes = {"strategy.final_sparsity": sparsity, "data.seed": seed, "federation.seed": seed}
        federation, last = trained(experiment.replace(changes))
        shown = ask(federation, last.state)
        area = area_under(result_roc.function(-shown.loss_N, shown.member_N))
        lead = float(result_gap.function(shown.loss_N, shown.member_N))
        row = {"sparsity": last.sparsity, "gap": shown.gap, "auc": {"black-box": area}, "lead": lead}
        measured.append({**row, "accuracy": shown.scores[1]})
attack_against_sparsity(measured)

# %%
for sparsity in sorted({round(row["sparsity"], 3) for row in measured}):
    same = [row for row in measured if round(row["sparsity"], 3) == sparsity]
    means = [sum(row[name] for row in same) / len(same) for name in ("lead", "gap", "accuracy")]
    print(f"{sparsity:.0%} sparse: advantage {means[0]:.2f}, gap {means[1]:.2f}, right on unseen {means[2]:.2f}")
print(f"chance moves the AUC of one model by about {auc_chance_std(200, 200):.3f} (one standard deviation)")

# %% [markdown]
# **Expected picture:** not a steady fall. Up to 50 % nothing is gained: half of the weights of a network this large are enough to
# learn 200 labels by heart. At 90 % both lines bend down together: the gap closes, and the attack gets weaker. At 95 % the
# advantage is about half of what it was, and the model is as good on unseen examples as the dense one: in this setting the
# paper's sentence holds. At 99 % even less leaks, but the model has become bad: who knows little can give away little.
#
# ## And brain age?
#
# The same attack, by $|f(x) - y|$, on the two hospitals:

# %%
shown = ask(hospitals, run[-1].state)
area = area_under(result_roc.function(-shown.loss_N, shown.member_N))
print(f"off by {shown.scores[0]:.1f} years on members, by {shown.scores[1]:.1f} on others; AUC {area:.2f}")
print(f"60 members and 60 others: chance alone moves the AUC by {auc_chance_std(60, 60):.2f}")

# %% [markdown]
# **Expected:** a gap, and an AUC within about two standard deviations of 0.5. With so few people one can neither say that the
# model leaks nor that it does not. A larger study of ours (`benchmarks/membership.py`: 8 clients with 25 volumes, 24 rounds, means of two seeds,
# a learned attack that sees error, answer and age):
#
# | sparsity | 0 % | 50 % | 80 % | 90 % | 95 % | 99 % |
# |---|---|---|---|---|---|---|
# | gap in years | 0.98 | 1.14 | 1.20 | 1.03 | 0.86 | -0.05 |
# | AUC | 0.64 | 0.68 | 0.68 | 0.64 | 0.59 | 0.49 |
#
# At 50 and 80 % the attack was *better* than on the dense model, and so was the gap larger. At 95 % it was somewhat worse. At
# 99 % the model hardly knows more than the mean age. On these volumes the sentence of the abstract holds at the far end only.
#
# ## Reflect
#
# - Somebody writes: "we prune to 50 % and so protect our patients." Which two numbers of yours do you show them?
# - What would you have to do to reject, or to confirm, the paper's sentence for a hospital's own data? Think of the number of
#   people, of seeds, and of what a non-member may differ in besides not having been in the training.
#
# ## Recap
#
# A regression changes the loss and the metric, not the rounds. A model gives away its training examples as far as it treats them
# differently from others, and the generalisation gap is the simplest measure of that. Sparsity helps where it closes the gap.
#
# **1. A model is right on 80 % of its training and on 80 % of the unseen examples. Can it leak membership?**
#
# <details><summary>Answer</summary>
#
# By right and wrong alone: no, the advantage is 0. By the loss: it may. It can be surer of the examples it has seen, though it is
# right equally often.
# </details>
#
# **2. An attack has an AUC of 0.5. Does nobody have to worry?**
#
# <details><summary>Answer</summary>
#
# It says only that a member beats a non-member half of the time, on average. The attack may still be sure of a few members: look
# at the TPR at a low FPR. And a better attack may exist.
# </details>
#
# **3. Why do equal scores have to be one point of the curve?**
#
# <details><summary>Answer</summary>
#
# A threshold accuses all of them or none. Whoever steps through them one by one gets a curve that depends on the order of the
# list: with all members listed first, a model that knows nothing would have an AUC of 1.
# </details>
#
# Brain age in the dashboard (all 800 volumes; the page Privacy attacks a finished run):

# %%
dashboard_link(brains)
