"""What pictures of a round are made of: boxes, labels, arrows, and sixteen weights as a small mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fedlab_core.plots.style import SOLID_MARKER, Line, theme

Part = dict[str, Any]
"""A plotly shape, annotation or trace."""


def box(x0: float, y0: float, x1: float, y1: float, line: Line) -> Part:
    """A rectangle."""
    return {"type": "rect", "x0": x0, "y0": y0, "x1": x1, "y1": y1, "line": line}


def label(x: float, y: float, text: str, anchor: str = "center", size: int = 12) -> Part:
    """Text at a place."""
    look = {"showarrow": False, "font": {"size": size}}
    return {"x": x, "y": y, "text": text, "xanchor": anchor, "align": anchor, **look}


def arrow(name: str, xs: Sequence[float], ys: Sequence[float], line: Line, in_legend: bool) -> Part:
    """A trace from one point to another with a head at its end."""
    head = {"symbol": "arrow", "size": [0, 13], "angleref": "previous", **SOLID_MARKER}
    return {
        **{"type": "scatter", "mode": "lines+markers", "name": name, "x": xs, "y": ys, "line": line},
        **{"marker": {**head, "color": line["color"]}, "hoverinfo": "skip", "showlegend": in_legend},
    }


def mask_cells(sparsity: float, left: float, bottom: float, dark: bool) -> list[Part]:
    """Sixteen weights; as many are pruned as the model is sparse, but one is left while any is."""
    look = theme(dark)
    pruned = min(round(16 * sparsity), 15 if sparsity < 1 else 16)
    cells = []
    for cell in range(16):
        # 7 and 16 have no common divisor: the pruned cells are spread, and their share is the sparsity.
        color = look.pruned if 7 * cell % 16 < pruned else look.kept
        x, y = left + 0.26 * (cell % 4), bottom + 0.25 * (cell // 4)
        cells.append({**box(x, y, x + 0.24, y + 0.23, {"width": 0}), "fillcolor": color})
    return cells
