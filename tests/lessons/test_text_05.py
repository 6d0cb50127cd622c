"""Notebook 05: what its text says is what its cells give, and its arithmetic is right."""

from __future__ import annotations

import math
import re

import pytest
import torch

from fedlab_core.costs.codec import MaskMemory, encode
from fedlab_core.lessons.checks.lesson_05_bytes import coo_break_even
from fedlab_core.lessons.checks.lesson_05_flops import chain_flops

from .cells import Names, finished, notebook, text


def said() -> str:
    return text(notebook("05"))


def test_the_bits_of_a_tenth() -> None:
    d, b = 0.1, 32
    entropy = -d * math.log2(d) - (1 - d) * math.log2(1 - d)
    assert f"it is {entropy:.3f} bits" in said()
    assert f"a bitmap gives {1 + d * b:.1f} instead of 32" in said()
    assert f"best possible code {entropy + d * b:.3f}: {b / (entropy + d * b):.1f} times less" in said()


def test_the_break_even_densities() -> None:
    assert f"as {1 / 32:.1%} of the weights".replace("%", " %") in said()
    assert f"beyond {1 - 1 / 32:.1%} sparsity".replace("%", " %") in said()
    assert (coo_break_even(10**6, 32, "dense"), coo_break_even(10**6, 8, "dense")) == (0.5, 0.2)
    assert coo_break_even(1000, 8, "dense") == pytest.approx(1 / 3)
    assert coo_break_even(1000, 8, "bitmap") == 1 / 16


@pytest.mark.parametrize("elements", [256, 257, 5000, 65_536, 65_537])
def test_the_codec_breaks_even_where_the_formula_says(elements: int) -> None:
    order = torch.randperm(elements, generator=torch.Generator().manual_seed(0))
    values = {"w": torch.ones(elements)}

    def size(kept: int, form: str) -> int:
        return len(encode(values, {"w": order < kept}, MaskMemory(only=form)))

    even = coo_break_even(elements, 32, "bitmap") * elements
    assert size(int(0.95 * even), "indices") < size(int(0.95 * even), "bitmap")
    assert size(int(1.05 * even) + 1, "indices") > size(int(1.05 * even) + 1, "bitmap")


def test_the_convolutions_of_vgg_16() -> None:
    maps = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    sides = [32, 32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2]

    def macs(maps: list[int]) -> int:
        return sum(9 * a * b * side**2 for a, b, side in zip(maps, maps[1:], sides, strict=False))

    thinner = [3, *(round(0.7 * width) for width in maps[1:])]
    assert f"{macs(maps) / 1e6:.1f} million multiply-adds" in said()
    assert f"they keep {macs(thinner) / macs(maps):.3f} of them" in said()
    assert 2 * macs(maps) == chain_flops(maps, sides)


@pytest.fixture(scope="module")
def names() -> Names:
    return finished(notebook("05"))


@pytest.mark.slow
def test_the_printed_numbers(names: Names) -> None:
    printed = names["printed"]
    assert 8.5 < names["dense_length"] / len(encode(names["tensors"], names["masks"])) < 9
    by_encoding = names["message_bytes"](names["pruned"].params, names["pruned"].buffers, names["masks"]).by_encoding
    for form in ("gaps", "runs"):
        assert by_encoding[form] / by_encoding["entropy bound"] == pytest.approx(1, abs=0.01)
    assert by_encoding["indices"] > by_encoding["bitmap"] > by_encoding["gaps"]
    counted = names["network_flops"](names["federation"], names["pruned"])
    assert counted.weighted / counted.dense == pytest.approx(0.138, abs=0.001)
    assert counted.slimmed == counted.dense
    assert re.search(r"bytes [\d.]+%, FLOPs as computed 25.1% of dense", printed)


@pytest.mark.slow
def test_only_the_slimmed_network_is_faster(names: Names) -> None:
    dense, masked, slimmed = (
        times.median for times in (*list(names["scattered"].values())[:2], names["cut"]["slimmed"])
    )
    assert masked > 0.7 * dense
    assert slimmed < 0.75 * dense
