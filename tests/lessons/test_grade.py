"""Grading a class: right marks whatever is handed in, and what is hostile harms nobody but itself."""

from __future__ import annotations

import csv
import inspect
import json
import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedlab_core.cli import app
from fedlab_core.lessons.checks import exercises
from fedlab_core.lessons.excerpt import ExcerptError, code_cells, excerpt
from fedlab_core.lessons.grade import Mark, Task, best, left_out, tasks, write_details, write_marks
from fedlab_core.lessons.host import Host
from fedlab_core.lessons.sandbox import Limits, Verdict

from .answers import RIGHT, WRONG
from .cells import notebook

ROOT = Path(__file__).parents[2]
STUDENT = ROOT / "notebooks" / f"{notebook('01').stem}.ipynb"
QUICK = Limits(seconds=1.5, megabytes=800)

HOSTILE = {
    "endless loop": ("while True:\n    pass", "failed"),
    "endless loop that catches all": (
        "while True:\n    try:\n        len('')\n    except BaseException:\n        0",
        "failed",
    ),
    "ends the process": ("import os\nos._exit(0)", "stopped"),
    "ten gigabytes": ("import torch\nreturn {'w': torch.zeros(2_500_000_000)}", "failed"),
    "ten gigabytes of bytes": ("return bytearray(10**10)", "failed"),
    "kills itself": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "stopped"),
    "kills its group": ("import os, signal\nos.killpg(0, signal.SIGKILL)", "stopped"),
    "leaves the check": ("raise SystemExit(0)", "failed"),
    "floods the screen": ("import os\nos.write(1, b'x' * 10**6)\nreturn {}", "failed"),
    "fills the disk": ("open('big', 'wb').write(bytes(200_000_000))\nreturn {}", "failed"),
    "endless recursion": ("return aggregate(updates)", "failed"),
    "breaks the interpreter": ("import ctypes\nctypes.string_at(0)", "stopped"),
}
LIMITED = {
    "ten gigabytes": "can't allocate memory",
    "ten gigabytes of bytes": "MemoryError",
    "fills the disk": "File too large",
}
"""What a limit says to those that it stops. Without it they would be wrong answers, and fail all the same."""


def cells(*sources: str) -> str:
    """The text of a notebook with these cells."""
    made = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in sources]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def answer(body: str) -> str:
    return f"def aggregate(updates):\n{textwrap.indent(body, '    ')}"


