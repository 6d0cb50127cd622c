"""The rules of the house, read from the imports and calls of every file; nothing is imported or run.

Each rule is a function from a parsed file to the complaints about it, and each is shown to complain about a small
offending source: a rule that cannot fail would be no rule.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

# An import may only point to a lower layer; files of one folder may import each other.
LAYERS = {
    "__version__": 0,
    "glossary": 0,
    "left_out": 0,
    "metrics": 0,
    "types": 0,
    "data": 1,
    "models": 1,
    "pruning": 1,
    "costs": 1,
    "federation": 2,
    "strategies": 3,
    "experiment": 4,
    "lab": 4,
    "encodings": 5,
    "export": 5,
    "measures": 5,
    "drift": 5,
    "clients": 4,
    "rounds": 4,
    "helpers": 5,
    "processes": 5,
    "simulation": 5,
    "speed": 5,
    "theatre": 5,
    "budgets": 6,
    "runs": 6,
    "privacy": 6,
    "robustness": 6,
    "plots": 6,
    "lessons": 7,
    "flower": 7,
    "arguments": 7,
    "terminal": 7,
    "budget_command": 7,
    "course_command": 7,
    "deploy_command": 7,
    "cli": 7,
    "__init__": 8,  # the public names
}
# Neighbours in one layer that need each other: a round reads the experiment, a simulation may use processes, which have
# helpers, the commands speak through the terminal, slimming has to know where models can be cut, scenes are measured,
# and who measures speed measures exported networks, in one thread.
SIDEWAYS = {
    ("lab", "experiment"),
    ("rounds", "experiment"),
    ("rounds", "lab"),
    ("rounds", "clients"),
    ("clients", "lab"),
    ("processes", "helpers"),
    ("simulation", "processes"),
    ("speed", "export"),
    ("speed", "processes"),
    ("theatre", "measures"),
    ("cli", "arguments"),
    ("cli", "terminal"),
    ("cli", "budget_command"),
    ("cli", "course_command"),
    ("cli", "deploy_command"),
    ("deploy_command", "arguments"),
    ("deploy_command", "terminal"),
    ("budget_command", "arguments"),
    ("course_command", "arguments"),
    ("course_command", "lessons"),
    ("pruning", "models"),
}
# What is built on the core; the core knows nothing of it.
OUTSIDE = {"app", "benchmarks", "notebooks", "tests"}

# Toolkits stay at the edge, so that the core runs without a browser, a notebook, Flower or ONNX.
TOOLKITS: dict[str, set[str]] = {
    "plotly": {"plots", "lessons"},
    "ipywidgets": {"lessons"},
    "anywidget": {"lessons"},
    "IPython": {"lessons"},
    "flwr": {"flower"},
    "streamlit": set(),
    "onnx_ir": {"export"},
    "onnxscript": {"export"},
}

# Loading with these can run code that a file brings along; tensors go into safetensors, the rest into JSON.
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {"torch.load", "torch.save", "yaml.load", "yaml.unsafe_load", "os.system", "eval", "exec"}
UNSAFE_ARGUMENTS = {"allow_pickle", "shell", "unsafe_allow_html"}

# Randomness comes from `seeded_generator` alone: a global generator makes results depend on who drew before.
GLOBAL_SEEDS = {"torch.manual_seed", "torch.seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all"}
OWN_NUMPY = {"numpy.random.default_rng", "numpy.random.Generator", "numpy.random.SeedSequence"}
DRAWS = {f"torch.{name}" for name in ("rand", "randn", "randint", "randperm", "multinomial", "normal", "bernoulli")}
DRAWS_IN_PLACE = ("normal_", "uniform_", "random_", "bernoulli_")  # tensor.normal_(), nn.init.normal_(tensor)

MAX_LINES = 300


class Source(NamedTuple):
    """One file: its path below the repository, its text, and what the parser made of it."""

    path: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> list[str]:
        """`fedlab_core/data/cohort.py` -> [fedlab_core, data, cohort]."""
        return self.path.removesuffix(".py").split("/")

    @property
    def unit(self) -> str:
        """The part of the core that the file belongs to, as in LAYERS."""
        return self.module[1]


class Import(NamedTuple):
    line: int
    name: str  # dotted and absolute; `from a import b` gives "a.b"


def parse(path: str, text: str) -> Source:
    return Source(path, text, ast.parse(text, path))


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(parse(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")) for file in files)


def imports(source: Source) -> Iterator[Import]:
    """Every import of the file: also inside functions, relative, or by `import_module("...")`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = source.module[: len(source.module) - node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            yield from (Import(node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and dotted(node.func).endswith("import_module") and node.args:
            yield Import(node.lineno, ast.unparse(node.args[0]).lstrip("f").strip("'\""))


def dotted(function: ast.expr) -> str:
    """`a.b.c`; what is no name, a call or an index, is a question mark in it."""
    if isinstance(function, ast.Attribute):
        return f"{dotted(function.value)}.{function.attr}"
    return function.id if isinstance(function, ast.Name) else "?"


@cache
def calls(source: Source) -> list[tuple[ast.Call, str]]:
    """Every call with the full name of what is called: after `import numpy as np`, `np.ones` is numpy.ones."""
    full = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            full.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom) and node.module:
            full.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            first, *rest = dotted(node.func).split(".")
            found.append((node, ".".join([full.get(first, first), *rest])))
    return found


def layer_violations(source: Source) -> Iterator[str]:
    if source.unit not in LAYERS:
        yield f"{source.path}: {source.unit} has no layer yet; give it one in LAYERS"
        return
    for line, name in imports(source):
        package, *parts = name.split(".")
        if package in OUTSIDE:
            yield f"{source.path}:{line}: imports {name}, which is not part of the core"
        if package != "fedlab_core":
            continue
        target = parts[0] if parts and parts[0] in LAYERS else "__init__"
        downwards = LAYERS[target] < LAYERS[source.unit]
        if not (downwards or target == source.unit or (source.unit, target) in SIDEWAYS):
            yield (
                f"{source.path}:{line}: {source.unit} (layer {LAYERS[source.unit]}) imports {name} "
                f"(layer {LAYERS[target]}); only lower layers are allowed"
            )


def toolkit_violations(source: Source) -> Iterator[str]:
    for line, name in imports(source):
        allowed = TOOLKITS.get(name.split(".")[0])
        if allowed is not None and source.unit not in allowed:
            places = ", ".join(sorted(allowed)) or "app/"
            yield f"{source.path}:{line}: imports {name}; allowed in {places}"


def view_violations(source: Source) -> Iterator[str]:
    for line, name in imports(source):
        if "views" in name.split(".")[:2]:
            yield f"{source.path}:{line}: a view imports {name}; what views share belongs beside them"


def unsafe_violations(source: Source) -> Iterator[str]:
    for line, name in imports(source):
        if name.split(".")[0] in UNSAFE_MODULES:
            yield f"{source.path}:{line}: imports {name}, which can run code from a file"
    for call, name in calls(source):
        if name in UNSAFE_CALLS:
            yield f"{source.path}:{call.lineno}: calls {name}"
        for keyword in call.keywords:
            off = isinstance(keyword.value, ast.Constant) and not keyword.value.value
            if keyword.arg in UNSAFE_ARGUMENTS and not off:
                yield f"{source.path}:{call.lineno}: {name}({keyword.arg}=...) may only be False"


def randomness_violations(source: Source) -> Iterator[str]:
    for line, name in imports(source):
        if name.split(".")[0] == "random":
            yield f"{source.path}:{line}: imports random; draw from a torch.Generator"
    for call, name in calls(source):
        # None is the name of **kwargs, where a generator may hide.
        has_generator = any(keyword.arg in ("generator", None) for keyword in call.keywords)
        of_numpy = name.startswith("numpy.random.") and name not in OWN_NUMPY
        draws = name in DRAWS or name.endswith(DRAWS_IN_PLACE)
        if name in GLOBAL_SEEDS or of_numpy or (draws and not has_generator):
            yield f"{source.path}:{call.lineno}: {name} uses a global generator"


def length_violations(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if lines > MAX_LINES:
        yield f"{source.path}: {lines} lines; at most {MAX_LINES} (one idea a file)"


Rule = Callable[[Source], Iterator[str]]

# Where each rule holds.
RULES: dict[Rule, tuple[str, ...]] = {
    layer_violations: ("fedlab_core",),
    toolkit_violations: ("fedlab_core",),
    view_violations: ("app/views",),
    unsafe_violations: ("fedlab_core", "app", "benchmarks", "notebooks"),
    randomness_violations: ("fedlab_core", "app", "benchmarks", "notebooks"),
    length_violations: ("fedlab_core", "app"),
}

# For each rule, sources that it must complain about, and beside them the nearest ones that are fine.
OFFENDING = [
    (layer_violations, "fedlab_core/data/x.py", "from fedlab_core.federation import trainer"),
    (layer_violations, "fedlab_core/data/x.py", "import fedlab_core.models.base"),
    (layer_violations, "fedlab_core/data/x.py", "from fedlab_core import runs"),
    (layer_violations, "fedlab_core/data/x.py", "from fedlab_core import simulate_everything"),
    (layer_violations, "fedlab_core/data/x.py", "from ..strategies.base import Strategy"),
    (layer_violations, "fedlab_core/data/x.py", "def f():\n    from fedlab_core import cli"),
    (layer_violations, "fedlab_core/data/x.py", "importlib.import_module('fedlab_core.runs.store')"),
    (layer_violations, "fedlab_core/data/x.py", "import_module(f'fedlab_core.runs.{name}')"),
    (layer_violations, "fedlab_core/experiment.py", "from fedlab_core.rounds import run_round"),
    (layer_violations, "fedlab_core/novelty.py", ""),
    (layer_violations, "fedlab_core/cli.py", "import app.controls"),
    (toolkit_violations, "fedlab_core/runs/x.py", "import plotly.graph_objects as go"),
    (toolkit_violations, "fedlab_core/plots/x.py", "from streamlit import cache_data"),
    (toolkit_violations, "fedlab_core/cli.py", "import flwr"),
    (view_violations, "app/views/run.py", "from app.views.data import panel"),
    (view_violations, "app/views/run.py", "from .data import panel"),
    (view_violations, "app/views/run.py", "from views import data"),
    (unsafe_violations, "app/x.py", "import pickle"),
    (unsafe_violations, "app/x.py", "from torch import load as read\nread('weights.pt')"),
    (unsafe_violations, "app/x.py", "import torch as t\nt.save({}, 'weights.pt')"),
    (unsafe_violations, "app/x.py", "import yaml\nyaml.load(text)"),
    (unsafe_violations, "app/x.py", "np.load(path, allow_pickle=True)"),
    (unsafe_violations, "app/x.py", "subprocess.run('ls', shell=True)"),
    (unsafe_violations, "app/x.py", "st.markdown(text, unsafe_allow_html=True)"),
    (unsafe_violations, "app/x.py", "st.markdown(text, unsafe_allow_html=wanted)"),
    (randomness_violations, "app/x.py", "import torch\ntorch.manual_seed(0)"),
    (randomness_violations, "app/x.py", "from numpy import random\nrandom.seed(0)"),
    (randomness_violations, "app/x.py", "import numpy as np\nnp.random.rand(3)"),
    (randomness_violations, "app/x.py", "import random"),
    (randomness_violations, "app/x.py", "torch.randperm(10)"),
    (randomness_violations, "app/x.py", "from torch import randn\nrandn(3)"),
    (randomness_violations, "app/x.py", "weight.normal_()"),
    (length_violations, "app/x.py", "\n" * (MAX_LINES + 1)),
]
HARMLESS = [
    (layer_violations, "fedlab_core/data/x.py", "from fedlab_core.types import Batch\nfrom . import cohort"),
    (layer_violations, "fedlab_core/rounds.py", "from fedlab_core.experiment import Experiment"),
    (layer_violations, "fedlab_core/__init__.py", "from fedlab_core.cli import main"),
    (toolkit_violations, "fedlab_core/plots/x.py", "import plotly"),
    (view_violations, "app/views/run.py", "from app.controls import slider\nfrom ..session import load"),
    (unsafe_violations, "app/x.py", "subprocess.run(['ls'], shell=False)\nyaml.safe_load(text)"),
    (
        randomness_violations,
        "app/x.py",
        "torch.randn(3, generator=g).normal_(generator=g)\ntorch.Generator().manual_seed(0)",
    ),
    (randomness_violations, "app/x.py", "import numpy as np\nnp.random.default_rng(0)"),
    (length_violations, "app/x.py", "\n" * MAX_LINES),
]


@pytest.mark.parametrize(("rule", "folders"), RULES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_the_rule_holds(rule: Rule, folders: tuple[str, ...]) -> None:
    assert [complaint for source in sources(*folders) for complaint in rule(source)] == []


@pytest.mark.parametrize(("rule", "path", "text"), OFFENDING)
def test_the_rule_sees_an_offence(rule: Rule, path: str, text: str) -> None:
    assert list(rule(parse(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), HARMLESS)
def test_the_rule_lets_harmless_code_pass(rule: Rule, path: str, text: str) -> None:
    assert list(rule(parse(path, text))) == []


def test_every_rule_is_shown_to_fail_and_reads_files() -> None:
    assert {rule for rule, _, _ in OFFENDING} == {rule for rule, _, _ in HARMLESS} == set(RULES)
    read = {source.path for source in sources("fedlab_core")}
    assert {"fedlab_core/types.py", "fedlab_core/data/__init__.py"} <= read
