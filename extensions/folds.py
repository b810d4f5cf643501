"""Sphinx extension: what a page folds, all of it by one element of HTML, `<details>`.

| what | folds | title |
|---|---|---|
| a cell tagged `proof`, `claims` or `recorded-claims` | whole | the one line that it prints |
| a cell tagged `hide-cell` | whole | Imports |
| a cell tagged `hide-input` | its code, below the output | what that code shows |
| a cell tagged `hide-output`: a prediction | its output | Predict first, then open |
| a cell tagged `hide-input` and `hide-output` | both, each by itself | as above |
| `{aside-start} Question` … `{aside-end}` | what stands between | the question |
| `{dropdown} Title` | its content | the title |
| a solution, and an admonition of class `dropdown` | its content | its own title |

A verdict that comes straight after a prediction would tell it, and so is folded with it.
`mystnb: {code_prompt_show: …}` in a cell's metadata replaces a title, except a printed one. A title
says what is inside, so it is the toggle's name for everybody; for one who hears the page it goes
on, unseen, with the figure or the exercise, and tells those of the same title apart. Folds need no
script; a link into a closed one opens it; on paper, those that hold text are open
(`_static/book.css`).

Neighbouring cells tagged `beside` stand in a row where there is room.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, cast

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator
from sphinx_exercise.nodes import is_exercise_node, solution_node

from tools.pages import VERDICTS

LONGEST = 96  # characters of a verdict, which stays on one line beside both side bars
PREDICT = "Predict first, then open"
BEFORE_MYST_NB = 198  # priority: MyST-NB hides cells at 199, and finds nothing left to hide

logger = logging.getLogger(__name__)


class fold(nodes.General, nodes.Element):
    """A `fold_title`, and what it hides; `kind` is a class in the style sheet."""


class fold_title(nodes.Part, nodes.TextElement):
    """The line of a fold that is always seen."""


class fold_end(nodes.General, nodes.Element):
    """Where an aside ends; gone once the page has been read."""


def make_fold(kind: str, title: Iterable[nodes.Node], inside: Iterable[nodes.Node]) -> fold:
    made = fold("", fold_title("", "", *title), kind=kind)
    made.extend(inside)
    return made


def unseen(text: str) -> nodes.inline:
    """What is said and not shown."""
    return nodes.inline("", text, classes=["visually-hidden"])


def words(text: str) -> list[nodes.Node]:
    """The nodes of a text in which code stands between backticks."""
    parts = re.split(r"`([^`]+)`", text)
    return [
        nodes.literal("", part) if code else nodes.Text(part)
        for code, part in zip([False, True] * len(parts), parts, strict=False)
        if part
    ]


class Dropdown(SphinxDirective):
    """Text that is folded below a title."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = {"label": directives.unchanged_required}
    kind = "more"

    def run(self) -> list[nodes.Node]:
        title, messages = self.state.inline_text(self.arguments[0], self.lineno)
        made = make_fold(self.kind, title, [])
        if "label" in self.options:
            self.options["name"] = self.options["label"]
            self.add_name(made)
        self.set_source_info(made)
        self.state.nested_parse(self.content, self.content_offset, made)
        return [made, *messages]


class AsideStart(Dropdown):
    has_content = False
    kind = "aside"