def handed_in(folder: Path, *sources: str, name: str = STUDENT.name) -> Path:
    """A notebook of 01 in the folder of a student."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(cells(*sources), encoding="utf-8")
    return file


def source_of(function: Callable[..., Any], name: str) -> str:
    """Its text under another name, without decorators; with the imports that all of them need."""
    text = textwrap.dedent(inspect.getsource(function))
    text = text[text.index("def ") :].replace(f"def {function.__name__}(", f"def {name}(")
    return f"import torch\nimport numpy as np\n\n{text}"


@pytest.fixture(scope="module")
def host() -> Any:
    with Host() as one:
        yield one


@pytest.mark.slow
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_answer_harms_only_itself(what: str, host: Host, tmp_path: Path) -> None:
    body, outcome = HOSTILE[what]
    start = time.monotonic()
    verdict = host.judge(handed_in(tmp_path, answer(body)), "01.1", QUICK)
    assert verdict.outcome == outcome
    if sys.platform == "linux":  # macOS does not enforce the limit on memory
        assert LIMITED.get(what, "") in verdict.got
    assert time.monotonic() - start < QUICK.patience_s + 5
    assert host.judge(handed_in(tmp_path, source_of(RIGHT["01.1"][0], "aggregate")), "01.1", QUICK).outcome == "passed"


@pytest.mark.slow
def test_code_beside_the_function_is_limited_too(host: Host, tmp_path: Path) -> None:
    for line, outcome in (("while True: x = 1", "stopped"), ("x = 1 / 0", "failed"), ("x = exit()", "failed")):
        file = handed_in(tmp_path, line, answer("return x"))
        assert host.judge(file, "01.1", Limits(seconds=0.5)).outcome == outcome


@pytest.mark.slow
def test_a_forged_report_has_no_effect_beyond_its_own_mark(host: Host, tmp_path: Path) -> None:
    for said in (b"[]", b"{", b'{"outcome": "excellent"}', b'{"outcome": "failed", "law": 3}', b"9" * 5_000_000):
        flood = f"{said[:64]!r} * {len(said) // 64 + 1}"
        forge = f"import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, {flood})\n"
        file = handed_in(tmp_path, answer(forge + "    except OSError:\n        pass\nos._exit(0)"))
        assert host.judge(file, "01.1", QUICK).outcome == "stopped"


@pytest.mark.slow
def test_a_class_of_thirty_is_graded_right_with_a_hostile_one_in_it(tmp_path: Path) -> None:
    expected, odd = {}, ("student 07", "student 13", "student 19")
    for k in range(30):
        name, right, wrong = f"student {k:02}", RIGHT["01.1"][k % 3], WRONG["01.1"][k % 5].answer
        if k == 7:
            source, expected[name] = answer(HOSTILE["ends the process"][0]), "stopped"
        elif k == 13:
            source, expected[name] = answer(HOSTILE["endless loop"][0]), "failed"
        elif k == 19:
            source, expected[name] = answer(HOSTILE["ten gigabytes"][0]), "failed"
        elif k % 2:
            source, expected[name] = source_of(wrong, "aggregate"), "failed"
        else:
            source, expected[name] = source_of(right, "aggregate"), "passed"
        handed_in(tmp_path / "class" / name, source)
    table = tmp_path / "marks.csv"
    result = CliRunner().invoke(
        app, ["course", "grade", str(tmp_path / "class"), "--to", str(table), "--seconds", "2", "--megabytes", "800"]
    )
    assert result.exit_code == 0, result.output
    with table.open(newline="") as stream:
        assert {row["student"]: row["01.1"] for row in csv.DictReader(stream)} == expected
    with (tmp_path / "marks-details.csv").open(newline="") as stream:
        details = {row["student"]: row for row in csv.DictReader(stream)}
    for k in (k for k in range(1, 30, 2) if f"student {k:02}" not in odd):
        assert WRONG["01.1"][k % 5].law in details[f"student {k:02}"]["law"]
        assert details[f"student {k:02}"]["hint"]
    assert "ended its process" in details["student 07"]["law"]
    assert "30 students" in result.output


@pytest.mark.slow
def test_the_courses_own_notebooks_are_unwritten_and_its_solutions_pass(host: Host, tmp_path: Path) -> None:
    from fedlab_core.lessons.build import solution_notebook, text_of

    for task in tasks(ROOT / "notebooks"):
        assert host.judge(task.notebook, task.number, Limits()).outcome == "unwritten", task.number
        solved = tmp_path / task.notebook.name
        if not solved.exists():
            solved.write_text(text_of(solution_notebook(notebook(task.number[:2]))), encoding="utf-8")
        verdict = host.judge(solved, task.number, Limits())
        assert verdict.outcome == "passed", (task.number, verdict)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands over processes that have left their group")
def test_what_an_answer_has_started_does_not_outlive_it(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    start = "import subprocess\npid = subprocess.Popen(['sleep', '600'], start_new_session=True).pid\n"
    handed = handed_in(tmp_path, answer(start + f"open({str(file)!r}, 'a').write(f'{{pid}} ')\nreturn {{}}"))
    assert host.judge(handed, "01.1", QUICK).outcome == "failed"
    pids = file.read_text().split()
    assert pids
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.slow
def test_ctrl_c_leaves_the_marks_so_far_and_nothing_else(tmp_path: Path) -> None:
    table, asleep = tmp_path / "marks.csv", tmp_path / "pid"
    handed_in(tmp_path / "class" / "Ada", source_of(RIGHT["01.1"][0], "aggregate"))
    slow = f"import os, time\nopen({str(asleep)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    handed_in(tmp_path / "class" / "Bob", answer(slow))
    # Ctrl-C reaches this program even where the tests themselves run in the background, which ignores it.
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import fedlab_core.cli as c; c.main()"
    )
    command = [sys.executable, "-c", start, "course", "grade", str(tmp_path / "class")]
    command += ["--to", str(table), "--seconds", "60"]
    env = {**os.environ, "FEDLAB_PROCESSES": "1"}  # one after the other: when Bob's is asleep, Ada's is judged
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": env}
    os.mkfifo(asleep)
    with (
        open(os.open(asleep, os.O_RDONLY | os.O_NONBLOCK)) as pipe,
        subprocess.Popen(command, cwd=ROOT, start_new_session=True, **options) as grading,
    ):
        said = ""
        while "1/2" not in said and (more := grading.stdout.read(1)):
            said += more
        assert select.select([pipe], [], [], 60)[0], "the second answer has not begun"
        pid = int(pipe.read())
        os.killpg(grading.pid, signal.SIGINT)
        said += grading.communicate(timeout=30)[0]
    assert grading.returncode == 130
    assert "Traceback" not in said
    assert table.read_text("utf-8").splitlines() == ["student,passed,of,01.1", "Ada,1,1,passed"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.slow
def test_nothing_is_imported_from_where_one_happens_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (tmp_path / "torch.py").write_text("raise SystemExit('a file that somebody has handed in')")
    with Host() as one:
        file = handed_in(tmp_path, source_of(RIGHT["01.1"][0], "aggregate"))
        assert one.judge(file, "01.1", QUICK).outcome == "passed"


def test_only_what_the_function_needs_is_taken() -> None:
    source = cells(
        "import torch\nimport json",
        "%matplotlib inline\n!ls\nhalf = 0.5",
        "slow = [fail() for x in range(9)]\nx = slow",
        "def helper(x):\n    return x * half",
        "@staticmethod\ndef mine(x):\n    slow = helper(x)\n    return torch.tensor(slow)",
        'result = check("01.1", mine)',
    )
    code, name = excerpt(code_cells(source), "01.1", "aggregate")
    assert name == "mine"
    assert code == (
        "import torch\n\nhalf = 0.5\n\ndef helper(x):\n    return x * half\n\n"
        "@staticmethod\ndef mine(x):\n    slow = helper(x)\n    return torch.tensor(slow)\n"
    )


def test_what_fills_a_helper_is_taken_and_what_calls_a_library_is_not() -> None:
    source = cells(
        "from math import *\nimport torch",
        "weights = {}\nfor k in range(3):\n    weights[k] = sqrt(k)",
        "seen = []\nseen.append(1)\nother = []\nother.append(1)",
        "torch.save(1, 'file')",
        "%%time\n" + answer("return torch.tensor(weights[0] + seen[0])"),
    )
    code, _ = excerpt(code_cells(source), "01.1", "aggregate")
    assert code == (
        "from math import *\n\nimport torch\n\nweights = {}\n\nfor k in range(3):\n    weights[k] = sqrt(k)\n\n"
        "seen = []\n\nseen.append(1)\n\n" + answer("return torch.tensor(weights[0] + seen[0])") + "\n"
    )


def test_the_last_definition_counts() -> None:
    code, _ = excerpt(code_cells(cells(answer("return 1"), answer("return 2"))), "01.1", "aggregate")
    assert code.rstrip().endswith("return 2")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("[]", "not a notebook"),
        ("{", "not a notebook"),
        ("[" * 100_000, "not a notebook"),
        ('{"cells": [3]}', "not a notebook"),
        (cells("x = 1"), "no cell defines aggregate"),
        (cells("def aggregate(updates) return 3"), "the cell of aggregate is not Python"),
        (cells("x = " + "(" * 5000), "no cell defines aggregate"),
    ],
)
def test_what_cannot_be_graded_is_said_in_a_sentence(source: str, said: str) -> None:
    with pytest.raises(ExcerptError, match=said):
        excerpt(code_cells(source), "01.1", "aggregate")


def test_students_are_folders_or_the_beginnings_of_names(tmp_path: Path) -> None:
    handed_in(tmp_path / "Ada" / "week 1" / "deep")
    handed_in(tmp_path / "Ada" / ".ipynb_checkpoints")
    handed_in(tmp_path, name="Bob-01_fedavg (2).ipynb")
    handed_in(tmp_path, name="notes.ipynb")
    assert [(task.student, task.number) for task in tasks(tmp_path)] == [("Ada", "01.1"), ("Bob", "01.1")]


def test_numbers_of_others_before_the_name_do_not_count(tmp_path: Path) -> None:
    handed_in(tmp_path / "Ada", name="hw03_ada_01_fedavg_from_scratch.ipynb")
    handed_in(tmp_path / "Bob", name="answers.ipynb")
    todo = tasks(tmp_path)
    assert [task.number for task in todo] == ["01.1"]
    assert left_out(tmp_path, todo) == ["Bob"]


def test_what_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    handed_in(tmp_path / "class" / "Ada", answer("return x"))
    for to in (tmp_path, tmp_path / "nowhere" / "marks.csv"):
        result = CliRunner().invoke(app, ["course", "grade", str(tmp_path / "class"), "--to", str(to)])
        assert result.exit_code == 2
        assert "answers" not in result.output  # no bar of progress


def test_names_and_texts_that_are_no_text_are_written_all_the_same(tmp_path: Path) -> None:
    mark = Mark(Task("\udcff", Path("\udcff.ipynb"), "01.1"), Verdict("failed", got="\ud800"))
    write_marks([mark], tmp_path / "marks.csv")
    write_details([mark], tmp_path / "details.csv")
    assert (tmp_path / "marks.csv").read_text("utf-8").endswith("?,0,1,failed\n")
    assert "?,01.1,failed,,,,?,,?.ipynb" in (tmp_path / "details.csv").read_text("utf-8")


def test_a_folder_without_notebooks_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        result = CliRunner().invoke(app, ["course", "grade", str(folder)])
        assert result.exit_code == 2
        assert "FOLDER is" in result.output
        assert "allowed is a folder" in result.output


def test_the_best_of_several_notebooks_counts_and_names_are_no_formulas(tmp_path: Path) -> None:
    both = [
        Mark(Task("=1+1", Path("a.ipynb"), "01.1"), Verdict("failed", "a law", got="@x")),
        Mark(Task("=1+1", Path("b.ipynb"), "01.1"), Verdict("passed")),
        Mark(Task("Bob", Path("b.ipynb"), "02.1"), Verdict("failed", "a\nlaw", got="-3")),
    ]
    assert [mark.verdict.outcome for mark in best(both).values()] == ["passed", "failed"]
    write_marks(both, tmp_path / "marks.csv")
    write_details(both, tmp_path / "details.csv")
    assert (tmp_path / "marks.csv").read_text().splitlines() == [
        "student,passed,of,01.1,02.1",
        "'=1+1,1,2,passed,missing",
        "Bob,0,2,missing,failed",
    ]
    assert "Bob,02.1,failed,a law,,,'-3,,b.ipynb" in (tmp_path / "details.csv").read_text()


def test_a_class_copy_has_every_notebook_and_no_solution(tmp_path: Path) -> None:
    folder = tmp_path / "autumn"
    result = CliRunner().invoke(app, ["course", "new", str(folder), "--title", "Autumn term"])
    assert result.exit_code == 0, result.output
    numbers = {number[:2] for number in exercises()}
    assert {file.name[:2] for file in folder.glob("*.ipynb")} == numbers
    assert all("SOLUTION" not in file.read_text("utf-8") for file in folder.iterdir())
    assert (folder / "README.md").read_text("utf-8").startswith("# Autumn term\n")
    assert "| 01 · FedAvg from scratch | 35 |" in (folder / "README.md").read_text("utf-8")
    again = CliRunner().invoke(app, ["course", "new", str(folder)])
    assert again.exit_code == 2
    assert "something already" in again.output
    other = CliRunner().invoke(app, ["course", "new", str(tmp_path / "b"), "--lesson", "01", "--lesson", "99"])
    assert other.exit_code == 2
    assert "--lesson is '99'; allowed is one of 00, 01" in other.output
    assert not (tmp_path / "b").exists()
    assert os.listdir(tmp_path) == ["autumn"]
