"""The pages of the dashboard, and what tests see of them."""

from __future__ import annotations

import ast
from pathlib import Path

from streamlit.testing.v1 import AppTest

from .conftest import MAIN


def _pages() -> tuple[str, ...]:
    """The pages that the dashboard has, read from its source: importing it would start it."""
    for node in ast.parse(MAIN.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PAGES":
            return tuple(Path(path).stem for path in ast.literal_eval(node.value))
    raise AssertionError("app/main.py lists no pages")


PAGES = _pages()


def visit(dashboard: AppTest, page: str, **query: str) -> AppTest:
    """Open a page at an address."""
    dashboard.query_params.update(query)
    if page != "home":
        dashboard.switch_page(f"views/{page}.py")
    dashboard.run()
    assert not dashboard.exception, dashboard.exception
    return dashboard


def charts(page: AppTest) -> int:
    return len(page.get("plotly_chart"))


def said(page: AppTest) -> str:
    """Everything that the page says in sentences."""
    return " ".join(element.value for kind in ("info", "warning", "error", "caption") for element in page.get(kind))
