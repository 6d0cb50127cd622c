"""Help: terms, numbers, formulas and methods, to be searched; and how to cite."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.words import escape
from fedlab_core.experiment import allowed
from fedlab_core.glossary import FORMULAS, NUMBERS, TERMS
from fedlab_core.strategies import Strategy, strategy_class, strategy_names

CITATION = Path(__file__).parents[2] / "CITATION.cff"


def page() -> None:
    """A search box, and everything that fits what was typed."""
    query = _search()
    found = [_terms(query), _numbers(query), _formulas(query), _methods(query)]
    if not any(found):
        st.info("Nothing here has these words. Try a shorter one, or a symbol.", icon=":material/search_off:")
    if not query:
        _citing()


def fits(query: str, *texts: str) -> bool:
    """Whether every word of the query is in one of the texts; capitals do not matter, hyphens neither."""
    text = _plain(" ".join(texts))
    return all(word in text for word in _plain(query).split())


def _plain(text: str) -> str:
    return text.casefold().replace("-", " ")


def _search() -> str:
    """The query of the address."""
    st.session_state["help:find"] = session.looked_at("find") or ""
    st.text_input(
        "Search",
        key="help:find",
        placeholder="a term, a symbol, a method: sparsity, alpha, vote …",
        icon=":material/search:",
        max_chars=80,
        on_change=_find,
    )
    query: str = st.session_state["help:find"]
    return query.strip()


@session.callback
def _find() -> None:
    session.look_at(find=st.session_state["help:find"].strip() or None)


def _terms(query: str) -> int:
    """Terms and symbols; how many fit."""
    found = {subject: [term for term in terms if fits(query, *term, subject)] for subject, terms in TERMS}
    count = sum(map(len, found.values()))
    if count:
        st.header("Terms and symbols", anchor="terms")
    for subject, terms in found.items():
        if terms:
            with st.expander(subject, expanded=bool(query)):
                for term in terms:
                    symbol = f" ${term.symbol}$" if term.symbol else ""
                    st.markdown(f"**{term.name}**{symbol}: {term.meaning}")
    return count


def _numbers(query: str) -> int:
    """What each number of a round says, and does not say."""
    found = [number for number in NUMBERS if fits(query, number.name, number.says, number.not_says, *number.fields)]
    if not found:
        return 0
    st.header("What the numbers say, and what they do not", anchor="numbers")
    for number in found:
        with st.container(border=True):
            st.markdown(f"**{number.name}** · {', '.join(f'`{field}`' for field in number.fields)}")
            says, not_says = st.columns(2)
            says.markdown(f":material/check: {number.says}")
            not_says.markdown(f":material/block: {number.not_says}")
    return len(found)


def _formulas(query: str) -> int:
    """Formulas with their sources."""
    found = {
        subject: [formula for formula in formulas if fits(query, formula.name, formula.words, formula.source, subject)]
        for subject, formulas in FORMULAS
    }
    count = sum(map(len, found.values()))
    if count:
        st.header("Formulas", anchor="formulas")
    for subject, formulas in found.items():
        if formulas:
            with st.expander(subject, expanded=bool(query)):
                for formula in formulas:
                    st.markdown(f"**{formula.name}.** {formula.words}")
                    st.latex(formula.latex)
                    st.caption(escape(formula.source))
    return count


def _methods(query: str) -> int:
    """Every strategy as its class describes it."""
    classes = [strategy_class(name) for name in strategy_names()]
    found = [one for one in classes if fits(query, one.title, one.name, cleandoc(one.__doc__ or ""), one.source)]
    if not found:
        return 0
    st.header("Methods", anchor="methods")
    for one in found:
        box = st.expander(escape(one.title), key=f"help:{one.name}", on_change="rerun")
        if box.open:
            with box:
                _method(one)
    return len(found)


def _method(one: type[Strategy]) -> None:
    """What it does, where it comes from, its settings."""
    first, _, rest = cleandoc(one.__doc__ or "").partition("\n\n")
    st.markdown(escape(first))
    if rest:
        st.markdown(escape(rest))
    st.caption(escape(f"{one.source} · strategy.name = {one.name}"))
    if settings := method_settings(one):
        st.dataframe(settings, hide_index=True)
    else:
        st.caption("It has no settings of its own.")


def method_settings(one: type[Strategy]) -> list[dict[str, str]]:
    """The settings of a method, a row each, as its fields describe them."""
    rows = []
    for name, info in one.model_fields.items():
        extra: Any = info.json_schema_extra or {}
        neutral = extra.get("fedavg")
        rows.append(
            {
                "setting": f"strategy.{name}",
                "symbol": extra.get("symbol", ""),
                "default": str(info.default),
                "is FedAvg at": "" if neutral is None else str(neutral),
                "what it does": info.description or "",
                "range": allowed(info),
            }
        )
    return rows


def _citing() -> None:
    """This software, and whose method was used."""
    st.header("How to cite", anchor="cite")
    st.markdown("Cite the paper of the method that you used (its source is under **Methods**), and this software:")
    st.code(CITATION.read_text(encoding="utf-8"), language="yaml")


page()
