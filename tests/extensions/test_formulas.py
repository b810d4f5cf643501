"""Formulas become MathML, and what cannot be converted is said."""

import re
from pathlib import Path

import pytest
from docutils import nodes

from extensions.formulas import as_one_block, mathml
from tests.test_book import SOURCES, prose


def test_a_formula_is_mathml_without_a_trace_of_tex():
    block = mathml(r"y_{i,j} = \sum_{a=0}^{k_h-1} x_{i+a}", display=True)
    assert block.startswith('<math display="block">') and "<munderover>" in block
    assert "<msub>" in mathml("x_i", display=False) and "display" not in mathml("x", display=False)
    assert "\\" not in block


def test_conditions_below_a_maximum_stand_in_lines():
    formula = mathml(r"\max_{\substack{0 \le a \\ b < k}} x", display=True)
    assert formula.count("<mtr>") == 2


def test_an_unknown_command_names_the_formula_and_the_fault():
    with pytest.raises(ValueError, match=r"no MathML for .*foo x.*Unknown command.*foo"):
        mathml(r"\foo x", display=False)


@pytest.mark.parametrize(
    "latex, block",
    [
        ("a = b", "a = b"),
        (r"a &= b \\ c &= d", r"\begin{aligned}a &= b \\ c &= d\end{aligned}"),
        (r"\begin{cases}1 \\ 2\end{cases}", r"\begin{cases}1 \\ 2\end{cases}"),
    ],
)
def test_lines_get_an_environment(latex, block):
    assert as_one_block(nodes.math_block("", latex)) == block


@pytest.mark.parametrize("page", SOURCES, ids=lambda p: p.stem)
def test_every_formula_of_the_book_can_be_converted(page: Path):
    for formula in re.findall(r"(?<![\\$])\$([^$\n]+)\$", prose(page)):
        mathml(formula, display=False)
