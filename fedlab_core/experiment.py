"""`Experiment`: the whole configuration of a run as one frozen object, with its hash, its flat form and its errors.

Command line, dashboard, notebooks and links all build this object; nothing else decides what is run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    field_serializer,
    field_validator,
)
from pydantic.fields import FieldInfo

from fedlab_core.data.datasets import canonical_name
from fedlab_core.federation.programs import LocalSettings
from fedlab_core.models import model_names
from fedlab_core.strategies import Strategy, make_strategy, strategy_class
from fedlab_core.strategies.fedavg import FedAvg


class SettingError(ValueError):
    """A setting that cannot be: one sentence that names the field, its value and what is allowed."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(_Section):
    """Which examples, and who has them."""

    dataset: str = Field(
        "digits", description="Which examples: digits, shapes and brains (3-D, ages) come with the package."
    )
    path: str = Field("", description="For data.dataset=images: a folder, tar or zip of class sub-folders.")
    partition: Literal["iid", "dirichlet", "shards", "quantity", "ranges", "feature"] = Field(
        "dirichlet", description="How examples are spread over clients."
    )
    num_clients: int = Field(20, ge=1, le=1_000_000, description="Clients in the federation, K.")
    alpha: float = Field(
        0.5,
        ge=0.001,
        le=1000,
        description="Dirichlet alpha: small = every client has few labels; 0.05 to 100.",
    )
    labels_per_client: int = Field(2, ge=1, description="For shards: different labels that each client has.")
    size_power: float = Field(
        1.35,
        ge=0,
        le=10,
        description="For quantity: client i has a share proportional to i^-power; 0 = equal.",
    )
    size_ratio: float = Field(
        1.0,
        ge=1,
        le=10,
        description="For ranges: client i has so many times fewer examples than client i-1; 1 = equal.",
    )
    overlap: float = Field(
        0.5, ge=0, le=1, description="For ranges: 0 = labels or ages of clients are apart, 1 = all alike."
    )
    rotation_degrees: float = Field(
        30.0, ge=0, le=180, description="For feature: each client's images are turned by up to this angle."
    )
    noise_std: float = Field(
        0.3, ge=0, le=5, description="For feature: each client's images get noise of up to this strength."
    )
    min_size: int = Field(1, ge=0, description="Examples that every client has at least.")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the partition.")

    @field_validator("dataset")
    @classmethod
    def _known_dataset(cls, value: str) -> str:
        return canonical_name(value)


class ModelConfig(_Section):
    """Which network."""

    name: str = Field(
        "cnn_small",
        description="cnn_small, mlp (118,282 parameters on 28 x 28), cnn6 (1,609,930), ...; for volumes brain_small.",
    )

    @field_validator("name")
    @classmethod
    def _known_model(cls, value: str) -> str:
        if value not in model_names():
            raise ValueError(f"allowed are {', '.join(model_names())}")
        return value


