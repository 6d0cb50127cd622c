"""What commands share: options, what their text means, and how errors are told."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or a unique beginning of it.")]
RunOrSweepArgument = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run or of a sweep.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="An exported run.")]
ModelArgument = Annotated[Path, typer.Argument(metavar="FILE", help="NAME.safetensors or NAME.onnx.")]
NameOption = Annotated[str, typer.Option("--name", help="A name for the list of runs.")]
StoreOption = Annotated[
    Path | None,
    typer.Option("--store", metavar="PATH", help="The file of all runs; default: FEDLAB_STORE, or data/."),
]
SetOption = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="A setting, e.g. data.alpha=0.1; may be repeated.")
]
# Text, so that a wrong number gets the same sentence as every other setting.
RoundsOption = Annotated[str, typer.Option("--rounds", metavar="N", help="Short for --set federation.rounds=N.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def changes_of(settings: Sequence[str], rounds: str) -> dict[str, str]:
    """`key=value` pairs as settings; a value is taken as it is, for the name of a file may end in a space.

    Raises:
        ValueError: a pair without a key or an equals sign.
    """
    changes = {}
    for pair in settings:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"--set is {pair!r}; allowed is KEY=VALUE, for example data.alpha=0.1")
        changes[key.strip()] = value
    return changes | ({"federation.rounds": rounds} if rounds else {})


def whole_number(option: str, text: str, low: int | None = None, high: int | None = None) -> int:
    """The number that an option was given.

    Raises:
        ValueError: it is none, or not between `low` and `high`.
    """
    span = f" from {low} to {high}" if low is not None else ""
    try:
        number = int(text)
        if low is not None and high is not None and not low <= number <= high:
            raise ValueError
    except ValueError:
        raise ValueError(f"{option} is {text!r}; allowed is a whole number{span}") from None
    return number


def positive_number(option: str, text: str) -> float:
    """The number that an option was given. Raises ValueError: it is none, or not above 0."""
    with suppress(ValueError):
        if 0 < (number := float(text)) < math.inf:
            return number
    raise ValueError(f"{option} is {text!r}; allowed is a number above 0")


def guarded(function: Callable[..., None]) -> Callable[..., None]:
    """The same command, but its errors are one sentence and exit code 2."""

    @functools.wraps(function)
    def guard(**arguments: Any) -> None:
        try:
            function(**arguments)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except BrokenPipeError:  # nobody reads the output any more: typer knows how to end quietly
            raise
        except OSError as error:
            refuse(f"{error.filename or 'file'}: {error.strerror or error}")
        except ValueError as error:
            refuse(str(error))

    return guard


def refuse(message: str) -> NoReturn:
    """Say in one line on stderr what cannot be, and end with exit code 2."""
    typer.echo(" ".join(message.split()), err=True)
    raise typer.Exit(2)
