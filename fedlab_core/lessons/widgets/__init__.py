"""Figures with sliders for the notebooks. Each also leaves a still picture, which needs neither kernel nor widgets."""

from fedlab_core.lessons.widgets.budgets import budget_explorer
from fedlab_core.lessons.widgets.comparison import comparison_explorer
from fedlab_core.lessons.widgets.costs import cost_explorer
from fedlab_core.lessons.widgets.drift import drift_explorer, quadratics_explorer
from fedlab_core.lessons.widgets.explorer import Explorer
from fedlab_core.lessons.widgets.fedavg import fedavg_explorer
from fedlab_core.lessons.widgets.fedsparsify import fedsparsify_explorer
from fedlab_core.lessons.widgets.gates import gates_explorer
from fedlab_core.lessons.widgets.hypernetwork import hypernetwork_explorer
from fedlab_core.lessons.widgets.membership import membership_explorer
from fedlab_core.lessons.widgets.partition import partition_explorer
from fedlab_core.lessons.widgets.pruning import pruning_explorer
from fedlab_core.lessons.widgets.regrow import regrow_explorer

__all__ = [
    "Explorer",
    "budget_explorer",
    "comparison_explorer",
    "cost_explorer",
    "drift_explorer",
    "fedavg_explorer",
    "fedsparsify_explorer",
    "gates_explorer",
    "hypernetwork_explorer",
    "membership_explorer",
    "partition_explorer",
    "pruning_explorer",
    "quadratics_explorer",
    "regrow_explorer",
]
