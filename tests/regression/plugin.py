"""pytest plugin on top of nbval: a page that no longer tells the truth does not pass.

Load it with ``-p tests.regression.plugin`` (or ``pytest_plugins`` in the root conftest) and give
``--nbval``. It takes the collection of notebooks over from nbval and keeps nbval's kernel, options
and tags. Each page yields one item for the recording as a whole and one for each code cell; cells
run in a kernel of their own page without network, in the profile ``check``.

Options: ``--book-root`` (the repository; floors and page names are relative to it), and in the
ini-file ``book_output_timeout`` (seconds to wait for the rest of a finished cell's output).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbval.kernel import CURRENT_ENV_KERNEL_NAME
from nbval.plugin import IPyNbCell, IPyNbFile

from tests.regression import floor, warm
from tests.regression.compare import (
    Shown,
    compare,
    compare_keys,
    compare_kinds,
    final_state,
    live_problems,
    magic_errors,
    unstable,
)
from tests.regression.kernel import CellFailure, Kernel

INHERITED_BUT_UNWANTED = re.compile(
    r"PYTEST_.*|.*_proxy|MPLBACKEND|PYTHONSTARTUP|PYTHONWARNINGS", re.IGNORECASE
)
WARM = pytest.StashKey[warm.Warm]()


class Page(IPyNbFile):
    """A recording: one item for the whole, one for each code cell."""

    broken: str | None = None  # why the rest of the page cannot be checked
    executed = 0
    results: dict[int, tuple[dict[str, Any], list[Shown]] | CellFailure]  # by number of the cell
    folder: tempfile.TemporaryDirectory[str] | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the items of the page."""
        self.nb = nbformat.read(self.path, as_version=4)
        self.root = Path(self.config.getoption("book_root")).resolve()
        inside = self.path.is_relative_to(self.root)
        self.page = (self.path.relative_to(self.root) if inside else self.path).as_posix()
        self.cure = (
            f"if the new output is right, `make record PAGE={floor.page_name(self.page)}`;"
            " else mend the page"
        )
        self.cells = [cell for cell in self.nb.cells if cell.cell_type == "code"]
        self.results = {}
        yield Recording.from_parent(self, name="recording" if self.cells else "no code")
        for number, cell in enumerate(self.cells, start=1):
            yield Cell.from_parent(
                self,
                name=f"Cell {number}",
                cell_num=number,
                cell=cell,
                options=floor.options_of(cell),
            )

    def setup(self) -> None:
        """Start the kernel in the folder of the page."""
        if not self.cells:
            return
        self.folder = tempfile.TemporaryDirectory(prefix="book-")
        name = self.config.option.nbval_kernel_name
        env = self.environment(Path(self.folder.name))
        self.kernel = Kernel(
            name or CURRENT_ENV_KERNEL_NAME,
            None if name else self.warm_command(env),
            self.path.parent,
            env,
            self.config.option.nbval_kernel_startup_timeout,
        )

    def warm_command(self, env: dict[str, str]) -> list[str] | None:
        """What starts a kernel with PyTorch loaded, if that can be; a process has one server."""
        if not warm.possible():
            return None
        if WARM not in self.config.stash:
            self.config.stash[WARM] = warm.Warm(env)
            self.config.add_cleanup(self.config.stash[WARM].close)
        return self.config.stash[WARM].command

    def environment(self, folder: Path) -> dict[str, str]:
        """The variables of the kernel: the profile ``check``, no data, no settings of the user."""
        env = {
            name: value
            for name, value in os.environ.items()
            if not INHERITED_BUT_UNWANTED.fullmatch(name)
        }
        (folder / "matplotlibrc").touch()
        search = [str(self.root), *filter(None, [env.get("PYTHONPATH")])]
        return env | {
            "BOOK_PROFILE": "check",
            "BOOK_DATA": str(folder / "no-data"),
            "PYTHONPATH": os.pathsep.join(search),
            "PYTHONHASHSEED": "0",
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        }

    def execute(self, number: int) -> tuple[dict[str, Any], list[Shown]]:
        """Execute a cell; then the later ones too, if they may still update what it shows.

        Returns:
            The content of the kernel's reply, and what a reader sees of the cell.

        Raises:
            CellFailure: The kernel died, or the time is over.
        """
        self.run(number)
        result = self.results[number]
        if isinstance(result, CellFailure):
            raise result
        if any(output.display_id for output in result[1]):
            all(self.run(later) for later in range(number + 1, len(self.cells) + 1))
        return result

    def run(self, number: int) -> bool:
        """Execute a cell unless it was, update what earlier ones show; whether it was finished."""
        source = self.cells[number - 1].source
        if source.strip() and number not in self.results:
            timeout = self.config.option.nbval_cell_timeout
            output_timeout = float(self.config.getini("book_output_timeout"))
            done = [result[1] for result in self.results.values() if isinstance(result, tuple)]
            try:
                reply, events = self.kernel.run(source, timeout, output_timeout)
                shown = final_state(events, [output for outputs in done for output in outputs])
                self.results[number] = reply, shown
            except CellFailure as failure:
                self.results[number] = failure
        return not isinstance(self.results.get(number), CellFailure)

    def teardown(self) -> None:
        """Stop the kernel and remove its folder."""
        super().teardown()
        if self.folder is not None:
            self.folder.cleanup()


