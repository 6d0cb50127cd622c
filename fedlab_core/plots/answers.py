"""What a model answers: which label instead of which, or by how many years it is off at which age.

C classes, N examples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from fedlab_core.plots.style import CIVIDIS, format_percent, theme
from fedlab_core.plots.theme import nothing_yet, sheet

WRITTEN = 12
"""Up to so many classes there is room for a number in every cell."""


def confusion_heatmap(
    counts_CC: ArrayLike, class_names: Sequence[str], *, who: str = "All clients", dark: bool = False
) -> go.Figure:
    """Right label (down) against answer (across): how often, shaded by the share of the right label's examples.

    Args:
        counts_CC: examples by right label and answer, whole numbers.
        class_names: of the C classes.
        who: whose test examples these are, to begin the sentence.
        dark: for a dark background.

    Raises:
        ValueError: not one row and one column a class name.
    """
    counts = np.asarray(counts_CC)
    size = len(class_names)
    if counts.shape != (size, size):
        raise ValueError(f"counts_CC has shape {counts.shape}; allowed is {(size, size)}, one a class name")
    if not counts.sum():
        step = "Choose another client: this one has no test examples."
        return nothing_yet("Nothing has been tested", step, key="confusion", dark=dark)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = sheet(_confusion_sentence(counts, class_names, who), key="confusion", dark=dark, height=460)
    bar = {"title": {"text": "of the<br>label"}, "tickformat": ".0%"}
    figure.add_heatmap(
        z=share, x=list(class_names), y=list(class_names), colorscale=CIVIDIS, zmin=0, zmax=1, colorbar=bar
    )
    hover = "%{y}, answered %{x}: %{customdata} examples, %{z:.0%} of the label<extra></extra>"
    figure.update_traces(customdata=counts, hovertemplate=hover)
    if size <= WRITTEN:
        figure.update_traces(text=np.where(counts > 0, counts.astype(str), ""), texttemplate="%{text}")
    figure.update_xaxes(title_text="answer", showgrid=False, type="category")
    return figure.update_yaxes(title_text="right label", showgrid=False, type="category", autorange="reversed")


def error_by_age(ages_N: ArrayLike, guesses_N: ArrayLike, *, who: str = "All clients", dark: bool = False) -> go.Figure:
    """How far off each guess is, in years, against the age: above zero, the model makes people older.

    Args:
        ages_N: what is right, in years.
        guesses_N: what the model says.
        who: whose test examples these are, to begin the sentence.
        dark: for a dark background.
    """
    ages, guesses = np.asarray(ages_N, dtype=float), np.asarray(guesses_N, dtype=float)
    if not len(ages):
        step = "Choose another client: this one has no test examples."
        return nothing_yet("Nothing has been tested", step, key="errors", dark=dark)
    errors, look = guesses - ages, theme(dark)
    figure = sheet(_age_sentence(ages, errors, who), key="errors", dark=dark, height=460)
    figure.add_scatter(
        name="test example",
        x=ages,
        y=errors,
        mode="markers",
        marker={"color": look.kept, "size": 7, "symbol": "circle-open", "line": {"width": 1.5}},
        customdata=guesses,
        hovertemplate="%{x:.0f} years, guessed %{customdata:.1f}: off by %{y:+.1f}<extra></extra>",
    )
    figure.add_hline(y=0, line=look.reference, annotation={"text": "right", "bgcolor": look.surface})
    figure.update_xaxes(title_text="age, years", showgrid=False)
    figure.update_yaxes(title_text="guess minus age, years")
    return figure.update_layout(showlegend=False)


def _confusion_sentence(counts: np.ndarray, names: Sequence[str], who: str) -> str:
    right = int(np.trace(counts))
    said = f"{who}: {right:,} of {int(counts.sum()):,} test examples are classed rightly"
    wrong = counts - np.diag(np.diag(counts))
    if not wrong.any():
        return said
    label, answer = np.unravel_index(wrong.argmax(), wrong.shape)
    times = int(wrong[label, answer])
    share = format_percent(times / int(counts[label].sum()))
    return f"{said}; most often {names[label]} is taken for {names[answer]}: {times} times, {share} of that label"


def _age_sentence(ages: np.ndarray, errors: np.ndarray, who: str) -> str:
    """The mean error, and which way it goes below and above the median age."""
    said = f"{who}: guesses are off by {np.abs(errors).mean():.2f} years on average"
    middle = float(np.median(ages))
    young, old = errors[ages < middle], errors[ages >= middle]
    if not len(young) or not len(old):
        return said
    return (
        f"{said}; below {middle:.0f} years they are {_side(float(young.mean()))}, from there on "
        f"{_side(float(old.mean()))}"
    )


def _side(error: float) -> str:
    return f"{abs(error):.1f} years too {'old' if error > 0 else 'young'}"
