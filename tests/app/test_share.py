"""Share, and settings as files: the same experiment everywhere, and one sentence for what is none."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import settings as limits
from streamlit.testing.v1 import AppTest

from app.session import START, from_query, to_query
from app.share import MAX_FILE_BYTES, MAX_SENTENCE, file_name, from_file, to_file
from fedlab_core.experiment import Experiment, SettingError
from fedlab_core.runs.recipes import recipe, recipe_names
from fedlab_core.runs.share import command_line, python_snippet
from fedlab_core.runs.store import RunStore
from tests.app.conftest import SMALL
from tests.experiments import experiments


def opened(dashboard: AppTest, **query: str) -> AppTest:
    """The first page with Share open."""
    dashboard.query_params.update(query)
    dashboard.session_state["share"] = True
    page = dashboard.run()
    assert not page.exception, page.exception
    return page


def linked(page: AppTest) -> tuple[Experiment, dict[str, str]]:
    """What the link in Share leads to."""
    experiment, view, complaints = from_query(dict(parse_qsl(urlsplit(page.code[0].value).query)))
    assert complaints == []
    return experiment, view


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe_names())
def test_share_shows_the_settings_in_three_forms(dashboard: AppTest, name: str) -> None:
    page = opened(dashboard, **to_query(recipe(name), {}), guess="50")
    assert linked(page) == (recipe(name), {"guess": "50"})
    assert [code.value for code in page.code[1:]] == [python_snippet(recipe(name)), command_line(recipe(name))]


def test_an_opened_run_is_shared_with_its_own_experiment(
    dashboard: AppTest, store: RunStore, finished_run: bytes
) -> None:
    run_id = store.import_run(finished_run)
    page = opened(dashboard, run=run_id, **{"data.alpha": "0.25"})
    assert linked(page) == (SMALL, {"run": run_id})
    assert page.code[2].value == command_line(SMALL)


def test_a_run_that_is_gone_is_not_shared(dashboard: AppTest) -> None:
    assert linked(opened(dashboard, run="nobody"))[0] == START


def test_nothing_is_built_while_share_is_closed(dashboard: AppTest) -> None:
    assert not dashboard.run().code


@limits(max_examples=25)
@given(experiments())
def test_settings_survive_the_file(experiment: Experiment) -> None:
    assert from_file(to_file(experiment).encode()).hash == experiment.hash


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no settings"),
        (b"\xff\xfe\x00", "no settings"),
        (b"[" * 90_000, "no settings"),
        (b"[1]", "no settings by name"),
        (b"1" * 5000, "no settings"),
        (b" " * (MAX_FILE_BYTES + 1), "100,001 bytes"),
        (b'{"data": {"alpha": NaN}}', "data.alpha is nan"),
        (b'{"data": "' + b"x" * 50_000 + b'"}', "cannot be opened"),
        (b'{"pickle": 1}', "pickle is no setting"),
        (b'{"strategy": {"name": "../../etc"}}', "strategy.name is '../../etc'"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_short_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(SettingError, match=r".") as refused:
        from_file(content)
    assert sentence in str(refused.value)
    assert len(str(refused.value)) <= MAX_SENTENCE


def test_a_saved_file_names_every_setting() -> None:
    assert json.loads(to_file(SMALL))["strategy"]["final_sparsity"] == 0.8


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("my first", "my-first.json"),
        ("../../etc/passwd", "etc-passwd.json"),
        ("  ", "experiment.json"),
        ("α 0,5", "α-0-5.json"),
    ],
)
def test_names_of_files(typed: str, name: str) -> None:
    assert file_name(typed) == name


def test_a_file_is_opened_on_the_run_page(dashboard: AppTest) -> None:
    dashboard.session_state["settings:file"] = True
    dashboard.run()
    page = dashboard.switch_page("views/run.py").run()
    page.get("file_uploader")[0].set_value(("mine.json", to_file(SMALL).encode(), "application/json")).run()
    assert not page.exception, page.exception
    assert page.session_state["experiment"] == SMALL
