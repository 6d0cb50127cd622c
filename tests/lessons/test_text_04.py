"""What notebook 04 says is what its cells give."""

from __future__ import annotations

import math
import re

import pytest

from fedlab_core import simulate
from fedlab_core.lessons.one_network import keep, trained, untrained
from fedlab_core.pruning.masks import layer_density

from .cells import cells, finished, notebook, run, text

pytestmark = pytest.mark.slow


def test_magnitude_beats_snip_beats_random_on_the_trained_network() -> None:
    names = finished(notebook("04"))
    at = {kind: dict(points) for kind, points in names["curves"].items()}
    tenth = 1 - 0.9
    assert at["magnitude"][tenth] > 0.6
    assert at["magnitude"][tenth] > at["snip"][tenth] + 0.1
    assert at["random"][tenth] < 0.25
    assert all(points[1 - 0.995] < 0.25 for points in at.values())
    assert 0.7 < names["below"] < 0.95
    assert names["network"].accuracy() == pytest.approx(0.97, abs=0.015)


def test_the_threshold_keeps_too_many_where_weights_are_equal() -> None:
    printed = finished(notebook("04"))["printed"]
    kept = re.findall(r"asked for (\d+)% of the weights: threshold keeps ([\d.]+)%, exact ([\d.]+)%", printed)
    assert len(kept) == 3
    assert all(float(threshold) > float(asked) + 1 for asked, threshold, _ in kept)
    assert all(float(exact) == pytest.approx(float(asked), abs=0.1) for asked, _, exact in kept)
    assert float(kept[0][1]) == 100


def test_snips_mask_comes_in_rows() -> None:
    network = finished(notebook("04"))["network"]
    spread = {
        kind: float(keep(network.scores(kind), 0.9, "global")["fc1.weight"].float().mean(1).std())
        for kind in ("magnitude", "snip")
    }
    assert spread["snip"] > 1.5 * spread["magnitude"]


def test_gradual_is_first_and_random_last_in_every_seed_that_was_tried() -> None:
    names = finished(notebook("04"))
    ends = [{name: run[-1]["test_accuracy"] for name, run in names["runs"].items()}]
    for seed in (1, 2):
        ends.append({name: _end(names["base"], strategy, 0.99, seed) for name, strategy in names["ways"].items()})
    for accuracy in ends:
        assert max(accuracy, key=accuracy.__getitem__) == "gradual"
        assert min(accuracy, key=accuracy.__getitem__) == "random"
    assert len({accuracy["one-shot"] > accuracy["SNIP, untrained"] for accuracy in ends}) == 2
    level = [_end(names["base"], strategy, 0.95, 0) for strategy in ("fedsparsify-global", "one-shot")]
    assert level[0] == pytest.approx(level[1], abs=0.02)


def _end(base, strategy: str, sparsity: float, seed: int) -> float:
    settings = {"strategy.name": strategy, "strategy.final_sparsity": sparsity, "federation.seed": seed}
    *_, last = simulate(base.replace(settings))
    return last.test_accuracy


def test_erk_is_ahead_of_global_in_every_training_that_was_tried() -> None:
    names = finished(notebook("04"))
    assert "second layer is empty" in text(notebook("04"))
    assert max(names["after"][0.05].values()) - min(names["after"][0.05].values()) < 0.03
    found = [names["after"]]
    for seed in (1, 2):
        network = trained(names["experiment"].replace({"federation.rounds": 6, "federation.seed": seed}))
        mine = {**names, "network": network}
        part = [cell for cell in cells(notebook("04")) if "x_all" in cell or "def tuned" in cell]
        mine = run(part, mine)
        scores = network.scores("magnitude")
        found.append(
            {d: {k: mine["tuned"](keep(scores, 1 - d, s)) for k, s in _SHARES.items()} for d in (0.005, 0.002)}
        )
    for after in found:
        assert all(after[d]["ERK"] > after[d]["global"] for d in (0.005, 0.002))
        assert after[0.002]["global"] < 0.15
        assert max(after[0.005].values()) < 0.7


_SHARES = {"global": "global", "ERK": "erk"}


def test_magnitude_empties_a_layer_before_training_and_snip_does_not() -> None:
    fresh = untrained(finished(notebook("04"))["experiment"])
    density = {kind: layer_density(keep(fresh.scores(kind), 0.99, "global")) for kind in ("magnitude", "snip")}
    assert density["magnitude"]["fc2.weight"] == 0
    assert min(density["snip"].values()) > 0
    ranges = {name: math.sqrt(6 / sum(weight.shape)) for name, weight in fresh.weights.items()}
    for name, weight in fresh.weights.items():
        assert float(weight.abs().max()) == pytest.approx(ranges[name], rel=0.02)
    assert sorted(ranges, key=ranges.__getitem__) == ["fc2.weight", "fc1.weight", "fc3.weight"]