class AsideEnd(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        end = fold_end()
        self.set_source_info(end)
        return [end]


class FillAsides(SphinxTransform):
    """Put what stands between the gates of an aside, cells too, inside it."""

    default_priority = 10  # as sphinx-exercise does with its own gates

    def apply(self) -> None:
        for aside in list(self.document.findall(is_aside)):
            parent, first = aside.parent, aside.parent.index(aside) + 1
            for last in range(first, len(parent)):
                if isinstance(parent[last], fold_end | nodes.section) or is_aside(parent[last]):
                    break
            else:
                last = len(parent)
            if last == len(parent) or not isinstance(parent[last], fold_end):
                logger.error(
                    "the aside %r does not end before the next heading or aside",
                    aside[0].astext(),
                    location=aside,
                )
                continue
            inside = parent[first:last]
            del parent[first : last + 1]
            aside.extend(inside)
        for end in list(self.document.findall(fold_end)):
            logger.error("an {aside-end} without its {aside-start}", location=end)
            end.parent.remove(end)


def is_aside(node: nodes.Node) -> bool:
    return isinstance(node, fold) and node["kind"] == "aside"


def label_folds(app: Sphinx, document: nodes.document) -> None:
    """Let `{ref}` know the folds that have a label."""
    domain = cast(StandardDomain, app.env.get_domain("std"))
    for node in document.findall(fold):
        for name in node["names"]:
            place = app.env.docname, document.nameids[name]
            domain.anonlabels[name] = place
            domain.labels[name] = *place, node[0].astext()


class FoldAll(SphinxPostTransform):
    """Fold cells, solutions and admonitions; put small figures in a row."""

    default_priority = BEFORE_MYST_NB

    def run(self, **kwargs: Any) -> None:
        cells = [n for n in self.document.findall(nodes.container) if is_cell(n)]
        for cell in cells:
            self.fold_cell(cell, set(cell["cell_metadata"].get("tags", [])))
        for cell in cells:
            put_beside(cell)
            seal(cell)
        for solution in list(self.document.findall(solution_node)):
            title, section = solution.children
            made = make_fold("solution", title.children, section.children)
            made["ids"] = solution["ids"]
            solution.replace_self(made)
        for exercise in list(self.document.findall(is_exercise_node)):
            for section in list(exercise.findall(nodes.section)):  # all have the same id
                unwrap(section)
        fold_admonitions(self.document, self.number)
        tell_apart(self.document)
        for title in self.document.findall(fold_title):
            for link in list(title.findall(nodes.reference)):  # a tap unfolds, wherever it falls
                unwrap(link)

    def fold_cell(self, cell: nodes.container, tags: set[str]) -> None:
        cell.attributes.pop("hide_mode", None)
        code = [child for child in cell if child.get("nb_element") == "cell_code_source"]
        output = [child for child in cell if child not in code]
        asked = cell["cell_metadata"].get("mystnb", {}).get("code_prompt_show")
        if tags & VERDICTS:
            verdict = read_verdict(output)
            if problem := fault(verdict, output):
                kind = ", ".join(sorted(tags & VERDICTS))
                logger.warning("a cell tagged %s %s", kind, problem, location=cell)
            tick = nodes.inline("", "✓", classes=["tick"])
            title = [tick, nodes.Text(" "), *words(verdict.removeprefix("✓").strip())]
            cell.children = [make_fold("verdict", title, code)]
        elif "hide-cell" in tags:
            if any(part.next_node(nodes.image) for part in output):
                logger.warning(
                    "a cell tagged hide-cell shows a figure, which would be neither printed nor "
                    "captioned: tag it hide-input, and hide-output if it is an answer",
                    location=cell,
                )
            title = words(asked or kind_of(code))
            cell.children = [make_fold("code", title, [*code, *output])]
        elif "hide-output" in tags and output:
            title = [*words(asked or PREDICT), unseen(self.shown(output, " "))]
            sealed = make_fold("sealed", title, output)
            if "hide-input" in tags:
                title = words(f"Code{self.shown(output)}")
                cell.children = [sealed, make_fold("code", title, code)]
            else:
                cell.children = [*code, sealed]
        elif "hide-input" in tags:
            title = words(asked or f"Code{self.shown(output)}")
            cell.children = [*output, make_fold("code", title, code)]
        for child in cell:
            child.parent = cell

    def shown(self, output: list[nodes.Node], of: str = " of ") -> str:
        """What the output of a cell is, as the end of a title."""
        for node in (n for part in output for n in part.findall()):
            if isinstance(node, nodes.figure):
                return of + (self.number("figure", node) or "the figure")
            if isinstance(node, nodes.table) or "<table" in node.astext():
                return of + "the table"
        return of + "the output" if output else ""

    def number(self, kind: str, node: nodes.Element) -> str:
        """Kind and number of a figure or an exercise; empty if it has none."""
        numbers = self.env.toc_fignumbers.get(self.env.docname, {}).get(kind, {})
        number = next((numbers[name] for name in node["ids"] if name in numbers), ())
        return self.config.numfig_format[kind] % ".".join(map(str, number)) if number else ""


def unwrap(node: nodes.Element) -> None:
    """Put what a node holds in its place, without its names."""
    place = node.parent.index(node)
    node.parent[place : place + 1] = node.children


def is_cell(node: nodes.container) -> bool:
    return node.get("nb_element") == "cell_code"


def read_verdict(output: list[nodes.Node]) -> str:
    """What a cell has printed or returned, as text."""
    blocks = [block for part in output for block in part.findall(nodes.literal_block)]
    return "\n".join(block.astext() for block in blocks).strip().strip("'\"")


def fault(verdict: str, output: list[nodes.Node]) -> str:
    """What is wrong with a verdict as a title; empty if nothing is."""
    if any(part.next_node(nodes.image) for part in output):
        return "shows a picture, which would be lost: a verdict is one line"
    if not verdict.removeprefix("✓").strip():
        return "prints no verdict, which is to be the title of its fold"
    if "\n" in verdict:
        return f"prints more than one line: {verdict!r}"
    if len(verdict) > LONGEST or verdict.endswith(("…", "...")):
        return f"prints a verdict of more than {LONGEST} characters, or one cut off: {verdict!r}"
    return ""


def kind_of(code: list[nodes.Node]) -> str:
    """What a cell that is wholly folded holds: imports, set-up that begins with them, or code."""
    statements = ast.parse("\n".join(part.astext() for part in code)).body
    imports = [isinstance(s, ast.Import | ast.ImportFrom) for s in statements]
    return "Imports" if all(imports) else "Imports and set-up" if imports[0] else "Code"


def put_beside(cell: nodes.container) -> None:
    """Put a cell tagged `beside` into the row of the one before it, or begin a row."""
    if "beside" not in cell["cell_metadata"].get("tags", []):
        return
    parent, place = cell.parent, cell.parent.index(cell)
    before = parent[place - 1] if place else None
    if before is not None and "beside" in before.get("classes", []):
        parent.remove(cell)
        before.append(cell)
    else:
        row = nodes.container(classes=["beside"])
        parent.replace(cell, row)
        row.append(cell)


def seal(cell: nodes.container) -> None:
    """Put a verdict that comes straight after a sealed answer inside it: it would tell it."""
    place = cell.parent.index(cell)
    before = cell.parent[place - 1] if place else nodes.container()
    answer = next(
        (f for f in before.children if isinstance(f, fold) and f["kind"] == "sealed"), None
    )
    if answer is not None and is_cell(before) and has_verdict(cell):
        cell.parent.remove(cell)
        answer.append(cell)


def has_verdict(cell: nodes.container) -> bool:
    return any(isinstance(part, fold) and part["kind"] == "verdict" for part in cell)


def fold_admonitions(
    document: nodes.document, numbered: Callable[[str, nodes.Element], str]
) -> None:
    """Fold what has the class `dropdown`; several hints to one exercise get numbers."""
    runs: list[list[fold]] = [[]]
    exercises = [""]
    for node in list(document.findall(nodes.Element)):
        if is_exercise_node(node):
            runs.append([])
            exercises.append(numbered("exercise", node))
        elif isinstance(node, nodes.Admonition) and "dropdown" in node.get("classes", []):
            if isinstance(node.children[0], nodes.title):
                title, *inside = node.children
                made = make_fold("more", title.children, inside)
            else:
                made = make_fold(node.tagname, words(node.tagname.title()), node.children)
            made["ids"] = node["ids"]
            if node.tagname == "hint":
                runs[-1].append(made)
            node.replace_self(made)
    for exercise, hints in zip(exercises, runs, strict=True):
        for number, hint in enumerate(hints, start=1):
            if len(hints) > 1:
                hint[0].append(nodes.Text(f" {number} of {len(hints)}"))
            if exercise:
                hint[0].append(unseen(f" to {exercise}"))


def tell_apart(document: nodes.document) -> None:
    """Count the folds of a page that would have the same name."""
    titles = list(document.findall(fold_title))
    total, seen = Counter(title.astext() for title in titles), Counter[str]()
    for title in titles:
        name = title.astext()
        seen[name] += 1
        if total[name] > 1:
            title.append(unseen(f" {seen[name]} of {total[name]}"))


def visit_fold(self: HTML5Translator, node: fold) -> None:
    self.body.append(f'<details class="fold {node["kind"]}">\n')


def depart_fold(self: HTML5Translator, node: fold) -> None:
    self.body.append("</div>\n</details>\n")


def visit_title(self: HTML5Translator, node: fold_title) -> None:
    self.body.append("<summary>")


def depart_title(self: HTML5Translator, node: fold_title) -> None:
    """Close the title; what follows bears the fold's names, so that a link to them opens it."""
    inside = self.starttag(node.parent, "div", CLASS="inside")
    self.body.append(f"</summary>\n{inside}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(fold, html=(visit_fold, depart_fold))
    app.add_node(fold_title, html=(visit_title, depart_title))
    app.add_node(fold_end)
    app.add_directive("dropdown", Dropdown, override=True)
    app.add_directive("aside-start", AsideStart)
    app.add_directive("aside-end", AsideEnd)
    app.add_transform(FillAsides)
    app.add_post_transform(FoldAll)
    app.connect("doctree-read", label_folds)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
