"""The notebooks that run by themselves: what the build writes, and one in an empty folder."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import jupytext
import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

from exercises import Code, exercises_of, note, sections
from extensions.notebooks import bundle, standalone
from extensions.notebooks.editions import sealed, with_checks_in_reach, without_solutions
from helpers.history import recorded_histories
from helpers.live.view import emptied
from tests.conftest import HTML, INSTRUCTOR
from tests.regression.kernel import CLOSE_NETWORK
from tests.test_book import PAGES, SECTIONS
from tools.answers import cells_of, code_of, page_of, solution_of
from tools.fresh import copy_environment, run
from tools.lift import find_page
from tools.pages import ROOT

SHORT = "7-5-pooling"
ANSWERS = "answers/7_3.json"
LIVE = Path("helpers/live")
CHECKED = [page for page in SECTIONS if 'check("' in page.read_text(encoding="utf-8")]
MARKUP = r"\{[a-z][\w:-]*\}`|^\s*(?:```|:::)\{|^\([\w:.-]+\)=|^:[a-z]+:|\]\{[.#]|\[\^|[\f\v]"
of_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)


@pytest.fixture(scope="module")
def built(log):
    """Folder of the notebooks that the build of the site writes."""
    return HTML / "notebooks"


def read(folder: Path) -> dict[str, NotebookNode]:
    """The notebooks in the chapters of a folder, by the name of their page."""
    written = (folder / "chapters").rglob("*.ipynb")
    return {path.stem: nbformat.read(path, as_version=4) for path in written}


@pytest.fixture(scope="module")
def notebooks(built):
    """All notebooks of the lecture."""
    return read(built)


@pytest.fixture(scope="module")
def students(built):
    """All notebooks of the student's edition."""
    return read(built / standalone.STUDENT)


