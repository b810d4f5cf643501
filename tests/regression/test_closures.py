"""Each hole of nbval, closed: a small notebook that must fail, or must pass, through the plugin.

All cases run in one pytest of their own, two at a time; each test looks up its own notebook. The
recorded outputs are real ones: ``record`` executes the sources once in a kernel of Jupyter's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode, v4

from tests.regression import floor

PLOT = "plt.plot([0, 1], [0, {end}]);"
SVG = """\
import io
from IPython.display import SVG
figure = plt.figure()
figure.gca().plot([0, 1], [0, {end}])
buffer = io.StringIO()
figure.savefig(buffer, format="svg")
plt.close(figure)
SVG(buffer.getvalue())"""
FRAMES = """\
from IPython.display import clear_output
for frame in range(3):
    clear_output(wait=True)
    print("frame", frame)"""
STREAMS = """\
import sys
print("out 1"); print("err", file=sys.stderr); print("out 2")"""
TABLE = "from IPython.display import HTML\nHTML('<b>{text}</b>')"
NETWORK = """\
import socket
for open_one in (lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
                 lambda: socket.socket().connect(("192.0.2.1", 80)),
                 lambda: socket.getaddrinfo("example.org", 80)):
    try:
        open_one()
    except OSError as error:
        print(error)
server = socket.create_server(("127.0.0.1", 0))
print(socket.create_connection(server.getsockname()) is not None)"""
HERMETIC = """\
import os
from pathlib import Path
print(os.environ["BOOK_PROFILE"], Path(os.environ["BOOK_DATA"]).exists())
print(os.environ["PYTHONHASHSEED"], sorted(n for n in os.environ if n.startswith("PYTEST")))"""
TO_RECORD = [
    "import matplotlib.pyplot as plt",
    PLOT.format(end=1),
    SVG.format(end=1),
    FRAMES,
    STREAMS,
    "print('x = 0.123456')",
    "%nonsense",
    "raise ValueError('2 rows, 3 expected')",
    TABLE.format(text="1"),
    "from tqdm.auto import tqdm\nfor _ in tqdm(range(3)): pass\nprint('done')",
]


def cell(source: str, outputs: Iterable = (), tag: str = "", count: int | None = 0):
    """A code cell; its count is filled in from its place unless one is given."""
    metadata = {"tags": [tag]} if tag else {}
    return v4.new_code_cell(source, outputs=list(outputs), metadata=metadata, execution_count=count)


def said(text: str, name: str = "stdout") -> list[NotebookNode]:
    return [v4.new_output("stream", name=name, text=text)]


def write(path: Path, cells: Iterable[NotebookNode]) -> None:
    cells = list(cells)
    for number, one in enumerate(cells, start=1):
        if one.get("execution_count") == 0:
            one.execution_count = number
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(v4.new_notebook(cells=cells), path)


def run(folder: Path, *options: str, root: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run pytest with the plugin in a process of its own, from a folder that is the repository."""
    command = [
        *(
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.regression.plugin",
            "-p",
            "no:cacheprovider",
        ),
        *("--nbval", "--nbval-current-env", f"--book-root={root or folder}", "-q", "--color=no"),
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    env["PYTHONPATH"] = str(floor.ROOT)
    return subprocess.run(
        [*command, *options], cwd=folder, env=env, text=True, capture_output=True, timeout=120
    )


@pytest.fixture(scope="session")
def recorded() -> dict[str, list[NotebookNode]]:
    """Outputs of the sources above, by source."""
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in TO_RECORD])
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=60).execute()
    return {one.source: one.outputs for one in notebook.cells}


