"""Privacy: can clients recognise each other's training examples through the model? Membership inference."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import audience, engine, session
from app.attacks import Job, Reports, attacks
from app.charts import chart
from app.choose import choose_run
from app.words import escape, title
from fedlab_core.experiment import Experiment
from fedlab_core.metrics import Metric, metric_of
from fedlab_core.plots.privacy import attack_against_sparsity, attack_roc
from fedlab_core.plots.style import format_gap, format_percent, format_score
from fedlab_core.runs.store import RunInfo

ASSUMES = """
- The attacker is a client of the same federation. It has the model, its own data, and as many examples that
  nobody has trained on; it learns from these what "trained on" looks like, by logistic regression.
- It is shown examples of another client, half of them members, **labels included**, and says which are members.
- *Black-box*: it sees loss, confidence and whether the answer is right (of ages: error, answer and age).
  *White-box*: also how strongly each example pulls at each layer.
- The protocol is our reading of Gupta et al. 2021 (arXiv 2105.02866). What the authors of FedSparsify attacked with
  is not known to us.
"""

LOW_FPR = (
    "Members found while one non-member in a hundred is accused; guessing finds 1 %. It takes 100 non-members to say."
)

SHOWS_NOT = """
- **A weak attack is no proof of privacy.** Stronger ones exist: with shadow models, from many rounds, on single updates
  before they are merged. A number near 0.5 says that *this* attack fails.
- It is an average. A few unusual examples may be easy to recognise while most are not: look at the left end of
  the curve.
