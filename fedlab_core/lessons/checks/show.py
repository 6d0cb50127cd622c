"""Values as a student reads them: short, rounded, and safe whatever they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fedlab_core.lessons.checks.clock import GiveUp
from fedlab_core.types import Update

MAX_ITEMS, MAX_DEPTH, MAX_CHARACTERS = 8, 4, 200


def show(value: Any, depth: int = 0) -> str:
    """One line for any value; long ones are cut, and one whose own repr fails is named by its type."""
    try:
        return _show(value, depth)
    except GiveUp:
        raise
    except BaseException as error:
        return f"<{type(value).__name__}, which cannot be shown: {type(error).__name__}>"


def show_call(name: str, args: tuple[Any, ...]) -> str:
    """`aggregate([Update(...), Update(...)])`."""
    return f"{name}({', '.join(show(value) for value in args)})"


def _show(value: Any, depth: int) -> str:
    if isinstance(value, Tensor):
        return _tensor(value)
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, Update):
        masks = f", masks={show(value.masks, depth + 1)}" if value.masks else ""
        return f"Update(num_examples={value.num_examples}, params={show(value.params, depth + 1)}{masks})"
    if depth < MAX_DEPTH and isinstance(value, Mapping):
        return (
            "{"
            + _items([f"{key!r}: {show(value[key], depth + 1)}" for key in list(value)[: MAX_ITEMS + 1]], value)
            + "}"
        )
    if depth < MAX_DEPTH and isinstance(value, (list, tuple)):
        return "[" + _items([show(item, depth + 1) for item in value[: MAX_ITEMS + 1]], value) + "]"
    text = " ".join(repr(value).split())
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}..."


def _items(shown: list[str], whole: Any) -> str:
    more = [f"... ({len(whole)} in all)"] if len(shown) > MAX_ITEMS else []
    return ", ".join(shown[:MAX_ITEMS] + more)


def _tensor(tensor: Tensor) -> str:
    values = tensor.detach().flatten()
    if tensor.dtype == torch.bool:
        values = values.int()
    shown = ", ".join(f"{value:.5g}" for value in values[:MAX_ITEMS].tolist())
    if tensor.dim() == 0:
        return shown
    more = f", ... ({len(values)} in all)" if len(values) > MAX_ITEMS else ""
    shape = f" of shape {list(tensor.shape)}" if tensor.dim() > 1 else ""
    kind = " of type float16" if tensor.dtype == torch.float16 else ""
    return f"[{shown}{more}]{shape}{kind}"
