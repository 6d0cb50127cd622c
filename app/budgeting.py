"""Budgets on the page Design: asked for in the address, kept by a setting that is found, shown before anything runs."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from app import background, session
from app.charts import chart
from app.controls import label
from app.words import escape
from fedlab_core.budgets import Budget, BudgetError, Offer, Outlook, Plan, Region, Scope, region, survey
from fedlab_core.budgets.plan import knob_of
from fedlab_core.budgets.region import POINTS
from fedlab_core.experiment import Experiment, setting_fields
from fedlab_core.plots.design import feasible_region
from fedlab_core.plots.style import format_percent
from fedlab_core.strategies import strategy_class, strategy_names

COSTS = {"none": "no budget", "flops": "FLOPs", "bytes": "megabytes"}
SCOPES = {"mean": "mean of the rounds", "final": "last round"}
SEARCH = 5
"""So many rehearsals does a search usually need."""

Found = dict[str, Offer]


def panel(outlook: Outlook, experiment: Experiment) -> None:
    """The budget, whether the settings keep it, and which would.

    Args:
        outlook: of the settings.
        experiment: the settings.
    """
    st.subheader("Budget", anchor=False)
    wanted = _choose(outlook)
    if wanted is None:
        st.caption("At most so many FLOPs, or so many megabytes a round: the setting that keeps it is found for you.")
        return
    _say_now(outlook, wanted)
    key, every = _region_key(experiment, wanted), ("survey", experiment.to_json(), wanted)
    with st.container(horizontal=True):
        st.button(
            "Find the setting",
            icon=":material/search:",
            type="primary",
            key="design:solve",
            on_click=_solve,
            args=(experiment, wanted),
            disabled=background.find(key) is not None,
            help="Rehearses this strategy from its cheapest to its most expensive setting; nobody trains.",
        )
        st.button(
            "Ask every strategy",
            icon=":material/table_rows:",
            key="design:survey",
            on_click=_survey,
            args=(experiment, wanted),
            disabled=background.find(every) is not None,
            help="The same for all strategies in turn; it takes a minute or so.",
        )
    for job_key, draw in ((key, _draw_region), (every, _draw_survey)):
        job = background.find(job_key)
        if job and not job.done:
            background.watch(job)
        elif job and job.error:
            st.error(escape(job.error), icon=":material/error:")
        elif job:
            draw(job.result, wanted)


def budget() -> Budget | None:
    """What the address asks for; None where it asks for nothing that can be."""
    cost, scope = session.looked_at("cost"), session.looked_at("scope")
    if cost not in ("flops", "bytes"):
        return None
    try:
        number = float(session.looked_at("limit") or "")
        over: Scope = "final" if scope == "final" else "mean"
        return Budget("flops", number / 100, over) if cost == "flops" else Budget("bytes", number * 1e6, over)
    except ValueError:  # no number, or a limit that cannot be
        return None


def _choose(outlook: Outlook) -> Budget | None:
    """What is limited, to how much, over which rounds; all of it in the address."""
    cost = session.looked_at("cost")
    st.session_state["design:cost"] = cost if cost in COSTS else "none"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "At most",
            list(COSTS),
            format_func=COSTS.__getitem__,
            key="design:cost",
            on_change=session.turn,
            args=("cost", "design:cost"),
        )
        if (cost := st.session_state["design:cost"]) not in ("flops", "bytes"):
            return None
        wanted = budget() or _first(outlook, cost)
        flops = cost == "flops"
        st.session_state["design:limit"] = 100 * wanted.limit if flops else wanted.limit / 1e6
        st.number_input(
            "% of the dense FLOPs (theoretical)" if flops else "MB a round, all clients, up and down",
            min_value=1e-4,
            max_value=200.0 if flops else None,
            step=1.0 if flops else 0.1,
            format="%.4g",
            key="design:limit",
            on_change=session.turn,
            args=("limit", "design:limit"),
            width=260,
        )
        st.session_state["design:scope"] = wanted.scope
        st.segmented_control(
            "Over",
            list(SCOPES),
            format_func=SCOPES.__getitem__,
            key="design:scope",
            on_change=session.turn,
            args=("scope", "design:scope"),
        )
    return wanted


def _first(outlook: Outlook, cost: Any) -> Budget:
    """A budget to begin with: two fifths of the dense FLOPs, or half of the bytes as the settings are."""
    if cost == "flops":
        return Budget("flops", 0.4)
    return Budget("bytes", float(f"{outlook.spending('mean').bytes / 2:.2g}"))


def _say_now(outlook: Outlook, wanted: Budget) -> None:
    """Whether the settings as they are keep to it."""
    amount = wanted.of(outlook.spending(wanted.scope))
    about = "about " if outlook.is_about(wanted.cost) else ""
    within, icon = (
        ("within the budget", ":material/check:") if amount <= wanted.limit else ("over the budget", ":material/close:")
    )
    st.markdown(
        f"{icon} These settings take {about}{escape(wanted.say(amount))}: **{within}** of {escape(str(wanted))}."
    )


def _region_key(experiment: Experiment, wanted: Budget) -> tuple[object, ...]:
    """The region is the same wherever on it the settings are."""
    knob = knob_of(experiment, wanted)
    if knob:
        usual = type(experiment.strategy).model_fields[knob.field].default
        experiment = experiment.replace({f"strategy.{knob.field}": usual})
    return "region", experiment.to_json(), wanted


@session.callback
def _solve(experiment: Experiment, wanted: Budget) -> None:
    def work(say: background.Say) -> Region:
        done = iter(range(1, 1_000_000))

        def on_rehearsal() -> None:
            number = next(done)
            say(f"Rehearsal {number} of about {POINTS + SEARCH} …", number / (POINTS + SEARCH))

        return region(experiment, wanted, on_rehearsal=on_rehearsal)

    background.want("region", _region_key(experiment, wanted), work, "region")


@session.callback
def _survey(experiment: Experiment, wanted: Budget) -> None:
    def work(say: background.Say) -> Found:
        names, found = strategy_names(), Found()
        say(f"Asking {names[0]} …", 0.0)
        for name, offer in survey(experiment, wanted):
            found[name] = offer
            say(f"{len(found)} of {len(names)} strategies have been asked …", len(found) / len(names))
        return found

    background.want("survey", ("survey", experiment.to_json(), wanted), work, "survey")


def _draw_region(found: Region, wanted: Budget) -> None:
    """The curve of costs with the budget in it, what was found, and a button that takes it over."""
    offer = found.offer
    if isinstance(offer, BudgetError):
        st.error(f"**Not feasible.** {escape(str(offer))}.", icon=":material/block:")
        plan, words = offer.nearest, "Take the nearest budget"
    else:
        plan, words = offer, "Use this setting"
        st.success(_praise(offer), icon=":material/check_circle:")
    if found.plans:
        chosen = (offer.value, offer.cost) if isinstance(offer, Plan) else None
        figure = feasible_region(
            [one.value for one in found.plans],
            [one.cost for one in found.plans],
            limit=wanted.limit,
            chosen=chosen,
            setting=_knob_label(found.plans[0]),
            cost=wanted.cost,
            dark=session.dark(),
        )
        chart(figure, "design:region")
    if plan and plan.settings:
        limit = None if isinstance(offer, Plan) else _rounded_up(plan)
        st.button(
            f"{words}: {plan.setting}",
            icon=":material/tune:",
            type="primary",
            key="design:use",
            on_click=_use,
            args=(plan.experiment, limit),
            disabled=session.experiment() == plan.experiment and limit is None,
        )


def _praise(plan: Plan) -> str:
    if not plan.settings:
        return f"This strategy keeps to {escape(str(plan.budget))} as it is: it takes {escape(plan.spent)}."
    more = "" if plan.met else " No closer setting was found: costs rise in steps."
    training = (
        ""
        if plan.sure
        else " Training decides on it, too: a run may take more. `fedlab budget` corrects that by practice runs."
    )
    return f"**{escape(plan.setting)}** takes {escape(plan.spent)}.{more}{training}"


def _knob_label(plan: Plan) -> str:
    name = next(iter(plan.settings))
    return label(name, dict(setting_fields(plan.experiment))[name])


def _rounded_up(plan: Plan) -> str:
    """The cost of a plan as a limit that it keeps, in per cent or megabytes, with three digits."""
    amount = 100 * plan.cost if plan.budget.cost == "flops" else plan.cost / 1e6
    unit = 10.0 ** (math.floor(math.log10(amount)) - 2)
    return f"{math.ceil(amount / unit) * unit:.10g}"


@session.callback
def _use(experiment: Experiment, limit: str | None) -> None:
    session.use(experiment)
    if limit is not None:
        session.look_at(limit=limit)


def _draw_survey(found: Found, wanted: Budget) -> None:
    """All strategies: who keeps the budget, most of it used first; then who comes nearest; then why others cannot."""
    plans = {name: offer if isinstance(offer, Plan) else offer.nearest for name, offer in found.items()}
    known = sorted(
        ((name, plan) for name, plan in plans.items() if plan),
        key=lambda pair: (pair[1].used > 1, abs(1 - pair[1].used)),
    )
    keep = sum(isinstance(offer, Plan) for offer in found.values())
    st.markdown(f"**{keep} of {len(found)} strategies can keep to {escape(str(wanted))}.** Choose one to use it.")
    table = [
        {
            "strategy": strategy_class(name).title or name,
            "keeps it": "yes" if plan.used <= 1 else "no; this is the nearest",
            "setting": plan.setting,
            "FLOPs (theoretical)": format_percent(plan.spending.flops),
            "MB a round": f"{plan.spending.bytes / 1e6:.3g}",
            "of the budget": f"{'' if plan.sure else 'about '}{format_percent(plan.used)}",
        }
        for name, plan in known
    ]
    event = st.dataframe(table, hide_index=True, key="design:offers", on_select="rerun", selection_mode="single-row")
    rows = event.selection.rows
    if rows and rows[0] < len(known):
        name, plan = known[rows[0]]
        text = f"Use {strategy_class(name).title or name}, {plan.setting}"
        st.button(text, icon=":material/tune:", key="design:use-offer", on_click=_use, args=(plan.experiment, None))
    for name, offer in found.items():
        if plans[name] is None:
            st.caption(escape(f"{strategy_class(name).title or name}: {offer}."))
