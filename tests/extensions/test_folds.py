"""A small book with one of each kind that folds: titles, names, and what fails the build."""

from pathlib import Path

import jupytext
import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_output

from tests.extensions.test_recordings import build, copy_machinery

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="220"><rect width="300" '
    'height="220" fill="{}"/></svg>'
)
TOC = """\
format: jb-book
root: index
parts:
  - caption: Chapters
    numbered: 2
    chapters:
      - file: chapter
        sections:
          - file: chapters/folds
"""
pytestmark = pytest.mark.slow  # the small book is compiled
PAGE = Path(__file__).with_name("folds.md").read_text(encoding="utf-8")
PRINTED = {"proof": "equals `math.floor` on 36 cases\n", "hide-output": "half a pixel\n"}
RETURNED = {
    "claims": "'the shift is half a pixel for every even kernel'",
    "recorded-claims": "'ReLU ends ahead of sigmoid, by 0.10 to 0.14 over 5 seeds'",
}


def make_book(folder: Path, page: str = PAGE) -> Path:
    """A book of the page, recorded: its cells print and return what the tables above say."""
    copy_machinery(folder)
    (folder / "_toc.yml").write_text(TOC)
    (folder / "index.md").write_text("# Home\n")
    (folder / "chapter.md").write_text("# Chapter\n")
    (folder / "chapters" / "folds.md").write_text(page)
    notebook = jupytext.read(folder / "chapters" / "folds.md")
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
        for tag in cell.metadata.get("tags", []):
            if tag in PRINTED:
                cell.outputs = [new_output("stream", name="stdout", text=PRINTED[tag])]
            if tag in RETURNED:
                data = {"text/plain": RETURNED[tag]}
                cell.outputs = [new_output("execute_result", data=data, execution_count=count)]
        if "plt.plot" in cell.source:
            data = {"image/svg+xml": SVG.format("#4477" + f"{30 * count:02x}")}
            cell.outputs = [new_output("display_data", data=data)]
        if cell.source.endswith("half"):
            data = {"text/plain": "[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]"}
            cell.outputs = [new_output("execute_result", data=data, execution_count=count)]
    nbformat.write(notebook, folder / "chapters" / "folds.ipynb")
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    book = make_book(tmp_path_factory.mktemp("folds") / "book")
    run, log, _ = build(book)
    assert run.returncode == 0 and "Executing" not in log, log[-5000:]
    return book / "_build" / "html"


@pytest.fixture(scope="module")
def html(site) -> BeautifulSoup:
    page = (site / "chapters" / "folds.html").read_text(encoding="utf-8")
    return BeautifulSoup(page, "html.parser")


def titles(html: BeautifulSoup, kind: str) -> list[str]:
    return [tag.get_text() for tag in html.select(f"details.fold.{kind} > summary")]


def test_a_title_says_what_is_inside(html):
    assert titles(html, "verdict") == [
        "✓ equals math.floor on 36 cases",
        "✓ the shift is half a pixel for every even kernel",
        "✓ ReLU ends ahead of sigmoid, by 0.10 to 0.14 over 5 seeds",
    ]
    assert titles(html, "code") == [
        "Imports",
        *(f"Code of Fig. 7.1.{number}" for number in (1, 2, 3)),
    ]
    assert titles(html, "sealed") == ["Predict first, then open the output"]
    assert titles(html, "aside")[0].endswith("of conv2d shift a picture?")
    assert titles(html, "more") == ["What it means"]
    assert titles(html, "hint") == [f"Hint {n} of 2 to Exercise 7.1.1" for n in (1, 2)]
    first, second = titles(html, "solution")
    assert first.startswith("Solution to Exercise 7.1.1 (Half of ") and "7.1.2 (Another)" in second


def test_the_verdict_is_printed_once_and_its_code_is_inside(html):
    proof, *_ = html.select("details.verdict")
    assert "cases += 1" in proof.select_one(".inside").get_text()
    assert str(html).count("36 cases") == 1


def test_what_a_fold_hides_is_inside_and_its_names_too(html):
    assert html.select_one("details.sealed .cell_output").get_text(strip=True) == "half a pixel"
    told = html.select("details.sealed details.verdict > summary")  # it would tell the answer
    assert [tag.get_text() for tag in told] == titles(html, "verdict")[1:2]
    aside, solution = html.select_one("#why-shift"), html.select_one("#sol-half")
    for inside, words in ((aside, "no middle"), (solution, "1 / 2")):
        assert inside.parent.name == "details" and words in " ".join(inside.get_text().split())
    assert html.select_one("#fig-inside") in aside.find_all("figure")
    assert html.select_one("h2#exercises, section#exercises") not in aside.find_all(True)


def test_figures_beside_each_other_share_a_row(html):
    (row,) = html.select("div.beside")
    assert [figure["id"] for figure in row.find_all("figure")] == ["fig-left", "fig-right"]


def test_a_title_swallows_no_tap_and_no_id_stands_twice(html):
    assert not html.select("summary a, summary button")
    ids = [tag["id"] for tag in html.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert not html.select(".toggle, .toggle-button, details.hide")


def test_a_notebook_folds_the_same_cells_and_keeps_a_prediction_sealed(site):
    cells = nbformat.read(site / "notebooks" / "chapters" / "folds.ipynb", as_version=4).cells
    hidden = [c.source for c in cells if c.metadata.get("jupyter", {}).get("source_hidden")]
    titles = [source.split("\n")[0] for source in hidden]
    assert titles[titles.index("#@title Imports") :] == [
        "#@title Imports",
        "#@title Proof: its verdict is printed below",
        *["#@title Code of what is shown below"] * 2,
        *["#@title Claims: their verdict is printed below"] * 2,
        "#@title Code of what is shown below",
    ]
    (sealed,) = [cell for cell in cells if cell.source == 'print("half a pixel")']
    assert sealed.outputs == cells[cells.index(sealed) + 1].outputs == []
    headings = [c.source for c in cells if "jp-MarkdownHeadingCollapsed" in c.metadata]
    assert headings[0] == "### Why does $k = 4$ of `conv2d` shift a picture?"


CELL = "```{{code-cell}} ipython3\n:tags: [{}]\n\n{}\n```"
WRONG = {
    CELL.format("proof", "quiet = 1"): "a cell tagged proof prints no verdict",
    CELL.format("claims", "print('a\\nb')"): r"claims prints more than one line: 'a\nb'",
    CELL.format("proof", "print('n' * 97)"): "prints a verdict of more than 96 characters",
    CELL.format("proof", "print('and so on …')"): "or one cut off: 'and so on …'",
    CELL.format("claims", "print('so')\n_ = plt.plot([1])"): "claims shows a picture",
    CELL.format("hide-cell", "_ = plt.plot([2])"): "a cell tagged hide-cell shows a figure",
    "```{aside-start} Open?\n```\n\nWords.\n\n## Next": "the aside 'Open?' does not end before",
    "```{aside-end}\n```": "an {aside-end} without its {aside-start}",
}


@pytest.mark.slow
def test_what_is_wrong_fails_the_build(tmp_path):
    book = make_book(tmp_path / "book", PAGE + "\n" + "\n\n".join(WRONG) + "\n")
    (book / "chapters" / "folds.ipynb").unlink()
    run, log, _ = build(book)
    assert run.returncode != 0
    assert [complaint for complaint in WRONG.values() if complaint not in log] == []
