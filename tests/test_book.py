"""The rules of the book, page by page: what CONTRIBUTING.md asks, held by tests."""

import ast
import io
import os
import re
import tokenize
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat import NotebookNode
from pybtex.database import parse_file

from tools.pages import ROOT, read_source
from tools.style import count_checks, is_begun

SOURCES = sorted((ROOT / "chapters").rglob("*.md"))
PAGES = [p for p in SOURCES if "{code-cell}" in p.read_text(encoding="utf-8")]
SECTIONS = [p for p in PAGES if re.match(r"\d-\d-", p.stem)]
PREFIXES = ("ch-", "sec-", "eq-", "fig-", "tab-", "ex-", "sol-", "aside-")
FORBIDDEN_TAGS = {"nbval-skip", "skip-execution"}
APPENDIX = [p for p in PAGES if p not in SECTIONS]  # tools.style holds sections to its own rules
of_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
of_every_section = pytest.mark.parametrize("page", SECTIONS, ids=lambda p: p.stem)


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_cells(page: Path) -> list[NotebookNode]:
    return [cell for cell in read_source(page).cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def is_compared(cell: NotebookNode) -> bool:
    return "nbval-ignore-output" not in tags(cell)


def prose(page: Path) -> str:
    """The page without front matter and code."""
    body = re.sub(r"\A---\n.*?\n---\n", "", text(page), flags=re.S)
    return re.sub(r"^```\{code-cell\}.*?^```$", "", body, flags=re.S | re.M)


def test_there_are_pages():
    assert len(SECTIONS) >= 6


def test_every_page_is_in_the_table_of_contents():
    def files(node):
        if isinstance(node, dict):
            yield from (node[k] for k in ("file", "root") if k in node)
            for value in node.values():
                yield from files(value)
        elif isinstance(node, list):
            for item in node:
                yield from files(item)

    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = sorted(name for name in files(toc) if name.startswith("chapters/"))
    assert listed == sorted(p.relative_to(ROOT).with_suffix("").as_posix() for p in SOURCES)


@pytest.mark.parametrize("page", SOURCES, ids=lambda p: p.stem)
def test_a_file_name_has_no_dot_before_its_ending(page):
    assert "." not in page.stem


@of_every_page
def test_page_and_recording_are_in_step(page):
    recording = page.with_suffix(".ipynb")
    assert recording.is_file(), f"make record PAGE={page.stem}"
    source = read_source(page).cells
    recorded = nbformat.read(recording, as_version=4).cells
    assert len(source) == len(recorded), f"make record PAGE={page.stem}"
    for number, (ours, theirs) in enumerate(zip(source, recorded, strict=True)):
        where = f"cell {number}; make record PAGE={page.stem}"
        assert (ours.cell_type, ours.source) == (theirs.cell_type, theirs.source), where
        assert ours.metadata == theirs.metadata, where


@of_every_page
def test_a_recording_says_what_it_was_made_on(page):
    conditions = nbformat.read(page.with_suffix(".ipynb"), as_version=4).metadata.book
    assert set(conditions) == {"profile", "device", "python", "torch"}
    assert conditions.profile in ("quick", "full"), "recordings are made on real data"


@of_every_page
def test_a_page_leaves_the_import_path_alone_and_says_how_to_run_it_in_a_clone(page):
    assert not any("sys.path" in cell.source for cell in code_cells(page))
    assert "\n% In a clone of the book, run this notebook with the kernel of its .venv" in text(
        page
    )


@of_every_page
def test_banned_syntax(page):
    for cell in code_cells(page):
        tree = ast.parse(cell.source)  # fails for !shell and %magic
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Global), f"global in: {cell.source}"
            bare = isinstance(node, ast.ExceptHandler) and node.type is None
            assert not bare, f"bare except in: {cell.source}"
            star = isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names)
            assert not star, f"star import in: {cell.source}"
        for token in tokenize.generate_tokens(io.StringIO(cell.source).readline):
            semicolon = token.type == tokenize.OP and token.string == ";"
            assert not semicolon, f"semicolon in: {token.line}"
            comment = token.type == tokenize.COMMENT and "NBVAL" in token.string
            assert not comment, f"tags, not comments, steer nbval: {token.line}"
        assert not tags(cell) & FORBIDDEN_TAGS
        long = [line for line in cell.source.splitlines() if len(line) > 88]
        assert not long, f"lines of more than 88 characters: {long}"


