"""Find, read and match the book's pages; needs the standard library, nbformat and jupytext alone.

A page is a MyST Markdown file; its recording is the notebook of the same name beside it.
"""

import copy
from functools import cache
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
HISTORY_TYPE = "application/vnd.convnets.history+json"  # as in helpers.history
VERDICTS = {"proof", "claims", "recorded-claims"}  # tags of cells that print one line
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def find_pages(root: Path = ROOT) -> list[Path]:
    """Sources of all pages that have code, in the order of their paths."""
    pages = sorted((root / "chapters").rglob("*.md"))
    return [page for page in pages if "{code-cell}" in page.read_text(encoding="utf-8")]


def resolve(name: str, root: Path = ROOT) -> Path:
    """Source of the page that is named by a path or by its last part, with or without ending.

    Raises:
        ValueError: no page, or more than one, has that name.
    """
    stem = Path(name).stem if name.endswith((".md", ".ipynb")) else Path(name).name
    found = [page for page in find_pages(root) if page.stem == stem or stem in page.stem]
    exact = [page for page in found if page.stem == stem]
    if len(exact or found) != 1:
        names = ", ".join(page.stem for page in find_pages(root))
        raise ValueError(f"{name!r} names {len(exact or found)} pages; the pages are: {names}")
    return (exact or found)[0]


def read_source(page: Path) -> NotebookNode:
    """The page as a notebook without outputs, with cell ids that stay the same at every reading."""
    notebook = copy.deepcopy(parse(page.read_text(encoding="utf-8")))
    for number, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"cell-{number}"
    notebook.metadata["kernelspec"] = dict(KERNELSPEC)
    return notebook


@cache
def parse(text: str) -> NotebookNode:
    """What jupytext makes of a page, which takes it a third of a second."""
    return jupytext.reads(text, fmt="md:myst")


def recording_of(source: Path) -> Path:
    """Path of the recording that belongs to a page's source, whether or not it exists."""
    return source.with_suffix(".ipynb")


def read_recording(path: Path) -> NotebookNode:
    """A recording; unlike `nbformat.read`, without validating what was validated when written."""
    return nbformat.v4.reads(path.read_text(encoding="utf-8"))


def is_recorded(page: Path) -> bool:
    """Whether the page's code is that of its recording, so that the site can take its outputs."""
    recording = recording_of(page)
    if not recording.is_file():
        return False
    notebooks = read_source(page), read_recording(recording)
    ours, theirs = (
        [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        for notebook in notebooks
    )
    return ours == theirs


if __name__ == "__main__":  # python -m tools.pages changed
    print(*(page.stem for page in find_pages() if not is_recorded(page)))
