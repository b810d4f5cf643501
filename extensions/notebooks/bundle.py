"""What a notebook brings along so that it runs without the repository: set-up code and files."""

import ast
import json
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from helpers.live import VIEWS
from helpers.live.view import HERE, files
from tools.pages import ROOT, find_pages, read_source

DATA = re.compile(r"application/vnd\.convnets\.")  # types of outputs that pages read, not show
HIDDEN = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # in Jupyter; in Colab
PREFACE = """\
*This notebook runs by itself.*
The next two cells install `d2l` where it is missing, and bring along the book's `helpers`."""

SET_UP = '''\
#@title Set-up: what the book needs and the runtime may lack
import subprocess
import sys
from importlib.util import find_spec

# BOOK_PROFILE chooses how much training cells do: check (the digits that scikit-learn carries),
# quick (a part of Fashion-MNIST; the default without a GPU) or full (all of it).
# import os; os.environ["BOOK_PROFILE"] = "quick"

D2L = "d2l==1.0.3"  # without its pins, which do not install on current Pythons
NEEDS = {
    "IPython": "ipython",
    "matplotlib": "matplotlib",
    "matplotlib_inline": "matplotlib-inline",
    "nbformat": "nbformat",
    "pandas": "pandas",
    "requests": "requests",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "torchvision": "torchvision",
    "tqdm": "tqdm",
}


def install(*arguments: str) -> None:
    """Install packages for this kernel, or say what to do instead."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "1", *arguments]
    run = subprocess.run(pip, capture_output=True, text=True)
    if run.returncode:
        reason = (run.stderr.strip() or "pip failed").splitlines()[-1]
        raise RuntimeError(
            f"pip install {' '.join(arguments)} failed ({reason}): without a network, run this "
            "command beforehand where there is one, then run this cell again."
        )


if missing := [package for module, package in NEEDS.items() if find_spec(module) is None]:
    install(*missing)
if find_spec("d2l") is None:
    install("--no-deps", D2L)
'''

UNPACK = """\
#@title The book's own modules, written to a temporary folder
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FILES = {}

book = TemporaryDirectory(prefix="book-")
for name, text in FILES.items():
    path = Path(book.name, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
sys.path.insert(0, book.name)
"""


def set_up_cells(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Cells that stand before the first code cell of a page, for the code cells of that page."""
    pairs = (f"    {name!r}: {literal(text)},\n" for name, text in files_for(cells).items())
    unpack = UNPACK.replace("{}", "{\n" + "".join(pairs) + "}", 1)
    return [
        new_markdown_cell(PREFACE),
        new_code_cell(SET_UP.strip()),
        new_code_cell(unpack.strip(), metadata=HIDDEN),
    ]


def files_for(cells: list[NotebookNode]) -> dict[str, str]:
    """Texts, by path, of `helpers`, and of views, recordings and benchmarks that the code names."""
    paths = sorted((ROOT / "helpers").glob("*.py")) + live_files(cells)
    files = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    pages = {page.stem: page for page in find_pages()}
    waiting = named(cells) & set(pages)
    while waiting:
        page = pages.pop(waiting.pop())
        recording = essence(page)
        path = page.with_suffix(".ipynb").relative_to(ROOT).as_posix()
        files[path] = json.dumps(recording, ensure_ascii=False, indent=1)
        waiting |= named(recording.cells) & set(pages)
    if "benchmarks" in named(cells):
        for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
            files[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
    return files


def live_files(cells: list[NotebookNode]) -> list[Path]:
    """Files of the live views that the code imports."""
    trees = (ast.parse(cell.source) for cell in cells if cell.cell_type == "code")
    imports = (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ImportFrom))
    names = {a.name for n in imports if n.module == "helpers.live" for a in n.names}
    views = {VIEWS[name] for name in names if name in VIEWS}
    own = {path for view in views for path in [*files(view), HERE / f"{view}.py"]}
    return sorted({HERE / "__init__.py", HERE / "view.py", *own}) if views else []


def named(cells: list[NotebookNode]) -> set[str]:
    """All strings that stand in the code."""
    trees = (ast.parse(cell.source) for cell in cells if cell.cell_type == "code")
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {node.value for node in nodes if isinstance(node.value, str)}


def essence(page: Path) -> NotebookNode:
    """The code cells of a page, and of their outputs what other pages read: histories."""
    notebook = read_source(page)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    recording = page.with_suffix(".ipynb")
    recorded = nbformat.read(recording, as_version=4).cells if recording.is_file() else []
    outputs = {cell.source: cell.get("outputs", []) for cell in recorded}
    for cell in notebook.cells:
        cell.metadata = {}
        for output in outputs.get(cell.source, []):
            data = {
                kind: value for kind, value in output.get("data", {}).items() if DATA.match(kind)
            }
            if data:
                cell.outputs.append(new_output("display_data", data=data))
    return notebook


def literal(text: str) -> str:
    """The text as a Python string: as it stands, where that is possible."""
    readable = f"r'''{text}'''"
    try:
        return readable if ast.literal_eval(readable) == text else repr(text)
    except SyntaxError:
        return repr(text)