- It is no formal guarantee. That would take differential privacy, which this run does not have.
- One seed is one draw. Small models on easy data hardly memorise anything, pruned or not: the gap says so.
"""


def page() -> None:
    """A run, the attack on it, and the attacked runs beside each other."""
    runs = [run for run in engine.store().list() if run.last_row]
    if not runs:
        st.info("No run can be attacked yet. Start one on the page **Run**, then come back.", icon=":material/lock:")
        return
    run = choose_run(runs, "privacy")
    alike = [other for other in runs if _same_task(other.experiment, run.experiment)]
    busy = _is_busy(alike)
    st.fragment(_watched, run_every=audience.SOON_S if busy else None)(run, alike, busy)
    assumes, shows_not = st.columns(2)
    with assumes:
        st.subheader("What the attack assumes", anchor=False)
        st.markdown(ASSUMES)
    with shows_not:
        st.subheader("What it does not show", anchor=False)
        st.markdown(SHOWS_NOT)


def _same_task(one: Experiment, other: Experiment) -> bool:
    """Whether two runs learn the same from the same data, seeds aside: their numbers can stand in one figure."""
    seedless = {"seed": 0}
    return one.model == other.model and (one.data.model_copy(update=seedless) == other.data.model_copy(update=seedless))


def _job(run: RunInfo) -> Job | None:
    store = engine.store()
    return attacks(store, str(store.path)).newest(run.run_id)


def _is_busy(runs: Sequence[RunInfo]) -> bool:
    return any(job is not None and not job.over for job in map(_job, runs))


def _watched(run: RunInfo, alike: Sequence[RunInfo], was_busy: bool) -> None:
    """Buttons and results; drawn again while an attack is under way."""
    if was_busy != _is_busy(alike):
        st.rerun()  # the page decides whether this part is drawn again and again
    job = _job(run)
    _buttons(run, alike, job)
    if job is None:
        st.info("Press **Attack**: it takes some seconds, longer for large models.", icon=":material/lock_open:")
    else:
        _result(run, job)
    _beside_each_other(alike)


def _buttons(run: RunInfo, alike: Sequence[RunInfo], job: Job | None) -> None:
    newer = job is not None and job.over and job.round < run.rounds_done
    others = [other.run_id for other in alike if _job(other) is None]
    with st.container(horizontal=True):
        st.button(
            "Attack the newer model" if newer else "Attack",
            icon=":material/lock_open:",
            type="primary",
            key="privacy:attack",
            on_click=_attack,
            args=([run.run_id],),
            disabled=job is not None and not newer and not job.error,
            help="The clients that took part attack each other, on the newest model of this run.",
        )
        if len(alike) > 1:
            st.button(
                f"Attack all {len(alike)} runs of these data and this model",
                icon=":material/stacked_line_chart:",
                key="privacy:all",
                on_click=_attack,
                args=(others,),
                disabled=not others,
                help="To see the attack against sparsity; one after the other.",
            )


@session.action
def _attack(run_ids: Sequence[str]) -> None:
    """Start attacks, one after the other."""
    store = engine.store()
    for run_id in run_ids:
        attacks(store, str(store.path)).start(run_id)


def _result(run: RunInfo, job: Job) -> None:
    """Progress, or what was found."""
    if job.error:
        st.error(f"This run cannot be attacked: {escape(job.error)}.", icon=":material/error:")
        return
    if not job.over:
        how_far = f"{job.asked} of {job.total} looks at a client" if job.total else "waiting, or starting"
        share = min(1.0, job.asked / job.total) if job.total else 0.0
        st.progress(share, f"Attacking the model after round {job.round}: {how_far} …")
        return
    one = next(iter(job.reports.values()))
    st.caption(
        f"The model after round {job.round}: {one['clients']} clients that took part attack each other; "
        f"{one['suspects']:,} examples, half of them members."
    )
    _numbers(job.reports, metric_of(run.last_row or {}))
    rocs = {access: report["roc"] for access, report in job.reports.items()}
    areas = {access: report["auc"] for access, report in job.reports.items()}
    chart(attack_roc(rocs, areas, dark=session.dark()), "privacy:roc")


def _numbers(reports: Reports, metric: Metric) -> None:
    """The attacks in figures, and the gap that is said to explain them."""
    one = next(iter(reports.values()))
    gap = ("−" if one["generalisation_gap"] < 0 else "") + format_gap(metric, one["generalisation_gap"])
    train, test = (format_score(metric, one[field]) for field in ("train_score", "test_score"))
    with st.container(horizontal=True, gap="large"):
        for access, report in reports.items():
            rate = report["tpr_at_low_fpr"]
            for name, value, help_text in (
                ("AUC", f"{report['auc']:.3f}", "0.5 is guessing. Mean over ordered pairs of clients."),
                ("accuracy", format_percent(report["accuracy"]), "50 % is guessing."),
                ("TPR at 1 % FPR", "too few" if rate is None else format_percent(rate), LOW_FPR),
            ):
                st.metric(f"{access}: {name}", value, help=help_text, width="content")
        st.metric(
            "Generalisation gap",
            gap,
            help=f"Of the model's {metric.name}: {train} training, {test} test.",
            width="content",
        )


def _beside_each_other(alike: Sequence[RunInfo]) -> None:
    """Attack and gap against sparsity, of the runs that were attacked."""
    found = [(run, job) for run in alike if (job := _job(run)) and job.over and not job.error]
    if len({round(job.sparsity, 3) for _, job in found}) < 2:
        return
    rows = [
        {
            "sparsity": job.sparsity,
            "gap": next(iter(job.reports.values()))["generalisation_gap"],  # of the model: the same for every attack
            "auc": {access: report["auc"] for access, report in job.reports.items()},
        }
        for _, job in found
    ]
    st.subheader("Against sparsity", anchor=False)
    metric = metric_of(found[0][0].last_row or {})
    chart(attack_against_sparsity(rows, metric=metric, dark=session.dark()), "privacy:sparsity")
    names = escape("; ".join(title(run) for run, _ in found))
    st.caption(
        f"{len(found)} attacked runs: {names}. They may differ in their methods, too: for what sparsity alone does, "
        "compare runs that differ in nothing else."
    )


page()
