"""What all explorers share: controls above a figure that follows them, a line of text, and a still picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go
from IPython.display import Markdown, display

from fedlab_core.data.partition import PartitionError
from fedlab_core.experiment import SettingError
from fedlab_core.plots.theme import nothing_yet

Draw = Callable[..., tuple[go.Figure, str]]
"""From the controls' values, by name, to a figure and a line of text below it."""


class Explorer:
    """A figure with controls. In a notebook, name it in the last line of a cell.

    Attributes:
        controls: by name; changing a `value` redraws the figure.
        figure: what the controls show now.
        text: the line below it.
    """

    def __init__(
        self,
        draw: Draw,
        controls: Mapping[str, widgets.ValueWidget],
        *,
        still: Callable[[], go.Figure],
        shows: Callable[..., Sequence[str]] | None = None,
        buttons: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        """Draw for the first time.

        Args:
            draw: called with the value of each control; a setting that cannot be becomes a figure that says why.
            controls: sliders and choices; see `slider`, `choice`, `steps`.
            still: the picture that stays in a saved notebook; a contrast that is worth seeing without any slider.
            shows: which controls matter for the present values; the others are hidden. By default all are shown.
            buttons: caption -> what to do before the figure is drawn again.
        """
        self.controls: dict[str, Any] = dict(controls)
        self._draw, self._still, self._shows = draw, still, shows
        self.buttons = {caption: widgets.Button(description=caption) for caption in buttons or {}}
        for caption, action in (buttons or {}).items():
            self.buttons[caption].on_click(lambda _, action=action: self._act(action))
        self.figure, self._label = go.FigureWidget(), widgets.Label()
        # No button of the figure leads out of this machine.
        self.figure._config = {**self.figure._config, "displaylogo": False, "showSendToCloud": False}
        self.redraw()
        for control in self.controls.values():
            control.observe(self.redraw, names="value")

    @property
    def text(self) -> str:
        """The line below the figure."""
        return str(self._label.value)

    def redraw(self, _: Any = None) -> None:
        """Bring the figure in line with the controls; called whenever one of them changes."""
        values = {name: control.value for name, control in self.controls.items()}
        shown = self._shows(**values) if self._shows else list(values)
        for name, control in self.controls.items():
            control.layout.display = None if name in shown else "none"
        try:
            figure, text = self._draw(**values)
        except (PartitionError, SettingError) as error:
            figure, text = nothing_yet("These settings do not go together", str(error), key="refused", dark=False), ""
        with self.figure.batch_update():
            self.figure.data = ()
            self.figure.add_traces(figure.data)
            self.figure.layout = figure.layout
        self._label.value = text

    def _act(self, action: Callable[[], None]) -> None:
        action()
        self.redraw()

    def _ipython_display_(self) -> None:
        rows = widgets.HBox([*self.controls.values(), *self.buttons.values()], layout={"flex_flow": "row wrap"})
        display(widgets.VBox([rows, self.figure, self._label]))
        display(Markdown("*Still picture. Sliders live as long as their kernel: run the cell again for new ones.*"))
        display(self._still())


def slider(name: str, value: float, low: float, high: float, step: float = 1) -> widgets.ValueWidget:
    """A slider that covers `value`, too; it acts when it is let go, for a redraw may take half a second."""
    low, high = min(low, value), max(high, value)
    whole = all(float(number).is_integer() for number in (value, low, high, step))
    kind = widgets.IntSlider if whole else widgets.FloatSlider
    return kind(value=value, min=low, max=high, step=step, description=name, **_LOOK)


def steps(name: str, value: float, values: Sequence[float]) -> widgets.ValueWidget:
    """A slider over given values and `value`, for logarithmic scales."""
    options = [(f"{option:g}", option) for option in sorted({*values, value})]
    return widgets.SelectionSlider(options=options, value=value, description=name, **_LOOK)


def choice(name: str, values: Mapping[str, str]) -> widgets.ValueWidget:
    """One of several named values; the first at the start."""
    return widgets.Dropdown(options=list(values.items()), description=name, style=_LOOK["style"])


_LOOK: dict[str, Any] = {"continuous_update": False, "style": {"description_width": "initial"}}
