"""The figure of a vote."""

import pytest
import torch

from fedlab_core.plots import vote_bars

VOTES = torch.tensor([[-1, 0, 2, 3], [3, 1, 3, -1]])


def test_bars_count_weights_by_votes_and_show_who_is_kept() -> None:
    figure = vote_bars(VOTES, voters=3, needed=2, name="fc")
    pruned, kept = figure.data
    assert (list(pruned.x), list(pruned.y)) == ([0, 1], [1, 1])
    assert (list(kept.x), list(kept.y)) == ([2, 3], [1, 3])
    assert "Of 6 weights of fc in the vote, 4 got the 2 votes that keep them" in figure.layout.title.text.replace(
        "<br>", " "
    )


def test_the_floor_rule_of_one_voter_keeps_everything() -> None:
    assert [list(bar.y) for bar in vote_bars([0, 1], voters=1, needed=0).data] == [[], [1, 1]]


def test_more_votes_than_voters_are_refused() -> None:
    with pytest.raises(ValueError, match="votes go from 0 to 3; allowed is 0 to 2"):
        vote_bars(VOTES, voters=2, needed=2)
