"""What a notebook brings along so that it runs without the repository: set-up code and files."""

import ast
import base64
import json
import lzma
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.live import VIEWS
from helpers.live.view import HERE, files
from tools.pages import HISTORY_TYPE, ROOT, find_pages, read_recording

CHECKING = "helpers/checking.py"
SECTIONS = "helpers/sections/"  # what a reader of the notebook may want to read in it
HIDDEN = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # in Jupyter; in Colab
PREFACE = "*This notebook runs by itself:* the next two cells bring what it needs."
STUDENT = (
    "\n*It is the student's edition: your answers go into the cells of the exercises; "
    "the solutions stand on the page of the book.*"
)
D2L = "d2l==1.0.3"  # without its pins, which do not install on current Pythons
D2L_IMPORTS = {"IPython", "matplotlib", "matplotlib_inline", "numpy", "pandas", "requests", "scipy"}
D2L_IMPORTS |= {"torch", "torchvision", "tqdm"}
PACKAGES = {  # whose names are not those of their modules
    "IPython": "ipython",
    "lightning_fabric": "lightning-fabric",
    "matplotlib_inline": "matplotlib-inline",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
}
PROFILES = """
# BOOK_PROFILE chooses how much training cells do: check (the digits that scikit-learn carries),
# quick (a part of Fashion-MNIST; the default without a GPU) or full (all of it).
# import os; os.environ["BOOK_PROFILE"] = "quick"
"""

SET_UP = '''\
#@title Set-up: what the notebook needs and the runtime may lack
import subprocess
import sys
from importlib.util import find_spec
{profiles}
NEEDS = {needs}  # modules, and what installs them


def install(*arguments: str) -> None:
    """Install packages for this kernel, or say what to do instead."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "1", *arguments]
    run = subprocess.run(pip, capture_output=True, text=True)
    if run.returncode:
        reason = (run.stderr.strip() or "pip failed").splitlines()[-1]
        raise RuntimeError(
            f"pip install {{' '.join(arguments)}} failed ({{reason}}): without a network, run this "
            "command beforehand where there is one, then run this cell again."
        )


if missing := [package for module, package in NEEDS.items() if find_spec(module) is None]:
    install(*missing)
{d2l}'''

UNPACK = """\
#@title The parts of the book that the notebook uses, written to a temporary folder
import base64
import json
import lzma
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

# What earlier sections built stands here as it is. The rest is packed, to be short: once the
# cell has run, print(*FILES) shows the names of all files, print(FILES[name]) one of them.
FILES = {files}
PACKED = {packed!r}

book = TemporaryDirectory(prefix="book-")
FILES |= json.loads(lzma.decompress(base64.b85decode(PACKED)))
for name, text in FILES.items():
    path = Path(book.name, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
sys.path.insert(0, book.name)
"""


def set_up_cells(
    cells: list[NotebookNode], *, issues: str | None = None, student: bool = False
) -> list[NotebookNode]:
    """Cells that stand before the first code cell of a page.

    Args:
        cells: Those of the page.
        issues: Where a wrong verdict can be reported, if that is known.
        student: Whether it is the student's edition.
    """
    texts = files_for(cells)
    if issues and CHECKING in texts:
        texts[CHECKING] = texts[CHECKING].replace("the authors of the book", issues)
    needs = needed(cells, texts)
    pairs = (f"    {name!r}: {PACKAGES.get(name, name)!r},\n" for name in sorted(needs - {"d2l"}))
    d2l = f'if find_spec("d2l") is None:\n    install("--no-deps", {D2L!r})\n'
    set_up = SET_UP.format(
        profiles=PROFILES if "helpers/profile.py" in texts else "",
        needs=f"{{\n{''.join(pairs)}}}",
        d2l=d2l if "d2l" in needs else "",
    )
    shown = {name: text for name, text in texts.items() if name.startswith(SECTIONS)}
    packed = {name: text for name, text in texts.items() if name not in shown}
    unpack = UNPACK.format(files=mapping(shown), packed=pack(packed))
    return [
        new_markdown_cell(PREFACE + STUDENT * student),
        new_code_cell(set_up.strip(), metadata=HIDDEN),
        new_code_cell(unpack.strip(), metadata=HIDDEN),
    ]


def mapping(texts: dict[str, str]) -> str:
    """Source of a dictionary of texts."""
    lines = "".join(f"    {name!r}: {literal(text)},\n" for name, text in texts.items())
    return f"{{\n{lines}}}"


def pack(texts: dict[str, str]) -> str:
    """A dictionary of texts in a third of its size, and in characters that need no escape."""
    data = json.dumps(texts, ensure_ascii=False).encode()
    return base64.b85encode(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)).decode()


