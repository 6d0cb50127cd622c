"""FedAvg (McMahan et al. 2017): the interface's defaults and nothing else."""

from __future__ import annotations

from typing import ClassVar

from fedlab_core.strategies.base import Strategy


class FedAvg(Strategy):
    """Every client trains the whole model; the server averages, weighted by numbers of examples."""

    name: ClassVar[str] = "fedavg"
    title: ClassVar[str] = "FedAvg"
    source: ClassVar[str] = "McMahan et al. 2017, arXiv 1602.05629"
