"""The floors: how many cells and outputs of each page a run must execute and compare.

``tests/floor.json`` maps a recording's path, relative to the repository, to its counts. Run

    python -m tests.regression.floor [PAGE.ipynb ...] [--allow-lower]

after recording; it counts what the recordings hold and refuses to lower a floor unless told to.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbval.plugin import find_comment_markers, find_metadata_tags

from tests.regression.compare import final_state

ROOT = Path(__file__).resolve().parents[2]
FLOOR = Path("tests", "floor.json")
Counts = dict[str, int]


def options_of(cell: Mapping[str, Any]) -> dict[str, bool]:
    """What nbval's tags and comments ask for a cell: ``check``, ``check_exception``, ``skip``."""
    defaults = {"check": True, "check_exception": False, "skip": False}
    tags = dict(find_metadata_tags(cell.get("metadata", {})))
    return defaults | tags | dict(find_comment_markers("".join(cell["source"])))


def count(recording: Path) -> Counts:
    """Count the code cells of a recording, and the outputs that a run compares."""
    notebook = json.loads(recording.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    outputs = sum(len(final_state(cell["outputs"])) for cell in code if options_of(cell)["check"])
    return {"cells": len(code), "outputs": outputs}


def read(root: Path) -> dict[str, Counts]:
    """Read the floors of a repository; none if it has no floor file."""
    path = root / FLOOR
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def recordings(root: Path) -> list[Path]:
    """Every recording of a chapter."""
    found = (root / "chapters").rglob("*.ipynb")
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def violations(
    floors: Mapping[str, Counts], complete: Mapping[str, Counts], root: Path
) -> list[str]:
    """Say where a run stayed below the floors.

    Args:
        floors: What is demanded, by page.
        complete: What was done, by page, for the pages of which every cell was asked for.
        root: The repository, to see which recordings exist.
    """
    problems = [
        f"{page}: has a floor but no recording; run `make record PAGE={page_name(page)}`, "
        "or `python -m tests.regression.floor --allow-lower` if the page was removed"
        for page in floors
        if not (root / page).exists()
    ]
    for page, done in sorted(complete.items()):
        if page not in floors:
            if page.startswith("chapters/"):
                problems.append(
                    f"{page}: has no floor in {FLOOR.as_posix()}; "
                    "run `python -m tests.regression.floor`"
                )
            continue
        problems += [
            f"{page}: {done[what]} {what}, the floor is {least}"
            for what, least in floors[page].items()
            if done[what] < least
        ]
    return problems


def page_name(page: str) -> str:
    """The name of a page as `make record PAGE=` takes it."""
    return Path(page).stem


def update(root: Path, pages: Iterable[Path] = (), allow_lower: bool = False) -> list[str]:
    """Rewrite the floors from the recordings: of these pages, or of all.

    Returns:
        Why nothing was written, one line for each floor that would be lowered or removed.
    """
    old = read(root)
    chosen = [path.resolve() for path in pages] or recordings(root)
    new = {path.relative_to(root).as_posix(): count(path) for path in chosen}
    kept = {page: floor for page, floor in old.items() if page not in new}
    refused = [
        f"{page}: {what} would fall from {floor[what]} to {new[page][what]}"
        for page, floor in old.items()
        if page in new
        for what in floor
        if new[page][what] < floor[what]
    ]
    if not pages:
        refused += [f"{page}: has a floor but no recording" for page in kept]
        kept = {}
    if refused and not allow_lower:
        return refused
    text = json.dumps(kept | new, indent=2, sort_keys=True)
    (root / FLOOR).write_text(text + "\n", encoding="utf-8")
    return []


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 if it refused."""
    parser = argparse.ArgumentParser(prog="python -m tests.regression.floor", description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path, help="recordings (default: all)")
    parser.add_argument("--allow-lower", action="store_true", help="lower and remove floors too")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    refused = update(root, options.pages, options.allow_lower)
    if refused:
        print("Floors are not lowered without --allow-lower:", *refused, sep="\n  ")
        return 1
    print(f"{FLOOR.as_posix()}: {len(read(root))} pages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
