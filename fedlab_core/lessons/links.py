"""From a notebook to the dashboard: a link that opens the same experiment there."""

from __future__ import annotations

from urllib.parse import urlencode

from fedlab_core.experiment import Experiment

DASHBOARD = "http://localhost:8501"


class Link(str):
    """An address that a notebook shows as a link."""

    def _repr_markdown_(self) -> str:
        return f"[Open this experiment in the dashboard]({self}) (start it first, with `make app`)"


def dashboard_link(experiment: Experiment, page: str = "run") -> Link:
    """Address of `experiment` in the dashboard on this machine.

    The query names the strategy and, by their flat names, the settings that differ from an `Experiment()` with it:
    `strategy.name=fedsparsify-global&data.alpha=0.1`.
    """
    return Link(f"{DASHBOARD}/{page}?{urlencode(experiment.to_query())}")