def cases(recorded: dict[str, list[NotebookNode]]) -> dict[str, list[NotebookNode]]:
    """Every case by name: the cells of its notebook."""
    plot, svg = PLOT.format(end=1), SVG.format(end=1)
    number, error = "print('x = 0.123456')", "raise ValueError('2 rows, 3 expected')"
    pyplot = "import matplotlib.pyplot as plt"
    boom = "raise ValueError('{}')"
    return {
        "never-executed": [cell("print(1)", said("1\n")), cell("print(2)", count=None)],
        "fresh": [cell("x = 1", count=None), cell("print(x)", count=None)],
        "no-outputs": [cell("x = 1"), cell("y = 1")],
        "counts-jump": [cell("print(1)", said("1\n")), cell("print(2)", said("2\n"), count=3)],
        "empty-cell": [cell("print(1)", said("1\n")), cell("", count=None)],
        "magic": [cell("%nonsense", recorded["%nonsense"])],
        "magic-tagged": [cell("%nonsense", recorded["%nonsense"], "raises-exception")],
        "magic-ignored": [cell("%nonsense", recorded["%nonsense"], "nbval-ignore-output")],
        "error-stored": [cell("print(1)", recorded[error])],
        "raises-not": [cell("x = 1", recorded[error], "raises-exception")],
        "raises": [cell(error, recorded[error], "raises-exception"), cell("print(1)", said("1\n"))],
        "raises-name": [
            cell(error.replace("ValueError", "KeyError"), recorded[error], "raises-exception")
        ],
        "raises-text": [cell(boom.format("4 rows"), recorded[error], "raises-exception")],
        "cascade": [cell("print(1)", said("1\n")), cell("1 / 0"), cell("print(3)", said("3\n")),
                    cell("print(4)", said("4\n"))],
        "png-redrawn": [cell(pyplot), cell(plot, recorded[plot])],
        "png-other": [cell(pyplot), cell(PLOT.format(end=0.9), recorded[plot]),
                      cell("plt.plot([0, 1], [1, 0]);", recorded[plot], "nbval-ignore-output")],
        "semicolon-missing": [cell(pyplot), cell(plot.rstrip(";"), recorded[plot])],
        "history": [cell("1 + 1", [v4.new_output("execute_result", {"text/plain": "2"},
                                                 execution_count=1)]),
                    cell("print(_, Out, In[1])", said("2 {1: 2} 1 + 1\n"))],
        "svg-redrawn": [cell(pyplot), cell(svg, recorded[svg])],
        "svg-other": [cell(pyplot), cell(SVG.format(end=0.9), recorded[svg])],
        "number-near": [cell(number.replace("456", "458"), recorded[number])],
        "number-far": [cell(number.replace("123", "125"), recorded[number])],
        "clear-output": [cell(FRAMES, recorded[FRAMES])],
        "clear-output-other": [cell(FRAMES.replace("3", "4"), recorded[FRAMES])],
        "streams": [cell(STREAMS, [*said("err\n", "stderr"), *said("out 1\n"), *said("out 2\n")])],
        "streams-other": [cell(STREAMS, [*said("warn\n", "stderr"), *said("out 1\nout 2\n")])],
        "no-code": [v4.new_markdown_cell("# words")],
        "widget": [cell(source := TO_RECORD[-1], recorded[source])],
        "skipped": [cell("print(1)", said("1\n"), "nbval-skip")],
        "skipped-by-comment": [cell("# NBVAL_SKIP\nprint(1)", said("1\n"))],
        "ignored": [cell("print(2)", said("1\n"), "nbval-ignore-output")],
        "ignored-kind": [cell(TABLE.format(text="2"), said("1\n"), "nbval-ignore-output")],
        "ignored-raises": [cell(error, said("1\n"), "nbval-ignore-output")],
        "address": [cell(t := "print('<Net at 0x7f3c2a1b4d90>')", said(t[7:-2] + "\n"))],
        "path": [cell("print('/home/ann/x')", said("/home/ann/x\n"), "nbval-ignore-output")],
        "network": [cell(NETWORK, said("network is closed in tests\n" * 3 + "True\n"))],
        "hermetic": [cell(HERMETIC, said("check False\n0 []\n"))],
        "slow-output": [cell("import time; time.sleep(0.5); print(1)", said("1\n"))],
        "kernel-dies": [cell("import os; print(1, flush=True); os._exit(1)", said("1\n")),
                        cell("print(2)", said("2\n"))],
    }  # fmt: skip


OWN_PAGE = {"never-executed", "fresh", "no-outputs", "counts-jump", "empty-cell", "magic",
            "magic-ignored", "cascade", "history", "no-code", "ignored-raises", "kernel-dies",
            "number-far"}  # fmt: skip


def pages(recorded: dict[str, list[NotebookNode]]) -> dict[str, list[str]]:
    """The cases by page: those that are about a whole page or stop it have their own."""
    sharing = [name for name in cases(recorded) if name not in OWN_PAGE]
    alone = {name: [name] for name in OWN_PAGE}
    return alone | {f"shared-{start}": sharing[start::2] for start in range(2)}


class Outcomes(dict[str, dict[str, str]]):
    """By case, by item: the failure's text, empty where the item passed."""

    summary = ""

    def passed(self, name: str) -> bool:
        return not any(self[name].values())

    def text(self, name: str) -> str:
        return "\n".join(self[name].values())


