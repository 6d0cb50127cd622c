"""An experiment as something to hand on: Python, a command line, a notebook; and the rounds of a run as CSV.

Each of them builds the same `Experiment`, with the same hash, wherever it is opened.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from fedlab_core.data.datasets import dataset_metric
from fedlab_core.experiment import Experiment
from fedlab_core.runs.recipes import recipe, recipe_names
from fedlab_core.strategies import strategy_class

_KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def python_snippet(experiment: Experiment) -> str:
    """Python that runs the experiment and prints its rounds."""
    return (
        f"{_assignment(experiment)}\n"
        "for record in simulate(experiment):\n"
        f"    print(record.round, record.{dataset_metric(experiment.data.dataset).test}, record.sparsity)"
    )


def command_line(experiment: Experiment) -> str:
    """`fedlab run RECIPE --set ...`, quoted for a POSIX shell: from the recipe that takes the fewest changes."""
    changes = {name: _changes(experiment, recipe(name)) for name in recipe_names()}
    nearest = min(changes, key=lambda name: len(changes[name]))
    options = [part for key, text in changes[nearest].items() for part in ("--set", f"{key}={text}")]
    return shlex.join(["fedlab", "run", nearest, *options])


def notebook(experiment: Experiment) -> str:
    """A Jupyter notebook, as the text of its file: the experiment, its rounds with progress, the curves."""
    import nbformat  # here, because reading a run's numbers must not wait for it

    new_code, new_text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    method = strategy_class(experiment.strategy.name).title or experiment.strategy.name
    cells = [
        new_text(
            f"# {method} on {experiment.data.dataset}\n\nExperiment `{experiment.hash}`: the same settings on the same "
            "machine give the same numbers. It needs `fedlab_core`.",
            id="title",
        ),
        new_code(_assignment(experiment) + "experiment.hash", id="experiment"),
        new_code(
            "from tqdm import tqdm\n\n"
            "rounds = tqdm(simulate(experiment), total=experiment.federation.rounds + 1, desc='rounds')\n"
            "rows = [record.to_json() for record in rounds]",
            id="rounds",
        ),
        new_code("from fedlab_core.plots import accuracy_curve\n\naccuracy_curve(rows)", id="accuracy"),
        new_code("from fedlab_core.plots import bytes_ledger\n\nbytes_ledger(rows)", id="bytes"),
    ]
    text: str = nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata=_KERNEL))
    return text + "\n"


def rounds_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rounds as CSV (RFC 4180), one column a field: decimal points, empty for None, lists and tables as JSON."""
    rows = list(rows)
    fields = list(dict.fromkeys(field for row in rows for field in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fields)
    writer.writeheader()
    for row in rows:
        writer.writerow({k: json.dumps(v) if isinstance(v, (list, dict)) else v for k, v in row.items()})
    return text.getvalue()


def _assignment(experiment: Experiment) -> str:
    method = {"strategy.name": experiment.strategy.name}
    settings = method | experiment.changes_from(Experiment().replace(method))
    lines = "".join(f"    {name!r}: {value!r},\n" for name, value in settings.items())
    return f"from fedlab_core import Experiment, simulate\n\nexperiment = Experiment().replace({{\n{lines}}})\n"


def _changes(experiment: Experiment, start: Experiment) -> dict[str, str]:
    """What has to be set, as text, to get from `start` to `experiment`."""
    changes = experiment.to_query(start)
    if start.strategy.name == experiment.strategy.name:
        del changes["strategy.name"]
    return changes
