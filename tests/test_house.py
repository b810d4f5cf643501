"""The house: what may import what, and what the site does without."""

import ast
import subprocess
import sys

import pytest

from tools.pages import ROOT

HEAVY = (
    "torch",
    "torchvision",
    "d2l",
    "numpy",
    "sklearn",
    "matplotlib",
    "pandas",
    "lightning_fabric",
)
ALLOWED = {  # the book's own packages that each may import, beside itself
    "helpers": set(),
    "extensions": {"tools.pages", "helpers.live", "exercises"},
    "exercises": {"tools"},
    "tools": {"helpers", "extensions", "exercises", "tests"},
}
OURS = (*ALLOWED, "tests", "benchmarks")


def imported(path):
    """The book's own modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in OURS)


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_run_one_way(package):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in imported(path)
        if name.split(".")[0] != package
        and not any(name == a or name.startswith(f"{a}.") for a in ALLOWED[package])
    ]
    assert wrong == []


@pytest.mark.slow
def test_the_site_is_built_without_what_executes_pages():
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "extensions").rglob("[a-z]*.py"))
    ]
    code = f"import sys; sys.modules |= dict.fromkeys({HEAVY!r})\n"
    code += "".join(f"import {name}\n" for name in ["tools.pages", *names])
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
