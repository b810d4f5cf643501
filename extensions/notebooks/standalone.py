"""Sphinx extension: for every page that has code, a notebook that runs by itself.

The notebook has the page's cells and the outputs of its recording. Its Markdown is plain
(`lower.py`), its numbers are those of the site (`references.py`), and its
first code cells bring along what a bare runtime lacks (`bundle.py`). All notebooks, and
`all.zip`, lie in `notebooks/` beside the pages. The student's edition has no solutions, the
instructor's has notes and is made where BOOK_INSTRUCTOR names a folder. The download menu of a page
offers the first two; buttons open them in Colab, where it is known on GitHub where the site is.
"""

import ast
import os
import re
import subprocess
import textwrap
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.parallel import ParallelTasks, SerialTasks, parallel_available

from exercises import exercises_of, note
from extensions.notebooks.bundle import HIDDEN, set_up_cells
from extensions.notebooks.editions import (
    sealed,
    untried,
    with_checks_in_reach,
    with_notes,
    without_solutions,
)
from extensions.notebooks.lower import Part, figure_caption, fold, lower, lower_prose
from extensions.notebooks.references import PageReferences
from helpers.live.view import filled
from tools.pages import VERDICTS, read_recording, read_source, recording_of

FOLDER, STUDENT = "notebooks", "student"
INSTRUCTOR = "BOOK_INSTRUCTOR"  # names the folder of the instructor's edition, outside the site
DOWNLOADS = (  # text, tooltip and label of the buttons of the lecture and of the student's edition
    (".ipynb", "Download a notebook that runs by itself", "download-notebook-button"),
    ("exercises.ipynb", "Download it without solutions", "download-student-button"),
)
COLAB = (
    ("Colab", "the lecture", "colab-button", "fas fa-rocket"),
    ("Exercises", "without solutions, to be done there", "colab-student-button", "fas fa-pencil"),
)
BRANCH = "gh-pages"  # to which .github/workflows/publish.yml publishes the site
GITHUB = r"(?:https://|ssh://git@|git@)github\.com[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?"
AFTER_THE_BUTTONS = 502  # priority: the theme makes its buttons at 501

FOLDED = {  # tag: what the bar of the folded cell says, whatever the cell prints when it is run
    "proof": "Proof: its verdict is printed below",
    "claims": "Claims: their verdict is printed below",
    "recorded-claims": "Claims: their verdict is printed below",
    "hide-cell": "Imports",
    "hide-input": "Code of what is shown below",
}

logger = logging.getLogger(__name__)


def pages(app: Sphinx) -> list[str]:
    """Names of all pages of the book that have code."""
    return [docname for docname in sorted(app.env.found_docs) if has_code(app, docname)]


def has_code(app: Sphinx, docname: str) -> bool:
    return "kernelspec" in app.env.metadata.get(docname, {})


def has_exercises(app: Sphinx, docname: str) -> bool:
    return "{exercise-start}" in Path(app.env.doc2path(docname)).read_text(encoding="utf-8")


def read_recorded(page: Path) -> NotebookNode:
    """The page's cells, with the outputs of its recording unless the code has changed since."""
    notebook, recording = read_source(page), recording_of(page)
    if recording.is_file():
        recorded = [cell for cell in read_recording(recording).cells if "outputs" in cell]
        code = [cell for cell in notebook.cells if "outputs" in cell]
        if [cell.source for cell in code] == [cell.source for cell in recorded]:
            for cell, was in zip(code, recorded, strict=True):
                cell.outputs, cell.execution_count = was.outputs, was.execution_count
    return notebook


