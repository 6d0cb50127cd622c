"""Small updates for tests of aggregation rules."""

import torch

from fedlab_core.types import Update


def update(client: int, values: list[float], examples: int = 1, mask: list[bool] | None = None) -> Update:
    """A client with one weight matrix of one row; its running means are that row."""
    w = torch.tensor([values])
    masks = {"w": torch.tensor([mask]) if mask else torch.ones_like(w, dtype=torch.bool)}
    return Update(client, {"w": w * masks["w"]}, {"mean": w[0]}, masks, examples, 0.0)
