"""Runs: everything that has run; open, resume, rename, delete, export, import."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from app import actions, engine, session
from app.words import STATUS, escape, title
from fedlab_core.runs.share import python_snippet, rounds_csv
from fedlab_core.runs.store import RunInfo

MAX_NAME = 200


def page() -> None:
    """A table to choose from, and what can be done with the chosen one."""
    runs = engine.store().list()
    if runs:
        chosen = _table(runs)
        if not chosen:
            st.caption("Choose a run in the table to open, resume, rename, export or delete it, or several to compare.")
        elif len(chosen) == 1:
            _details(chosen[0])
        else:
            _several(chosen)
    else:
        st.info(
            "Nothing has been run yet. Start a run on the page **Run**, or import one below.", icon=":material/list:"
        )
    _import()


def _table(runs: list[RunInfo]) -> list[RunInfo]:
    """Every run as a row, and those that are chosen; cells are plain text, and a column without any is left out."""
    columns = {
        "name": st.column_config.TextColumn("name", width="large"),
        "accuracy": st.column_config.NumberColumn("accuracy", format="percent"),
        "error": st.column_config.NumberColumn("mean abs. error", format="%.2f years"),
        "sparsity": st.column_config.NumberColumn("sparsity", format="percent"),
        "progress": st.column_config.ProgressColumn("rounds", format="%d %%", max_value=100),
        "created": st.column_config.DatetimeColumn("created", format="distance"),
    }
    table = [_row(run) for run in runs]
    empty = [name for name in table[0] if all(row[name] is None for row in table)]
    event = st.dataframe(
        [{name: value for name, value in row.items() if name not in empty} for row in table],
        column_config=columns,
        hide_index=True,
        key=table_key(runs),
        on_select="rerun",
        selection_mode="multi-row",
    )
    return [runs[row] for row in event.selection.rows if row < len(runs)]


def table_key(runs: list[RunInfo]) -> str:
    """Another one as soon as a run comes or goes: what is chosen in a table is places, and others would stand there."""
    return f"runs:table:{len(runs)}:{runs[0].run_id}"


def _row(run: RunInfo) -> dict[str, Any]:
    last = run.last_row or {}
    return {
        "name": title(run),
        "status": STATUS[run.status][0],
        "progress": 100 * run.rounds_done // run.experiment.federation.rounds,
        "accuracy": last.get("test_accuracy"),
        "error": last.get("test_mae"),
        "sparsity": last.get("sparsity"),
        "created": datetime.fromisoformat(run.created),
        "run": run.run_id,
        "settings": run.experiment.hash,
        "where": run.where.text() if run.where.nodes else None,
        "forked from": f"{run.parent_id}, round {run.parent_round}" if run.parent_id else None,
    }


def _details(run: RunInfo) -> None:
    """What can be done with the chosen run, and what it was."""
    mine = actions.may_control(run)
    with st.container(border=True):
        st.markdown(f"**{escape(title(run))}**")
        with st.container(horizontal=True):
            _open(run)
            st.button(
                "Resume",
                icon=":material/resume:",
                key="runs:resume",
                on_click=actions.ask,
                args=(run.run_id, "resume"),
                disabled=not mine or run.status not in actions.RESTING,
            )
            _rename(run, disabled=not mine)
            st.download_button(
                "Export",
                lambda: engine.store().export(run.run_id),
                file_name=f"fedlab-run-{run.run_id}.safetensors",
                icon=":material/download:",
                key="runs:export",
                on_click="ignore",
                help="One file with every round, mask and weight; Import reads it, here or elsewhere.",
            )
            st.download_button(
                "CSV",
                lambda: rounds_csv(engine.store().rows(run.run_id)),
                file_name=f"fedlab-run-{run.run_id}.csv",
                mime="text/csv",
                icon=":material/table:",
                key="runs:csv",
                on_click="ignore",
                help="Every round as a row, one column a field.",
            )
            _delete(run, disabled=not mine or run.status in ("running", "paused"))
        if run.error:
            st.error(escape(run.error), icon=":material/error:")
        _facts(run)


def _several(chosen: list[RunInfo]) -> None:
    """What can be done with more than one run: to see them over each other, and to delete them."""
    run_ids = [run.run_id for run in chosen]
    resting = all(actions.may_control(run) and run.status not in ("running", "paused") for run in chosen)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{len(chosen)} runs**", width="content")
        compared = st.button(
            "Compare",
            icon=":material/compare_arrows:",
            type="primary",
            key="runs:compare",
            on_click=actions.compare,
            args=(run_ids,),
        )
        with st.popover("Delete", icon=":material/delete:", disabled=not resting):
            st.markdown(f"Delete these {len(chosen)} runs with all their rounds? This cannot be undone.")
            st.markdown("\n".join(f"- {escape(title(run))} ({run.run_id})" for run in chosen))
            st.button("Delete them", type="primary", key="runs:delete-all", on_click=actions.delete, args=run_ids)
    if compared:
        st.switch_page("views/compare.py", query_params=session.address())


def _open(run: RunInfo) -> None:
    opened = st.button(
        "Open",
        icon=":material/open_in_new:",
        type="primary",
        key="runs:open",
        on_click=actions.open_run,
        args=(run.run_id,),
    )
    if opened:
        st.switch_page("views/run.py", query_params=session.address())


def _rename(run: RunInfo, disabled: bool) -> None:
    key = f"name:{run.run_id}"
    with st.popover("Rename", icon=":material/edit:", disabled=disabled):
        st.text_input("Name", run.name, max_chars=MAX_NAME, key=key, on_change=session.note)
        st.button("Save", key="runs:rename", on_click=actions.rename, args=(run.run_id, key))


def _delete(run: RunInfo, disabled: bool) -> None:
    with st.popover("Delete", icon=":material/delete:", disabled=disabled):
        st.markdown(f"Delete this run with its {run.rounds_done} rounds? Its forks stay. This cannot be undone.")
        st.button("Delete it", type="primary", key="runs:delete", on_click=actions.delete, args=(run.run_id,))


def _facts(run: RunInfo) -> None:
    """Everything needed to get the same numbers again."""
    experiment = run.experiment
    facts = {
        "run": run.run_id,
        "created (UTC)": run.created,
        "hash of the settings": experiment.hash,
        "seeds": f"partition {experiment.data.seed}, training {experiment.federation.seed}",
        "where": run.where.text(),
        **{name.replace("_", " "): str(value) for name, value in run.machine.items() if name != "where"},
    }
    left, right = st.columns(2)
    left.dataframe([{"fact": name, "value": value} for name, value in facts.items()], hide_index=True)
    settings = [{"setting": name, "value": str(value)} for name, value in experiment.settings().items()]
    right.dataframe(settings, hide_index=True)
    st.code(python_snippet(experiment), language="python")


def _import() -> None:
    """A run from a file; what is in it is checked before anything is stored."""
    with st.expander("Import a run", icon=":material/upload:"):
        st.file_uploader(
            "A file that Export wrote",
            type="safetensors",
            key="runs:file",
            on_change=actions.import_file,
            args=("runs:file",),
        )


page()
