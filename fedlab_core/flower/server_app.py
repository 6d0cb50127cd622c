"""The server's side: it carries out a run of the run store, with Flower's nodes as clients.

    flwr run . SUPERLINK --run-config 'recipe="fedsparsify-digits" set="data.alpha=0.1 federation.rounds=10" nodes=4'

The run is stored, round by round, where this process runs: dashboard and command line show it like any other, may pause
and stop it, and a run that was interrupted goes on with run="ID".
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from fedlab_core.data.federated import FederatedData
from fedlab_core.data.pixels import DataError
from fedlab_core.experiment import Experiment, SettingError
from fedlab_core.federation.trainer import no_step_hook
from fedlab_core.flower.nodes import Roll
from fedlab_core.flower.strategy import PruningStrategy
from fedlab_core.lab import Federation
from fedlab_core.runs.execute import execute_claimed
from fedlab_core.runs.info import Where
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunStore

app = ServerApp()


class Settings(BaseModel):
    """The run config of the Flower app; its defaults stand in pyproject.toml, too.

    Attributes:
        recipe: a named experiment; `set` changes it: key=value pairs apart by spaces.
        run: instead of a recipe, the id of a stored run that is to be carried out or to go on.
        store: the file of runs on the server's machine; default: as everywhere.
        nodes: how many nodes are waited for before the first round.
        deadline_s: a round waits so long for its nodes.
        connect_s: so long nodes may take to connect before the first round.
        holder: the number of the process that has the run now and wants it carried out.
    """

    model_config = ConfigDict(extra="forbid")

    recipe: str = "fedsparsify-digits"
    set: str = ""
    run: str = ""
    store: str = ""
    nodes: int = Field(2, ge=1, le=1000)
    deadline_s: float = Field(120.0, gt=0)
    connect_s: float = Field(120.0, gt=0)
    holder: int = 0

    def changes(self) -> dict[str, str]:
        """What `set` says."""
        pairs = [pair.partition("=") for pair in shlex.split(self.set)]
        bad = next((key for key, equals, _ in pairs if not equals), None)
        if bad is not None:
            raise SettingError(f"set has {bad!r}; allowed are key=value pairs, for example data.alpha=0.1")
        return {key: value for key, _, value in pairs}


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Carry out a run."""
    settings = Settings.model_validate(dict(context.run_config))
    with RunStore(settings.store or None) as store:
        run_id = settings.run or _new_run(store, settings)
        store.claim(run_id, from_pid=settings.holder or None)
        print(f"run {run_id} in {store.path}", flush=True)
        carry_out(store, run_id, grid, settings)


def _new_run(store: RunStore, settings: Settings) -> str:
    experiment = recipe(settings.recipe).replace(settings.changes())
    where = Where(nodes=settings.nodes, deadline_s=settings.deadline_s)
    machine = {"where": where.model_dump()}
    return store.create(experiment, name=settings.recipe, status="interrupted", machine=machine)


def carry_out(store: RunStore, run_id: str, grid: Grid, settings: Settings) -> None:
    """What is left of a claimed run, with the nodes of `grid`."""
    experiment, roll = store.get(run_id).experiment, Roll()
    try:
        roll.wait(grid, settings.nodes, settings.connect_s, no_step_hook)
        federation = federation_of(experiment, roll)
        server = federation.initial_state()
    except Exception as error:
        store.leave(run_id, "failed", str(error))
        raise
    strategy = PruningStrategy(federation, server, settings.deadline_s, roll)
    execute_claimed(store, run_id, federation=federation, one_round=partial(strategy.one_round, grid))


def federation_of(experiment: Experiment, roll: Roll) -> Federation:
    """The server's view: what the nodes have said of their own images, or the partitions of the experiment.

    With images of their own, the server knows how many each node has, and tests on its own data set.

    Raises:
        SettingError: nodes that do not fit together or to the experiment.
    """
    nodes = roll.nodes
    own = {partition: node for partition, node in nodes.items() if node.examples}
    if not own:
        return Federation.of(experiment)
    if len(own) < len(nodes):
        raise SettingError(f"{len(own)} of {len(nodes)} nodes have images of their own; allowed are all or none")
    if experiment.data.dataset != "images":
        raise SettingError(f"data.dataset is {experiment.data.dataset!r}; nodes with their own images need images")
    built = Federation.of(experiment)
    clients = experiment.data.num_clients
    for partition, node in own.items():
        if node.of != clients:
            raise SettingError(f"data.num_clients is {clients}; a node says that there are {node.of}")
        if node.shape != built.data.dataset.input_shape:
            raise SettingError(
                f"images of node {partition} are {node.shape}, those of the server are {built.data.dataset.input_shape}"
            )
    sizes = [own[k].examples if k in own else 0 for k in range(clients)]
    nothing = [torch.arange(0)] * clients
    return Federation.on(DistantData(built.data.dataset, nothing, nothing, counts=tuple(sizes)), experiment)


@dataclass(frozen=True)
class DistantData(FederatedData):
    """Examples that are at the nodes: the server knows how many each has, `counts`, and has its own test set."""

    counts: tuple[int, ...] = ()

    @cached_property
    def sizes(self) -> Tensor:
        """[K]: training examples of each client."""
        return torch.tensor(self.counts)

    def train_rows(self, client_id: int) -> tuple[Tensor, Tensor, Tensor]:
        """Nobody but the node has them. Raises DataError."""
        raise DataError(
            f"the examples of client {client_id} are at its node; this method wants to see some before round 1"
        )
