"""The strategy interface and its registry. Every default is a no-op, so the base class IS FedAvg."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from fedlab_core.costs.flops import BACKWARD_FACTOR, effective_flops
from fedlab_core.federation import aggregation
from fedlab_core.federation.programs import ClientProgram, LocalSettings, MaskedSGD
from fedlab_core.pruning.masks import full_masks, prunable_names
from fedlab_core.pruning.scores import Loss
from fedlab_core.types import Assignment, Buffers, Masks, Params, RoundContext, ServerState, Update

_REGISTRY: dict[str, type[Strategy]] = {}


def hyper(default: Any, *, symbol: str, help: str, fedavg: Any = None, **limits: Any) -> Any:
    """A hyper-parameter: a pydantic field that also says what a person needs to know to turn it.

    Args:
        default: a value that works.
        symbol: its symbol in the paper.
        help: one sentence: what it does and its useful range.
        fedavg: the value that turns the method into FedAvg, if there is one.
        limits: pydantic's own bounds (`ge`, `gt`, `le`, `lt`).
    """
    extra = {"symbol": symbol, "fedavg": fedavg}
    return Field(default, description=help, json_schema_extra=extra, **limits)


Cost = Literal["flops", "bytes"]
"""What can be budgeted: effective FLOPs of training, or bytes of messages."""


class Knob(NamedTuple):
    """The setting that decides what a method costs: a budget is turned into it (`fedlab_core.budgets`).

    Attributes:
        field: its name, of a number.
        saves: the costs that follow it, without ups and downs between its limits.
        learned: those that depend on what the weights learn, too: only a run knows them exactly.
        by_steps: clients choose what they send step by step, so that nothing is known without training.
        at_least: another setting that may not be below this one, and rises with it.
    """

    field: str
    saves: tuple[Cost, ...] = ("flops", "bytes")
    learned: tuple[Cost, ...] = ()
    by_steps: bool = False
    at_least: str = ""


class Strategy(BaseModel):
    """The server's side of a method, as pure functions. A subclass in this package registers itself under `name`.

    Fields made by `hyper` are the method's settings; the command line, the dashboard and the links are made from them.
    `title` and `source` are shown to people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    source: ClassVar[str] = ""
    to_look_at: ClassVar[str | None] = None
    """How names of the memory begin from which nothing is computed; a state of a run may lack them."""
    of_clients: ClassVar[tuple[str, ...]] = ()
    """How names of the memory begin that clients have learned from their data; a fork to other data starts anew."""

    clients_choose: ClassVar[bool] = False
    """Whether each client says itself which weights it sends, so that uploads of one round have unlike masks."""

    masks_as_sent: ClassVar[bool] = False
    """Whether clients upload under the very masks that they have received; the server then insists on it."""

    knob: ClassVar[Knob | None] = None
    """The setting for a budget; None where no setting decides what the method costs."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the method; a class without a name of its own is a common base and is left out."""
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__dict__.get("name"):
            _REGISTRY[cls.name] = cls

    def prepare(self, model: nn.Sequential) -> nn.Sequential:
        """The architecture that is really trained. Default: the model itself.

        Raises:
            ValueError: a model that the method can do nothing with.
        """
        return model

    def init(self, params: Params, ctx: RoundContext) -> tuple[Masks, dict[str, Any]]:
        """Masks before round 1, and the tensors that the strategy wants to remember. Default: all kept, nothing."""
        return full_masks(params, prunable_names(params)), {}

    def first_masks(self, loss: Loss, params: Params, masks: Masks, ctx: RoundContext) -> Masks | None:
        """Masks for round 1 that one client works out on one of its batches. Default: None, no client is asked.

        Where one is, it downloads the untrained model and uploads the masks, one bit a weight: the bytes of round 0.

        Args:
            loss: mean loss of the batch as a function of the weights.
            params, masks: as after `init`.
        """
        return None

    def assign(self, server: ServerState, client_id: int, ctx: RoundContext) -> Assignment:
        """What client `client_id` downloads. Default: the whole global model and its masks.

        `memory` of the assignment is what the client has kept on its own device: no download, no bytes. `update_masks`
        keeps it up to date, by what the client has uploaded.
        """
        return Assignment(client_id, server.params, server.buffers, server.masks)

    def program(self, settings: LocalSettings) -> ClientProgram:
        """What every client runs. Default: SGD under the mask."""
        return MaskedSGD(settings, slimmable=True)

    def prune_upload(self, server: ServerState, update: Update, ctx: RoundContext) -> Masks:
        """The mask under which client k uploads, computed by the client. Default: the one it trained under.

        `server` is the server as the client knows it: what it has downloaded, with extras as `state`.
        """
        return update.masks

    def aggregate(self, updates: Sequence[Update], previous: ServerState) -> Params:
        """Merge the updates. Default: the mean weighted by numbers of examples."""
        return aggregation.weighted_mean(updates)

    def aggregate_buffers(self, updates: Sequence[Update], previous: ServerState) -> Buffers:
        """Merge running statistics. Default: as FedAvg merges weights."""
        return aggregation.mean_buffers(updates)

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """Masks and memory for the next round; `server.params` are the merged ones. Default: unchanged."""
        return server.masks, server.state

    def personal(self, server: ServerState, client_id: int, ctx: RoundContext) -> Masks | None:
        """The masks under which client `client_id` uses the model after this round. Default: None, as it is."""
        return None

    def training_flops(self, masks: Masks, ctx: RoundContext) -> float:
        """FLOPs of a client's training on one example, "theoretical". Default: layers by the density of `masks`.

        Args:
            masks: what the client has received.
        """
        return BACKWARD_FACTOR * effective_flops(ctx.layer_flops, masks)

    def target_sparsity(self, ctx: RoundContext) -> float | None:
        """What the method's schedule asks for after this round; None where there is no schedule."""
        return None

    def remarks(self, num_rounds: int) -> list[str]:
        """What a person should know about these settings in a run of `num_rounds`, one sentence each."""
        return []


def _load_all() -> None:
    """Import every module of this package, so that every method is registered."""
    package = importlib.import_module("fedlab_core.strategies")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"fedlab_core.strategies.{module.name}")


def strategy_names() -> tuple[str, ...]:
    """Names of all methods."""
    _load_all()
    return tuple(sorted(_REGISTRY))


def strategy_class(name: str) -> type[Strategy]:
    """The class registered under `name`.

    Raises:
        ValueError: no such method; the message names the nearest one.
    """
    names = strategy_names()
    if name not in _REGISTRY:
        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"strategy.name is {name!r}; allowed are {', '.join(names)}{hint}")
    return _REGISTRY[name]


def make_strategy(settings: Mapping[str, Any]) -> Strategy:
    """A strategy from {"name": ..., its own settings}.

    Raises:
        ValueError: unknown name; or pydantic's ValidationError (a ValueError) for a bad setting.
    """
    fields = {key: value for key, value in settings.items() if key != "name"}
    return strategy_class(str(settings.get("name", "fedavg")))(**fields)
