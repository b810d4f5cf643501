"""The measures of a page: what STYLE asks of it, counted.

    python -m tools.style           from the sources; fails where a page made anew breaks a rule
    python -m tools.style --drawn   from the compiled site, with Chromium

All is counted from the top of a page to its exercises. A page that is not made anew yet is counted
as well, and held to the rules for all pages alone.
"""

import ast
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import nbformat
from nbformat import NotebookNode

from tools.pages import ROOT, VERDICTS, find_pages, read_source, recording_of

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

# How the names of new sections begin that are not far enough for the limits of what is drawn.
BEGUN: list[str] = []
FOLDED = VERDICTS | {"hide-cell", "hide-input"}
WIDTH = 72  # columns of visible code
FUNCTION, CLASS = 12, 40  # lines of code, without docstring and blank lines
CAPTION = 30  # words
PHRASES = ("claims hold", "waits in vain", "are let be", "of this only")
MARKUP = re.compile(r"[:%]|\(.*\)=$|\$\$")  # lines that are no text: options, comments, labels
SIZE: "ViewportSize" = {"width": 1440, "height": 900}


class Limit(NamedTuple):
    least: int
    most: float


COUNTED = {  # from the source
    "code": Limit(0, 150),  # visible lines
    "folded": Limit(0, 450),  # lines, with the visible ones
    "wide": Limit(0, 0),  # visible lines of more than `WIDTH` columns
    "asserts": Limit(0, 0),  # visible
    "words": Limit(0, 1650),
    "aside": Limit(0, 1000),  # words in asides
    "figures": Limit(0, 99),
}
DRAWN = {  # from the page as a browser shows it
    "screens": Limit(0, 15.0),
    "pictures": Limit(10, 99),  # and live views, at least 200 pixels high, that the text refers to
    "live": Limit(1, 99),  # what answers to a hand
}
MEASURE = """() => {
    const headings = [...document.querySelectorAll('article h2')];
    const end = headings.find(h => /^Exercises/.test(h.textContent));
    const top = end.getBoundingClientRect().top + scrollY;
    const before = e => e.compareDocumentPosition(end) & Node.DOCUMENT_POSITION_FOLLOWING;
    document.querySelectorAll('article details').forEach(d => d.open = true);
    const height = f => f.querySelector('img, svg, [data-live]')?.getBoundingClientRect().height;
    const named = f => f.id && document.querySelector(`article a[href="#${f.id}"]`);
    return {
        screens: top / innerHeight,
        pictures: [...document.querySelectorAll('article figure')]
            .filter(f => before(f) && height(f) >= 200 && named(f)).length,
        live: [...document.querySelectorAll('article [data-live]')].filter(before).length,
    };
}"""


def is_begun(page: Path) -> bool:
    """Whether a section is still on its way, so that these limits do not bind it."""
    return any(page.stem.startswith(f"{name}-") for name in BEGUN)


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


class Piece(NamedTuple):
    """A code cell or a line of text, and where it stands: lesson, aside, exercises, after."""

    place: str
    cell: NotebookNode | None
    line: str


def pieces(notebook: NotebookNode) -> Iterator[Piece]:
    """All code cells and lines of a page, in order, without fences, options and formulas."""
    part, formula = "lesson", False
    fences: list[str] = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield Piece("aside" if "aside" in fences else part, cell, "")
            continue
        for line in cell.source.splitlines():
            if heading := re.match(r"## (\w+)", line):
                part = "exercises" if heading[1] == "Exercises" else part
                part = "after" if part == "exercises" and heading[1] != "Exercises" else part
            fence = re.match(r"(`{3,}|:{3,})(?:\{([\w-]+)\})?(.*)", line)
            if fence and fence[2] == "aside-end":
                fences = [name for name in fences if name != "aside"] + [fence[2]]
            elif fence and (fence[2] or fence[3]):
                fences.append(fence[2] or "code")
            elif fence and fences:
                if fences.pop() == "aside-start":  # its gate is closed, the aside is open
                    fences.append("aside")
            elif line.strip() in ("$$",):
                formula = not formula
            elif not (formula or {"math", "code"} & set(fences) or MARKUP.match(line)):
                folded = {"aside", "dropdown"} & set(fences)
                yield Piece("aside" if folded else part, None, line)


def count_words(line: str) -> int:
    """Words of a line; a formula is one, a reference two."""
    line = re.sub(r"\{[\w:]+\}`[^`]+`", " x x ", re.sub(r"\$[^$]+\$", " x ", line))
    line = re.sub(r"\]\([^)]*\)", "]", line)
    return len(re.findall(r"\S*\w\S*", line))


def lines_of(cell: NotebookNode) -> list[str]:
    return [line for line in cell.source.splitlines() if line.strip()]


def count(page: Path) -> dict[str, int]:
    """The measures in `COUNTED` for one page."""
    counts = dict.fromkeys(COUNTED, 0)
    for place, cell, line in pieces(read_source(page)):
        if place not in ("lesson", "aside"):
            continue
        if cell is None:
            counts["aside" if place == "aside" else "words"] += count_words(line)
            continue
        counts["folded"] += len(lines_of(cell))
        counts["figures"] += "figure" in cell.metadata.get("mystnb", {})
        if tags(cell) & FOLDED:
            continue
        counts["wide"] += sum(len(line) > WIDTH for line in lines_of(cell))
        counts["asserts"] += count_checks(cell.source)
        if place == "lesson":
            counts["code"] += len(lines_of(cell))
    return counts


