"""A small book, built with the book's own extensions: where do its outputs come from?"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

from tools.pages import ROOT

PAGE = """\
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

# {title}

```{{math}}
:label: eq-{name}
y = x
```

See {{eq}}`eq-{name}`.

```{{code-cell}} ipython3
{code}
```
"""
TOC = """\
format: jb-book
root: index
parts:
  - caption: Chapters
    numbered: 2
    chapters:
      - file: chapter
        sections:
          - file: chapters/one
          - file: chapters/two
"""


MACHINERY = ("_config.yml", "_static", "exercises", "extensions", "tools")


def copy_machinery(folder):
    """Begin a book: a folder with all that compiles one, and an empty one for its chapters."""
    (folder / "chapters").mkdir(parents=True)
    for name in MACHINERY:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    for name in ("references.bib", "search-terms.txt"):
        (folder / name).write_text("")


@pytest.fixture
def book(tmp_path):
    """A book of two pages that are recorded, with an output that only the recording holds."""
    folder = tmp_path / "book"
    copy_machinery(folder)
    (folder / "_toc.yml").write_text(TOC)
    (folder / "index.md").write_text("# Home\n")
    (folder / "chapter.md").write_text("# Chapter\n")
    for name in ("one", "two"):
        write_page(folder, name, f"print('executed', {name!r})")
        notebook = jupytext.read(folder / "chapters" / f"{name}.md")
        code = next(cell for cell in notebook.cells if cell.cell_type == "code")
        code.execution_count = 1
        code.outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"recorded {name}\n")]
        nbformat.write(notebook, folder / "chapters" / f"{name}.ipynb")
    return folder


def write_page(folder, name, code):
    page = PAGE.format(title=f"Page {name}", name=name, code=code)
    (folder / "chapters" / f"{name}.md").write_text(page)


def build(folder):
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", ".", "-W", "-n", "--keep-going"]
    environment = {**os.environ, "JUPYTER_PLATFORM_DIRS": "1", "PYTHONPATH": ""}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    html = {
        page.stem: page.read_text(encoding="utf-8")
        for page in (folder / "_build" / "html" / "chapters").glob("*.html")
    }
    return run, run.stdout + run.stderr, html


@pytest.mark.slow
def test_a_page_follows_its_source_its_recording_and_the_extensions(book):
    run, log, html = build(book)
    assert run.returncode == 0, log
    assert "Executing" not in log
    assert "recorded one" in html["one"] and "recorded two" in html["two"]
    assert "7.1. " in html["one"] and "7.2. " in html["two"]  # chapters count from 7
    assert "(7.2.1)" in html["two"]  # and so do equations

    write_page(book, "two", "print('changed', 6 * 7)")
    run, log, html = build(book)
    assert run.returncode == 0, log
    assert log.count("Executing notebook") == 1 and "changed 42" in html["two"]
    assert "recorded one" in html["one"]

    recording = nbformat.read(book / "chapters" / "one.ipynb", as_version=4)
    recording.cells[-1].outputs[0].text = "recorded anew\n"
    nbformat.write(recording, book / "chapters" / "one.ipynb")
    run, log, html = build(book)
    assert run.returncode == 0 and "Executing" not in log
    assert "recorded anew" in html["one"]

    code = book / "extensions" / "page.py"
    code.write_text(code.read_text().replace('= "The book"', '= "All pages"'))
    run, log, html = build(book)
    assert run.returncode == 0 and "Executing" not in log
    assert all('aria-label="All pages"' in text for text in html.values())


@pytest.mark.slow
def test_a_cell_that_fails_fails_the_build(book):
    write_page(book, "two", "raise RuntimeError('broken page')")
    run, log, _ = build(book)
    assert run.returncode != 0 and "broken page" in log
