"""Whether an answer is what was expected; rounding is forgiven, nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

RELATIVE, ABSOLUTE = 1e-4, 1e-5
OTHER = "another value"


def difference(got: Any, expected: Any) -> str | None:
    """Why `got` is not `expected`, in words; None where it is."""
    if isinstance(expected, Tensor):
        return _of_tensors(got, expected)
    if isinstance(expected, Mapping):
        return _of_mappings(got, expected)
    if is_dataclass(expected):
        return difference(_fields(got), _fields(expected)) if type(got) is type(expected) else "another type"
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        return _of_sequences(got, expected)
    if isinstance(expected, float):
        return _of_numbers(got, expected)
    plain = _plain(got)
    return None if type(plain) is type(expected) and plain == expected else OTHER


def number(value: Any) -> float | None:
    """`value` as a float: Python's, NumPy's, a tensor of one element; None for all else, also for true and false."""
    if isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex() and value.dtype != torch.bool:
        return float(value.detach())
    value = _plain(value)
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def _plain(value: Any) -> Any:
    """NumPy's and torch's scalars as Python's own; all else as it is."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _of_numbers(got: Any, expected: float) -> str | None:
    value = number(got)
    if value is None:
        return "not a number"
    return None if math.isclose(value, expected, rel_tol=RELATIVE, abs_tol=ABSOLUTE) else OTHER


def _of_tensors(got: Any, expected: Tensor) -> str | None:
    if not isinstance(got, Tensor):
        return "not a torch tensor"
    if got.shape != expected.shape:
        return f"its shape is {list(got.shape)}, not {list(expected.shape)}"
    if got.dtype != expected.dtype:
        return f"its type is {_name(got.dtype)}, not {_name(expected.dtype)}"
    if not expected.is_floating_point():
        return None if torch.equal(got, expected) else OTHER
    close = torch.allclose(got.detach(), expected, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    return None if close else OTHER


def _of_mappings(got: Any, expected: Mapping[str, Any]) -> str | None:
    if not isinstance(got, Mapping):
        return "not a dictionary"
    if set(got) != set(expected):
        return f"its names are {sorted(map(str, got))}, not {sorted(expected)}"
    return _first({name: difference(got[name], value) for name, value in expected.items()})


def _of_sequences(got: Any, expected: Sequence[Any]) -> str | None:
    if not isinstance(got, (list, tuple)):
        return "not a list"
    if len(got) != len(expected):
        return f"its length is {len(got)}, not {len(expected)}"
    return _first({str(i): difference(a, b) for i, (a, b) in enumerate(zip(got, expected, strict=True))})


def _first(differences: Mapping[str, str | None]) -> str | None:
    return next((f"{name}: {why}" for name, why in differences.items() if why), None)


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
