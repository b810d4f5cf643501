"""Read the definitions of the book's own pages."""

import ast
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

from tools.pages import ROOT, read_source

EXERCISE = {"starter", "check", "solution"}  # tags of cells that define a name anew, on purpose
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def find_page(stem: str) -> Path:
    """Source of the page of that name.

    Raises:
        FileNotFoundError: no page has that name.
    """
    found = sorted((ROOT / "chapters").rglob(f"{stem}.md"))
    if not found:
        raise FileNotFoundError(f"no page {stem}.md below chapters/")
    return found[0]


def code_cells(page: Path) -> list[str]:
    """Sources of the code cells of a page's lesson."""
    code = (cell for cell in read_source(page).cells if cell.cell_type == "code")
    return [cell.source for cell in code if not EXERCISE & set(cell.metadata.get("tags", []))]


def definitions(page: Path) -> list[ast.stmt]:
    """Imports, functions and classes at the top level of the page's cells, in their order."""
    nodes = [node for source in code_cells(page) for node in ast.parse(source).body]
    return [node for node in nodes if isinstance(node, DEFINITIONS) and not is_claim(node)]


def is_claim(node: ast.stmt) -> bool:
    """Whether a statement makes a claim about recorded runs, which only the page has."""
    return "recorded" in map(ast.unparse, getattr(node, "decorator_list", []))


@cache
def lift(stem: str) -> SimpleNamespace:
    """Execute the definitions of a page, and nothing else of it; return them by name.

    Args:
        stem: The page's file name without its ending, for example "7-5-pooling".

    Raises:
        ValueError: the page defines a name twice, so that it is not clear which one is meant.
    """
    page = find_page(stem)
    nodes = definitions(page)
    names = [n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    twice = sorted({name for name in names if names.count(name) > 1 and name != "_"})
    if twice:
        raise ValueError(f"{page.name} defines more than once: {', '.join(twice)}")
    exported = f"helpers.sections.{re.sub(r'^[0-9]+-[0-9]+-', '', stem).replace('-', '_')}"
    namespace = dict(vars(import_module(exported))) if find_spec(exported) else {}
    namespace["__name__"] = f"lifted_{stem.replace('-', '_')}"
    module = ast.Module(body=list(nodes), type_ignores=[])
    exec(compile(module, str(page), "exec"), namespace)
    return SimpleNamespace(**{k: v for k, v in namespace.items() if not k.startswith("__")})
