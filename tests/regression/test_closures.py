"""Each hole of nbval, closed: a small notebook that must fail, or must pass, through the plugin.

All cases run in one pytest of their own, on few pages, since each starts a kernel; each test
looks up its own case. The recorded outputs are real ones: ``record`` executes the sources once in
a kernel of Jupyter's.
"""

from __future__ import annotations

import json
import os
import re
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

pytestmark = pytest.mark.slow
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
EVIDENCE = """\
display({{"application/vnd.convnets.history+json": {history}, "text/plain": "run"}}, raw=True)"""
VIEW = """\
<div class="live" data-live="pad"><script type="application/json" class="state">{state}</script>
<script data-of="pad">{script}</script></div>"""
LIVE = "from IPython.display import HTML\nHTML({html!r})"
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


def cell(source: str, outputs: Iterable = (), tag: str = "", count: int | None = 0) -> NotebookNode:
    """A code cell; its count is filled in from its place unless one is given."""
    metadata = {"tags": [tag]} if tag else {}
    return v4.new_code_cell(source, outputs=list(outputs), metadata=metadata, execution_count=count)


def said(text: str, name: str = "stdout") -> list[NotebookNode]:
    return [v4.new_output("stream", name=name, text=text)]


def updated(text: str) -> list[NotebookNode]:
    """Three cells, the last of which updates what the first has recorded as 'done'."""
    done = [v4.new_output("display_data", {"text/plain": "'done'"})]
    return [cell("h = display('waiting', display_id=True)", done), cell("print(1)", said("1\n")),
            cell(f"h.update({text!r})")]  # fmt: skip


def evidence(recorded: dict, new: dict) -> NotebookNode:
    """A cell whose output is not compared, and shows a history."""
    data = {"application/vnd.convnets.history+json": recorded, "text/plain": "run"}
    source = EVIDENCE.format(history=new)
    return cell(source, [v4.new_output("display_data", data)], "nbval-ignore-output")


def live(html: str, recorded: str) -> NotebookNode:
    source = LIVE.format(html=html)
    data = {"text/html": recorded, "text/plain": "<IPython.core.display.HTML object>"}
    return cell(source, [v4.new_output("execute_result", data, execution_count=1)], "live")


def write(path: Path, cells: Iterable[NotebookNode]) -> None:
    cells = list(cells)
    executed = [one for one in cells if one.cell_type == "code" and one.source]
    for number, one in enumerate(executed, start=1):
        if one.execution_count == 0:
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
    view = VIEW.format(state='{"n": 2, "w": [0.25]}', script="")
    return {
        "never-executed": [cell("print(1)", said("1\n")), cell("print(2)", count=None)],
        "history": [cell("1 + 1", [v4.new_output("execute_result", {"text/plain": "2"},
                                                 execution_count=1)]),
                    cell("print(_, Out, In[1])", said("2 {1: 2} 1 + 1\n"))],
        "fresh": [cell("x = 1", count=None), cell("print(x)")],
        "counts-jump": [cell("print(1)", said("1\n")), cell("print(2)", said("2\n"), count=99)],
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
        "update": updated("done"),
        "update-other": updated("failed"),
        "key": [evidence({"key": "1e5", "acc": [0.5]}, {"key": "1e5", "acc": [0.25]})],
        "key-other": [evidence({"key": "1e5"}, {"key": "10e4"})],
        "key-gone": [evidence({"key": "1e5"}, {})],
        "no-key": [evidence({"acc": 1}, {"acc": 2})],
        "live": [live(view.replace("0.25", "0.25001").replace("></s", ">go()</s"), view)],
        "live-other": [live(view.replace('"n": 2', '"n": 3'), view)],
        "live-script": [live(view, view.replace("></s", ">go()</s"))],
        "live-none": [live("<b>1</b>", "<b>1</b>")],
        "kernel-dies": [cell("import os; print(1, flush=True); os._exit(1)", said("1\n")),
                        cell("print(2)", said("2\n"))],
    }  # fmt: skip


STOPPING = [
    "magic",
    "magic-ignored",
    "ignored-raises",
    "cascade",
    "kernel-dies",
]  # each ends a page
DRAWN = ["png-redrawn", "png-other", "semicolon-missing", "svg-redrawn", "svg-other"]