@of_every_page
def test_labels_are_unique_and_say_what_they_name(page):
    labels = re.findall(r"^\(([\w-]+)\)=$|^:label: ([\w-]+)$", text(page), flags=re.M)
    labels = [a or b for a, b in labels]
    for label in labels:
        assert label.startswith(PREFIXES), label
    elsewhere = "".join(text(p) for p in SOURCES if p != page)
    for label in labels:
        assert labels.count(label) == 1, label
        assert not re.search(rf"^(\({label}\)=|:label: {label})$", elsewhere, flags=re.M), label


@of_every_page
def test_every_figure_is_named_captioned_described_and_referenced(page):
    recorded = nbformat.read(page.with_suffix(".ipynb"), as_version=4).cells
    body = prose(page)
    for cell in recorded:
        if cell.cell_type != "code":
            continue
        pictures = [
            output
            for output in cell.outputs
            if any(mime.startswith("image/") for mime in output.get("data", {}))
        ]
        options = cell.metadata.get("mystnb", {})
        if not pictures:
            assert "figure" not in options, f"no picture in: {cell.source}"
            continue
        assert len(pictures) == 1, f"{len(pictures)} pictures in: {cell.source}"
        figure, alt = options.get("figure", {}), options.get("image", {}).get("alt", "")
        assert figure.get("name", "").startswith("fig-"), cell.source
        assert 0 < len(figure.get("caption", "").split()) <= 30, figure
        assert len(alt.split()) >= 5 and alt != figure["caption"], figure
        assert f"{{numref}}`{figure['name']}`" in body, f"{figure['name']} is not referenced"


@of_every_page
def test_references_have_targets(page):
    others = [ROOT / "index.md", ROOT / "how-to-run.md"]
    everything = "\n".join(text(p) for p in [*SOURCES, *others])
    for role, label in re.findall(r"\{(numref|eq|ref)\}`(?:[^`<]*<)?([\w-]+)>?`", prose(page)):
        target = rf"(\({label}\)=|:label: {label}\b|name: {label}\b)"
        assert re.search(target, everything), f"{role} {label}"


@pytest.mark.parametrize(
    "page", [p for p in APPENDIX if p.stem != "teaching"], ids=lambda p: p.stem
)
def test_every_page_asserts(page):  # but that for teachers, which claims nothing
    assert sum(count_checks(cell.source) for cell in code_cells(page)) >= 10


@pytest.mark.parametrize("page", APPENDIX, ids=lambda p: p.stem)
def test_what_is_not_compared_is_followed_by_claims(page):
    cells = code_cells(page)
    for number, cell in enumerate(cells):
        if is_compared(cell):
            continue
        claims = (c for c in cells[number:] if is_compared(c) or "recorded-claims" in tags(c))
        after = next(claims, None)
        assert after is not None and count_checks(after.source), f"no claims after: {cell.source}"


def gates(page: Path) -> list[tuple[str, str, str]]:
    """The gated directives of a page, in order: (kind, label or reference, what stands inside)."""
    pattern = r"^```\{(exercise|solution)-start\}([^\n]*)\n(.*?)^```\n(.*?)^```\{(\w+)-end\}\n```$"
    found = []
    for kind, argument, options, inside, end in re.findall(pattern, text(page), flags=re.S | re.M):
        assert kind == end, f"{kind}-start is closed by {end}-end"
        if kind == "exercise":
            argument = re.search(r":label: ([\w-]+)", options).group(1)
        found.append((kind, argument.strip(), options + inside))
    return found


