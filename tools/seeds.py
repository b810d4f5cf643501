"""Do the pages hold under other seeds and on other processors? Execute them and see.

    python -m tools.seeds                          every page, 20 seeds; two of them on 3 processors
    python -m tools.seeds 8-6-resnet -n 6          one page, 6 seeds; --first 5000: another series
    python -m tools.seeds 7-6-lenet --processors   one page, its own seeds, 3 instruction sets

N and FIRST in the environment (`make seeds N=6 FIRST=5000`) do what -n and --first do.

Pages run at the profile `check`, each in a process of its own, and know nothing of it: every seed
that they set is shifted, and each `a < b` inside an assertion also notes its two sides. The table
lists what fails, then the margin of every bound, in standard deviations over the runs, and how much
of its tolerance each `assert_close` takes; what is close is marked. Runs are kept in _build/seeds,
and done again when the code has changed. Exit status 1: something fails.
"""

import argparse
import ast
import hashlib
import json
import math
import operator
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsFloat

from tools.pages import ROOT, find_pages, read_source, resolve

PROCESSORS = {  # the instruction sets of PyTorch's own kernels and of oneDNN's, and the threads
    "SSE": ("default", "SSE41", "1"),
    "AVX2": ("avx2", "AVX2", "2"),
    "AVX-512": ("avx512", "AVX512_CORE", "1"),
}
KEPT = ROOT / "_build" / "seeds"
ON_PROCESSORS = ("7-6-lenet", "8-6-resnet")  # where no page is named
CLOSE = 5  # standard deviations: nearer bounds are marked
TIGHT = 0.5  # share of a tolerance: errors that take more are marked
STEP = 100  # between two shifts: more than there are seeds on a page
ORDERS = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}


@dataclass(frozen=True)
class Run:
    """One execution of a page, its seeds shifted, on a processor of that name ("": this one)."""

    page: Path
    shift: int
    processor: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.page.stem, f"seeds + {self.shift}", self.processor)))

    @property
    def code(self) -> list[str]:
        return [cell.source for cell in read_source(self.page).cells if cell.cell_type == "code"]

    @property
    def result(self) -> Path:
        """Where the result is kept, by all code that it comes from."""
        code = "\n".join(self.code)
        sources = [page for page in find_pages() if page != self.page and page.stem in code]
        sources += sorted((ROOT / "helpers").rglob("*.py"))
        texts = [code, *(path.read_text(encoding="utf-8") for path in sources)]
        key = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
        return KEPT / f"{self}, {key}.json"

    def do(self) -> dict[str, Any]:
        """Execute the page in a process of its own, unless that has been done; return its notes."""
        result = self.result
        if not result.is_file():
            kernels, onednn, threads = PROCESSORS.get(self.processor, ("", "", "1"))
            with tempfile.TemporaryDirectory(prefix="book-") as folder:
                env = os.environ | {
                    "BOOK_PROFILE": "check", "BOOK_DATA": f"{folder}/no-data", "MPLBACKEND": "agg",
                    "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE", "IPYTHONDIR": folder,
                    "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
                }  # fmt: skip
                if self.processor:
                    env |= {"ATEN_CPU_CAPABILITY": kernels, "ONEDNN_MAX_CPU_ISA": onednn}
                command = [sys.executable, "-m", "tools.seeds", "--child", str(result)]
                command += [str(self.page), "--first", str(self.shift)]
                ended = subprocess.run(
                    command, env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True
                )
            if ended.returncode:  # the process was lost: no reason to keep anything
                last = (ended.stderr.strip().splitlines() or [""])[-1]
                failure = 0, f"the process ended with status {ended.returncode}: {last}"
                return {"seconds": 0, "failures": [failure], "bounds": {}, "tolerances": {}}
        return json.loads(result.read_text(encoding="utf-8"))


