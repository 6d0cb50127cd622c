"""Whatever an experiment is handed on as, it is the same experiment; rounds survive the way into CSV and back."""

from __future__ import annotations

import ast
import csv
import io
import json
import shlex

import nbformat
import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

from fedlab_core import Experiment as PublicExperiment
from fedlab_core import simulate as public_simulate
from fedlab_core.arguments import changes_of
from fedlab_core.cli import app
from fedlab_core.experiment import Experiment
from fedlab_core.runs.recipes import recipe, recipe_names
from fedlab_core.runs.share import command_line, notebook, python_snippet, rounds_csv
from tests.experiments import HOSTILE, experiments


def built_by(code: str) -> Experiment:
    """The experiment that a piece of Python makes: its import and its assignment are executed, nothing else."""
    first, assignment, *_ = ast.parse(code).body
    assert ast.unparse(first) == "from fedlab_core import Experiment, simulate"
    known = {"Experiment": PublicExperiment, "simulate": public_simulate}
    exec(compile(ast.Module([assignment], []), "<shared>", "exec"), known)
    return known["experiment"]  # type: ignore[return-value]


def typed(line: str) -> Experiment:
    """The experiment that the command line makes of a line that was typed."""
    program, command, name, *options = shlex.split(line)
    assert (program, command) == ("fedlab", "run")
    assert set(options[::2]) <= {"--set"}
    return recipe(name).replace(changes_of(options[1::2], rounds=""))


def check(experiment: Experiment) -> None:
    first_code = next(cell for cell in nbformat.reads(notebook(experiment), 4).cells if cell.cell_type == "code")
    assert built_by(python_snippet(experiment)).hash == experiment.hash
    assert typed(command_line(experiment)).hash == experiment.hash
    assert built_by(first_code.source).hash == experiment.hash


@pytest.mark.parametrize("name", recipe_names())
def test_recipes(name: str) -> None:
    check(recipe(name))
    assert command_line(recipe(name)) == f"fedlab run {name}"


@settings(max_examples=25)
@given(experiments())
def test_any_experiment(experiment: Experiment) -> None:
    check(experiment)


@pytest.mark.parametrize("text", HOSTILE)
def test_free_text_survives_every_quoting(text: str) -> None:
    experiment = Experiment().replace({"data.dataset": "images", "data.path": text})
    assert experiment.data.path.endswith(text.rstrip("/"))
    check(experiment)


def test_a_setting_is_changed_in_the_nearest_recipe() -> None:
    experiment = recipe("fedsparsify-digits").replace({"data.alpha": 0.125, "federation.trainer": "loop"})
    assert (
        command_line(experiment) == "fedlab run fedsparsify-digits --set data.alpha=0.125 --set federation.trainer=loop"
    )


def test_the_line_is_one_that_the_command_understands() -> None:
    """Up to the data, which are not there."""
    experiment = Experiment().replace({"data.dataset": "images", "data.path": "nowhere 'at all'"})
    result = CliRunner().invoke(app, shlex.split(command_line(experiment))[1:])
    assert result.exit_code == 2
    assert "nowhere 'at all'" in result.stderr


def test_the_notebook_is_valid_and_says_what_it_is() -> None:
    made = nbformat.reads(notebook(recipe("fedsparsify-digits")), 4)
    nbformat.validate(made)
    assert made.cells[0].source.startswith("# FedSparsify-Global on digits")
    assert notebook(recipe("fedsparsify-digits")) == notebook(recipe("fedsparsify-digits")), (
        "ids of cells are not drawn"
    )


@pytest.mark.slow
def test_the_notebook_runs_to_its_curve() -> None:
    small = {"federation.rounds": 1, "data.num_clients": 2, "model.name": "mlp"}
    names: dict[str, object] = {}
    for cell in nbformat.reads(notebook(Experiment().replace(small)), 4).cells[1:]:
        *body, last = ast.parse(cell.source).body
        exec(compile(ast.Module(body, []), cell.id, "exec"), names)
        assert isinstance(last, (ast.Expr, ast.Assign))
        names["shown"] = eval(compile(ast.Expression(last.value), cell.id, "eval"), names)
        if isinstance(last, ast.Assign):
            names[ast.unparse(last.targets[0])] = names["shown"]
    assert len(names["rows"]) == 2  # type: ignore[arg-type]
    assert "went up" in names["shown"].layout.title.text  # type: ignore[attr-defined]


def test_rounds_read_back_from_csv() -> None:
    rows = [
        {"round": 0, "clients": [], "train_loss": None, "sparsity": 0.0, "layer_density": {"a, b": 1.0}},
        {"round": 1, "clients": [0, 3], "train_loss": 1.5e-7, "sparsity": 1 / 3, "layer_density": {"a, b": 0.25}},
    ]
    read = list(csv.DictReader(io.StringIO(rounds_csv(rows), newline="")))
    assert list(read[0]) == list(rows[0])
    assert read[0]["train_loss"] == "", "None"
    assert [{field: None if text == "" else json.loads(text) for field, text in row.items()} for row in read] == rows


def test_no_rounds_are_an_empty_table() -> None:
    assert rounds_csv([]).strip() == ""