def words(notebook) -> str:
    """The Markdown of a notebook without code, formulas and pictures."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"^```.*?^```$|\$\$.*?\$\$|(?<!\})`[^`\n]+`", "", text, flags=re.S | re.M)


def test_every_page_has_a_notebook(notebooks):
    assert set(notebooks) == {page.stem for page in PAGES}


@of_every_page
def test_a_notebook_is_valid_and_reads_like_no_markup(notebooks, page):
    notebook = notebooks[page.stem]
    nbformat.validate(notebook)
    assert not re.findall(MARKUP, words(notebook), flags=re.M)
    assert re.match(r"# (\d\.\d )?\w", notebook.cells[0].source)
    assert not [c for c in notebook.cells if not c.source.strip()]


@of_every_page
def test_no_line_of_prose_is_lost(notebooks, page):
    shown = "\n".join(c.source for c in notebooks[page.stem].cells if c.cell_type == "markdown")
    cells = [cell.source for cell in jupytext.read(page).cells if cell.cell_type == "markdown"]
    lines = [line for cell in cells for line in cell.split("\n")]
    plain = [line for line in lines if not re.search(r"[{}]|^[(:`%#]|\]\(", line)]
    assert len(plain) > 15
    assert [line for line in plain if line.strip() not in shown] == []


@of_every_page
def test_code_and_outputs_are_those_of_the_recording(notebooks, page):
    recording = nbformat.read(page.with_suffix(".ipynb"), as_version=4)
    cells = with_checks_in_reach(sealed(recording.cells))
    recorded = [cell for cell in cells if cell.cell_type == "code"]
    ours = [cell for cell in notebooks[page.stem].cells if cell.cell_type == "code"][2:]
    for cell, was in zip(ours, recorded, strict=True):
        for output in cell.outputs:
            if "data-live" in output.get("data", {}).get("text/html", ""):
                assert "mount(document.currentScript" in output.data["text/html"]
                output.data["text/html"] = emptied(output.data["text/html"])
        tags = was.metadata.get("tags", [])
        if "raises-exception" not in tags:
            assert re.sub(r"\A#@title .*\n", "", cell.source) == re.sub(
                r"\A#@title .*\n", "", was.source
            )
            assert cell.outputs == ([] if "hide-output" in tags else was.outputs)


@of_every_page
def test_figures_have_captions_and_citations_a_list(notebooks, page):
    text = words(notebooks[page.stem])
    figures = [c for c in jupytext.read(page).cells if "figure" in c.metadata.get("mystnb", {})]
    numbers = re.findall(r"^(?:\*\*|<summary>Caption of )(Fig\. [\d.]+)(?=\.\*\*|<)", text, re.M)
    assert len(set(numbers)) == len(figures)
    roles = re.findall(r"\{cite:[tp]\}`([\w,]+)`", page.read_text(encoding="utf-8"))
    cited = {key for keys in roles for key in keys.split(",")}
    listed = text.partition("## References")[2].count("\n- ")
    assert listed == len(cited)


def test_numbers_are_those_of_the_site(notebooks):
    source, shown = find_page(SHORT).read_text(encoding="utf-8"), words(notebooks[SHORT])
    assert "keeps the mean ({numref}`fig-pooling-by-hand`)" in source
    assert "keeps the mean (Fig. 7.5.2)" in shown and shown.startswith("# 7.5 Pooling")
    assert "{cite:t}`lin2013`" not in shown and "Lin et al. [2013]" in words(notebooks["8-3-nin"])
    equations = "\n".join(cell.source for cell in notebooks[SHORT].cells)
    assert r"\tag{7.5.1}" in equations


def test_solutions_are_folded_headings_of_their_own(notebooks):
    notebook = notebooks[SHORT]
    folded = [c for c in notebook.cells if "jp-MarkdownHeadingCollapsed" in c.metadata]
    solution = re.compile(r"#### Solution to Exercise 7\.5\.\d+")
    written = find_page(SHORT).read_text(encoding="utf-8").count("{solution-start}")
    assert sum(bool(solution.fullmatch(c.source)) for c in folded) == written >= 4
    assert notebook.metadata.colab.collapsed_sections == [cell.metadata.id for cell in folded]


# What a notebook brings along.


def unpacked(cells: list[NotebookNode]) -> dict[str, str]:
    """The files that the set-up of a notebook writes, by path."""
    (source,) = (cell.source for cell in cells if "FILES = " in cell.source)
    namespace, path = {}, list(sys.path)
    exec(source, namespace)
    sys.path[:] = path
    namespace["book"].cleanup()
    return namespace["FILES"]


def brought_by(page: Path) -> dict[str, str]:
    return unpacked(bundle.set_up_cells(jupytext.read(page).cells))


def test_what_a_page_imports_travels_inside_as_it_is():
    files = brought_by(find_page("8-5-batch-normalisation"))
    assert {"helpers/__init__.py", "helpers/training.py", "helpers/data.py"} < set(files)
    assert "helpers/claims.py" in files and "helpers/fields.py" in files
    assert all(text == (ROOT / name).read_text(encoding="utf-8") for name, text in files.items())


def test_what_sections_built_can_be_read_and_the_plumbing_is_packed():
    cells = bundle.set_up_cells(jupytext.read(find_page("8-5-batch-normalisation")).cells)
    (source,) = (cell.source for cell in cells if "FILES = " in cell.source)
    assert "class LeNet(" in source and "class Trainer" not in source
    assert len(source) <= 75_000, "a notebook carries too much"


def test_what_a_notebook_brings_is_the_same_at_every_build():
    page = find_page("results")
    first = bundle.histories(page)
    bundle.histories.cache_clear()
    assert bundle.histories(page) == first


@pytest.mark.slow
def test_a_page_with_a_live_view_brings_its_script():
    for page in CHECKED:
        brought = {Path(name) for name in brought_by(page)}
        scripts = {p for p in brought if p.parent == LIVE and p.suffix == ".js"}
        assert LIVE / "view.js" in scripts and len(scripts) > 1, page


def test_imports_are_followed_into_functions_and_not_for_types():
    code = """
import a.b
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import hidden
def f():
    from helpers import plotting
