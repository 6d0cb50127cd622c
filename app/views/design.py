"""Design: what is known of a run before it: schedule, densities, bytes, FLOPs, time; which settings keep a budget."""

from __future__ import annotations

import streamlit as st

from app import background, budgeting, engine, outlooks, session, where
from app.charts import chart
from app.controls import all_controls
from app.words import escape
from fedlab_core.budgets import Outlook
from fedlab_core.experiment import Experiment
from fedlab_core.plots.design import density_bars, planned_bytes, planned_flops, planned_sparsity
from fedlab_core.plots.style import format_bytes, format_flops, format_percent
from fedlab_core.runs.estimate import in_words


def page() -> None:
    """Controls on the left; on the right what a rehearsal says of them."""
    with st.sidebar:
        all_controls()
    experiment = session.experiment()
    try:
        engine.check(experiment)
    except ValueError as error:  # DataError, PartitionError: one sentence that says what would be possible
        _refused(str(error))
        return
    job, shown = outlooks.rehearsed(experiment)
    if job.error:
        _refused(job.error)
        return
    if not job.done:
        background.watch(job)
    if shown is None:
        return
    if not shown.current:
        st.caption("The figures still show the settings before this change.")
    _verdict(shown.outlook, shown.experiment)
    _numbers(shown.outlook, shown.experiment)
    _figures(shown.outlook)
    budgeting.panel(shown.outlook, shown.experiment)
    with st.expander("The last message, tensor by tensor", icon=":material/mail:"):
        _message(shown.outlook)


def _refused(sentence: str) -> None:
    st.error(f"**Not feasible.** {escape(sentence)}.", icon=":material/block:")
    st.caption("Nothing would run with these settings. Change them on the left.")


def _verdict(outlook: Outlook, experiment: Experiment) -> None:
    """One sentence: it can be run, and what comes out where; what the settings do not reach."""
    rounds = experiment.federation.rounds
    sent = sum(costs.upload_bytes + costs.download_bytes for costs in outlook.costs)
    about = "about " if outlook.is_about("bytes") else ""
    sparsity = outlook.sparsities[-1]
    end = f"end at a sparsity of {format_percent(sparsity)}" if sparsity else "prune no weight for good"
    sentence = (
        f"**Feasible.** {rounds} round{'s' * (rounds != 1)} send {about}{format_bytes(sent)} and {end}. "
        "Nothing has been trained for this: it is a rehearsal."
    )
    st.success(sentence, icon=":material/check_circle:")
    for remark in experiment.strategy.remarks(rounds):
        st.warning(escape(remark), icon=":material/info:")


def _numbers(outlook: Outlook, experiment: Experiment) -> None:
    """The costs in figures, each named."""
    spending, rounds = outlook.spending("mean"), experiment.federation.rounds
    up, down = (sum(getattr(costs, way) for costs in outlook.costs) for way in ("upload_bytes", "download_bytes"))
    work, dense = (sum(getattr(costs, what) for costs in outlook.costs) for what in ("effective_flops", "dense_flops"))
    bytes_, flops = outlook.is_about("bytes"), outlook.is_about("flops")
    unsure = "About: training decides on it, too; untrained weights stand in. "
    figures = (
        (
            "Sent up · down",
            f"{format_bytes(up)} · {format_bytes(down)}",
            bytes_,
            f"Encoded messages of all clients and rounds; {format_bytes(spending.bytes)} a round, both ways.",
        ),
        (
            "Training FLOPs (theoretical)",
            f"{format_percent(spending.flops)} of dense",
            flops,
            f"Weighted by density: {format_flops(work)} of {format_flops(dense)} as if nothing were pruned. Zeros save"
            " no time until whole units are gone.",
        ),
    )
    with st.container(horizontal=True, gap="large", vertical_alignment="bottom"):
        for name, value, about, help_text in figures:
            label = f"{name}, about" if about else name
            st.metric(label, value, help=(unsure if about else "") + help_text, width="content")
        _time(experiment, rounds)


def _time(experiment: Experiment, rounds: int) -> None:
    """How long it will take here: from a run of this kind, or measured on request. Of Flower that is not known."""
    if where.settle().nodes:
        st.caption(where.PACE)
        return
    if known := outlooks.pace(experiment):
        help_text = "From the rounds of a run of this kind on this machine, or from a measurement of the first ones."
        st.metric("Time on this machine", in_words(known.run_s(rounds)), help=help_text, width="content")
        return
    job = outlooks.pace_job(experiment)
    if job and not job.done:
        background.watch(job)
    elif job:
        st.caption(escape(job.error))
    else:
        st.button(
            "Estimate the time",
            icon=":material/timer:",
            key="design:time",
            on_click=_measure,
            help="No run of this kind is known on this machine: the first rounds are carried out, and thrown away.",
        )


@session.callback
def _measure() -> None:
    outlooks.measure_pace(session.experiment())


def _figures(outlook: Outlook) -> None:
    dark, rows = session.dark(), outlook.rows
    about_bytes, about_flops = outlook.is_about("bytes"), outlook.is_about("flops")
    figures = {
        "sparsity": planned_sparsity(rows, dark=dark),
        "density": density_bars(
            rows[-1]["layer_density"], round=rows[-1]["round"], about=about_flops or about_bytes, dark=dark
        ),
        "bytes": planned_bytes(rows, dense_bytes_per_round=outlook.dense_bytes_per_round, about=about_bytes, dark=dark),
        "flops": planned_flops(rows, about=about_flops, dark=dark),
    }
    left, right = st.columns(2)
    for place, (name, figure) in zip((left, right) * 2, figures.items(), strict=True):
        chart(figure, f"design:{name}", place)


def _message(outlook: Outlook) -> None:
    """The global model as it is sent after the last round. The form is no setting: the shortest is taken."""
    st.caption(
        "The global model as the server would send it after the last round. Each mask travels in the shortest of five "
        "forms, chosen tensor by tensor; the page Costs compares them."
    )
    table = [
        {
            "tensor": cost.name,
            "weights": cost.elements,
            "kept": cost.kept,
            "form of the mask": cost.form,
            "bytes": cost.num_bytes,
        }
        for cost in outlook.last_message
    ]
    st.dataframe(table, hide_index=True)


page()
