"""One file a method. A file put here is known to the command line, the dashboard and the contract test."""

from fedlab_core.strategies.base import (
    Cost,
    Knob,
    Strategy,
    hyper,
    make_strategy,
    strategy_class,
    strategy_names,
)

__all__ = ["Cost", "Knob", "Strategy", "hyper", "make_strategy", "strategy_class", "strategy_names"]
