"""Share: what is looked at as a link, Python, a command line or a notebook; and experiments as files to open again."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

import streamlit as st

from app import engine, session
from app.words import describe, escape
from fedlab_core.experiment import Experiment, SettingError
from fedlab_core.runs.share import command_line, notebook, python_snippet
from fedlab_core.runs.store import RunInfo

MAX_FILE_BYTES = 100_000
"""Of a file of settings; a long one has 3,000."""

MAX_SENTENCE = 300


def share_button() -> None:
    """A button that opens the four forms of the opened run's experiment, or of the settings. Built when it is open."""
    with st.popover("Share", type="tertiary", icon=":material/share:", key="share", on_change="rerun") as box:
        if box.open:
            _forms()


def link(experiment: Experiment) -> str:
    """The address of this page with `experiment` as the configuration, and with the view; complete, so never empty."""
    query = experiment.to_query() | st.session_state["view"]
    return f"{(st.context.url or '').rstrip('/')}?{urlencode(query)}"


def _forms() -> None:
    run = _opened()
    experiment = run.experiment if run else session.experiment()
    st.markdown(f"**{'This run' if run else 'These settings'}**: {escape(describe(experiment))} · `{experiment.hash}`")
    st.caption("Each of the four builds the same experiment, with the same hash.")
    if run and run.parent_id:
        st.caption("This run is a fork: its settings alone, from round 0, are another run. **Runs** exports it whole.")
    in_link, in_python, in_terminal, in_notebook = st.tabs(["Link", "Python", "Command line", "Notebook"])
    in_link.code(link(experiment), language=None, wrap_lines=True)
    in_link.caption("It opens the same page wherever this dashboard can be reached.")
    in_python.code(python_snippet(experiment), language="python")
    in_terminal.code(command_line(experiment), language="bash", wrap_lines=True)
    in_terminal.caption("For a POSIX shell: bash or zsh.")
    in_notebook.download_button(
        "Download the notebook",
        lambda: notebook(experiment),
        file_name=f"fedlab-{experiment.hash}.ipynb",
        mime="application/x-ipynb+json",
        icon=":material/download:",
        key="share:notebook",
        on_click="ignore",
    )


def _opened() -> RunInfo | None:
    """The run of the address, if there is one; the page itself says what is wrong with it."""
    try:
        return engine.store().get(session.looked_at("run") or "")
    except ValueError:
        return None


def settings_file() -> None:
    """Save the settings under a name of one's own, and open such a file."""
    with st.popover(
        "Save or open a file", icon=":material/folder_open:", key="settings:file", on_change="rerun"
    ) as box:
        if not box.open:
            return
        name = st.text_input("Name", describe(session.experiment()), max_chars=80, key="settings:name")
        st.download_button(
            "Save as a file",
            to_file(session.experiment()),
            file_name=file_name(name),
            mime="application/json",
            icon=":material/download:",
            key="settings:save",
            on_click="ignore",
        )
        st.file_uploader("Open a file", type="json", key="settings:open", on_change=_open, args=("settings:open",))


def to_file(experiment: Experiment) -> str:
    """All settings as JSON, for people to read, too."""
    return json.dumps(json.loads(experiment.to_json()), indent=2, ensure_ascii=False) + "\n"


def file_name(name: str) -> str:
    """A name that every file system takes, from whatever was typed."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80] + ".json" if re.search(r"\w", name) else "experiment.json"


def from_file(content: bytes) -> Experiment:
    """The experiment of such a file. Raises `SettingError`: one short sentence."""
    if len(content) > MAX_FILE_BYTES:
        raise SettingError(f"the file has {len(content):,} bytes; settings have at most {MAX_FILE_BYTES:,}")
    try:
        nested = json.loads(content)
    except (ValueError, RecursionError):  # no JSON, no text, or nested without end
        raise SettingError("the file holds no settings; allowed is what 'Save as a file' wrote") from None
    if not isinstance(nested, dict):
        raise SettingError("the file holds JSON, but no settings by name; allowed is what 'Save as a file' wrote")
    try:
        experiment = Experiment.parse(nested)
        path = experiment.data.path
        return experiment.replace({"data.path": path}) if path else experiment
    except SettingError as error:
        raise SettingError(_short(f"the file cannot be opened: {error}")) from None


@session.callback
def _open(widget: str) -> None:
    if (file := st.session_state[widget]) is not None:
        session.use(from_file(file.getvalue()))


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= MAX_SENTENCE else sentence[: MAX_SENTENCE - 1] + "…"
