"""A grid of experiments: one experiment, and for some of its settings the values that each shall take.

Its cells are the product of the values, in the order in which settings and values are given; the last setting changes
fastest: {"strategy.final_sparsity": [0.5, 0.9], "federation.seed": [0, 1]} is (0.5, 0), (0.5, 1), (0.9, 0), (0.9, 1).

Where methods are compared, a setting that only some of them have is left out for the others, which get one cell instead
of several alike: {"strategy.name": ["fedavg", "random"], "strategy.final_sparsity": [0.5, 0.9]} is FedAvg once, and
random pruning twice.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fedlab_core.experiment import Experiment, SettingError
from fedlab_core.strategies import strategy_class, strategy_names

MAX_CELLS = 10_000


@dataclass(frozen=True)
class Cell:
    """One experiment of a grid.

    Attributes:
        place: which one, from 0.
        coordinates: its values of the grid's settings, as the experiment has them; without those that its method lacks.
        name: the coordinates for people, "final_sparsity=0.5 seed=1".
    """

    place: int
    coordinates: dict[str, Any]
    name: str
    experiment: Experiment = field(repr=False)


@dataclass(frozen=True)
class Grid:
    """Every combination of some settings' values. Made by `Grid.of`, which checks all of its experiments.

    Attributes:
        base: what all cells have in common.
        axes: the settings and their values, as the experiments have them: 0.5, not "0.50".
    """

    base: Experiment
    axes: dict[str, tuple[Any, ...]]

    @classmethod
    def of(cls, base: Experiment, axes: Mapping[str, Sequence[Any]]) -> Grid:
        """A grid whose every cell is an experiment that can be; values may be text.

        Raises:
            SettingError: an unknown setting, a value that is not allowed or given twice, no values, too many cells.
        """
        _check_size(axes)
        found: dict[str, dict[int, Any]] = {key: {} for key in axes}
        for places in itertools.product(*(range(len(values)) for values in axes.values())):
            changes = {key: axes[key][place] for key, place in zip(axes, places, strict=True)}
            lacked = _lacked(changes, axes)
            settings = base.replace({key: value for key, value in changes.items() if key not in lacked}).settings()
            for key, place in zip(axes, places, strict=True):
                if key not in lacked:
                    found[key][place] = settings[key]
        grid = cls(base, {key: tuple(values.values()) for key, values in found.items()})
        for key, values in grid.axes.items():
            twice = next((value for place, value in enumerate(values) if value in values[:place]), None)
            if twice is not None:
                raise SettingError(f"the grid has {key}={twice} twice; allowed is every value once")
        return grid

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, in order."""
        return tuple(self._cell(place, coordinates) for place, coordinates in enumerate(self._coordinates))

    @property
    def size(self) -> int:
        """How many cells there are."""
        return len(self._coordinates)

    @cached_property
    def _coordinates(self) -> list[dict[str, Any]]:
        distinct: dict[tuple[tuple[str, Any], ...], None] = {}
        for values in itertools.product(*self.axes.values()):
            whole = dict(zip(self.axes, values, strict=True))
            lacked = _lacked(whole, self.axes)
            distinct[tuple((key, value) for key, value in whole.items() if key not in lacked)] = None
        return [dict(coordinates) for coordinates in distinct]

    @cached_property
    def labels(self) -> dict[str, str]:
        """A short name of each setting of the grid: without its section, where that is clear."""
        short = [key.partition(".")[2] for key in self.axes]
        return {key: name if short.count(name) == 1 else key for key, name in zip(self.axes, short, strict=True)}

    def to_json(self) -> str:
        """For the store; `Grid.parse` gives the same grid."""
        axes = [[key, list(values)] for key, values in self.axes.items()]
        return json.dumps({"base": json.loads(self.base.to_json()), "axes": axes})

    @classmethod
    def parse(cls, text: str) -> Grid:
        """The inverse of `to_json`. Raises `SettingError`: the base has settings that this version does not know."""
        stored = json.loads(text)
        return cls(Experiment.parse(stored["base"]), {key: tuple(values) for key, values in stored["axes"]})

    def _cell(self, place: int, coordinates: dict[str, Any]) -> Cell:
        name = " ".join(f"{self.labels[key]}={value}" for key, value in coordinates.items())
        return Cell(place, coordinates, name, self.base.replace(coordinates))


def parse_axes(options: Sequence[str]) -> dict[str, list[str]]:
    """What a person types: ["federation.seed=0,1,2", ...]. Raises `SettingError`."""
    axes: dict[str, list[str]] = {}
    for option in options:
        key, equals, values = (part.strip() for part in option.partition("="))
        if not equals or not key:
            raise SettingError(f"--grid is {option!r}; allowed is KEY=VALUE,VALUE,..., e.g. federation.seed=0,1,2")
        if key in axes:
            raise SettingError(f"--grid has {key} twice; allowed is once, with all of its values")
        axes[key] = [value.strip() for value in values.split(",")]
    return axes


def _lacked(changes: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> set[str]:
    """The settings that the method of these changes lacks, and another method of the grid has."""
    if "strategy.name" not in axes:
        return set()
    here = _method_settings(changes["strategy.name"])
    elsewhere = {key for name in axes["strategy.name"] for key in _method_settings(name)}
    return {key for key in changes if key in elsewhere - here}


def _method_settings(name: Any) -> set[str]:
    """Flat names of a method's settings; none of an unknown one, which is refused where it is used."""
    if name not in strategy_names():
        return set()
    return {f"strategy.{field}" for field in strategy_class(name).model_fields}


def _check_size(axes: Mapping[str, Sequence[Any]]) -> None:
    """Before anything is multiplied out."""
    if not axes:
        raise SettingError("the grid has no settings; allowed is one or more, e.g. federation.seed=0,1,2")
    for key, values in axes.items():
        if not len(values):
            raise SettingError(f"{key} has no values in the grid; allowed is one or more")
    size = math.prod(map(len, axes.values()))
    if size > MAX_CELLS:
        counts = " x ".join(str(len(values)) for values in axes.values())
        raise SettingError(f"the grid has {size} runs ({counts}); allowed are at most {MAX_CELLS}")