def make_standalone(
    notebook: NotebookNode,
    references: PageReferences,
    *,
    student: bool = False,
    notes: dict[str, str] | None = None,
    issues: str | None = None,
) -> NotebookNode:
    """Turn a page's notebook into one that runs, and reads well, by itself.

    Args:
        notebook: The page's cells, with outputs.
        references: What the page points to.
        student: Leave the solutions out.
        notes: For instructors, by exercise.
        issues: Where a wrong verdict can be reported, if that is known.

    Raises:
        ValueError: something on the page cannot be said in plain Markdown.
    """
    cells: list[NotebookNode] = []
    page = notebook.cells
    if student:
        page = list(untried(without_solutions(page, references.address())))
    page = with_checks_in_reach(with_notes(sealed(page), notes or {}))
    set_up = set_up_cells(page, issues=issues, student=student)
    for cell in page:
        if cell.cell_type == "markdown":
            cells += [markdown_cell(part) for part in lower(cell.source, references)]
        else:
            cells += [*set_up, *code_cells(cell, references)]
            set_up = []
    if number := references.title_number():
        cells[0].source = re.sub(r"^# ", f"# {number} ", cells[0].source)
    if sources := references.sources():
        listed = "\n".join(f"- {source}" for source in sources)
        cells.append(new_markdown_cell(f"## References\n\n{listed}"))
    for position, cell in enumerate(cells, start=1):
        cell["id"] = f"cell-{position}"
    folded = [cell for cell in cells if "jp-MarkdownHeadingCollapsed" in cell.metadata]
    for cell in folded:
        cell.metadata["id"] = cell["id"]  # by which Colab knows it
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata["kernelspec"] = notebook.metadata["kernelspec"]
    made.metadata["language_info"] = {"name": "python"}
    made.metadata["colab"] = {"collapsed_sections": [cell["id"] for cell in folded]}
    return made


def markdown_cell(part: Part) -> NotebookNode:
    metadata = {"jp-MarkdownHeadingCollapsed": True} if part.folded else {}
    return new_markdown_cell(part.text, metadata=metadata)


def code_cells(cell: NotebookNode, references: PageReferences) -> list[NotebookNode]:
    """A code cell with metadata that Jupyter and Colab know, and the caption of its figure."""
    tags, figure = cell.metadata.get("tags", []), cell.metadata.get("mystnb", {}).get("figure")
    title = next((FOLDED[tag] for tag in tags if tag in FOLDED), None)
    if title and not VERDICTS.intersection(tags):
        title = cell.metadata.get("mystnb", {}).get("code_prompt_show", title)
    cell.metadata = dict(HIDDEN) if title else {}
    if title and not cell.source.startswith(("#@title", "# @title")):  # what a folded cell shows
        cell.source = f"#@title {title}\n{cell.source}"
    if "hide-output" in tags:  # a folded output would show its first line
        cell.outputs, cell.execution_count = [], None
    if "raises-exception" in tags:
        show_error(cell)
    for output in cell.outputs:
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = filled(output.data["text/html"])
    if not figure:
        return [cell]
    number = references.text("numref", figure["name"]) if "name" in figure else ""
    caption = lower_prose(figure.get("caption", ""), references)
    if "hide-output" in tags:  # it would tell what a prediction asks for
        return [cell, new_markdown_cell(fold(f"Caption of {number or 'the figure'}", caption))]
    return [cell, new_markdown_cell(figure_caption(number, caption))]


def show_error(cell: NotebookNode) -> None:
    """Let a cell that is meant to raise print its error: not every runtime would go on after it.

    Raises:
        ValueError: the cell's code cannot be indented.
    """
    wrapped = f"try:\n{textwrap.indent(cell.source, '    ')}\nexcept Exception as raised:\n"
    wrapped += '    print(f"{type(raised).__name__}: {raised}")'
    statement = ast.parse(wrapped).body[0]
    assert isinstance(statement, ast.Try)
    inside = ast.Module(statement.body, type_ignores=[])
    if ast.unparse(inside) != ast.unparse(ast.parse(cell.source)):
        raise ValueError(f"a cell that raises has a text of several lines: {cell.source!r}")
    cell.source = wrapped
    cell.outputs = [
        new_output("stream", name="stdout", text=f"{output.ename}: {output.evalue}\n")
        if output.output_type == "error"
        else output
        for output in cell.outputs
    ]


