"""What is looked at in a stored state: overlaps of what is open, sub-networks of devices."""

import torch

from fedlab_core.lab import Federation
from fedlab_core.measures import device_masks, open_overlap
from fedlab_core.runs.recipes import recipe

SHORT = {"federation.rounds": 1, "data.num_clients": 3, "strategy.prune_after": 0.5}


def test_open_channels_overlap_as_intersection_over_union_where_shares_are_0_or_1() -> None:
    frequency_KC = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]])
    overlap_KK = open_overlap(frequency_KC)
    assert overlap_KK[0, 1] == 0.5
    assert overlap_KK[0, 2] == 1 / 2.5
    assert overlap_KK.diagonal().tolist() == [1, 1, 1, 1]
    assert overlap_KK[0, 3] == 0


def test_devices_have_sub_networks_once_channels_are_fixed() -> None:
    federation = Federation.of(recipe("dwnp-digits").replace(SHORT))
    server = federation.initial_state()
    assert device_masks(federation, server, 0) == []
    channels = server.state["channels"].clone()
    channels[2, :5] = 0
    server.state["channels"] = channels
    masks = device_masks(federation, server, 1, most=2)
    assert len(masks) == 2
    assert all(mask.all() for mask in masks[0].values())
    assert int((~masks[1]["conv1.weight"]).flatten(1).all(1).sum()) == 5
