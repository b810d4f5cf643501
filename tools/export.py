"""Write what a page builds for later pages into `helpers/sections`, one module a page.

    python -m tools.export              all pages
    python -m tools.export 7-6-lenet    these pages

A cell tagged `export` goes, as it stands, into the module that has the page's name without its
number; so do the imports that it needs, from whatever cell of the page holds them.
"""

import ast
import builtins
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TypeGuard

from nbformat import NotebookNode

from tools.pages import ROOT, find_pages, read_source, resolve

SECTIONS = Path("helpers", "sections")


def module_name(page: Path) -> str:
    """Name of a page's module: 7-3-padding-and-stride gives padding_and_stride."""
    return re.sub(r"^\d+-\d+-", "", page.stem).replace("-", "_")


def exported(notebook: NotebookNode) -> list[str]:
    """Sources of the cells that are tagged `export`, in their order."""
    return [cell.source for cell in notebook.cells if "export" in cell.metadata.get("tags", [])]


def imports(notebook: NotebookNode) -> dict[str, str]:
    """The statement, with one name, that imports each name that the page imports."""
    found = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    name = alias.asname or alias.name.split(".")[0]
                    one = type(node)(**{**vars(node), "names": [alias]})
                    found[name] = ast.unparse(one)
    return found


def module_source(page: Path) -> str | None:
    """Text of a page's module; None where the page exports nothing.

    Raises:
        ValueError: an exported cell uses a name that it could not have outside the page, or a name
            is exported twice.
    """
    notebook = read_source(page)
    cells = exported(notebook)
    if not cells:
        return None
    tree = ast.parse("\n".join(cells))
    for node in tree.body:
        if not isinstance(
            node, _DEFINITION | ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom
        ):
            raise ValueError(
                f"{page.stem} exports a cell that does more than define: {ast.unparse(node)[:60]!r}"
            )
    stored = [node.id for node in ast.walk(tree) if _is_stored(node)]
    defined = [node.name for node in tree.body if isinstance(node, _DEFINITION)]
    if twice := sorted({name for name in defined if defined.count(name) > 1}):
        raise ValueError(f"{page.stem} exports {', '.join(twice)} twice: keep one definition")
    known = {*stored, *defined, *_arguments(tree), *dir(builtins)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - known
    available = imports(notebook)
    if missing := sorted(used - available.keys()):
        raise ValueError(
            f"{page.stem} exports cells that use {', '.join(missing)}, which no exported cell "
            "defines and no cell imports: tag the defining cell `export`, too"
        )
    title = next(
        line[2:] for cell in notebook.cells for line in cell.source.split("\n") if line[:2] == "# "
    )
    number = re.match(r"(\d+)-(\d+)-", page.stem)
    place = "section {}.{}, {}".format(*number.groups(), title) if number else f"the page {title}"
    head = f'"""What {place}, builds; `make export` writes it."""'
    needed = "\n".join(sorted(available[name] for name in used))
    return _formatted("\n\n".join([textwrap.fill(head, 100), needed, *cells]) + "\n", page)


_DEFINITION = ast.FunctionDef | ast.ClassDef


def _is_stored(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _arguments(tree: ast.AST) -> set[str]:
    inner = {node.name for node in ast.walk(tree) if isinstance(node, _DEFINITION)}
    return inner | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


def _formatted(source: str, page: Path) -> str:
    ruff = [sys.executable, "-m", "ruff"]
    name = f"--stdin-filename={SECTIONS / module_name(page)}.py"
    for step in (
        ["check", "--fix", "--quiet", "--select=I,F401", name, "-"],
        ["format", name, "-"],
    ):
        run = subprocess.run([*ruff, *step], input=source, capture_output=True, text=True, cwd=ROOT)
        if run.returncode:
            raise ValueError(f"{page.stem}: ruff {step[0]} refuses its exports: {run.stderr}")
        source = run.stdout
    return source


def modules(root: Path = ROOT) -> dict[Path, str]:
    """Text of every module that the pages export, by its path."""
    sources = {page: module_source(page) for page in find_pages(root)}
    folder = root / SECTIONS
    return {folder / f"{module_name(p)}.py": text for p, text in sources.items() if text}


def main(names: list[str]) -> int:
    chosen = {module_name(resolve(name)) for name in names}
    for path, text in modules().items():
        if not chosen or path.stem in chosen:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
