"""A run as one file, and back. The file comes from anywhere, so nothing in it is believed before it has been checked.

It is a safetensors file. Its tensors are the blobs of `blobs.py` as bytes, under their SHA-256. Its metadata:

    format   "fedlab-run-1"
    run      name, created, parent_id, parent_round, machine, experiment
    rows     every round as `RoundRecord.to_json` writes it
    index    [round, kind, SHA-256] of every blob: masks of every round; model and memory of the first, the last, others
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, get_type_hints

import numpy as np
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from fedlab_core.costs.flops import forward_flops
from fedlab_core.data.datasets import DataError, dataset_metric, load_dataset
from fedlab_core.experiment import Experiment
from fedlab_core.metrics import Metric, metric_of
from fedlab_core.models import build_model, init_params
from fedlab_core.pruning.masks import layer_density, sparsity
from fedlab_core.runs.blobs import Blobs, Kind, RunError, metadata, unpack, unpack_masks
from fedlab_core.runs.info import RunInfo
from fedlab_core.runs.tables import checked, digest_of
from fedlab_core.types import Masks, RoundContext, RoundRecord, ServerState

FORMAT = "fedlab-run-1"
MAX_BYTES = 256 * 2**20

Rounds = list[tuple[dict[str, Any], Blobs]]


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=500)
    created: datetime
    parent_id: str | None = Field(pattern=r"^[a-z2-7]{10}$")
    parent_round: int | None = Field(ge=0, le=100_000)
    machine: dict[str, Annotated[str, Field(max_length=300)] | int] = Field(max_length=20)
    experiment: dict[str, Any]


class Transfer(NamedTuple):
    """What an exported file says, checked."""

    header: _Header
    experiment: Experiment
    rounds: Rounds

    @property
    def finished(self) -> bool:
        """Whether the last round is there."""
        return bool(self.rounds) and self.rounds[-1][0]["round"] == self.experiment.federation.rounds


_KIND_OF = get_type_hints(RoundRecord, include_extras=True)
_Row = create_model(  # type: ignore[call-overload]
    "_Row",
    __config__=ConfigDict(strict=True, extra="forbid"),
    **{
        field.name: (_KIND_OF[field.name], ... if field.default is MISSING else field.default)
        for field in fields(RoundRecord)
        if field.name != "state"
    },
)
_ROWS = TypeAdapter(list[_Row])


def states_to_export(sizes: Mapping[int, int], keep_every: int) -> set[int]:
    """Of which rounds the states go into the file: the first, every `keep_every`-th and the last.

    Where that would make a file that `read_run` refuses, it is every 2nd, 4th, ... of them; the states between can be
    computed again.

    Args:
        sizes: bytes of each round's state; masks are small and always go.
        keep_every: 1 for all.
    """
    ends = {*list(sizes)[:1], *list(sizes)[-1:]}
    while True:
        kept = ends | {round for round in sizes if round % keep_every == 0}
        if kept == ends or sum(sizes[round] for round in kept) <= MAX_BYTES * 3 / 4:
            return kept
        keep_every *= 2


def export_run(info: RunInfo, rounds: Rounds) -> bytes:
    """The file. Raises `RunError` if it were larger than `read_run` accepts."""
    index, tensors = [], {}
    for row, blobs in rounds:
        for kind, payload in blobs.items():
            digest = digest_of(payload)
            index.append([row["round"], kind, digest])
            tensors[digest] = torch.from_numpy(np.frombuffer(payload, np.uint8).copy())
    header = _Header(
        name=info.name,
        created=datetime.fromisoformat(info.created),
        parent_id=info.parent_id,
        parent_round=info.parent_round,
        machine=info.machine,
        experiment=json.loads(info.experiment.to_json()),
    )
    rows = json.dumps([row for row, _ in rounds])
    said = {"format": FORMAT, "run": header.model_dump_json(), "rows": rows, "index": json.dumps(index)}
    file = safetensors.torch.save(tensors, said)
    if len(file) > MAX_BYTES:
        raise RunError(f"run {info.run_id} makes a file of {len(file)} bytes; allowed are {MAX_BYTES}")
    return file


def read_run(payload: bytes) -> Transfer:
    """Check a file from end to end.

    Raises:
        RunError: it is too large, damaged, or its parts contradict each other.
    """
    if len(payload) > MAX_BYTES:
        raise RunError(f"the file has {len(payload)} bytes; allowed are {MAX_BYTES}")
    try:
        run = _parse(payload)
        first = run.header.parent_round or 0
        numbers = [row["round"] for row, _ in run.rounds]
        if numbers != list(range(first, first + len(numbers))):
            raise RunError("its rounds are not consecutive")
        clients = run.experiment.data.num_clients
        if any(client >= clients for row, _ in run.rounds for client in row["clients"]):
            raise RunError(f"it has a client beyond data.num_clients, {clients}")
        if numbers and numbers[-1] > run.experiment.federation.rounds:
            raise RunError(f"it has round {numbers[-1]}, but federation.rounds is {run.experiment.federation.rounds}")
        _check_tensors(run)
    except RunError as error:
        raise RunError(f"the file is no exported run, or damaged: {error}") from error
    except Exception as error:  # whatever a hostile file makes the readers raise
        raise RunError("the file is no exported run, or damaged") from error
    return run


def _parse(payload: bytes) -> Transfer:
    said = metadata(payload)
    if said.get("format") != FORMAT:
        raise RunError(f"its format is {str(said.get('format'))[:40]!r}; allowed is {FORMAT!r}")
    header = _Header.model_validate_json(said["run"])
    header = header.model_copy(update={"created": header.created.astimezone(UTC)})
    if (header.parent_id is None) != (header.parent_round is None):
        raise RunError("it has half a parent")
    try:
        experiment = Experiment.parse(header.experiment)
    except ValueError as error:
        raise RunError(str(error)[:300]) from error
    _ROWS.validate_json(said["rows"])
    rows = json.loads(said["rows"])
    _check_metrics(rows, dataset_metric(experiment.data.dataset))
    tensors = {name: tensor.numpy().tobytes() for name, tensor in safetensors.torch.load(payload).items()}
    blobs: dict[int, Blobs] = {row["round"]: {} for row in rows}
    for round, kind, digest in json.loads(said["index"]):
        if kind not in _KINDS or kind in blobs[round]:
            raise RunError(f"round {round} has a blob of kind {str(kind)[:20]!r} that is unknown or there twice")
        blobs[round][kind] = checked(tensors[digest], digest)
    return Transfer(header, experiment, [(row, blobs[row["round"]]) for row in rows])


def _check_metrics(rows: Sequence[Mapping[str, Any]], metric: Metric) -> None:
    """All rounds were measured by the metric of the data, and have every number of it."""
    if any(metric_of(row) != metric or row.get(field) is None for row in rows for field in metric.fields):
        raise RunError(f"some of its rounds have no {metric.name} as it belongs to the data set")


_KINDS: tuple[Kind, ...] = ("masks", "model", "memory")


def _check_tensors(run: Transfer) -> None:
    """Masks say what their rows say, states fit each other, model and strategy; one round in memory at a time."""
    shapes = _first_shapes(run.experiment)
    for place, (row, blobs) in enumerate(run.rounds):
        masks = unpack_masks(blobs["masks"])
        if layer_density(masks) != row["layer_density"] or sparsity(masks) != row["sparsity"]:
            raise RunError(f"the masks of round {row['round']} are not those of its row")
        if shapes and _mask_shapes(masks) != {
            name: shape for name, shape in shapes.items() if name.startswith("masks/")
        }:
            raise RunError(f"the masks of round {row['round']} are not those of the model")
        if "model" not in blobs:
            if place in (0, len(run.rounds) - 1):
                raise RunError(f"round {row['round']} has no state")
            continue
        server = _needed(unpack(blobs), run.experiment)
        shapes = shapes or _shapes(server)
        if _shapes(server) != shapes or not _fits(server):
            raise RunError(
                f"the state of round {row['round']} is not one of model {run.experiment.model.name} "
                f"and strategy {run.experiment.strategy.name}"
            )


def _needed(server: ServerState, experiment: Experiment) -> ServerState:
    """The state without what is only there to be looked at."""
    needless = experiment.strategy.to_look_at
    return (
        server
        if needless is None
        else replace(
            server, state={name: value for name, value in server.state.items() if not name.startswith(needless)}
        )
    )


def _mask_shapes(masks: Masks) -> dict[str, tuple[int, ...]]:
    return _shapes(ServerState({}, {}, masks))


def _fits(server: ServerState) -> bool:
    same = all(name in server.params and mask.shape == server.params[name].shape for name, mask in server.masks.items())
    return same and all(tensor.is_floating_point() for tensor in (*server.params.values(), *server.buffers.values()))


def _shapes(server: ServerState) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in server.tensors().items()}


def _first_shapes(experiment: Experiment) -> dict[str, tuple[int, ...]] | None:
    """Names and shapes of the state that the run starts from, where its data set is at hand.

    A path from the file is not looked at.
    """
    try:
        dataset = load_dataset(experiment.data.dataset)
    except DataError:
        return None
    model = build_model(experiment.model.name, dataset.input_shape, dataset.num_outputs)
    model = experiment.strategy.prepare(model)
    settings, flops = experiment.federation, forward_flops(model, dataset.input_shape)
    ctx = RoundContext(0, settings.rounds, settings.seed, experiment.data.num_clients, model, flops)
    params, buffers = init_params(model, ctx.generator("init"))
    return _shapes(_needed(ServerState(params, buffers, *experiment.strategy.init(params, ctx)), experiment))