@of_every_section
def test_every_exercise_is_followed_by_its_checked_solution(page):
    found = gates(page)
    opened = len(re.findall(r"^```\{(?:exercise|solution)-start\}", text(page), flags=re.M))
    assert len(found) == opened, "a gate is not closed"
    assert len(found) >= 8 or is_begun(page), "four exercises at least"
    for (kind, label, _), (answer, of, inside) in zip(found[::2], found[1::2], strict=True):
        assert (kind, answer, of) == ("exercise", "solution", label)
        assert ":class: dropdown" in inside
        sources = re.findall(
            r"^```\{code-cell\}[^\n]*\n(?:---\n.*?\n---\n)?(.*?)^```$", inside, flags=re.S | re.M
        )
        sources = [re.sub(r"\A(:\w+:[^\n]*\n)+", "", source) for source in sources]
        checked = any(count_checks(source) or "check(" in source for source in sources)
        assert checked, f"no check in the solution of {label}"


@of_every_section
def test_parts_come_in_order(page):
    headings = re.findall(r"^## (.+)$", prose(page), flags=re.M)
    positions = [
        next((i for i, heading in enumerate(headings) if heading.startswith(word)), None)
        for word in ("Summary", "Exercises", "Sources")
    ]
    assert None not in positions and positions == sorted(positions), headings
    assert positions[-1] == len(headings) - 1
    for phrase in ("You will be able to", "Before you start"):
        assert phrase in text(page)
    assert len(re.findall(r"^# ", prose(page), flags=re.M)) == 1


def numbers_of(words: str) -> set[str]:
    """Numbers in a text, without thousands separators and zeros that end a decimal fraction."""
    words = re.sub(r"(?<=\d)(?:,|\{,\}|\\,|_| )(?=\d{3}(?!\d))", "", words)
    found = re.findall(r"(?<![\w.])\d+(?:\.\d+)?", words)
    return {n.rstrip("0").rstrip(".") if "." in n else n for n in found}


def sizes_of(words: str) -> set[str]:
    """Sizes in a text, also as tuples and lists: 3×3 and 64×28×28, each also by its parts."""
    found = set()
    for run in re.findall(r"(?<![\w.])\d+(?:(?:\s*[×*]\s*|,\s*)\d+)+(?![\w.]*\d)", words):
        sides = re.findall(r"\d+", run)
        for n in (2, 3, 4):
            found |= {"×".join(sides[i : i + n]) for i in range(len(sides) - n + 1)}
    return found


def shown_by(cells: list[NotebookNode]) -> str:
    """What recorded code cells show: their sources, outputs and labels of figures, as text."""
    parts = []
    for cell in cells:
        if cell.cell_type != "code":
            continue
        parts.append(cell.source)
        for output in cell.outputs:
            data = output.get("data", {})
            parts += [output.get("text", ""), output.get("evalue", "")]
            parts += [data.get("text/plain", ""), data.get("text/html", "")]
            parts += re.findall(r"<!-- (.*?) -->", data.get("image/svg+xml", ""))
    return "\n".join(parts)


def counting(cells: list[NotebookNode]) -> str:
    """The prose of recorded cells without labels, links, years, indices and numbered items."""
    body = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    body = re.sub(r"\{[\w:]+\}`[^`]*`|\]\([^)]*\)|^\(.*\)=$|^:\w+:.*$", " ", body, flags=re.M)
    body = re.sub(r"\b(1[89]|20)\d\ds?\b|^ *\d+\. ", " ", body, flags=re.M)
    return re.sub(r"(?<=[_^{])\{?\d+\}?", " ", body)


def parts_of(page: Path) -> list[tuple[str, list[NotebookNode]]]:
    """The title of each heading of level 2 of a recording, and the cells below it."""
    parts = [("", [])]
    for cell in nbformat.read(page.with_suffix(".ipynb"), as_version=4).cells:
        if cell.cell_type == "code":
            parts[-1][1].append(cell)
            continue
        for piece in re.split(r"^(?=## )", cell.source, flags=re.M):
            if piece.startswith("## "):
                parts.append((piece.splitlines()[0][3:], []))
            parts[-1][1].append(nbformat.v4.new_markdown_cell(piece))
    return parts