class FederationConfig(_Section):
    """How rounds and local training go."""

    rounds: int = Field(30, ge=1, le=100_000, description="Rounds of the run, T.")
    participation: float = Field(1.0, gt=0, le=1, description="Fraction of the clients in each round, C.")
    local_epochs: int = Field(2, ge=1, le=100, description="Passes over a client's own data in each round, E.")
    batch_size: int = Field(16, ge=1, le=4096, description="Examples of a local step, B.")
    learning_rate: float = Field(0.05, gt=0, le=10, description="Learning rate of local SGD.")
    momentum: float = Field(0.5, ge=0, lt=1, description="Momentum of local SGD; starts at zero in every round.")
    hostile: int = Field(
        0,
        ge=0,
        le=1000,
        description="For demonstrations: so many clients, the first by number, send the opposite of what they learned, "
        "ten times as large.",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of initial weights, client sampling and batches.")
    trainer: Literal["fast", "loop"] = Field(
        "fast", description="fast: all clients stacked; loop: one by one, the reference."
    )
    device: Literal["cpu", "cuda", "mps"] = Field(
        "cpu", description="Where clients are trained: the processor, or an accelerator if the machine has one."
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="In what clients compute gradients; bfloat16 is coarser, and fast on accelerators."
    )

    @property
    def local(self) -> LocalSettings:
        """The part that a client needs to know."""
        return LocalSettings(self.local_epochs, self.batch_size, self.learning_rate, self.momentum)


class Experiment(_Section):
    """Everything that decides a run's numbers. Equal experiments on the same machine give identical bytes."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    federation: FederationConfig = FederationConfig()
    strategy: SerializeAsAny[Strategy] = FedAvg()

    @field_validator("strategy", mode="before")
    @classmethod
    def _build_strategy(cls, value: Any) -> Any:
        return make_strategy(value) if isinstance(value, Mapping) else value

    @field_serializer("strategy")
    def _dump_strategy(self, strategy: Strategy) -> dict[str, Any]:
        return {"name": strategy.name, **strategy.model_dump()}

    @classmethod
    def parse(cls, nested: Mapping[str, Any]) -> Experiment:
        """From nested dictionaries, e.g. read from JSON. Raises `SettingError`."""
        try:
            return cls.model_validate(nested)
        except ValidationError as error:
            raise SettingError(_sentence(error, nested)) from None

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces. `Experiment.parse(json.loads(text))` gives the same object.

        What came later is left out where it changes nothing: experiments keep the hash that they have always had.
        """
        nested = self.model_dump(mode="json")
        if not self.federation.hostile:
            del nested["federation"]["hostile"]
        return json.dumps(nested, sort_keys=True, separators=(",", ":"))

    @cached_property
    def hash(self) -> str:
        """12 hexadecimal digits; equal experiments have equal hashes."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def settings(self) -> dict[str, Any]:
        """Flat form: {"data.alpha": 0.5, "strategy.name": "fedavg", ...}."""
        nested = self.model_dump(mode="json")
        return {f"{section}.{key}": value for section, keys in nested.items() for key, value in keys.items()}

    def to_query(self, start: Experiment | None = None) -> dict[str, str]:
        """Short flat form for links: the method, and every setting that differs from `start` with that method.

        `start.replace(query)` gives the same object; without one it is `Experiment()`.
        """
        method = {"strategy.name": self.strategy.name}
        settings = method | self.changes_from((start or Experiment()).replace(method))
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}

    def changes_from(self, other: Experiment) -> dict[str, Any]:
        """The settings of this experiment that `other` lacks or has differently."""
        theirs = other.settings()
        return {key: value for key, value in self.settings().items() if theirs.get(key) != value}

    def replace(self, settings: Mapping[str, Any]) -> Experiment:
        """This experiment with other settings, e.g. {"data.alpha": "0.1"}; text is read as a number where one is due.

        A new `strategy.name` keeps those of the old strategy's settings that the new one has too.

        Raises:
            SettingError: unknown field (with the nearest known one), or a value that is not allowed.
        """
        nested = self.model_dump(mode="json")
        if "strategy.name" in settings:
            name = settings["strategy.name"]
            known = _strategy_fields(name)
            nested["strategy"] = {k: v for k, v in nested["strategy"].items() if k in known} | {"name": name}
        self._check_known(settings, nested)
        for key, value in settings.items():
            section, _, field = key.partition(".")
            nested[section][field] = value
        if settings.get("data.path"):  # relative to now: the run may be resumed from another working folder
            nested["data"]["path"] = os.path.abspath(os.path.expanduser(str(settings["data.path"])))
        return Experiment.parse(nested)

    @staticmethod
    def _check_known(settings: Mapping[str, Any], nested: Mapping[str, Mapping[str, Any]]) -> None:
        strategy = nested["strategy"]["name"]
        known = [f"{s}.{f}" for s, fields in nested.items() if s != "strategy" for f in fields]
        known += ["strategy.name", *(f"strategy.{field}" for field in _strategy_fields(strategy))]
        for key in settings:
            if key not in known:
                near = get_close_matches(key, known, n=1, cutoff=0.3)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise SettingError(f"{key} is no setting of an experiment with strategy {strategy}{hint}")


def setting_fields(experiment: Experiment) -> Iterator[tuple[str, FieldInfo]]:
    """Every field of an experiment by its flat name, with pydantic's description and limits; for controls and help."""
    for section in ("data", "model", "federation", "strategy"):
        for name, info in type(getattr(experiment, section)).model_fields.items():
            yield f"{section}.{name}", info


def allowed(info: FieldInfo) -> str:
    """What a field accepts, in words: "allowed is a number with 0 <= value < 1", "allowed are iid, dirichlet"."""
    if get_origin(info.annotation) is Literal:
        return "allowed are " + ", ".join(str(choice) for choice in get_args(info.annotation))
    if info.annotation is bool:
        return "allowed are true and false"
    limits = {name: getattr(rule, name) for rule in info.metadata for name in _LIMITS if hasattr(rule, name)}
    low = "".join(f"{limits[name]:g} {_LIMITS[name]} " for name in ("ge", "gt") if name in limits)
    high = "".join(f" {_LIMITS[name]} {limits[name]:g}" for name in ("le", "lt") if name in limits)
    kind = {"int": "a whole number", "float": "a number"}.get(getattr(info.annotation, "__name__", ""), "text")
    return f"allowed is {kind} with {low}value{high}" if limits else f"allowed is {kind}"


_LIMITS = {"ge": "<=", "gt": "<", "le": "<=", "lt": "<"}


def _strategy_fields(name: str) -> list[str]:
    try:
        return list(strategy_class(str(name)).model_fields)
    except ValueError as error:
        raise SettingError(str(error)) from None


def _sentence(error: ValidationError, nested: Mapping[str, Any]) -> str:
    """Pydantic's first complaint about `nested` as one sentence: field, value, what is allowed."""
    first = error.errors()[0]
    path, value = ".".join(str(part) for part in first["loc"]), first["input"]
    if first["type"] == "extra_forbidden":
        return f"{path} is no setting of an experiment"
    if first["type"] == "value_error":
        text = first["msg"].removeprefix("Value error, ")
        return text if text.startswith(path) else f"{path} is {value!r}; {text}"
    section, _, name = path.partition(".")
    if not name:
        return f"{section or 'an experiment'} is {value!r}; allowed are settings by name"
    if section == "strategy":
        fields = strategy_class(nested["strategy"].get("name", FedAvg.name)).model_fields
    else:
        fields = Experiment.model_fields[section].annotation.model_fields  # type: ignore[union-attr]
    rule = allowed(fields[name]) if name in fields else first["msg"]
    return f"{path} is {value!r}; {rule}"
