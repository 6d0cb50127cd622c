"""The empty sheet: a template that is readable on any background, titles that are sentences, and empty states."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

import plotly.graph_objects as go

from fedlab_core.plots.records import X, x_axis
from fedlab_core.plots.style import RUNS, Line, theme

TRANSPARENT = "rgba(0,0,0,0)"
GRID = "rgba(128,128,128,0.25)"  # grey with alpha: visible on white and on black
TITLE_CHARACTERS = 66  # about 500 pixels

_NO_BREAK = "\N{NO-BREAK SPACE}"
_GLUED = re.compile(r"(?<=\d) (?=%|points?\b|[kMGTP]?(?:B|FLOPs)\b)|(?<=round) (?=\d)")
"""The spaces in "3.1 MB", "90 %" and "round 12": a line may not end there."""


def template(dark: bool) -> go.layout.Template:
    """Transparent background, inherited font family, grid lines with alpha; text colour by theme."""
    axis = {
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "automargin": True,
        "title": {"standoff": 8},
    }
    look = theme(dark)
    return go.layout.Template(
        layout={
            "paper_bgcolor": TRANSPARENT,
            "plot_bgcolor": TRANSPARENT,
            "font": {"color": look.ink},
            "colorway": [color for color, _, _ in RUNS],
            "hoverlabel": {"bgcolor": look.surface, "font": {"color": look.ink}},
            "xaxis": axis,
            "yaxis": axis,
        }
    )


def sheet(sentence: str, *, key: str, dark: bool, subtitle: str = "", height: int = 380) -> go.Figure:
    """A figure without traces.

    Args:
        sentence: the title, computed from the data; wrapped, for plotly clips what is too long.
        key: `uirevision`; zoom and hidden traces survive a redraw as long as it stays the same.
        dark: for a dark background.
        subtitle: what has to be known to read the figure (what a cell stands for).
        height: pixels.
    """
    title_lines = _lines(sentence, TITLE_CHARACTERS)
    subtitle_lines = _lines(subtitle, TITLE_CHARACTERS + 16)
    title = {
        "text": "<br>".join(title_lines),
        "subtitle": {"text": "<br>".join(subtitle_lines), "font": {"size": 12}},
        "font": {"size": 15},
        "x": 0,
        "y": 1,
        "yref": "container",
        "yanchor": "top",
        # plotly.js draws a title of several lines 12 pixels too high.
        "pad": {"t": 22 if len(title_lines) > 1 else 10, "l": 4},
    }
    top = 28 + 20 * len(title_lines) + 18 * len(subtitle_lines)
    legend = {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"}
    return go.Figure(
        layout={
            "template": template(dark),
            "title": title,
            "margin": {"t": top, "r": 16, "b": 40, "l": 16},
            "legend": legend,
            "uirevision": key,
            "height": height,
        }
    )


def nothing_yet(sentence: str, next_step: str, *, key: str, dark: bool) -> go.Figure:
    """The empty state: says what is missing, and in the middle what to do next."""
    figure = sheet(sentence, key=key, dark=dark)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(
        text="<br>".join(_lines(next_step, TITLE_CHARACTERS)),
        x=0.5,
        y=0.5,
        xref="paper",
        yref="paper",
        showarrow=False,
        font={"size": 14},
    )
    return figure


def no_rounds(key: str, dark: bool) -> go.Figure:
    """The empty state of every figure over rounds."""
    next_step = "Press Run, or draw the rows of simulate(experiment): the curve grows with every round."
    return nothing_yet("No round has been run yet", next_step, key=key, dark=dark)


def add_line(figure: go.Figure, name: str, xs: Sequence[float | None], ys: Sequence[float | None], line: Line) -> None:
    """One named line; a single point, which no line would show, as a marker."""
    mode = "lines" if len(xs) > 1 else "markers"
    marker = {"color": line["color"], "size": 4 + 1.5 * line["width"]}
    figure.add_scatter(name=name, x=xs, y=ys, line=line, mode=mode, marker=marker, cliponaxis=False)


def set_x(figure: go.Figure, x: X) -> None:
    """Title, ticks and range of the x axis over all lines: from zero, and no halves of rounds."""
    largest = max((at for trace in figure.data for at in trace.x if at is not None), default=0) or 1
    step = {"dtick": 1} if x == "round" and largest <= 12 else {}
    axis = x_axis(x)
    figure.update_xaxes(title_text=axis.title, tickformat=axis.tickformat, range=[0, 1.02 * largest], **step)
    figure.update_layout(hovermode="x unified")


def set_percent(figure: go.Figure, title: str, low: float = 0.0) -> None:
    """A y axis for fractions, up to 100 % and by default from zero, so that runs compare at a glance."""
    figure.update_yaxes(title_text=title, tickformat=".0%", range=[low, 1.03])


def set_from_zero(figure: go.Figure, title: str, largest: float) -> None:
    """A y axis that starts at zero: bytes, FLOPs, counts."""
    figure.update_yaxes(title_text=title, range=[0, 1.06 * largest or 1])


def _lines(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters, and of about the same length: no single word is left over."""
    glued = _GLUED.sub(_NO_BREAK, text)
    lines = textwrap.wrap(glued, width)
    while width > 1 and len(narrower := textwrap.wrap(glued, width - 1)) == len(lines):
        lines, width = narrower, width - 1
    return [line.replace(_NO_BREAK, " ") for line in lines]
