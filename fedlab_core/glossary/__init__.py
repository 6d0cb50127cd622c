"""What the words, symbols, formulas and numbers of this package mean; read by the dashboard's page Help.

Plain data: texts are Markdown, formulas LaTeX as KaTeX reads it.
"""

from fedlab_core.glossary.formulas import FORMULAS, Formula
from fedlab_core.glossary.numbers import NUMBERS, Number
from fedlab_core.glossary.terms import TERMS, Term

__all__ = ["FORMULAS", "NUMBERS", "TERMS", "Formula", "Number", "Term"]