def count_checks(source: str) -> int:
    """Statements that raise when something is wrong: asserts and calls of assert_…."""
    nodes = list(ast.walk(ast.parse(source)))
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    names = [getattr(node, "attr", getattr(node, "id", "")) for node in called]
    asserts = sum(isinstance(node, ast.Assert) for node in nodes)
    return asserts + sum(name.startswith("assert_") for name in names)


def length(node: ast.stmt, source: str) -> int:
    """Lines of a definition, without docstrings and blank lines."""
    left_out: set[int] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner):
            left_out |= set(span(inner.body[0]))
    lines = source.splitlines()
    numbers = set(span(node)) - left_out
    return sum(bool(lines[number - 1].strip()) for number in numbers)


def span(node: ast.stmt) -> range:
    """Numbers of the lines on which a statement stands."""
    assert node.end_lineno is not None  # a parsed statement has one
    return range(node.lineno, node.end_lineno + 1)


def faults_of_all(page: Path) -> list[str]:
    """Rules for every page: asides stand last in their sections, a verdict is one line."""
    found, ended, title = [], False, ""
    for cell in read_source(page).cells:
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else ["a cell"]:
            gate = re.match(r"(?:`{3,}|:{3,})\{aside-(start|end)\}(.*)", line)
            if gate:
                ended, title = gate[1] == "end", gate[2].strip() or title
            elif line.startswith("## "):
                ended = False
            elif (
                ended and line.strip() and not re.match(r"`{3,}$", line) and not MARKUP.match(line)
            ):
                found.append(f"the aside {title!r} does not stand last in its section: {line!r}")
                ended = False
    recording = recording_of(page)
    cells = nbformat.read(recording, as_version=4).cells if recording.is_file() else []
    for cell in cells:
        if cell.cell_type == "code" and tags(cell) & VERDICTS:
            lines = printed(cell).strip().splitlines()
            if len(lines) != 1:
                found.append(f"{len(lines)} lines in place of one verdict: {lines}")
    return found


def printed(cell: NotebookNode) -> str:
    """What a cell has printed and returned, as text."""
    return "".join(o.get("text", o.get("data", {}).get("text/plain", "")) for o in cell.outputs)


def faults_of_sections(page: Path) -> list[str]:
    """Rules for the pages made anew, beside the limits."""
    found, source = [], page.read_text(encoding="utf-8")
    found += [f"{phrase!r} is not said" for phrase in PHRASES if phrase in source]
    cells = [(place, cell) for place, cell, _ in pieces(read_source(page)) if cell is not None]
    kinds = set().union(*(tags(cell) for _, cell in cells))
    if "proof" not in kinds:
        found.append("no cell is tagged proof")
    if "nbval-ignore-output" in kinds and not kinds & (VERDICTS - {"proof"}):
        found.append("what trains is followed by no cell tagged claims or recorded-claims")
    for place, cell in cells:
        if place == "lesson" and not tags(cell) & FOLDED:
            for node in ast.parse(cell.source).body:
                most = {"FunctionDef": FUNCTION, "ClassDef": CLASS}.get(type(node).__name__)
                if most and (lines := length(node, cell.source)) > most:
                    found.append(f"{node.name} has {lines} lines, more than {most}")
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if figure and len(figure.get("caption", "").split()) > CAPTION:
            found.append(f"a caption of more than {CAPTION} words: {figure['name']}")
        if figure and f"{{numref}}`{figure.get('name')}`" not in source:
            found.append(f"{figure.get('name')} is not referred to")
    return found


def excess(counts: Mapping[str, float], limits: dict[str, Limit]) -> list[str]:
    """Which of the measures are outside their limits, in words."""
    return [
        f"{name}: {counts[name]:g}, wanted {least} to {most:g}"
        for name, (least, most) in limits.items()
        if not least <= counts[name] <= most
    ]


def row(page: Path, counts: Mapping[str, float], limits: dict[str, Limit]) -> str:
    """A line of the table; what is outside its limits is marked."""
    over = {text.partition(":")[0] for text in excess(counts, limits)}
    cells = (f"{f'{counts[n]:.4g}' + '!' * (n in over):>9}" for n in limits)
    return f"{page.stem[:28]:28}{''.join(cells)}{'   begun' * is_begun(page)}"


def sections() -> list[Path]:
    return [page for page in find_pages() if re.match(r"\d-\d-", page.stem)]


def check() -> list[str]:
    """Print the table of all sections; return what is wrong with any page."""
    wrong = []
    print(f"{'':28}{''.join(f'{name:>9}' for name in COUNTED)}")
    for page in sections():
        counts = count(page)
        print(row(page, counts, COUNTED))
        faults = faults_of_all(page) + excess(counts, COUNTED) + faults_of_sections(page)
        wrong += [f"{page.stem}: {fault}" for fault in faults]
    return wrong


def check_drawn(tab: "Page", html: Path) -> list[str]:
    """As `check`, for what only the drawn page tells; the site is the folder `html`."""
    wrong = []
    print(f"{'':28}{''.join(f'{name:>9}' for name in DRAWN)}")
    tab.set_viewport_size(SIZE)
    for page in sections():
        tab.goto((html / page.relative_to(ROOT).with_suffix(".html")).as_uri())
        counts = tab.evaluate(MEASURE)
        print(row(page, counts, DRAWN))
        if not is_begun(page):
            wrong += [f"{page.stem}: {fault}" for fault in excess(counts, DRAWN)]
    return wrong


def main(drawn: bool) -> list[str]:
    if not drawn:
        return check()
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        return check_drawn(browser.new_page(), ROOT / "_build" / "html")


if __name__ == "__main__":
    sys.exit("\n".join(main("--drawn" in sys.argv[1:])) or None)