def unbacked(parts: list[tuple[str, list[NotebookNode]]]) -> list[str]:
    """Numbers above 12, fractions and sizes in the prose that no cell prints or asserts.

    A size must stand as one on the page, as 3×3 or (3, 3); or, if it is square, its side must be
    a number above 12 there, or stand in the cells of the same part (in the opening, the summary
    and parts without code: of the page).
    """
    page = shown_by([cell for _, part in parts for cell in part])
    large = numbers_of(page) - {str(n) for n in range(13)}
    missing = []
    for title, part in parts:
        if title.startswith("Sources"):
            continue
        body, here = counting(part), shown_by(part)
        near = large | numbers_of(page if title in ("", "Summary") or not here else here)
        sizes = re.findall(r"(?<![\w.×])\d+(?:×\d+)+(?![\w×])", body)
        missing += [
            size
            for size in {*sizes} - sizes_of(page)
            if len(sides := {*size.split("×")}) > 1 or not sides <= near
        ]
        missing += numbers_of(body) - large - {str(n) for n in range(13)}
    return sorted(missing)


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("A 5×5 kernel on 28×28 pixels, 0.9 of 60,000; 6×1×5×5 weights, padding 2.", []),
        ("A 7×7 kernel.", ["7×7"]),
        ("It gives 6×5×5.", ["6×5×5"]),
        ("A map of 26×28 and 24×24.", ["24", "24×24", "26", "26×28"]),
        ("Of 61,706, 0.95.", ["0.95", "61706"]),
        ("ResNeXt-50 32×4d of 2016 [50](x-77.md), $x_{14}$.", ["32", "50"]),
    ],
)
def test_a_number_that_nothing_backs_is_seen(said, missing):
    v4 = nbformat.v4
    shown = v4.new_output("stream", text="Conv2d(1, 6, kernel_size=5), (6, 1, 5, 5), 60,000: 0.90")
    code = v4.new_code_cell("X = torch.ones(28, 28)", outputs=[shown])
    elsewhere = [("Next", [v4.new_code_cell("7")]), ("Sources", [v4.new_markdown_cell("99×99")])]
    assert unbacked([("A", [v4.new_markdown_cell(said), code]), *elsewhere]) == missing


@of_every_section
def test_numbers_in_the_prose_are_printed_or_asserted(page):
    missing = unbacked(parts_of(page))
    assert not missing, f"numbers that no cell prints or asserts: {missing}"


def test_no_file_names_a_package_index_or_a_path_of_a_machine():
    apart = {".git", ".venv", "_build", "__pycache__", ".hypothesis", ".mypy_cache", "node_modules"}
    endings = {".md", ".py", ".txt", ".yml", ".toml", ".ipynb", ".cff", ".css", ""}
    listed = []
    for folder, inside, names in os.walk(ROOT):
        inside[:] = set(inside) - apart  # does not go into these
        listed += [Path(folder, name) for name in names if Path(name).suffix in endings]
    assert len(listed) > 30
    pattern = re.compile(r"pypi\.org|--index-url|--extra-index|/home/\w|/root/|site-packages/")
    allowed = {"tools/record.py"}
    for path in listed:
        if path.relative_to(ROOT).as_posix() in allowed or "tests" in path.parts:
            continue
        found = pattern.search(path.read_text(encoding="utf-8", errors="ignore"))
        assert not found, f"{path.relative_to(ROOT)}: {found.group()}"


def test_the_readme_is_short():
    assert len(text(ROOT / "README.md").splitlines()) <= 90


def test_no_two_papers_are_cited_alike():
    cited: dict[tuple[str, ...], list[str]] = {}
    for key, entry in parse_file(ROOT / "references.bib").entries.items():
        names = [" ".join(person.last_names) for person in entry.persons["author"]]
        shown = names if len(names) < 3 else [names[0], "et al."]
        cited.setdefault((*shown, entry.fields["year"]), []).append(key)
    assert [keys for keys in cited.values() if len(keys) > 1] == []
