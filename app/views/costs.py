"""Costs: bytes, FLOPs and milliseconds of one network, which are three different things; and what a target took."""

from __future__ import annotations

import math
from typing import get_args

import streamlit as st

from app import background, bills, engine, live, session
from app.bills import Bill, Source
from app.charts import chart
from app.choose import choose_run, dense_reference
from app.words import escape, title
from fedlab_core.costs.target import CostsToTarget, costs_to_target
from fedlab_core.encodings import Structure
from fedlab_core.export import missing_for_onnx
from fedlab_core.metrics import MAE, metric_of
from fedlab_core.plots.costs import (
    encoding_bars,
    encoding_sweep,
    flops_bars,
    latency_bars,
    target_bars,
    target_sentence,
)
from fedlab_core.plots.style import format_bytes, format_flops
from fedlab_core.runs.info import machine
from fedlab_core.runs.store import RunInfo
from fedlab_core.speed import BATCH, verdict

OF = {"run": "a run", "settings": "the settings, before any run"}
STRUCTURES: tuple[Structure, ...] = get_args(Structure)


def page() -> None:
    """A run or the settings; its three costs, what a target took, and its file."""
    runs = [run for run in engine.store().list() if run.last_row]
    run = _choose(runs)
    try:
        source = _source(run)
        past = live.history(run) if run else []
    except ValueError as error:  # damaged, deleted in another window, or settings that cannot be
        _broken(str(error))
        return
    job = bills.bill(source)
    job.wait(background.PATIENCE_S)
    if not job.done:
        background.watch(job)
        return
    if job.error:
        _broken(job.error)
        return
    found: Bill = job.result
    st.caption(
        f"The network after round {found.round}"
        + (f" of {escape(title(run))}." if run else " of a rehearsal: untrained weights stand in for trained ones.")
    )
    _bytes(found)
    _network(found, source)
    if run:
        _target(run, past, runs)
        _file(run, found.round)


def _broken(sentence: str) -> None:
    st.error(f"These costs cannot be shown: {escape(sentence)}.", icon=":material/error:")


def _choose(runs: list[RunInfo]) -> RunInfo | None:
    """Whose costs: a run's, or None for those of the settings."""
    if not runs:
        st.caption("No run yet: these are the costs of the settings. Start a run on the page Run to see what it took.")
        return None
    st.session_state["costs:of"] = session.looked_at("of") if session.looked_at("of") in OF else "run"
    st.segmented_control(
        "Costs of",
        list(OF),
        format_func=OF.__getitem__,
        key="costs:of",
        on_change=session.turn,
        args=("of", "costs:of"),
    )
    return None if st.session_state["costs:of"] == "settings" else choose_run(runs, "costs")


def _source(run: RunInfo | None) -> Source:
    if run:
        return Source(run.experiment, run.run_id, run.rounds_done)
    engine.check(session.experiment())
    return Source(session.experiment(), None, session.experiment().federation.rounds)


def _bytes(found: Bill) -> None:
    """The model message in every encoding, here and along the sparsity."""
    st.subheader("Bytes of a message", anchor=False)
    dark = session.dark()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        structure = session.looked_at("structure")
        st.session_state["costs:structure"] = structure if structure in STRUCTURES else STRUCTURES[0]
        st.segmented_control(
            "Along the sparsity, prune",
            STRUCTURES,
            key="costs:structure",
            on_change=session.turn,
            args=("structure", "costs:structure"),
            help="Single weights at random, whose masks cost most; or whole units, whose masks cost next to nothing.",
        )
        st.session_state["costs:alone"] = session.looked_at("alone") == "True"
        alone = st.toggle(
            "Masks alone",
            key="costs:alone",
            on_change=session.turn,
            args=("alone", "costs:alone"),
            help="Leaves out the kept values: what it takes to say which they are.",
        )
    left, right = st.columns(2)
    chart(encoding_bars(found.message, dark=dark), "costs:encodings", left)
    chosen: Structure = st.session_state["costs:structure"] or STRUCTURES[0]
    points = found.sweeps[chosen]
    chart(encoding_sweep(points, found.message, masks_alone=alone, dark=dark), "costs:sweep", right)


def _network(found: Bill, source: Source) -> None:
    """FLOPs as counted, and milliseconds as measured; one sentence on why they differ."""
    st.subheader("FLOPs, and milliseconds on this machine", anchor=False)
    job = bills.find_times(source)
    times = job.result if job and job.done and not job.error else None
    st.markdown(f"**{escape(verdict(found.flops, times))}**")
    left, right = st.columns(2)
    chart(flops_bars(found.flops, dark=session.dark()), "costs:flops", left)
    chart(latency_bars(times or {}, batch=BATCH, dark=session.dark()), "costs:latency", right)
    with right:
        if job and job.error:
            st.caption(escape(job.error))
        if job and not job.done:
            background.watch(job)
        else:
            st.button(
                "Measure",
                icon=":material/timer:",
                key="costs:measure",
                on_click=_measure,
                args=(source,),
                disabled=times is not None,
                help="Dense, masked and slimmed network in turns, 21 times each; a few seconds.",
            )
        st.caption(f"This machine: {escape(str(machine()['processor']) or 'a processor without a name')}.")


