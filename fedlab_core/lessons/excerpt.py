"""From a student's notebook: one function and the statements that it needs, and nothing else of the notebook.

Demos, runs and pictures are left out: an answer is judged in a moment, and what another cell does wrong does not count.
"""

from __future__ import annotations

import ast
import json
import re
import symtable
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from IPython.core.inputtransformer2 import TransformerManager


class ExcerptError(ValueError):
    """There is no such function in the notebook; the text says why, for the student."""


ANY = "*"
"""The name of all that `from module import *` brings: nobody knows which names these are."""
PYTHON_MAGICS = re.compile(r"\s*%%(time|capture|prun)\b.*\n")
"""First lines of a cell whose other lines are the notebook's own Python."""


class Statement(NamedTuple):
    """A statement of a notebook.

    Attributes:
        text: as it is in the notebook.
        binds: names that it gives a value.
        changes: names whose value it may change: `table["a"] = 1`, `found.append(2)`.
        uses: names that it looks up.
        imports: whether it is an import.
    """

    text: str
    binds: frozenset[str]
    changes: frozenset[str]
    uses: frozenset[str]
    imports: bool


def code_cells(notebook: str) -> list[str]:
    """The code of a notebook file, cell by cell, as plain Python: lines like `%timeit` and `!ls` become calls.

    Raises:
        ExcerptError: it is not a notebook.
    """
    try:
        content = json.loads(notebook)
        cells = [cell["source"] for cell in content["cells"] if cell["cell_type"] == "code"]
        texts = ["".join(source) for source in cells]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ExcerptError(f"this is not a notebook ({type(error).__name__})") from None
    return [TransformerManager().transform_cell(PYTHON_MAGICS.sub("", text, count=1)) for text in texts]


def excerpt(cells: Sequence[str], number: str, name: str) -> tuple[str, str]:
    """The code that the answer to an exercise needs, and the name of its function.

    Args:
        cells: see `code_cells`.
        number: the exercise.
        name: what its function is called, unless the notebook gives another one to `check(number, ...)`.

    Raises:
        ExcerptError: no cell defines the function, or the cell that does cannot be read.
    """
    statements, broken = [], []
    for cell in cells:
        try:
            statements += list(_statements(cell))
            name = _checked(cell, number) or name
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            broken.append((cell, error))
    chosen = _needed(statements, name)
    if not any(name in one.binds for one in statements):
        for cell, fault in broken:
            if re.search(rf"\b{re.escape(name)}\b", cell):
                raise ExcerptError(f"the cell of {name} is not Python: {fault}")
        raise ExcerptError(f"no cell defines {name}")
    return "\n\n".join(statements[i].text for i in sorted(chosen)) + "\n", name


def _needed(statements: Sequence[Statement], name: str) -> set[int]:
    """Places of the statements that `name` needs, directly or through others."""
    modules = {name for one in statements if one.imports for name in one.binds}
    wanted, chosen = {name, ANY}, set[int]()

    def is_needed(one: Statement) -> bool:
        # What calls into a library, like `torch.save(...)`, changes no value of the notebook.
        return bool(one.binds & wanted or one.changes & wanted - modules)

    while more := {i for i, one in enumerate(statements) if is_needed(one)} - chosen:
        chosen |= more
        wanted |= {use for i in more for use in statements[i].uses}
    return chosen


def _statements(cell: str) -> Iterator[Statement]:
    lines = cell.splitlines()
    for node in ast.parse(cell).body:
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
        text = "\n".join(lines[first - 1 : node.end_lineno])
        # Several statements in a line, `a = 1; b = 2`, are rare enough to be taken together.
        table = symtable.symtable(text, "cell", "exec")
        binds = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
        imported = node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
        if any(alias.name == ANY for alias in imported):
            binds.add(ANY)
        changes = frozenset(_changed(node))
        yield Statement(text, frozenset(binds), changes, frozenset(_looked_up(table)), bool(imported))


def _changed(node: ast.AST) -> Iterator[str]:
    """Names whose items or attributes get a value, or whose methods are called for what they do, outside functions."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return
    if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
        yield from _root(node)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        yield from _root(node.value.func)
    for inner in ast.iter_child_nodes(node):
        yield from _changed(inner)


def _root(node: ast.expr) -> Iterator[str]:
    """`a` of `a.b[0].c`."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _looked_up(table: symtable.SymbolTable) -> Iterator[str]:
    """Names of the notebook that are read: at its top level, or as globals inside functions."""
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _looked_up(inner)


def _checked(cell: str, number: str) -> str:
    """The function that the notebook gives to `check(number, ...)`, if it has a name."""
    for node in ast.walk(ast.parse(cell)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check":
            given: list[Any] = node.args
            of_this = len(given) > 1 and isinstance(given[0], ast.Constant) and given[0].value == number
            if of_this and isinstance(given[1], ast.Name):
                return given[1].id
    return ""
