"""What the text of a notebook says is what its cells give; and no accepted answer breaks the cells after it."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from fedlab_core import Federation, simulate
from fedlab_core.rounds import initial_record, run_round
from fedlab_core.types import seeded_generator

from .cells import CLOSE, SOURCES, Names, cells, finished, finished_otherwise, notebook, percent, run, text


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=[source.stem for source in SOURCES])
def test_no_answer_that_passes_breaks_the_cells_after_it(source: Path) -> None:
    names = finished_otherwise(source)
    reports = [value for name, value in names.items() if name.startswith("result")]
    assert reports
    assert all(report.passed for report in reports)


@pytest.mark.slow
def test_the_worst_client_comes_with_its_number_of_test_images() -> None:
    names = finished(notebook("01"))
    told = re.findall(r"worst client (\d+): ([\d.]+)% \((\d+) of n = (\d+)\)", names["printed"])
    assert len(told) == 2
    for (client, share, right, n), records in zip(told, (names["mine"], names["same"]), strict=True):
        assert int(n) == len(names["data"].test_indices[int(client)])
        assert float(share) == pytest.approx(100 * int(right) / int(n), abs=0.05)
        assert float(share) == pytest.approx(100 * records[-1].worst_client_accuracy, abs=0.05)
    point = round(100 / int(told[0][3]))
    assert f"with $n = {told[0][3]}$ a single image is {point} percentage points" in text(notebook("01"))


@pytest.mark.slow
def test_the_plain_mean_helps_the_worst_client_in_about_half_of_the_splits() -> None:
    names = finished(notebook("01"))
    better = 0
    for seed in range(10):
        experiment = names["skewed"].replace({"data.seed": seed})
        strategies = (names["FedAvg"](), names["EveryClientTheSame"]())
        runs = [list(simulate(experiment.model_copy(update={"strategy": strategy}))) for strategy in strategies]
        weighted, same = (run[-1].worst_client_accuracy for run in runs)
        better += same > weighted
    # One image more or less, on another machine, may change a split or two; "about half" it stays.
    assert 3 <= better <= 7


def test_sizes_fall_by_a_power_here_and_by_a_constant_ratio_in_the_paper() -> None:
    said = text(notebook("02"))
    sizes = [int(size) for size in re.search(r"2401[\d, ]+", said)[0].split(",") if size.strip()]
    ratios = [large / small for large, small in pairwise(sizes)]
    assert len(sizes) >= 3
    assert ratios == pytest.approx([1.35] * len(ratios), abs=0.015)
    assert "each about 1.35 times smaller" in said
    names: Names = {}
    run(cells(notebook("02"))[:1], names)
    ours = Federation.of(names["Experiment"]().replace({"data.partition": "quantity", "data.num_clients": 10})).data
    shares = ours.sizes / ours.sizes.sum()
    power = torch.arange(1, 11).double() ** -1.35
    assert shares.sort(descending=True).values.tolist() == pytest.approx((power / power.sum()).tolist(), abs=0.002)
    assert "$i^{-1.35}$, a power law. The exponent 1.35 is our choice" in said


@pytest.mark.slow
def test_the_accuracy_on_turned_images_is_what_the_text_says() -> None:
    names, said = finished(notebook("02")), text(notebook("02"))
    last = names["runs"]["turned and noisy"][-1]
    for accuracy, sentence in (
        (last["test_accuracy"], r"about (\d+) % on upright, clean images"),
        (names["iid"][-1]["test_accuracy"], r"\(IID: (\d+) %\)"),
        (last["mean_client_accuracy"], r"about (\d+) % on the clients' own"),
    ):
        assert accuracy == pytest.approx(percent(sentence, said), abs=CLOSE)
    assert [row["test_accuracy"] for row in names["own"]] == [
        row["mean_client_accuracy"] for row in names["runs"]["turned and noisy"]
    ]


@pytest.mark.slow
def test_turned_images_that_are_dealt_out_anew_are_as_hard_as_the_text_says() -> None:
    names, said = finished(notebook("02")), text(notebook("02"))
    federation = Federation.of(names["turned"])
    skewed = federation.data
    draw = seeded_generator("dealt out anew")
    images, owners = {}, {}
    for kind, seen in (("train", skewed.train), ("test", skewed.test)):
        examples, labels = zip(*map(seen, range(skewed.num_clients)), strict=True)
        images |= {f"x_{kind}_NI": torch.cat(examples), f"y_{kind}_N": torch.cat(labels)}
        order = torch.randperm(len(images[f"y_{kind}_N"]), generator=draw)
        owners[f"{kind}_indices"] = list(order.tensor_split(skewed.num_clients))
    alike = replace(skewed, dataset=replace(skewed.dataset, **images), feature_skew=None, **owners)
    federation = replace(federation, data=alike)
    mean = [initial_record(federation)]
    for number in range(1, 13):
        mean.append(run_round(federation, mean[-1].state, federation.context(number)))
    for at in (4, 12):
        anew, before = mean[at].mean_client_accuracy, names["own"][at]["test_accuracy"]
        sentence = rf"{{}} % after {at} rounds instead of {{}} %"
        assert anew == pytest.approx(percent(sentence.format(r"(\d+)", r"\d+"), said), abs=CLOSE)
        assert before == pytest.approx(percent(sentence.format(r"\d+", r"(\d+)"), said), abs=CLOSE)
