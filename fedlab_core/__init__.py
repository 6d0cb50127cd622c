"""fedlab_core: learn, show and explore pruning in federated learning.

from fedlab_core import Experiment, simulate
for record in simulate(Experiment().replace({"strategy.name": "fedsparsify-global"})):
    print(record.round, record.test_accuracy, record.sparsity)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedlab_core.experiment import Experiment, SettingError
    from fedlab_core.lab import Federation
    from fedlab_core.rounds import initial_record, run_round
    from fedlab_core.simulation import simulate
    from fedlab_core.types import Assignment, Batch, Masks, Params, RoundContext, RoundRecord, ServerState, Update

__version__ = "0.1.0"

_HOME = {
    "Experiment": "experiment",
    "SettingError": "experiment",
    "Federation": "lab",
    "initial_record": "rounds",
    "run_round": "rounds",
    "simulate": "simulation",
    "Assignment": "types",
    "Batch": "types",
    "Masks": "types",
    "Params": "types",
    "RoundContext": "types",
    "RoundRecord": "types",
    "ServerState": "types",
    "Update": "types",
}

__all__ = [
    "Assignment",
    "Batch",
    "Experiment",
    "Federation",
    "Masks",
    "Params",
    "RoundContext",
    "RoundRecord",
    "ServerState",
    "SettingError",
    "Update",
    "initial_record",
    "run_round",
    "simulate",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `fedlab --help` must not wait for torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'fedlab_core' has no attribute {name!r}")
    return getattr(import_module(f"fedlab_core.{_HOME[name]}"), name)
