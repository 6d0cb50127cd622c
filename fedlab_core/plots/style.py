"""One visual language: what each colour and mark means, and how numbers are written for people.

Colours are Okabe and Ito's (2008), which colour-blind readers tell apart; each meaning also has a dash, a width or a
marker, so that colour is never alone. What would vanish on one background (black lines, dark blue) is in `Theme`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fedlab_core.metrics import MAE, Metric

ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
BLUISH_GREEN = "#009E73"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
REDDISH_PURPLE = "#CC79A7"

Line = dict[str, Any]
"""A plotly line: colour, dash, width."""

UPLINK: Line = {"color": ORANGE, "dash": "dash", "width": 2.5}
DOWNLINK: Line = {"color": SKY_BLUE, "dash": "solid", "width": 2.5}
WORST_CLIENT: Line = {"color": VERMILLION, "dash": "dash", "width": 1.3}
PREDICTION: Line = {"color": REDDISH_PURPLE, "dash": "dot", "width": 2.5}

PRUNED_SINCE, PRUNED_SINCE_MARK = VERMILLION, "x"
GROWN_SINCE, GROWN_SINCE_MARK = BLUISH_GREEN, "cross"  # plotly calls a plus "cross"

SOLID_MARKER = {"opacity": 1, "line": {"width": 0}}
"""Markers of several sizes are bubbles to plotly: pale and outlined, unless told otherwise."""

RUNS = (
    (BLUE, "solid", "circle"),
    (REDDISH_PURPLE, "dash", "square"),
    (BLUISH_GREEN, "dashdot", "diamond"),
    (ORANGE, "longdash", "triangle-up"),
    (SKY_BLUE, "dot", "triangle-down"),
    (VERMILLION, "longdashdot", "star"),
)
"""Colour, dash and marker of the runs of a comparison, in order; they repeat after the last."""

CIVIDIS = ("#00224E", "#123570", "#3B496C", "#575D6D", "#707173", "#8A8678", "#A59C74", "#C3B369", "#E1CC55", "#FEE838")
"""The scale of every heatmap: evenly lighter, and the same to colour-blind readers."""


@dataclass(frozen=True)
class Theme:
    """The colours that depend on the background. `ink`: text and global model; `surface`: what lies behind a label."""

    ink: str
    surface: str
    kept: str
    pruned: str
    gray: str

    @property
    def no_or_yes(self) -> list[tuple[float, str]]:
        """The scale of a heatmap of 0 and 1: as pruned and kept."""
        return [(0, self.pruned), (0.5, self.pruned), (0.5, self.kept), (1, self.kept)]

    @property
    def global_model(self) -> Line:
        return {"color": self.ink, "dash": "solid", "width": 3.5}

    @property
    def mean_client(self) -> Line:
        return {"color": self.ink, "dash": "solid", "width": 1.2}

    @property
    def magnitudes(self) -> tuple[str, ...]:
        """The scale of kept weights, without the end that could be mistaken for `pruned`."""
        return CIVIDIS[4:] if self == DARK else CIVIDIS

    @property
    def reference(self) -> Line:
        """What a dense model would cost, or what a schedule asks for."""
        return {"color": self.gray, "dash": "longdash", "width": 1.5}


LIGHT = Theme(ink="#1A1A1A", surface="#FFFFFF", kept="#0B3C6F", pruned="#D9DCE0", gray="#76797E")
DARK = Theme(ink="#F2F2F2", surface="#262730", kept="#6EA8FF", pruned="#343A43", gray="#9AA0A8")


def theme(dark: bool) -> Theme:
    """The variant for a dark or a light background."""
    return DARK if dark else LIGHT


def run_style(index: int) -> tuple[Line, dict[str, Any]]:
    """Line and marker of the `index`-th compared run."""
    color, dash, symbol = RUNS[index % len(RUNS)]
    return {"color": color, "dash": dash, "width": 2}, {"color": color, "symbol": symbol, "size": 7}


def faint(color: str) -> str:
    """A colour of this file at a fifth of its strength, for bands: "#0072B2" -> "rgba(0,114,178,0.2)"."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.2)"


def format_bytes(count: float) -> str:
    """1_300_000 -> '1.3 MB' (1 MB is 10^6 bytes)."""
    return _scaled(count, ("B", "kB", "MB", "GB", "TB"))


def format_flops(count: float) -> str:
    """2_500_000_000 -> '2.5 GFLOPs'."""
    return _scaled(count, ("FLOPs", "kFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs"))


def format_percent(fraction: float) -> str:
    """0.924 -> '92.4 %'. A second decimal appears where one would round to a false 0 or 100."""
    percent = 100 * fraction
    digits = 1 if 0.05 <= percent < 99.95 or percent in (0, 100) else 2
    return f"{_trimmed(percent, digits)} %"


def format_score(metric: Metric, value: float) -> str:
    """An accuracy as '92.4 %', an error as '3.42 years'."""
    return f"{_trimmed(value, 2)} years" if metric is MAE else format_percent(value)


def format_gap(metric: Metric, difference: float) -> str:
    """How far apart two values of a metric are: '0.4 points', or '0.21 years'."""
    if metric is not MAE:
        return format_points(difference)
    years = _trimmed(abs(difference), 2)
    return f"{years} year{'' if years == '1' else 's'}"


def format_points(difference: float) -> str:
    """A difference of two fractions: 0.004 -> '0.4 points' (percentage points)."""
    text = _trimmed(100 * abs(difference), 1)
    return f"{text} point{'' if text == '1' else 's'}"


def byte_unit(largest: float) -> tuple[float, str]:
    """Divisor and name of the unit in which an axis up to `largest` bytes reads well."""
    exponent = next((i for i in range(4) if largest < 1000 ** (i + 1)), 4)
    return 1000.0**exponent, ("B", "kB", "MB", "GB", "TB")[exponent]


def _scaled(count: float, units: tuple[str, ...]) -> str:
    place = 0
    while round(abs(count)) >= 1000 and place < len(units) - 1:
        count, place = count / 1000, place + 1
    return f"{_trimmed(count, 1 if abs(count) < 99.95 else 0)} {units[place]}"


def _trimmed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
