"""What all windows of this server share: the run store, the worker processes, and the data as it was split last."""

from __future__ import annotations

import atexit
import json
import time

import streamlit as st

from fedlab_core.data.datasets import Dataset, load_dataset
from fedlab_core.data.federated import FederatedData, federate
from fedlab_core.experiment import DataConfig, Experiment
from fedlab_core.lab import Federation
from fedlab_core.processes import default_processes
from fedlab_core.runs.estimate import Pace, kind, measure
from fedlab_core.runs.execute import Interrupted
from fedlab_core.runs.gallery import load_gallery
from fedlab_core.runs.grid import Grid, parse_axes
from fedlab_core.runs.memory import refuse_too_large
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.worker import WorkerPool

PACE_S = 5.0
"""A kind of run is measured no longer than this, before a sweep is started."""

LOADING = "Reading and splitting the data …"


@st.cache_resource(show_spinner=False)
def store() -> RunStore:
    """The run store; a new one begins with the finished examples of the gallery."""
    opened = RunStore()
    load_gallery(opened)
    return opened


@st.cache_resource(show_spinner=False)
def pool() -> WorkerPool:
    """The workers, warm before the first click; closed with the server. Killed with it, they end by themselves."""
    workers = WorkerPool(store().path)
    workers.start()
    atexit.register(workers.close)
    return workers


@st.cache_resource(max_entries=2, show_spinner=LOADING)
def dataset(name: str, path: str) -> Dataset:
    """A data set; the last two stay in memory. Raises `DataError`: what to put where."""
    return load_dataset(name, path=path)


@st.cache_resource(max_entries=8, show_spinner=LOADING, hash_funcs={DataConfig: DataConfig.model_dump_json})
def federated(data: DataConfig) -> FederatedData:
    """The examples as these settings spread them over clients. Raises `DataError`, `PartitionError`."""
    return federate(dataset(data.dataset, data.path), **data.model_dump(exclude={"dataset", "path"}))


@st.cache_resource(max_entries=4, show_spinner=LOADING, hash_funcs={Experiment: Experiment.to_json})
def lab(experiment: Experiment) -> Federation:
    """Data, architecture and costs of an experiment."""
    return Federation.of(experiment)


def check(experiment: Experiment) -> None:
    """Refuse what cannot be run, before a worker has it.

    Raises:
        DataError, PartitionError, ValueError: data that is not there, a split or a model that cannot be, or a run that
            needs more memory than it may.
    """
    refuse_too_large(Federation.on(federated(experiment.data), experiment), default_processes())


@st.cache_data(max_entries=64, show_spinner=False)
def grid(base: str, axes: str) -> Grid:
    """The grid of a base (as JSON) and of axes as the address has them. Raises `SettingError`."""
    return Grid.of(Experiment.parse(json.loads(base)), parse_axes(axes.split(";") if axes else []))


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={Experiment: lambda one: repr(kind(one))})
def pace(experiment: Experiment) -> Pace:
    """How fast runs of this kind are here, from its first rounds. A lower bound where a round takes very long."""
    deadline = time.perf_counter() + PACE_S
    start = time.perf_counter()

    def look() -> None:
        if time.perf_counter() > deadline:
            raise Interrupted

    try:
        return measure(experiment, look)
    except Interrupted:
        return Pace(0.0, time.perf_counter() - start)