@session.callback
def _measure(source: Source) -> None:
    bills.measure_times(source)


def _target(run: RunInfo, past: live.Rows, runs: list[RunInfo]) -> None:
    """Rounds, bytes and FLOPs until a target was reached, beside the dense reference."""
    st.subheader("What a target took", anchor=False)
    trained = [row for row in past if row["clients"]]
    if not trained:
        st.caption("This run has trained no round yet.")
        return
    metric = metric_of(past[0])
    target, reference = _choose_target(past), dense_reference(runs, run.experiment)
    own = costs_to_target(past, target)
    dense = costs_to_target(live.history(reference), target) if reference else None
    said = target_sentence(metric, target, own, dense)
    st.markdown(f"{escape(said)}.")
    table = [_row("this run", own)] + ([_row("dense reference (FedAvg)", dense)] if reference else [])
    st.dataframe(table, hide_index=True)
    if own and dense:
        chart(target_bars(own, dense, said=said, dark=session.dark()), "costs:target-bars")
    elif not reference and run.experiment.strategy.name != "fedavg":
        st.caption(
            "No finished run of FedAvg with the same data, model and federation is stored. Choose FedAvg on the page "
            "Run with otherwise these settings: its costs then stand beside these."
        )


def _row(name: str, costs: CostsToTarget | None) -> dict[str, object]:
    if costs is None:
        return {"run": name, "round": None, "up": "never", "down": "", "FLOPs (theoretical)": "", "FLOPs (dense)": ""}
    return {
        "run": name,
        "round": costs.round,
        "up": format_bytes(costs.upload_bytes),
        "down": format_bytes(costs.download_bytes),
        "FLOPs (theoretical)": format_flops(costs.effective_flops),
        "FLOPs (dense)": format_flops(costs.dense_flops),
    }


def _choose_target(past: live.Rows) -> float:
    """A slider; in the address as hundredths of an accuracy, or tenths of a year. At first what the run reaches."""
    metric = metric_of(past[0])
    best = metric.best(past)[metric.test]
    steps = 10 if metric is MAE else 100
    reached = math.ceil(steps * best * 1.02) if metric is MAE else math.floor(steps * best * 0.98)
    last = max(100, reached) if metric is MAE else 100
    wanted = session.number("target")
    st.session_state["costs:target"] = min(max(1, reached if wanted is None else wanted), last)
    st.slider(
        f"Target: test {metric.name}" + (" (tenths of a year)" if metric is MAE else ""),
        1,
        last,
        format="%d" if metric is MAE else "%d %%",
        key="costs:target",
        on_change=session.turn,
        args=("target", "costs:target"),
    )
    return float(st.session_state["costs:target"]) / steps


def _file(run: RunInfo, round: int) -> None:
    """The trained network for other programs, without the units that are gone."""
    st.subheader("The network as a file", anchor=False)
    try:
        saved = _saved(run.run_id, run.rounds_done)
    except ValueError as error:
        _broken(str(error))
        return
    st.code(saved, language=None)
    with st.container(horizontal=True):
        st.download_button(
            "Download (safetensors)",
            lambda: bills.model_file(run.run_id, ".safetensors")[0],
            file_name=f"fedlab-model-{run.run_id}.safetensors",
            icon=":material/download:",
            key="costs:safetensors",
            on_click="ignore",
            help="fedlab_core.export.load_model reads it.",
        )
        if missing := missing_for_onnx():
            st.caption(f"ONNX needs {' and '.join(missing)}: pip install 'fedlab_core[onnx]'.")
        else:
            _onnx(run, round)


@st.cache_data(max_entries=32, show_spinner="Cutting the network …")
def _saved(run_id: str, round: int) -> str:
    return bills.model_file(run_id, ".safetensors")[1].text()


def _onnx(run: RunInfo, round: int) -> None:
    """ONNX takes some seconds to write: on request."""
    job = bills.find_onnx(run.run_id, round)
    if job is None or job.error:
        help_text = "For any other program that reads ONNX; takes some seconds."
        if job:
            st.caption(escape(job.error))
        st.button("Write ONNX", icon=":material/file_export:", key="costs:onnx", on_click=_make_onnx, help=help_text,
                  args=(run.run_id, round))  # fmt: skip
    elif not job.done:
        background.watch(job)
    else:
        st.download_button(
            f"Download (ONNX, {format_bytes(len(job.result[0]))})",
            job.result[0],
            file_name=f"fedlab-model-{run.run_id}.onnx",
            icon=":material/download:",
            key="costs:download-onnx",
            on_click="ignore",
        )


@session.callback
def _make_onnx(run_id: str, round: int) -> None:
    bills.make_onnx(run_id, round)


page()
