"""Figures of device-wise pruning: channels are sorted, not changed, and titles are true."""

from __future__ import annotations

import numpy as np
import pytest

from fedlab_core.plots import gate_curves, share_curve, subnetworks

NAMES, KEPT = ["server", "device 0", "device 1"], [[1, 0, 1, 1, 1], [0, 0, 1, 1, 0], [1, 0, 0, 1, 0]]


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_channels_are_sorted_within_their_layer_only() -> None:
    figure = subnetworks(NAMES, KEPT, (3, 2), (0.8, 0.3, 0.4), (0.8, 0.3, 0.3))
    z, places = np.asarray(figure.data[0].z), np.asarray(figure.data[0].customdata)[0]
    assert sorted(places[:3]) == [0, 1, 2]
    assert sorted(places[3:]) == [0, 1]
    assert z[:, :3].tolist() == np.asarray(KEPT)[:, places[:3].astype(int)].tolist()
    assert (np.diff(z[:, :3].sum(0)) <= 0).all()
    assert "nobody is further than 10 points" in title(figure)


def test_every_network_needs_a_row_and_every_channel_a_column() -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 5\); allowed is \(2, 5\)"):
        subnetworks(NAMES[:2], KEPT, (3, 2), (0.8, 0.3), (0.8, 0.3))
    with pytest.raises(ValueError, match=r"allowed is \(3, 4\)"):
        subnetworks(NAMES, KEPT, (2, 2), (0.8, 0.3, 0.3), (0.8, 0.3, 0.3))


def test_titles_say_what_is_drawn() -> None:
    assert "from 10 % to 90 % within 1.76" in title(gate_curves([0.4]))
    said = title(share_curve({"soft": [1.0, 0.48], "hard": [1.0, 1.0]}, {"soft": 0.5}))
    assert said == "After 2 steps soft keeps 48 % (budget 50 %), hard keeps 100 % of the FLOPs"