class Recording(pytest.Item):
    """The recording as a whole: a page with code shows outputs."""

    parent: Page

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.user_properties += _identity(self.parent)

    def runtest(self) -> None:
        """Fail if a page with code has no recorded output at all."""
        page = self.parent
        if page.cells and not any(cell.outputs for cell in page.cells):
            raise CellFailure(
                "the page has code but no recorded outputs",
                f"run `make record PAGE={floor.page_name(page.page)}`",
            )

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The problem in words."""
        if isinstance(excinfo.value, CellFailure):
            return f"{self.parent.page}: " + "; ".join(excinfo.value.args)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the item stands."""
        return self.path, 0, f"{self.parent.page}::{self.name}"


class Cell(IPyNbCell):
    """A code cell, numbered from 1 as in the notebook."""

    parent: Page

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.user_properties += _identity(self.parent)

    def setup(self) -> None:
        """Nothing to prepare: after a failure the rest of a page fails, it is not excused."""

    def runtest(self) -> None:
        """Execute the cell, then judge the recording and compare it with the new outputs.

        Raises:
            CellFailure: With every problem found.
        """
        page = self.parent
        if page.broken:
            raise CellFailure(f"not checked: {page.broken}")
        problems = self.forbidden()
        recorded = final_state(self.cell.outputs)
        new: list[Shown] = []
        if self.cell.source.strip():
            reply, new = self.execute()
            page.executed += 1
            self.user_properties.append(("book_cells", 1))
            problems += self.raising(reply, new)
            problems += self.counting(reply["execution_count"])
        problems += unstable(recorded, timings=self.options["check"])
        problems += live_problems(recorded, "live" in self.cell.metadata.get("tags", ()))
        problems += compare_keys(recorded, new)
        problems += [f"magic failed: {error}" for error in magic_errors(recorded, new)]
        if self.options["check"]:
            compared, differences = compare(recorded, new)
            self.user_properties.append(("book_outputs", compared))
            problems += differences
        else:
            problems += compare_kinds(recorded, new)
        if problems:
            raise CellFailure(*problems)

    def execute(self) -> tuple[dict[str, Any], list[Shown]]:
        """Run the cell; if it cannot be finished, nothing after it on the page is checked."""
        try:
            return self.parent.execute(self.cell_num)
        except CellFailure as failure:
            self.parent.broken = f"cell {self.cell_num}: {failure}"
            raise

    def forbidden(self) -> list[str]:
        """What no recorded cell may be: skipped, empty, not executed, or stopped by an error."""
        problems = []
        if self.options["skip"]:
            problems.append("the cell asks to be skipped; no cell of the book is skipped")
        if not self.cell.source.strip():
            problems.append("the cell is empty; remove it")
        elif self.cell.execution_count is None:
            problems.append("the recorded cell was never executed")
        stopped = any(output.output_type == "error" for output in self.cell.outputs)
        if stopped and not self.options["check_exception"]:
            problems.append("the recording shows an error without the tag raises-exception")
        return problems

    def raising(self, reply: dict[str, Any], new: list[Shown]) -> list[str]:
        """Whether the cell raises if and only if its tag says so."""
        raised = reply["status"] != "ok"
        if raised and not self.options["check_exception"]:
            name, text = reply.get("ename", "an exception"), reply.get("evalue", "")
            self.parent.broken = f"cell {self.cell_num} raised {name}"
            trace = "\n".join(
                re.sub(r"\x1b\[[\d;]*m", "", line) for line in reply.get("traceback") or ()
            )
            return [f"the cell raised {name}: {text}\n{trace}"]
        if self.options["check_exception"] and not any(output.kind == "error" for output in new):
            return ["the cell is tagged raises-exception and did not raise"]
        return []

    def counting(self, new: int) -> list[str]:
        """Whether the recorded counts are those of a run from top to bottom."""
        earlier = self.parent.cells[: self.cell_num]
        expected = sum(bool(cell.source.strip()) for cell in earlier)
        recorded = self.cell.execution_count
        if recorded is not None and recorded != expected:
            return [f"execution count {recorded} recorded, a run from the top gives {expected}"]
        if self.parent.executed == expected and new != expected:
            return [f"execution count {new} in the new run, expected {expected}"]
        return []

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The page, the cell, each problem, the source and the cure."""
        if not isinstance(excinfo.value, CellFailure):
            return pytest.Item.repr_failure(self, excinfo, style)
        where = f"{self.parent.page}, cell {self.cell_num}"
        if excinfo.value.args[0].startswith("not checked"):
            return f"{where}: {excinfo.value.args[0]}"
        problems = "\n".join(f"* {problem}" for problem in excinfo.value.args)
        source = "\n".join(f"    {line}" for line in self.cell.source.splitlines())
        return f"{where}\n{problems}\nThe cell:\n{source}\nCure: {self.parent.cure}"

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the item stands."""
        return self.path, 0, f"{self.parent.page}::{self.name}"


