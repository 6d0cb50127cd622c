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
# # 00 · Setup and tour
#
# - See that everything works on this machine.
# - Know what one *round* of federated learning is, and what travels in it.
# - Run your first experiment, twice, with exactly the same numbers.
#
# About 10 minutes. Run the cells from top to bottom (Shift+Enter). Nothing here needs the network.

# %%
from fedlab_core import Experiment, simulate
from fedlab_core.data.datasets import load_dataset
from fedlab_core.lessons import check, dashboard_link, health, my_progress
from fedlab_core.plots.curves import accuracy_curve
from fedlab_core.plots.data import image_grid
from fedlab_core.plots.records import rows
from fedlab_core.plots.rounds import round_picture

# %% [markdown]
# ## Is everything there?
#
# A cross in the table says what is missing.

# %%
health()

# %% [markdown]
# How far you have come, in all notebooks: come back to this cell whenever you like. It is stored on this machine only.

# %%
my_progress()

# %% [markdown]
# ## What is a round?
#
# Many **clients** (phones, hospitals) have data that must not leave them. One **server** wants a model that has learned
# from all of them. So the model travels, not the data. One round:
#
# 1. the server picks some clients and sends them the global model $w$;
# 2. each picked client trains it on its own data;
# 3. it returns the changed model $w_k$;
# 4. the server merges the $w_k$ into the next global model;
# 5. with pruning, the server also sets the least important weights to zero, so that the next round sends fewer bytes.

# %%
round_picture()

# %% [markdown]
# ## The data
#
# Real handwritten digits, 8 x 8 pixels, ten classes. They come with scikit-learn, so there is nothing to download.

# %%
digits = load_dataset("digits")
first = [int((digits.y_train_N == label).nonzero()[0]) for label in range(10)]
images = digits.to_images(digits.x_train_NI[first]).numpy()
image_grid(images, list(digits.class_names), columns=10, sentence="One training image of each of the ten classes")

# %% [markdown]
# ## An experiment is one object
#
# Everything that decides the numbers of a run is in an `Experiment`: data, model, rounds, strategy and seeds. It never
# changes; `replace` gives a new one. A wrong name or value is refused in a sentence: try `{"data.alfa": 1}`.

# %%
experiment = Experiment().replace({"model.name": "mlp", "data.num_clients": 10, "federation.rounds": 10})
experiment.settings()

# %% [markdown]
# ## Predict
#
# Before round 1 the model has random weights and has learned nothing. There are as many examples of one class as of any
# other. Which part of the test images does it get right? Think first, then write the function: it gets the number of
# classes, and returns the accuracy to expect, as a fraction between 0 and 1.
#
# **Exercise 00.1**


# %%
def first_accuracy(num_classes: int) -> float:
    """The accuracy to expect of a model that has learned nothing."""
    # BEGIN SOLUTION 00.1
    # 1. The model names one of the classes. How likely is it the right one?
    return 1 / num_classes
    # END SOLUTION


# %%
result = check("00.1", first_accuracy)
result

# %% [markdown]
# The check ran your function on random inputs. If a *law* is broken it says which one, on which input, what was expected
# and what came; each further failure brings a hint, three in all. `result.function` is your function once it passed, and
# ours until then, so that the notebook always goes on.
#
# ## Predict, once more
#
# How accurate will the global model be after ten rounds? Change the number, then run the next cell.

# %%
my_guess = 0.5

# %% [markdown]
# ## Your first experiment
#
# `simulate` gives one record after each round. The dotted line is your prediction; the thin ones are the accuracy on the
# clients' own test data: their mean, and the client that is worst off.

# %%
records = list(simulate(experiment))
forecast = [(0, float(result.function(digits.num_classes))), (10, my_guess)]
accuracy_curve(rows(records), predicted=forecast)

# %% [markdown]
# **Expected picture:** the black line starts near your first prediction, jumps in the first rounds, and then creeps up.
# The worst client lies below the others: one model does not serve everybody equally well.
#
# ## What travelled
#
# The same picture of a round as above, now with the numbers of the last one.

# %%
round_picture(rows(records)[-1], num_clients=experiment.data.num_clients)

# %% [markdown]
# ## Seeds
#
# Same settings and seeds: the same numbers, down to the last bit (on the same machine with as many threads). That is what
# makes it possible to say "this changed *because* I changed that". The hash below is made of every weight of the model.


# %%
def weights_hash(seed: int) -> str:
    """Two rounds under a seed, as a hash over all weights."""
    short = experiment.replace({"federation.rounds": 2, "federation.seed": seed})
    return list(simulate(short))[-1].state.sha256()[:16]


print("seed 0:", weights_hash(0))
print("seed 0:", weights_hash(0))
print("seed 1:", weights_hash(1))

# %% [markdown]
# ## Reflect
#
# - The server never saw an image. What could it still find out about a client, from $w_k$ alone?
# - Most of the gain came in the first rounds, but every round costs the same bytes. When would you stop?
#
# ## Recap
#
# A round is: send, train, return, merge (and prune). An `Experiment` says all about a run; equal experiments give equal
# numbers. An accuracy means little without the accuracy of guessing beside it.
#
# **1. What travels in a round, and what never does?**
#
# <details><summary>Answer</summary>
#
# The model travels, down and up. The clients' examples never do.
# </details>
#
# **2. A model for 100 classes is right in 2 % of the cases. Has it learned something?**
#
# <details><summary>Answer</summary>
#
# Perhaps: guessing gives 1 %. Whether 2 % is more than chance depends on the number of test examples.
# </details>
#
# **3. You change the learning rate and the seed, and accuracy rises by a point. What do you know?**
#
# <details><summary>Answer</summary>
#
# Nothing about the learning rate: the seed alone can move accuracy by a point. Change one thing at a time, and repeat with
# several seeds.
# </details>
#
# The same experiment in the dashboard:

# %%
dashboard_link(experiment)
