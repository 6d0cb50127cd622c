"""Figures of a vote: how many clients wanted to keep each weight (FedSparsify-Local)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from fedlab_core.plots.style import format_percent, theme
from fedlab_core.plots.theme import nothing_yet, set_from_zero, sheet

NOT_IN_THE_VOTE = -1
"""Instead of a number of votes: the weight was pruned before."""


def vote_bars(votes: ArrayLike, voters: int, needed: int, *, name: str = "", dark: bool = False) -> go.Figure:
    """How many weights got how many votes; bars from `needed` on are kept.

    Args:
        votes: of every weight, in any shape: 0 to `voters`, or -1 for a weight that was pruned before.
        voters: clients of the round.
        needed: votes that keep a weight.
        name: of the layer.
        dark: for a dark background.

    Raises:
        ValueError: more votes than voters.
    """
    cast = np.asarray(votes).ravel()
    cast = cast[cast != NOT_IN_THE_VOTE]
    if not len(cast):
        return nothing_yet("No weight was voted on", "Run fedsparsify-local for a round.", key="votes", dark=dark)
    if cast.min() < 0 or cast.max() > voters:
        raise ValueError(f"votes go from {cast.min()} to {cast.max()}; allowed is 0 to {voters}, the number of voters")
    counts = np.bincount(cast.astype(int), minlength=voters + 1)
    figure = sheet(_sentence(counts, needed, name), key="votes", dark=dark, height=320)
    look = theme(dark)
    for label, from_, to, color, pattern in (
        ("pruned", 0, needed, look.pruned, "x"),
        ("kept", needed, voters + 1, look.kept, ""),
    ):
        figure.add_bar(
            name=label,
            x=list(range(from_, to)),
            y=counts[from_:to],
            marker={"color": color, "pattern": {"shape": pattern, "bgcolor": color, "solidity": 0.2}},
            hovertemplate=f"%{{x}} of {voters} votes: %{{y:,}} weights, {label}<extra></extra>",
        )
    step = {"dtick": 1} if voters <= 20 else {}
    figure.update_xaxes(title_text=f"votes to keep, of {voters}", range=[-0.6, voters + 0.6], **step)
    set_from_zero(figure, "weights", float(counts.max()))
    return figure


def _sentence(counts: np.ndarray, needed: int, name: str) -> str:
    """Who is kept, and how many weights all clients agree on."""
    total, place = int(counts.sum()), f" of {name}" if name else ""
    kept, agreed = int(counts[needed:].sum()), int(counts[0] + counts[-1])
    return (
        f"Of {total:,} weights{place} in the vote, {kept:,} got the {needed} votes that keep them; "
        f"on {format_percent(agreed / total)} all clients agree"
    )