"""
    assert bundle.imported(code) >= {"a.b", "a", "helpers.plotting", "helpers"}
    assert "hidden" not in bundle.imported(code)


@pytest.mark.parametrize(
    ("code", "needs"),
    [
        ("import json, torch", {"torch"}),
        ("from helpers.checking import check", {"torch"}),
        ("from helpers.data import FashionMNIST", {"d2l", "torch", "sklearn", "torchvision"}),
    ],
)
def test_only_what_is_imported_is_installed(code, needs):
    cells = [new_code_cell(code)]
    found = bundle.needed(cells, bundle.files_for(cells))
    assert needs <= found and ("d2l" in found) == ("d2l" in needs)
    (set_up,) = (c.source for c in bundle.set_up_cells(cells) if "NEEDS" in c.source)
    assert ("d2l" in set_up) == ("d2l" in needs) and ("'sklearn'" in set_up) == ("sklearn" in needs)


def test_a_page_with_checks_brings_what_they_judge_by():
    label = next(exercise.label for exercise in exercises_of("7_3"))
    cells = [new_code_cell(f'from helpers.checking import check\ncheck("{label}")')]
    files = unpacked(bundle.set_up_cells(cells, issues="https://example.org/issues"))
    assert set(files) == {f"helpers/{name}" for name in ("__init__.py", "checking.py", ANSWERS)}
    assert files[f"helpers/{ANSWERS}"] == (ROOT / "helpers" / ANSWERS).read_text(encoding="utf-8")
    assert 'REPORT = "https://example.org/issues"' in files["helpers/checking.py"]


def test_a_page_brings_the_histories_that_it_reads():
    files = brought_by(find_page("results"))
    kept = [name for name in files if name.endswith(".ipynb")]
    assert len(kept) == 7
    for name in kept:
        (cell,) = nbformat.reads(files[name], as_version=4).cells
        recorded = recorded_histories(Path(name).stem)
        assert not cell.source and len(cell.outputs) == len(recorded)
        for output, history in zip(cell.outputs, recorded, strict=True):
            (data,) = output.data.values()
            losses = data["train_loss"]
            assert losses == pytest.approx(history.train_loss, rel=1e-5)
            assert data["size"] == list(history.size)
            assert all(len(f"{loss:.15g}") <= 12 for loss in losses)  # sixteen digits take twice


@pytest.mark.parametrize("text", ["plain\n", "back\\slash\n", "'''", "ends with '", "\\"])
def test_a_text_as_a_python_string(text):
    assert ast.literal_eval(bundle.literal(text)) == text


def test_the_pins_are_those_of_the_book():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"D2L    := {bundle.D2L}\n" in makefile


# Editions.


def lines_of(texts: Iterable[str]) -> set[str]:
    """Lines that are long enough to tell where they are from."""
    return {line for text in texts for line in text.split("\n") if len(line.strip()) > 24}


def brought_in(notebook: NotebookNode) -> list[str]:
    """All code, and all data, that a notebook brings along."""
    files = unpacked(notebook.cells)
    pages = [nbformat.reads(text, 4) for name, text in files.items() if name.endswith(".ipynb")]
    inside = [cell.source for page in pages for cell in page.cells]
    return inside + [text for name, text in files.items() if not name.endswith(".ipynb")]


def functions(code: str) -> set[str]:
    """What the functions in some code do, without their names and documentation."""
    nodes = (n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.FunctionDef))
    return {ast.unparse([n for n in node.body if not is_text(n)]) for node in nodes}


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_no_solution_and_no_mistake_is_in_a_students_edition(students, notebooks):
    """Nor in what it brings along, nor in what the pages of the appendix bring along."""
    assert set(students) == {page.stem for page in SECTIONS}
    appendix = [notebooks[page.stem] for page in PAGES if page not in SECTIONS]
    texts = [text for n in [*appendix, *students.values()] for text in brought_in(n)]
    everything = lines_of(texts) | lines_of(c.source for n in students.values() for c in n.cells)
    cells = {page: jupytext.read(page).cells for page in PAGES}
    lessons = lines_of(c.source for page in PAGES for c in without_solutions(cells[page]))
    lessons |= lines_of(path.read_text("utf-8") for path in (ROOT / "helpers").rglob("*.py"))
    for page in SECTIONS:
        secrets = lines_of(c.source for c in cells[page] if c.cell_type == "code") - lessons
        assert len(secrets) > 20
        assert not secrets & everything
    code = [c.source for n in students.values() for c in n.cells if c.cell_type == "code"]
    shipped = set().union(*map(functions, [*code, *(t for t in texts if t.startswith('"""'))]))
    plain = [c for page in PAGES for c in without_solutions(cells[page])]
    taught = [c.source for c in plain if c.cell_type == "code"]
    shipped -= set().union(*map(functions, taught))  # what a lesson shows is no secret
    for section in sections():
        for exercise in exercises_of(section):
            if isinstance(exercise, Code):
                solution = solution_of(section, exercise.label)
                wrong = [code_of(mistake, solution) for mistake in exercise.mistakes]
                for secret in (solution, exercise.second, *wrong):
                    assert not functions(secret) & shipped, (exercise.label, secret)