class Notes:
    """What the assertions of a page compare; the rewritten assertions call it.

    Attributes:
        failures: A cell's number and what is wrong with it.
        bounds: By cell and text of a comparison: the value below and the value above, each time.
        tolerances: By cell: the largest error as a share of what an `assert_close` tolerates.
    """

    def __init__(self) -> None:
        self.cell = 0
        self.failures: list[tuple[int, str]] = []
        self.bounds: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self.tolerances: dict[str, float] = {}

    @staticmethod
    def magnitude(x: Any) -> Any:
        return (
            Magnitude(x) if isinstance(x, SupportsFloat) and not getattr(x, "shape", ()) else abs(x)
        )

    def check(self, text: str, holds: object) -> None:
        if not holds:
            self.failures.append((self.cell, text))

    def compare(self, text: str, names: list[str], *sides: Any) -> Any:
        """The value of a chain of comparisons."""
        holds: Any = True
        for name, left, right in zip(names, sides, sides[1:], strict=False):
            holds = holds and getattr(operator, name)(left, right)
            below, above = (left, right) if name in ("lt", "le") else (right, left)
            inside = getattr(below, "inside", None)
            if inside is None:
                self.note(text, below, above)
            else:  # |x| < c is -c < x < c
                self.note(text, -above, inside)
                self.note(text, inside, above)
        return holds

    def ordered(self, text: str, values: Any, expected: list) -> bool:
        """Whether values are sorted as expected; every pair of neighbours is a bound."""
        values = list(values)
        falls = expected[0] > expected[-1]
        for first, second in zip(values, values[1:], strict=False):
            self.note(text, *((second, first) if falls else (first, second)))
        return values == expected

    def note(self, text: str, below: Any, above: Any) -> None:
        import torch

        try:
            sides = [
                torch.as_tensor(side, dtype=torch.float64, device="cpu") for side in (below, above)
            ]
            a, b = (side.detach().flatten() for side in torch.broadcast_tensors(*sides))
        except (TypeError, ValueError, RuntimeError):
            return  # no numbers
        if len(a):
            nearest = int((b - a).argmin())
            self.bounds[f"{self.cell}: {text}"].append((float(a[nearest]), float(b[nearest])))

    def close(self, actual: Any, expected: Any, rtol: float | None, atol: float | None) -> None:
        """Note the errors of tensors that have to be close."""
        import torch
        from torch.testing._comparison import get_tolerances
        from torch.utils._pytree import tree_leaves

        for a, b in zip(tree_leaves(actual), tree_leaves(expected), strict=False):
            a, b = (torch.as_tensor(side, device="cpu").detach() for side in (a, b))
            r, t = get_tolerances(a, b, rtol=rtol, atol=atol)
            error, allowed = (a.double() - b.double()).abs(), t + r * b.double().abs()
            if a.numel() and t + r > 0:
                share = float((error / allowed).nan_to_num(0).max())
                where = f"{self.cell}: assert_close"
                self.tolerances[where] = max(share, self.tolerances.get(where, 0))


class Magnitude(float):
    """An absolute value that remembers whose it is."""

    inside: float

    def __new__(cls, inside: SupportsFloat) -> "Magnitude":
        value = super().__new__(cls, abs(float(inside)))
        value.inside = float(inside)
        return value


