"""Help: everything is there, and found; the search is part of the address."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from fedlab_core.glossary import FORMULAS, TERMS
from fedlab_core.strategies import strategy_class, strategy_names
from tests.app.pages import visit


def written(page: AppTest) -> str:
    return " ".join(element.value for kind in ("markdown", "caption", "latex") for element in page.get(kind))


def test_all_of_it_is_there_without_a_search(dashboard: AppTest) -> None:
    page = visit(dashboard, "help")
    text = written(page)
    assert all(term.name in text for _, terms in TERMS for term in terms)
    assert len(page.latex) == sum(len(formulas) for _, formulas in FORMULAS)
    assert [header.value for header in page.header][-2:] == ["Methods", "How to cite"]
    assert "cff-version" in page.code[0].value
    labels = " ".join(expander.label for expander in page.expander)
    assert all(strategy_class(name).title.split(":")[0] in labels.replace("\\", "") for name in strategy_names())


def test_a_search_of_the_address_shows_what_fits(dashboard: AppTest) -> None:
    page = visit(dashboard, "help", find="VOTE fedsparsify")
    assert [header.value for header in page.header] == ["Terms and symbols", "Formulas", "Methods"]
    assert len(page.latex) == 1
    assert "V_i" in page.latex[0].value
    assert [expander.label.replace("\\", "") for expander in page.expander][-1] == "FedSparsify-Local"


def test_what_is_typed_goes_into_the_address(dashboard: AppTest) -> None:
    page = visit(dashboard, "help")
    page.text_input(key="help:find").set_value("dirichlet").run()
    assert page.query_params["find"] == "dirichlet"
    assert "Dirichlet alpha" in written(page)
    page.text_input(key="help:find").set_value("").run()
    assert "find" not in page.query_params


def test_what_is_not_found_is_said(dashboard: AppTest) -> None:
    page = visit(dashboard, "help", find="<b>zebra</b>")
    assert "Nothing here has these words" in page.info[0].value


@pytest.mark.slow
@pytest.mark.parametrize("name", strategy_names())
def test_a_method_shows_its_settings(dashboard: AppTest, name: str) -> None:
    dashboard.session_state[f"help:{name}"] = True
    page = visit(dashboard, "help", find=name)
    cls = strategy_class(name)
    tables = [frame.value for frame in page.dataframe]
    if cls.model_fields:
        assert tables[0]["setting"].tolist() == [f"strategy.{field}" for field in cls.model_fields]
        assert all(tables[0]["what it does"])
    else:
        assert tables == []
    assert f"strategy\\.name \\= {name}".replace("-", "\\-") in written(page)