def test_a_students_notebook_says_what_it_is_and_keeps_exercises(students, notebooks):
    for stem, notebook in students.items():
        assert bundle.STUDENT.strip() in [c.source.split("\n")[-1] for c in notebook.cells[:4]]
        shown, all_shown = words(notebook), words(notebooks[stem])
        assert "Solution to" not in shown and "Solution to" in all_shown
        assert shown.count("\n### Exercise ") == all_shown.count("\n### Exercise ") >= 4


def test_the_instructors_edition_has_notes_and_is_not_on_the_site(built):
    instructors = read(INSTRUCTOR)
    assert set(instructors) == {page.stem for page in PAGES}
    for section in sections():
        if page_of(section) in CHECKED:
            sources = [cell.source for cell in instructors[page_of(section).stem].cells]
            assert all(note(exercise) in sources for exercise in exercises_of(section))
    site = [path for path in built.rglob("*.ipynb") if "For instructors" in path.read_text("utf-8")]
    assert site == []


@pytest.mark.parametrize(
    "page",  # one at once, the others among the slow ones: their cells run as pages anyway
    [p if p == page_of("7_3") else pytest.param(p, marks=pytest.mark.slow) for p in CHECKED],
    ids=lambda p: p.stem,
)
def test_a_students_notebook_runs_untouched_and_filled_in(students, page, tmp_path):
    """Every check waits, none fails; after the solutions every check says that they are right."""
    python = copy_environment(sys.executable, tmp_path / "environment")
    (tmp_path / "home").mkdir()
    section = "_".join(page.stem.split("-")[:2])
    solved = [source for _, tags, source in cells_of(section) if "solution" in tags]
    notebook = students[page.stem]
    notebook.cells += [new_code_cell(source) for source in [*solved, "progress()"]]
    notebook.cells.insert(0, new_code_cell(CLOSE_NETWORK))
    run(notebook, python, tmp_path / "home", BOOK_PROFILE="check")
    said = list(printed(notebook).values())
    total = len(exercises_of(section))
    title = section.replace("_", ".")
    assert sum(text.startswith("○ Waiting for") for text in said) == total
    counted = [text.split("\n")[0] for text in said if "solved\n" in text]
    assert counted == [f"{title}: {k} of {total} solved" for k in (0, total)]


# A cell that is meant to raise.


def test_an_expected_error_is_printed():
    cell = new_code_cell("x = 1\nf(\n    x)")
    cell.outputs = [new_output("error", ename="ValueError", evalue="no", traceback=[])]
    standalone.show_error(cell)
    assert cell.source.startswith("try:\n    x = 1\n    f(\n        x)\nexcept")
    assert cell.outputs == [new_output("stream", name="stdout", text="ValueError: no\n")]


def test_a_text_of_several_lines_is_not_indented_in_silence():
    with pytest.raises(ValueError, match="a text of several lines"):
        standalone.show_error(new_code_cell('f("""a\nb""")'))


# Colab.