class Rewrite(ast.NodeTransformer):
    """Let assertions note what they compare, and those outside functions go on where they fail."""

    asserted = False
    guarded = 0

    def call(self, node: ast.AST, name: str, *arguments: ast.expr) -> ast.Call:
        function = ast.Attribute(ast.Name("__notes__", ast.Load()), name, ast.Load())
        return ast.fix_missing_locations(
            ast.copy_location(ast.Call(function, list(arguments), []), node)
        )

    def visit_inside(self, node: ast.AST) -> ast.AST:
        self.guarded += 1
        self.generic_visit(node)
        self.guarded -= 1
        return node

    visit_FunctionDef = visit_Try = visit_inside

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        text = ast.Constant(ast.unparse(node))
        self.asserted = True
        self.generic_visit(node)
        self.asserted = False
        if self.guarded:
            return node
        return ast.copy_location(ast.Expr(self.call(node, "check", text, node.test)), node)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        text = ast.Constant(ast.unparse(node))
        self.generic_visit(node)
        last = node.comparators[-1]
        if not self.asserted:
            return node
        if all(type(op) in ORDERS for op in node.ops):
            names = ast.List([ast.Constant(ORDERS[type(op)]) for op in node.ops], ast.Load())
            sides = [self.magnitude(side) for side in (node.left, *node.comparators)]
            return self.call(node, "compare", text, names, *sides)
        if [type(op) for op in node.ops] == [ast.Eq] and getattr(
            getattr(last, "func", None), "id", ""
        ) == "sorted":
            return self.call(node, "ordered", text, node.left, last)
        return node

    def magnitude(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "abs":
            return self.call(node, "magnitude", *node.args)
        return node


def shift_seeds(shift: int) -> None:
    """Add a number to every seed that is set from now on, in PyTorch, NumPy and Python."""
    import random

    import numpy as np
    import torch

    def shifted(function: Callable[[Any], Any]) -> Callable[..., Any]:
        return lambda seed=None: function(seed + shift if isinstance(seed, int) else seed)

    class Generator(torch.Generator):
        def manual_seed(self, seed: int) -> torch.Generator:
            return super().manual_seed(seed + shift)

    torch.manual_seed = torch.random.manual_seed = shifted(torch.manual_seed)
    torch.Generator = Generator  # type: ignore[misc]
    np.random.seed = shifted(np.random.seed)
    np.random.default_rng = shifted(np.random.default_rng)
    random.seed = shifted(random.seed)


def execute(cells: list[tuple[str, set[str]]], shift: int) -> Notes:
    """Execute cells (their sources and tags) in this process, as IPython does.

    A cell that raises, or does not raise though its tag says so, is noted; the next one follows.
    """
    import matplotlib.pyplot as plt
    import torch
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shift_seeds(shift)
    notes = Notes()
    assert_close = torch.testing.assert_close

    def noted(actual: Any, expected: Any, **options: Any) -> None:
        notes.close(actual, expected, options.get("rtol"), options.get("atol"))
        assert_close(actual, expected, **options)

    torch.testing.assert_close = noted
    shell = InteractiveShell.instance()
    shell.user_ns["__notes__"] = notes
    shell.ast_transformers.append(Rewrite())
    for notes.cell, (source, tags) in enumerate(cells, start=1):
        with capture_output():
            ended = shell.run_cell(source)
        plt.close("all")
        error = ended.error_before_exec or ended.error_in_exec
        if notes.failures and isinstance(error, NameError):
            continue  # follows from what has failed before
        if (error is not None) != ("raises-exception" in tags):
            text = f"{type(error).__name__}: {error}" if error else "does not raise"
            notes.failures.append((notes.cell, text.strip().splitlines()[0]))
    return notes


def execute_here(page: Path, shift: int, result: Path) -> None:
    """Execute a page in this process and write what was noted."""
    if hasattr(os, "nice"):
        os.nice(5)
    start = time.perf_counter()
    cells = [cell for cell in read_source(page).cells if cell.cell_type == "code"]
    os.chdir(page.parent)
    notes = execute([(c.source, set(c.metadata.get("tags", []))) for c in cells], shift)
    result.parent.mkdir(parents=True, exist_ok=True)
    unfinished = result.with_suffix(".new")
    kept = {"seconds": time.perf_counter() - start, **vars(notes)}
    unfinished.write_text(json.dumps(kept), encoding="utf-8")
    unfinished.replace(result)


def margin(pairs: list[tuple[float, float]]) -> float:
    """How far a value stays from its bound over the runs, in standard deviations.

    Values that are no finite numbers, such as the loss of a run that diverged, are left out.
    Values that are positive and differ by more than a factor of two are compared by logarithms.
    """
    pairs = [pair for pair in pairs if all(map(math.isfinite, pair))] or [(0.0, 0.0)]
    if min(min(pair) for pair in pairs) > 0 and any(
        max(side) > 2 * min(side) for side in zip(*pairs, strict=True)
    ):
        pairs = [(math.log(a), math.log(b)) for a, b in pairs]
    gaps = [b - a for a, b in pairs]
    deviation = statistics.stdev(gaps) if len(gaps) > 1 else 0.0
    return abs(statistics.mean(gaps)) / deviation if deviation else math.inf


def report(results: dict[Run, dict[str, Any]]) -> tuple[list[str], bool]:
    """The table, line by line, and whether nothing has failed."""
    lines, broken = [], False
    for page in dict.fromkeys(run.page for run in results):
        runs = {run: notes for run, notes in results.items() if run.page == page}
        seconds = statistics.mean(notes["seconds"] for notes in runs.values())
        lines.append(f"{page.stem}: {len(runs)} runs of {seconds:.0f} s")
        failed = defaultdict(list)
        for run, notes in runs.items():
            for cell, text in notes["failures"]:
                failed[cell, text].append(f"{run.shift} {run.processor}".strip())
        for (cell, text), where in sorted(failed.items()):
            broken = True
            lines.append(f"  FAILS in {len(where)} of {len(runs)}, cell {cell}: {text}")
            lines.append(f"    seeds + {', '.join(dict.fromkeys(where))}")
        bounds: Any = defaultdict(lambda: defaultdict(list))  # text, evaluation, run
        tolerances: dict[str, float] = defaultdict(float)
        for notes in runs.values():
            for text, pairs in notes["bounds"].items():
                for number, pair in enumerate(pairs):
                    bounds[text][number].append(pair)
            for text, share in notes["tolerances"].items():
                tolerances[text] = max(share, tolerances[text])
        nearest = {text: min(each.values(), key=margin) for text, each in bounds.items()}
        for text, pairs in sorted(nearest.items(), key=lambda item: margin(item[1])):
            if (distance := margin(pairs)) < math.inf:
                below, above = (f"{min(s):.4g} … {max(s):.4g}" for s in zip(*pairs, strict=True))
                mark = "!" if distance < CLOSE else " "
                lines.append(f" {mark}{distance:6.1f} deviations, cell {text}: {below} < {above}")
        for text, share in tolerances.items():
            mark = "!" if share > TIGHT else " "
            lines.append(f" {mark}{share:6.1%} of the tolerance, cell {text}")
    return lines, not broken


def runs_here(processor: str) -> bool:
    """Whether this machine has the instruction set; one that it lacks would kill the process."""
    from torch.backends import cpu

    kernels = [kernels for kernels, *_ in PROCESSORS.values()]  # each has those before it
    own = cpu.get_cpu_capability().lower()
    return PROCESSORS[processor][0] in kernels[: kernels.index(own) + 1 if own in kernels else 1]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.seeds")
    parser.add_argument("pages", nargs="*", help="default: every page")
    default = {
        name: int(os.environ.get(name) or value) for name, value in (("N", 20), ("FIRST", 1000))
    }
    parser.add_argument("-n", type=int, default=default["N"], help="number of shifts (20)")
    parser.add_argument("--first", type=int, default=default["FIRST"], help="the first (1000)")
    parser.add_argument("--processors", action="store_true", help="other processors, not seeds")
    parser.add_argument("--jobs", type=int, default=1, help="pages at a time (1)")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        execute_here(Path(options.pages[0]), options.first, options.child)
        return 0
    try:
        pages = [resolve(name) for name in options.pages] or find_pages()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    shifts = [options.first + STEP * number for number in range(options.n)]
    runs = [] if options.processors else [Run(page, s) for s in shifts for page in pages]
    on_processors = pages if options.processors else []
    if not options.pages:
        on_processors = [page for page in pages if page.stem in ON_PROCESSORS]
    for name in PROCESSORS if on_processors else ():
        if runs_here(name):
            runs += [Run(page, 0, name) for page in on_processors]
        else:
            print(f"{name}: left out, this processor does not have it")
    results = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        for run, notes in zip(runs, pool.map(Run.do, runs), strict=True):
            results[run] = notes
            failed = ", ".join(str(cell) for cell in dict(notes["failures"]))
            verdict = f"fails in cell {failed}" if failed else "holds"
            print(f"{run}: {notes['seconds']:.0f} s, {verdict}", flush=True)
    lines, holds = report(results)
    print("", *lines, sep="\n")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
