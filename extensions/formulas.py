"""Sphinx extension: formulas become MathML while the site is built.

Current browsers lay MathML out by themselves and screen readers speak it, so a page needs no script
for its formulas, and nothing moves after it has been drawn. The font that they are drawn with is
made by `tools.font`.
"""

from functools import cache

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

MACROS = {"substack": r"\begin{matrix}#1\end{matrix}"}  # what math-core does not know


@cache
def converter() -> LatexToMathML:
    return LatexToMathML(macros=MACROS, fancy_error=False)


def mathml(latex: str, *, display: bool) -> str:
    """The formula as MathML.

    Raises:
        ValueError: a command is unknown or misused; the text names the formula and the fault.
    """
    try:
        return converter().convert_with_local_state(latex.strip(), displaystyle=display)
    except LatexError as error:
        raise ValueError(f"no MathML for {latex.strip()!r}: {error}") from error


def convert(node: nodes.Element, latex: str, *, display: bool) -> str:
    """As `mathml`; a formula that fails is a warning, which a strict build does not forgive."""
    try:
        return mathml(latex, display=display)
    except ValueError as error:
        logger.warning("%s", error, location=node, type="math")
        return f"<code>{nodes.unescape(latex)}</code>"


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    formula = convert(node, node.astext(), display=False)
    self.body.append(f'<span class="math notranslate">{formula}</span>')
    raise nodes.SkipNode


def visit_display(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math notranslate"))
    formula = convert(node, as_one_block(node), display=True)
    self.body.append(f'<div class="formula">{formula}</div>')
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def as_one_block(node: nodes.math_block) -> str:
    r"""The formula in an environment that gives a meaning to its `\\` and `&`."""
    latex = node.astext().strip()
    if r"\begin" in latex or r"\\" not in latex:
        return latex
    return rf"\begin{{aligned}}{latex}\end{{aligned}}"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