@pytest.mark.parametrize(
    ("environment", "remote", "repository"),
    [
        ({"GITHUB_REPOSITORY": "o/r", "GITHUB_SERVER_URL": "https://github.com"}, None, "o/r"),
        ({"GITHUB_REPOSITORY": "o/r", "GITHUB_SERVER_URL": "https://git.example"}, None, None),
        ({}, "https://github.com/o/r.git", "o/r"),
        ({}, "git@github.com:o/r.git", "o/r"),
        ({}, "ssh://git@github.com/o/r", "o/r"),
        ({}, "https://example.org/github.com/o/r", None),
        ({}, "/somewhere/else", None),
        ({}, None, None),
    ],
)
def test_where_the_notebooks_are_published(tmp_path, monkeypatch, environment, remote, repository):
    for name in ("GITHUB_REPOSITORY", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    if remote:
        subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", remote], check=True)
    assert standalone.published_repository(tmp_path) == repository


@pytest.mark.parametrize("repository", [None, "owner/name"])
def test_the_buttons_of_a_page(repository, tmp_path):
    for name, content in (("a", "```{exercise-start}"), ("b", "no exercise")):
        (tmp_path / name).write_text(content, encoding="utf-8")
    code = {"kernelspec": {}}
    env = SimpleNamespace(
        metadata={"chapters/a": code, "chapters/b": code, "index": {}},
        doc2path=lambda docname: tmp_path / docname[-1],
    )
    app = SimpleNamespace(env=env, config=SimpleNamespace(notebooks_repository=repository))

    def addresses(pagename):
        group = {"label": "download-buttons", "buttons": [{"url": "a.md"}]}
        context = {"header_buttons": [group], "pathto": lambda path, _: f"../{path}"}
        standalone.offer_notebook(app, pagename, "", context, object())
        *colab, downloads = context["header_buttons"]
        return [button["url"] for button in [*downloads["buttons"], *colab]]

    site = "https://colab.research.google.com/github/owner/name/blob/gh-pages/notebooks"
    lecture, student = (f"{path}chapters/a.ipynb" for path in ("", "student/"))
    colab = [f"{site}/{lecture}", f"{site}/{student}"] if repository else []
    downloads = [f"../notebooks/{lecture}", f"../notebooks/{student}"]
    assert addresses("chapters/a") == [*downloads, "a.md", *colab]
    assert addresses("chapters/b")[:2] == ["../notebooks/chapters/b.ipynb", "a.md"]
    assert addresses("index") == ["a.md"]


def test_colab_finds_the_branch_to_which_the_site_is_published():
    workflow = (ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8")
    assert f"HEAD:{standalone.BRANCH}\n" in workflow


# In an empty folder.


def printed(notebook) -> dict[str, str]:
    """What each cell has printed, by its id; a slow kernel sends it in several pieces."""
    outputs = {cell.id: cell.get("outputs", []) for cell in notebook.cells}
    texts = {name: "".join(o.get("text", "") for o in found) for name, found in outputs.items()}
    return {name: text for name, text in texts.items() if text}


def test_a_notebook_runs_in_an_empty_folder_without_a_network(notebooks, tmp_path):
    python = copy_environment(sys.executable, tmp_path / "environment")
    (tmp_path / "home").mkdir()
    notebook = notebooks[SHORT]
    expected = printed(notebook)
    notebook.cells.insert(0, new_code_cell(CLOSE_NETWORK))
    run(notebook, python, tmp_path / "home", BOOK_PROFILE="check")
    address = "https://github.com/owner/name/issues"  # known where the site is published
    expected = {k: text.replace("the authors of the book", address) for k, text in expected.items()}
    assert expected.items() <= printed(notebook).items()  # a sealed cell brings no output along
    assert len(expected) > 20
    assert str(ROOT) not in nbformat.writes(notebook)
    left = {path.name for path in (tmp_path / "home").iterdir()}
    assert not {name for name in left if not name.startswith(".")}


def test_without_d2l_and_network_one_sentence_says_what_to_do(tmp_path):
    python = copy_environment(sys.executable, tmp_path / "environment", without="d2l")
    cells = bundle.set_up_cells([new_code_cell("from d2l import torch")])
    notebook = new_notebook(cells=[cell for cell in cells if "NEEDS" in cell.source])
    with pytest.raises(CellExecutionError) as caught:
        run(notebook, python, tmp_path, PIP_NO_INDEX="1")
    said = caught.value.evalue
    assert said.startswith("pip install --no-deps d2l==1.0.3 failed (")
    assert "without a network, run this command beforehand" in said