def write_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Write the notebooks of all pages, in all editions, and an archive of each edition.

    Raises:
        ExtensionError: a page cannot be said in plain Markdown; where editions are written by
            several processes, as the text of a SphinxParallelError.
    """
    if exception or app.builder.format != "html":
        return
    folder = Path(app.outdir, FOLDER)
    editions = [
        partial(write_edition, app, folder),
        partial(write_edition, app, folder / STUDENT, student=True),
    ]
    if INSTRUCTOR in os.environ:
        target = Path(os.environ[INSTRUCTOR]).resolve()
        editions.append(partial(write_edition, app, target, noted=True))
    parallel = parallel_available and app.parallel > 1
    tasks = ParallelTasks(len(editions)) if parallel else SerialTasks()
    for write in editions:
        tasks.add_task(write)
    tasks.join()
    logger.info("notebooks: %d pages have one that runs by itself", len(pages(app)))


def write_edition(app: Sphinx, folder: Path, *, student: bool = False, noted: bool = False) -> None:
    """Write one edition of all notebooks, and its archive, into a folder."""
    repository, written = app.config.notebooks_repository, []
    issues = f"https://github.com/{repository}/issues" if repository else None
    for docname in pages(app):
        if student and not has_exercises(app, docname):
            continue
        source, target = Path(app.env.doc2path(docname)), folder / f"{docname}.ipynb"
        notes = instructors_notes(source) if noted else {}
        references = PageReferences(app, docname)
        try:
            notebook = make_standalone(
                read_recorded(source), references, student=student, notes=notes, issues=issues
            )
        except ValueError as error:
            raise ExtensionError(f"no notebook of {docname}: {error}") from error
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
        written.append(target)
    folder.mkdir(parents=True, exist_ok=True)  # no page of a small book may have exercises
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in written:
            archive.write(path, path.relative_to(folder))


def instructors_notes(page: Path) -> dict[str, str]:
    """Notes on the exercises of a page, by their labels."""
    section = "_".join(page.stem.split("-")[:2])
    return {exercise.label: note(exercise) for exercise in exercises_of(section)}


def offer_notebook(
    app: Sphinx,
    pagename: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Put the page's notebook into the theme's download menu, and a button for Colab beside it."""
    buttons = context.get("header_buttons", [])
    if doctree is None or not has_code(app, pagename):
        return
    shown = [f"{FOLDER}/{pagename}.ipynb"]
    shown += [f"{FOLDER}/{STUDENT}/{pagename}.ipynb"] if has_exercises(app, pagename) else []
    for group in buttons:
        if group.get("label") == "download-buttons":
            group["buttons"][:0] = [
                {
                    "type": "link",
                    "url": context["pathto"](path, 1),
                    "text": text,
                    "icon": "fas fa-code",
                    "tooltip": tooltip,
                    "label": label,
                }
                for path, (text, tooltip, label) in zip(shown, DOWNLOADS, strict=False)
            ]
    if repository := app.config.notebooks_repository:
        address = f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}"
        links = [
            {
                "type": "link",
                "url": f"{address}/{path}",
                "text": text,
                "icon": icon,
                "tooltip": f"Open in Colab: {tooltip}",
                "label": label,
            }
            for path, (text, tooltip, label, icon) in zip(shown, COLAB, strict=False)
        ]
        buttons[:0] = links


def published_repository(root: str | Path) -> str | None:
    """Owner and name of the repository on GitHub, from CI's environment or the git remote."""
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    if repository := os.environ.get("GITHUB_REPOSITORY"):
        return repository if server == "https://github.com" else None
    git = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
    try:
        remote = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return None
    known = re.fullmatch(GITHUB, remote)
    return known[1] if known else None


def find_repository(app: Sphinx, config: Config) -> None:
    """Set the option before Sphinx looks for what has changed, so that all pages follow it."""
    config.notebooks_repository = config.notebooks_repository or published_repository(app.srcdir)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("notebooks_repository", None, "html", (str, type(None)))
    app.connect("config-inited", find_repository)
    app.connect("html-page-context", offer_notebook, priority=AFTER_THE_BUTTONS)
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
