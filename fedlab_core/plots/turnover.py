"""How much of a mask is new in each round, for methods that drop and grow weights."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from fedlab_core.plots.style import GROWN_SINCE, PREDICTION, format_percent
from fedlab_core.plots.theme import no_rounds, sheet


def turnover_bars(
    turnover_T: Sequence[float], asked_T: Sequence[float | None] | None = None, *, dark: bool = False
) -> go.Figure:
    """Share of the kept weights that came with round t, t = 1, ..., T, and what was asked for.

    Args:
        turnover_T: in [0, 1], of the server's masks (`pruning.regrow.turnover`).
        asked_T: the share that clients exchange in round t; None where they exchange nothing.
        dark: for a dark background.

    Raises:
        ValueError: not as many rounds in both.
    """
    if not len(turnover_T):
        return no_rounds("turnover", dark)
    asked = list(asked_T or [None] * len(turnover_T))
    if len(asked) != len(turnover_T):
        raise ValueError(f"asked_T has {len(asked)} rounds; allowed is {len(turnover_T)}, as many as turnover_T")
    rounds = list(range(1, len(turnover_T) + 1))
    figure = sheet(_sentence(turnover_T, asked), key="turnover", dark=dark)
    figure.add_bar(name="new at the server", x=rounds, y=list(turnover_T), marker={"color": GROWN_SINCE}, width=0.6)
    exchanges = [(t, share) for t, share in zip(rounds, asked, strict=True) if share is not None]
    figure.add_scatter(
        name="exchanged by each client, f(t)",
        x=[t for t, _ in exchanges],
        y=[share for _, share in exchanges],
        mode="lines+markers",
        line=PREDICTION,
        marker={"size": 7, "symbol": "diamond"},
        visible=bool(exchanges),
    )
    most = max([*turnover_T, *(share for _, share in exchanges), 0.05])
    figure.update_traces(hovertemplate="round %{x}: %{y:.1%}<extra></extra>")
    figure.update_xaxes(title_text="round", tickformat="d", showgrid=False, range=[0.3, len(rounds) + 0.7])
    return figure.update_yaxes(title_text="share of the kept weights", tickformat=".0%", range=[0, 1.08 * most])


def _sentence(turnover_T: Sequence[float], asked_T: Sequence[float | None]) -> str:
    """The largest change, what was asked for then, and when the last one came."""
    changed = [t for t, share in enumerate(turnover_T, start=1) if share]
    if not changed:
        return f"The mask stays what it is in all of the {len(turnover_T)} rounds"
    most = max(changed, key=lambda t: turnover_T[t - 1])
    share, asked = turnover_T[most - 1], asked_T[most - 1]
    clients = f" (each client exchanged {format_percent(asked)})" if asked is not None else ""
    return (
        f"After round {most}, {format_percent(share)} of the kept weights are new, the most{clients}; the last change "
        f"is in round {changed[-1]}"
    )