@pytest.fixture(scope="session")
def outcomes(
    recorded: dict[str, list[NotebookNode]], tmp_path_factory: pytest.TempPathFactory
) -> Outcomes:
    """The verdict of the plugin on every case; each item of a page has one verdict."""
    folder = tmp_path_factory.mktemp("cases")
    cells, owners = cases(recorded), {}
    for page, names in pages(recorded).items():
        together = [(name, one) for name in names for one in cells[name]]
        write(folder / f"{page}.ipynb", [one for _, one in together])
        code = [name for name, one in together if one.cell_type == "code"]
        owners |= {(page, f"Cell {n}"): name for n, name in enumerate(code, start=1)}
        owners[page, "recording" if code else "no code"] = page
    done = run(folder, "-n2", "--dist=loadfile", "--junitxml=junit.xml", ".")
    found = Outcomes()
    found.summary = done.stdout
    for case in ElementTree.parse(folder / "junit.xml").iter("testcase"):
        page, item = case.get("classname", "").removesuffix(".ipynb"), case.get("name", "")
        bad = [child for child in case if child.tag in ("failure", "error", "skipped")]
        name = owners.pop((page, item))
        found.setdefault(name, {})[item] = "".join(f"{one.tag}: {one.text}" for one in bad)
    assert not owners, f"items without a verdict: {owners}"
    return found


PASS = ["raises", "png-redrawn", "history", "svg-redrawn", "number-near", "clear-output", "streams",
        "no-code", "widget", "ignored", "network", "hermetic", "slow-output"]  # fmt: skip
FAIL = {
    "never-executed": "the recorded cell was never executed",
    "fresh": "the page has code but no recorded outputs; run `make record PAGE=fresh`",
    "no-outputs": "the page has code but no recorded outputs",
    "counts-jump": "execution count 3 recorded, a run from the top gives 2",
    "empty-cell": "the cell is empty",
    "magic": "magic failed: UsageError: Line magic function `%nonsense` not found.",
    "magic-tagged": "magic failed: UsageError: Line magic function `%nonsense` not found.",
    "magic-ignored": "magic failed: UsageError: Line magic function `%nonsense` not found.",
    "error-stored": "the recording shows an error without the tag raises-exception",
    "raises-not": "the cell is tagged raises-exception and did not raise",
    "raises-name": "error: line 1: text differs",
    "raises-text": "integer 2 recorded, 4 new",
    "png-other": "image/png: ",
    "semicolon-missing": "result (text/plain)",
    "svg-other": "image/svg+xml: element",
    "number-far": "number 0.123456 recorded, 0.125456 new, difference 0.002, allowed 1.23e-05",
    "clear-output-other": "integer 2 recorded, 3 new",
    "streams-other": "stderr: line 1: text differs",
    "skipped": "no cell of the book is skipped",
    "skipped-by-comment": "no cell of the book is skipped",
    "ignored-kind": "other kinds of outputs",
    "ignored-raises": "the cell raised ValueError: 2 rows, 3 expected",
    "address": "a memory address in the recorded stdout",
    "path": "an absolute path in the recorded stdout",
    "kernel-dies": "the kernel died",
}


@pytest.mark.parametrize("name", PASS)
def test_passes(outcomes: Outcomes, name: str) -> None:
    assert outcomes.passed(name), outcomes.text(name)


@pytest.mark.parametrize(("name", "message"), FAIL.items(), ids=FAIL)
def test_fails(outcomes: Outcomes, name: str, message: str) -> None:
    assert message in outcomes.text(name)
    assert "error: " not in [text[:7] for text in outcomes[name].values()], "an error of the plugin"


def test_every_case_has_a_verdict(recorded: dict, outcomes: Outcomes) -> None:
    names = {name for name in outcomes if not name.startswith("shared-")}
    assert names == {*PASS, *FAIL, "cascade"} == set(cases(recorded))
    assert "skipped:" not in "".join(map(outcomes.text, outcomes))
    assert " xfailed" not in outcomes.summary


def test_a_failing_cell_fails_the_rest_of_the_page_in_one_line(outcomes: Outcomes) -> None:
    first, *rest = [text for text in outcomes["cascade"].values() if text]
    assert "the cell raised ZeroDivisionError: division by zero" in first
    assert [text.removeprefix("failure: ") for text in rest] == [
        f"cascade.ipynb, cell {n}: not checked: cell 2 raised ZeroDivisionError" for n in (3, 4)
    ]


def test_a_failure_names_page_cell_values_and_cure(outcomes: Outcomes) -> None:
    assert outcomes["number-far"]["Cell 1"] == (
        "failure: number-far.ipynb, cell 1\n"
        "* stdout: line 1: number 0.123456 recorded, 0.125456 new, difference 0.002, "
        "allowed 1.23e-05\n  recorded: 'x = 0.123456'\n  new:      'x = 0.125456'\n"
        "The cell:\n    print('x = 0.125456')\n"
        "Cure: if the new output is right, `make record PAGE=number-far`; else mend the page"
    )


