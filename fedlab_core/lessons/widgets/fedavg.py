"""Notebook 01: run FedAvg round by round, and see what K, C and E do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.widgets.explorer import Explorer, slider
from fedlab_core.plots.curves import accuracy_curve
from fedlab_core.plots.records import Row, rows
from fedlab_core.simulation import simulate
from fedlab_core.types import RoundRecord

STILL_ROUNDS, STILL_EPOCHS = 6, (1, 4)


def fedavg_explorer(base: Experiment) -> Explorer:
    """Sliders for K clients, the fraction C that takes part and E local epochs; a button for the next round.

    Args:
        base: everything else. Changing a slider starts anew; the run before stays as a thin line to compare with.
    """
    session = _Session(base)
    federation = base.federation
    controls = {
        "clients": slider("clients K", base.data.num_clients, 2, 30),
        "participation": slider("participation C", federation.participation, 0.1, 1, 0.1),
        "epochs": slider("local epochs E", federation.local_epochs, 1, 10),
    }
    buttons = {"Next round": lambda: session.step(1), "Five more": lambda: session.step(5)}
    return Explorer(session.draw, controls, buttons=buttons, still=lambda: _still(base))


class _Session:
    """The run that is under way, and the one before it."""

    def __init__(self, base: Experiment) -> None:
        self.base = base
        self.name = ""
        self.before: dict[str, Sequence[Row]] = {}
        self.run: Iterator[RoundRecord] = iter(())
        self.records: list[RoundRecord] = []

    def step(self, rounds: int) -> None:
        """Go on for so many rounds, or to the end of the run."""
        self.records += [record for _, record in zip(range(rounds), self.run, strict=False)]

    def draw(self, clients: int, participation: float, epochs: int) -> tuple[go.Figure, str]:
        """The run so far; a new one, with its first round, if the settings are new."""
        name = f"K = {clients}, C = {participation:g}, E = {epochs}"
        if name != self.name:
            self._begin(name, _settings(clients, participation, epochs))
        last = self.records[-1]
        who = ", ".join(map(str, last.clients))
        text = f"{name}. Round {last.round} of {self.base.federation.rounds}: clients {who} trained."
        return accuracy_curve(rows(self.records), compare=self.before), text

    def _begin(self, name: str, settings: Mapping[str, Any]) -> None:
        run = simulate(self.base.replace(settings))
        records = [next(run), next(run)]  # raises before anything is given up if the settings cannot be
        if self.records:
            self.before = {self.name: rows(self.records)}
        self.name, self.run, self.records = name, run, records


def _settings(clients: int, participation: float, epochs: int) -> dict[str, Any]:
    return {
        "data.num_clients": clients,
        "federation.participation": participation,
        "federation.local_epochs": epochs,
    }


def _still(base: Experiment) -> go.Figure:
    """Few and many local epochs, over the same number of rounds."""
    few, many = (
        rows(simulate(base.replace({"federation.local_epochs": epochs, "federation.rounds": STILL_ROUNDS})))
        for epochs in STILL_EPOCHS
    )
    figure = accuracy_curve(few, compare={f"E = {STILL_EPOCHS[1]}": many})
    for trace in figure.data:
        trace.name = f"E = {STILL_EPOCHS[0]}" if trace.name == "global model" else trace.name
    return figure
