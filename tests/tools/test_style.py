"""Measures and rules of a page, on small pages that break them one by one."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_output

from tools import style
from tools.pages import read_source

HEAD = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3 (ipykernel)
  language: python
  name: python3
---

# A page
"""
CELL = "```{{code-cell}} ipython3\n:tags: [{}]\n\n{}\n```\n"
ASIDE = "```{{aside-start}} Why?\n```\n\n{}\n\n```{{aside-end}}\n```\n"
PARTS = [
    HEAD,
    "Three words here, {numref}`fig-a` and $a + b$.",
    "```{math}\n:label: eq-a\nno = words\n```",
    CELL.format("hide-cell", "import math"),
    CELL.format("export", "def double(x):\n    '''Twice x.'''\n\n    return 2 * x"),
    CELL.format("proof", "assert double(2) == 4\nprint('equals addition on 1 case')"),
    ASIDE.format("Four words in it.\n\n" + CELL.format("solution", "x = 1")),
    "## Exercises\n\nNot counted.",
]
GOOD = "\n\n".join(PARTS)


def write(folder: Path, text: str, output: str = "equals addition on 1 case\n") -> Path:
    """The page, and its recording, in which every proof prints the output."""
    page = folder / "7-3-page.md"
    page.write_text(text)
    notebook = read_source(page)
    for cell in notebook.cells:
        if "proof" in style.tags(cell):
            cell.outputs = [new_output("stream", name="stdout", text=output)]
    nbformat.write(notebook, page.with_suffix(".ipynb"))
    return page


def test_what_is_folded_is_counted_apart(tmp_path):
    page = write(tmp_path, GOOD)
    assert style.count(page) == {
        "code": 3, "folded": 7, "wide": 0, "asserts": 0, "words": 9, "aside": 4, "figures": 0,
    }  # fmt: skip
    assert style.faults_of_all(page) == style.faults_of_sections(page) == []


@pytest.mark.parametrize(
    ("was", "now", "fault"),
    [
        ("## Exercises", "More text.\n\n## Exercises", "'Why?' does not stand last"),
        ("## Exercises", CELL.format("", "y = 1") + "\n## Exercises", "'Why?' does not stand last"),
        ("Three words", "All claims hold", "'claims hold' is not said"),
        ("[proof]", "[plain]", "no cell is tagged proof"),
        ("[export]", "[nbval-ignore-output]", "what trains is followed by no cell tagged claims"),
        ("return 2 * x", "\n    ".join(["x = 1"] * 12), "double has 13 lines"),
    ],
)
def test_a_rule_that_is_broken_is_named(tmp_path, was, now, fault):
    page = write(tmp_path, GOOD.replace(was, now, 1))
    (found,) = [*style.faults_of_all(page), *style.faults_of_sections(page)]
    assert fault in found


def test_a_docstring_is_no_line_of_a_function(tmp_path):
    page = write(tmp_path, GOOD.replace("return 2 * x", "\n    ".join(["x = 1"] * 11)))
    assert style.faults_of_sections(page) == []


def test_two_asides_may_end_a_section(tmp_path):
    page = write(tmp_path, GOOD.replace("## Exercises", ASIDE.format("Also.") + "\n## Exercises"))
    assert style.faults_of_all(page) == []


@pytest.mark.parametrize("output", ["", "one\ntwo\n"])
def test_a_proof_prints_one_line(tmp_path, output):
    (fault,) = style.faults_of_all(write(tmp_path, GOOD, output))
    assert "in place of one verdict" in fault


def test_figures_are_referred_to_and_captions_are_short(tmp_path):
    figure = "---\nmystnb:\n  figure:\n    name: fig-{}\n    caption: {}\ntags: [hide-input]\n---\n"
    cells = [("b", "short"), ("a", "word " * 31)]
    text = "".join(f"```{{code-cell}} ipython3\n{figure.format(*c)}draw()\n```\n\n" for c in cells)
    page = write(tmp_path, GOOD.replace("## Exercises", "## More\n\n" + text + "## Exercises"))
    assert style.count(page)["figures"] == 2
    assert style.faults_of_sections(page) == [
        "fig-b is not referred to",
        "a caption of more than 30 words: fig-a",
    ]


def test_a_line_that_is_too_wide_is_marked(tmp_path, monkeypatch, capsys):
    page = write(tmp_path, GOOD.replace("return 2 * x", f"return x{' + x' * 30}"))
    monkeypatch.setattr(style, "find_pages", lambda: [page])
    assert style.check() == ["7-3-page: wide: 1, wanted 0 to 0"]
    assert "1!" in capsys.readouterr().out


def test_the_pages_of_the_book_keep_the_rules():
    assert style.check() == []


def test_the_names_of_sections_that_are_begun_are_names_of_pages():
    stems = [page.stem for page in style.sections()]
    assert all(any(s.startswith(f"{name}-") for s in stems) for name in style.BEGUN)
    assert len(stems) >= 12