def pages(recorded: dict[str, list[NotebookNode]]) -> dict[str, list[str]]:
    """The cases by page."""
    placed = {"history", "fresh", "no-code", *DRAWN, *STOPPING}
    rest = [name for name in cases(recorded) if name not in placed]
    return (
        {
            "fresh": ["fresh"],
            "no-code": ["no-code"],
            "text": ["history", *rest, STOPPING[0]],  # "history" looks at the first cell
            "drawn": [*DRAWN, STOPPING[1]],
        }
        | {name: [name] for name in STOPPING[2:]}
    )


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
    cells = cases(recorded)
    owners: dict[tuple[str, str], str] = {}
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
        "no-code", "widget", "ignored", "network", "hermetic", "slow-output", "update", "key",
        "no-key", "live"]  # fmt: skip
FAIL = {
    "never-executed": "the recorded cell was never executed",
    "fresh": "the page has code but no recorded outputs; run `make record PAGE=fresh`",
    "counts-jump": "execution count 99 recorded, a run from the top gives",
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
    "update-other": "recorded: \"'done'\"\n  new:      \"'failed'\"",
    "key-other": "key '1e5' recorded, '10e4' new; the code behind this evidence has changed",
    "key-gone": "key '1e5' recorded, None new",
    "live-other": "text/html: state['n']: 2 recorded, 3 new",
    "live-script": "the script of the live view 'pad' is recorded",
    "live-none": "the cell is tagged live and shows no live view",
}


@pytest.mark.parametrize("name", PASS)
def test_passes(outcomes: Outcomes, name: str) -> None:
    assert outcomes.passed(name), outcomes.text(name)


@pytest.mark.parametrize(("name", "message"), FAIL.items(), ids=FAIL)
def test_fails(outcomes: Outcomes, name: str, message: str) -> None:
    assert message in outcomes.text(name)
    assert "error: " not in [text[:7] for text in outcomes[name].values()], "an error of the plugin"


def test_every_case_has_a_verdict(recorded: dict, outcomes: Outcomes) -> None:
    names = set(outcomes) - {"text", "drawn"}
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
    (text,) = outcomes["number-far"].values()
    assert re.sub(r"cell \d+", "cell N", text) == (
        "failure: text.ipynb, cell N\n"
        "* stdout: line 1: number 0.123456 recorded, 0.125456 new, difference 0.002, "
        "allowed 1.23e-05\n  recorded: 'x = 0.123456'\n  new:      'x = 0.125456'\n"
        "The cell:\n    print('x = 0.125456')\n"
        "Cure: if the new output is right, `make record PAGE=text`; else mend the page"
    )


def test_the_account_of_two_workers(outcomes: Outcomes) -> None:
    lines = {line.split()[0]: line.split() for line in outcomes.summary.splitlines() if line}
    assert lines["fresh.ipynb"][1:3] == ["2", "0"]
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
    (folder / "tests" / "test_x.py").write_text("def test_x(): pass\n")
    if floors is not None:
        (folder / floor.FLOOR).write_text(json.dumps(floors))
    return folder


PAGE, FILE = "chapters/page.ipynb", "tests/floor.json"
ENOUGH = {PAGE: {"cells": 2, "outputs": 2}}
TOO_HIGH = {PAGE: {"cells": 3, "outputs": 4}, "chapters/gone.ipynb": {"cells": 1, "outputs": 1}}
RUNS = {
    "enough": (ENOUGH, ["."], 0, ["2 cells executed, 2 outputs compared"]),
    "too high": (TOO_HIGH, ["."], 1, [
        f"{PAGE}: 2 cells, the floor is 3", f"{PAGE}: 2 outputs, the floor is 4",
        "chapters/gone.ipynb: has a floor but no recording"]),
    "a part": ({PAGE: {"cells": 2, "outputs": 3}}, [".", "-k", "1"], 0, ["1 cells executed"]),
    "narrowed": (ENOUGH, [".", "-k", "test_x"], 0, ["1 passed", "0 cells executed"]),
    "not asked for": (ENOUGH, ["tests"], 0, ["1 passed", "0 cells executed"]),
    "none of those asked for": (ENOUGH, [".", "--ignore=chapters"], 1,
                                ["1 passed", "not one notebook was checked"]),
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
    missing = floor.violations({}, ENOUGH, tmp_path)
    assert missing == [f"{PAGE}: has no floor in {FILE}; run `python -m tests.regression.floor`"]
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
