"""Editions of a page: for the lecture as it stands, for students and for instructors.

All work on a page's cells before their Markdown is lowered (`lower.py`).
"""

import re
from collections.abc import Iterator

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from tools.pages import VERDICTS

EXERCISE = {"starter", "check", "solution"}  # tags of cells that are no part of a lesson
GATE = re.compile(r"^```\{solution-(start|end)\}.*?^```\n?", re.S | re.M)
SOLUTION = re.compile(r"^(`{3,})\{solution\}.*?^\1\n?", re.S | re.M)
LABEL = re.compile(r"^:label: ex-([\w-]+)$", re.M)
START = re.compile(r"^```\{solution-start\}[^\n]*\n:label: ([\w-]+)$", re.M)


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def without_solutions(cells: list[NotebookNode], page: str | None = None) -> list[NotebookNode]:
    """The cells without what stands between the gates of solutions.

    Args:
        cells: Those of a page.
        page: Its address; each solution then leaves a link to it.

    Raises:
        ValueError: the gates do not come in pairs.
    """
    kept, inside = [], False
    link = rf"[Solution]({page}#\1), on the page of the book.\n\n\g<0>" if page else r"\g<0>"
    for cell in cells:
        if cell.cell_type == "code":
            kept += [] if inside or "solution" in tags(cell) else [cell]
            continue
        text, *rest = GATE.split(START.sub(link, SOLUTION.sub("", cell.source)))
        shown = "" if inside else text
        for gate, text in zip(rest[::2], rest[1::2], strict=True):
            if inside == (gate == "start"):
                raise ValueError(f"a gate of a solution stands alone in {cell.source[:60]!r}")
            inside = gate == "start"
            shown += "" if inside else text
        if shown.strip():
            kept.append(NotebookNode({**cell, "source": shown.strip("\n")}))
    return kept


def with_checks_in_reach(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Starters and their checks in one cell, behind the hints.

    So one works in one cell; and one that does not compile leaves no verdict of before beside it.
    """
    made: list[NotebookNode] = []
    starter: NotebookNode | None = None
    between: list[NotebookNode] = []
    for cell in cells:
        if "starter" in tags(cell):
            made += [starter, *between] if starter else []
            starter, between = cell, []
        elif starter and "check" in tags(cell):
            made += [*between, joined(starter, cell)]
            starter = None
        elif starter:
            between.append(cell)
        else:
            made.append(cell)
    return [*made, *([starter, *between] if starter else [])]


def joined(starter: NotebookNode, check: NotebookNode) -> NotebookNode:
    """One cell of two."""
    gap = "\n" * (3 if starter.source.lstrip().startswith("def ") else 2)
    source, outputs = starter.source + gap + check.source, [*starter.outputs, *check.outputs]
    return NotebookNode({**check, "source": source, "outputs": outputs})


def sealed(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells; a verdict that comes straight after a prediction is hidden like its answer."""
    made: list[NotebookNode] = []
    for cell in cells:
        if made and VERDICTS & tags(cell) and "hide-output" in tags(made[-1]):
            metadata = {**cell.metadata, "tags": [*tags(cell), "hide-output"]}
            cell = NotebookNode({**cell, "metadata": NotebookNode(metadata)})
        made.append(cell)
    return made


def untried(cells: list[NotebookNode]) -> Iterator[NotebookNode]:
    """The cells without verdicts of solutions that are not there."""
    for cell in cells:
        said = "".join(output.get("text", "") for output in cell.get("outputs", []))
        if "check" in tags(cell) and "✓" in said or "solved" in said:
            cell = NotebookNode({**cell, "outputs": [], "execution_count": None})
        yield cell


def with_notes(cells: list[NotebookNode], notes: dict[str, str]) -> list[NotebookNode]:
    """The cells, and behind the check of each exercise a note to those who set it.

    Args:
        cells: Those of a page.
        notes: By the exercise's label without "ex-", in Markdown.
    """
    made, label = [], ""
    for cell in cells:
        made.append(cell)
        if cell.cell_type == "markdown":
            label = ([label] + LABEL.findall(cell.source))[-1]
        elif label in notes and f'check("{label}")' in cell.source and "check" in tags(cell):
            made.append(new_markdown_cell(notes[label]))
    return made