def test_the_account_of_two_workers(outcomes: Outcomes) -> None:
    lines = {line.split()[0]: line.split() for line in outcomes.summary.splitlines() if line}
    assert lines["history.ipynb"][1:3] == ["2", "2"]
    assert lines["ignored-raises.ipynb"][1:3] == ["1", "0"], (
        "an ignored output is not a compared one"
    )
    assert lines["no-code.ipynb"][1:3] == ["0", "0"]
    assert lines["cascade.ipynb"][1:3] == ["2", "1"]


def book(folder: Path, floors: dict[str, dict[str, int]] | None) -> Path:
    """A repository of one page, of two cells and two outputs."""
    page = [cell("print(1)", said("1\n")), cell("print(2)", said("2\n"))]
    write(folder / "chapters" / "page.ipynb", page)
    (folder / "tests").mkdir()
    if floors is not None:
        (folder / floor.FLOOR).write_text(json.dumps(floors))
    return folder


PAGE = "chapters/page.ipynb"
ENOUGH = {PAGE: {"cells": 2, "outputs": 2}}
TOO_HIGH = {PAGE: {"cells": 3, "outputs": 4}, "chapters/gone.ipynb": {"cells": 1, "outputs": 1}}
RUNS = {
    "enough": (ENOUGH, ["."], 0, ["2 cells executed, 2 outputs compared"]),
    "too high": (TOO_HIGH, ["."], 1, [
        f"{PAGE}: 2 cells, the floor is 3", f"{PAGE}: 2 outputs, the floor is 4",
        "chapters/gone.ipynb: has a floor but no recording"]),
    "a part": ({PAGE: {"cells": 2, "outputs": 3}}, [".", "-k", "1"], 0, ["1 cells executed"]),
    "no floor": (None, ["."], 1, [f"{PAGE}: has no floor in tests/floor.json"]),
    "nothing": (ENOUGH, ["tests"], 1, ["--nbval was given, and not one notebook was checked"]),
    "load": (ENOUGH, [".", "-n2", "--dist=load"], 4, ["use --dist loadfile"]),
    "lax": (ENOUGH, [".", "--nbval-lax"], 4, ["no --nbval-lax"]),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_floors(tmp_path: Path, name: str) -> None:
    floors, options, status, texts = RUNS[name]
    done = run(book(tmp_path, floors), *options)
    assert done.returncode == status, done.stdout
    assert [text for text in texts if text not in done.stdout + done.stderr] == []


def test_no_notebook_beside_passing_tests_fails(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("def test_x(): pass\n")
    done = run(tmp_path)
    assert done.returncode == 1 and "1 passed" in done.stdout
    assert "not one notebook was checked" in done.stdout


def test_time_limits(tmp_path: Path) -> None:
    write(tmp_path / "slow.ipynb", [cell("while True: pass"), cell("print(1)", said("1\n"))])
    done = run(tmp_path, "--nbval-cell-timeout=1", "-o", "book_output_timeout=7", ".")
    assert "timeout of 1 seconds exceeded executing the cell" in done.stdout
    assert "cell 2: not checked: cell 1: timeout" in done.stdout


def test_floors_are_counted_from_recordings_and_never_lowered(tmp_path: Path) -> None:
    book(tmp_path, None)
    ignored = cell("print(3)", said("3\n"), "nbval-ignore-output")
    write(tmp_path / "chapters" / "more.ipynb", [cell("1", said("1\n")), ignored])
    assert floor.update(tmp_path) == []
    expected = {PAGE: {"cells": 2, "outputs": 2}, "chapters/more.ipynb": {"cells": 2, "outputs": 1}}
    assert floor.read(tmp_path) == expected

    write(tmp_path / PAGE, [cell("print(1)", said("1\n"))])
    (tmp_path / "chapters" / "more.ipynb").unlink()
    refused = floor.update(tmp_path)
    assert refused == [
        f"{PAGE}: cells would fall from 2 to 1",
        f"{PAGE}: outputs would fall from 2 to 1",
        "chapters/more.ipynb: has a floor but no recording",
    ]
    assert floor.read(tmp_path) == expected
    assert floor.main(["--root", str(tmp_path)]) == 1
    assert floor.main(["--root", str(tmp_path), "--allow-lower", str(tmp_path / PAGE)]) == 0
    assert floor.read(tmp_path) == expected | {PAGE: {"cells": 1, "outputs": 1}}
    assert floor.main(["--root", str(tmp_path), "--allow-lower"]) == 0
    assert floor.read(tmp_path) == {PAGE: {"cells": 1, "outputs": 1}}