def files_for(cells: list[NotebookNode]) -> dict[str, str]:
    """Texts, by path, of what the code imports of the book, and of recordings that it names."""
    texts: dict[str, str] = {}
    carry(sources(cells), texts)
    for path in live_files(cells):
        texts[name_of(path)] = path.read_text(encoding="utf-8")
        if path.suffix == ".py":  # a view may build on what its page defines
            carry([texts[name_of(path)]], texts)
    names = named(cells)
    for page in find_pages():
        if page.stem in names:
            texts[name_of(page.with_suffix(".ipynb"))] = histories(page)
    if "benchmarks" in names:
        for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
            texts[name_of(path)] = path.read_text(encoding="utf-8")
    if CHECKING in texts:
        texts |= answers(cells)
    return texts


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def sources(cells: list[NotebookNode]) -> list[str]:
    return [cell.source for cell in cells if cell.cell_type == "code"]


def carry(code: list[str], texts: dict[str, str]) -> None:
    """Add the modules of the book that some code imports, and those that they import."""
    for module in sorted(name for source in code for name in imported(source)):
        place = ROOT.joinpath(*module.split("."))
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if module.split(".")[0] == "helpers" and path.is_file() and name_of(path) not in texts:
                texts[name_of(path)] = path.read_text(encoding="utf-8")
                carry([texts[name_of(path)]], texts)


@cache
def imported(source: str) -> frozenset[str]:
    """Names of all modules that some code imports, of packages too; not those for types alone."""
    found: set[str] = set()
    nodes = [*ast.walk(ast.parse(source))]
    typing = [n for n in nodes if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    skipped = {inner for node in typing for inner in ast.walk(node)}
    for node in nodes:
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None  # nothing in the book is imported from "."
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found | {name.rpartition(".")[0] for name in found if "." in name})


def needed(cells: list[NotebookNode], texts: dict[str, str]) -> set[str]:
    """Modules that must be installed for some cells and for what they bring along."""
    code = sources(cells) + [text for name, text in texts.items() if name.endswith(".py")]
    tops = {name.split(".")[0] for source in code for name in imported(source)}
    tops -= {*sys.stdlib_module_names, "helpers"}
    return tops | D2L_IMPORTS if "d2l" in tops else tops


def answers(cells: list[NotebookNode]) -> dict[str, str]:
    """What the checks of the page judge by."""
    calls = {
        label for source in sources(cells) for label in re.findall(r'\bcheck\("([\w-]+)"\)', source)
    }
    texts = {
        name_of(p): p.read_text(encoding="utf-8")
        for p in (ROOT / "helpers" / "answers").glob("*.json")
    }
    return {name: text for name, text in sorted(texts.items()) if calls & json.loads(text).keys()}


def live_files(cells: list[NotebookNode]) -> list[Path]:
    """Files of the live views that the code imports."""
    trees = (ast.parse(cell.source) for cell in cells if cell.cell_type == "code")
    imports = (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ImportFrom))
    live = [n for n in imports if f"{n.module}.".startswith("helpers.live.")]
    names = {a.name for n in live for a in n.names}
    views = {VIEWS[name] for name in names if name in VIEWS}
    own = {file for view in views for file in [*files(view), f"{view}.py"]}
    return [HERE / file for file in sorted({"__init__.py", "view.py", *own})] if views else []


def named(cells: list[NotebookNode]) -> set[str]:
    """All strings that stand in the code."""
    trees = (ast.parse(cell.source) for cell in cells if cell.cell_type == "code")
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {node.value for node in nodes if isinstance(node.value, str)}


@cache
def histories(page: Path) -> str:
    """Of a page's recording what other pages read: its histories, to six digits, as a notebook."""
    recorded = read_recording(page.with_suffix(".ipynb")).cells
    kept = new_code_cell(id="histories")
    for cell in recorded:
        for output in cell.get("outputs", []):
            if HISTORY_TYPE in (data := output.get("data", {})):
                short = {name: to_six_digits(value) for name, value in data[HISTORY_TYPE].items()}
                kept.outputs.append(new_output("display_data", data={HISTORY_TYPE: short}))
    return json.dumps(new_notebook(cells=[kept]), indent=1)


def to_six_digits(value: Any) -> Any:
    """A number rounded, in lists too; anything else as it is."""
    if isinstance(value, list):
        return [to_six_digits(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def literal(text: str) -> str:
    """The text as a Python string: as it stands, where that is possible."""
    readable = f"r'''{text}'''"
    try:
        return readable if ast.literal_eval(readable) == text else repr(text)
    except SyntaxError:
        return repr(text)