def _identity(page: Page) -> list[tuple[str, object]]:
    return [("book_page", page.page), ("book_items", len(page.cells) + 1)]


@dataclass
class Row:
    """What was done of one page."""

    items: int  # how many the page has
    finished: int = 0
    cells: int = 0
    outputs: int = 0
    seconds: float = 0.0


class Account:
    """What was executed and compared, page by page, gathered from the reports of all workers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pages: dict[str, Row] = {}
        self.problems: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the report of one phase of one item."""
        facts: dict[str, Any] = dict(report.user_properties)
        if "book_page" not in facts:
            return
        row = self.pages.setdefault(facts["book_page"], Row(facts["book_items"]))
        row.seconds += report.duration
        if report.when == "call":
            row.finished += 1
            row.cells += facts.get("book_cells", 0)
            row.outputs += facts.get("book_outputs", 0)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run if it checked no notebook of those asked for, or less than a floor."""
        if session.config.option.collectonly:
            return
        if not self.pages and asks_for_notebooks(session.config):
            self.problems.append("--nbval was given, and not one notebook was checked")
        complete = {
            page: {"cells": row.cells, "outputs": row.outputs}
            for page, row in self.pages.items()
            if row.finished == row.items
        }
        self.problems += floor.violations(floor.read(self.root), complete, self.root)
        if self.problems and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the account and what is wrong with it."""
        write = terminalreporter.write_line
        terminalreporter.section("notebooks")
        width = max(map(len, self.pages), default=4)
        write(f"{'page':{width}}  cells  outputs  seconds")
        for page, row in sorted(self.pages.items()):
            write(f"{page:{width}}  {row.cells:5}  {row.outputs:7}  {row.seconds:7.1f}")
        cells = sum(row.cells for row in self.pages.values())
        outputs = sum(row.outputs for row in self.pages.values())
        write(f"{cells} cells executed, {outputs} outputs compared")
        for problem in self.problems:
            write(f"FAILED {problem}", red=True)


def asks_for_notebooks(config: pytest.Config) -> bool:
    """Whether a run is for notebooks: a full one, or one of paths that hold some, with no -k."""
    if config.option.keyword or config.args_source is not pytest.Config.ArgsSource.ARGS:
        return not config.option.keyword
    paths = [config.invocation_params.dir / arg.partition("::")[0] for arg in config.args]
    return any(path.suffix == ".ipynb" or any(path.rglob("*.ipynb")) for path in paths)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this plugin."""
    parser.addoption("--book-root", default=str(floor.ROOT), help="the repository of the book")
    parser.addini(
        "book_output_timeout",
        default="60",
        help="seconds to wait for the rest of a finished cell's output",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse options that would leave something unchecked; start the account."""
    option = config.option
    if option.nbval_lax or option.nbval_sanitize_with or option.sanitize_with:
        raise pytest.UsageError("the book is compared in full: no --nbval-lax, no sanitizing")
    if not option.nbval or hasattr(config, "workerinput"):
        return
    if getattr(option, "dist", "no") not in ("no", "loadfile", "loadscope"):
        raise pytest.UsageError("the cells of a page share a kernel: use --dist loadfile")
    account = Account(Path(option.book_root).resolve())
    config.pluginmanager.register(account, "book-account")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Collect a notebook as a page, and not as nbval's own file."""
    collected = yield
    if not parent.config.option.nbval or file_path.suffix != ".ipynb":
        return collected
    others = [node for node in collected if not isinstance(node, IPyNbFile)]
    return [*others, Page.from_parent(parent, path=file_path)]
