"""The notebooks that run by themselves: what the build writes, and one in an empty folder."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jupytext
import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook, new_output

from extensions.notebooks import bundle, standalone
from helpers.live.view import emptied
from helpers.pages import ROOT, code_cells, find_page
from tests.conftest import HTML
from tests.regression.kernel import CLOSE_NETWORK
from tests.test_book import PAGES
from tools.fresh import copy_environment, run

SHORT = "7-5-pooling"
MARKUP = r"\{[a-z][\w:-]*\}`|^\s*(?:```|:::)\{|^\([\w:.-]+\)=|^:[a-z]+:|\]\{[.#]|\[\^|[\f\v]"
of_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)


@pytest.fixture(scope="module")
def notebooks(log):
    """All notebooks of the book by the name of their page, as the build of the site writes them."""
    written = (HTML / "notebooks").rglob("*.ipynb")
    return {path.stem: nbformat.read(path, as_version=4) for path in written}


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
    recorded = [cell for cell in recording.cells if cell.cell_type == "code"]
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
    numbers = re.findall(r"^\*\*(Fig\. [\d.]+)\.\*\* ", text, flags=re.M)
    assert len(set(numbers)) == len(figures)
    roles = re.findall(r"\{cite:[tp]\}`([\w,]+)`", page.read_text(encoding="utf-8"))
    cited = {key for keys in roles for key in keys.split(",")}
    listed = text.partition("## References")[2].count("\n- ")
    assert listed == len(cited)


def test_numbers_are_those_of_the_site(notebooks):
    source, shown = find_page(SHORT).read_text(encoding="utf-8"), words(notebooks[SHORT])
    assert "{numref}`fig-pooling-by-hand` shows both" in source
    assert "Fig. 7.5.1 shows both" in shown and shown.startswith("# 7.5 Pooling")
    assert "{cite:t}`lin2013`" not in shown and "Lin et al. [2013]" in words(notebooks["8-3-nin"])
    equations = "\n".join(cell.source for cell in notebooks[SHORT].cells)
    assert r"\tag{7.5.1}" in equations


def test_solutions_are_folded_headings_of_their_own(notebooks):
    notebook = notebooks[SHORT]
    folded = [c for c in notebook.cells if "jp-MarkdownHeadingCollapsed" in c.metadata]
    assert len(folded) >= 4
    assert all(re.fullmatch(r"#### Solution to Exercise 7\.5\.\d+", c.source) for c in folded)
    assert notebook.metadata.colab.collapsed_sections == [cell.metadata.id for cell in folded]


# What a notebook brings along.


def unpacked(page: Path) -> dict[str, str]:
    cells = jupytext.read(page).cells
    (source,) = (c.source for c in bundle.set_up_cells(cells) if "FILES" in c.source)
    assign = next(node for node in ast.parse(source).body if isinstance(node, ast.Assign))
    return ast.literal_eval(assign.value)


def test_helpers_travel_inside_as_they_are():
    files = unpacked(find_page(SHORT))
    helpers = {p.relative_to(ROOT).as_posix(): p for p in (ROOT / "helpers").glob("*.py")}
    assert set(files) == set(helpers)
    assert all(files[name] == path.read_text(encoding="utf-8") for name, path in helpers.items())


def test_a_page_brings_its_live_views_and_no_others():
    cell = new_code_cell("from helpers.live import padding_stride\n\npadding_stride()")
    brought = {name for name in bundle.files_for([cell]) if "live" in name}
    files = {"__init__.py", "view.py", "view.js", "view.css"}
    files |= {f"padding.{ending}" for ending in ("py", "js", "css")}
    assert brought == {f"helpers/live/{file}" for file in files}


def test_a_page_brings_the_pages_that_it_lifts_from():
    files = unpacked(find_page("errata"))
    lifted = find_page("8-4-googlenet")
    name = lifted.relative_to(ROOT).with_suffix(".ipynb").as_posix()
    brought = nbformat.reads(files[name], as_version=4)
    assert [cell.source for cell in brought.cells] == code_cells(lifted)
    kinds = {kind for c in brought.cells for output in c.outputs for kind in output.data}
    assert kinds == {"application/vnd.convnets.history+json"}


@pytest.mark.parametrize("text", ["plain\n", "back\\slash\n", "'''", "ends with '", "\\"])
def test_a_text_as_a_python_string(text):
    assert ast.literal_eval(bundle.literal(text)) == text


def test_the_pins_are_those_of_the_book():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (pin,) = re.findall(r'^D2L = "(.*?)"', bundle.SET_UP, flags=re.M)
    assert f"D2L    := {pin}\n" in makefile


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
def test_the_buttons_of_a_page(repository):
    env = SimpleNamespace(metadata={"chapters/a": {"kernelspec": {}}, "index": {}})
    app = SimpleNamespace(env=env, config=SimpleNamespace(notebooks_repository=repository))

    def addresses(pagename):
        group = {"label": "download-buttons", "buttons": [{"url": "a.md"}]}
        context = {"header_buttons": [group], "pathto": lambda path, _: f"../{path}"}
        standalone.offer_notebook(app, pagename, "", context, object())
        *colab, downloads = context["header_buttons"]
        return [button["url"] for button in [*downloads["buttons"], *colab]]

    shown = addresses("chapters/a")
    assert shown[:2] == ["../notebooks/chapters/a.ipynb", "a.md"]
    site = "https://colab.research.google.com/github/owner/name/blob/gh-pages/notebooks/chapters"
    assert shown[2:] == ([f"{site}/a.ipynb"] if repository else [])
    assert addresses("index") == ["a.md"]


def test_colab_finds_the_branch_to_which_the_site_is_published():
    workflow = (ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8")
    assert f"HEAD:{standalone.BRANCH}\n" in workflow


# In an empty folder.


def printed(notebook) -> list[str]:
    """What each cell has printed; a slow kernel sends it in several pieces."""
    outputs = [cell.get("outputs", []) for cell in notebook.cells]
    return list(filter(None, ("".join(o.get("text", "") for o in of_cell) for of_cell in outputs)))


def test_a_notebook_runs_in_an_empty_folder_without_a_network(notebooks, tmp_path):
    python = copy_environment(sys.executable, tmp_path / "environment")
    (tmp_path / "home").mkdir()
    notebook = notebooks[SHORT]
    expected = printed(notebook)
    notebook.cells.insert(0, new_code_cell(CLOSE_NETWORK))
    run(notebook, python, tmp_path / "home", BOOK_PROFILE="check")
    assert printed(notebook) == expected and len(expected) > 20
    assert str(ROOT) not in nbformat.writes(notebook)
    left = {path.name for path in (tmp_path / "home").iterdir()}
    assert not {name for name in left if not name.startswith(".")}


def test_without_d2l_and_network_one_sentence_says_what_to_do(tmp_path):
    python = copy_environment(sys.executable, tmp_path / "environment", without="d2l")
    notebook = new_notebook(cells=[new_code_cell(bundle.SET_UP)])
    with pytest.raises(CellExecutionError) as caught:
        run(notebook, python, tmp_path, PIP_NO_INDEX="1")
    said = caught.value.evalue
    assert said.startswith("pip install --no-deps d2l==1.0.3 failed (")
    assert "without a network, run this command beforehand" in said
