"""`make seeds` shifts every seed, notes both sides of bounds, and goes on after a failure."""

import re
from subprocess import CompletedProcess

import jupytext
import nbformat
import pytest

from tools import seeds
from tools.seeds import Run, main, margin, report

pytestmark = pytest.mark.slow

IMPORTS = """
import random
import numpy as np
import torch
"""
DRAW = """
torch.manual_seed(3)
generator = torch.Generator().manual_seed(4)
drawn = [torch.initial_seed(), generator.initial_seed()]
np.random.seed(5)
by_numpy = np.random.rand()
random.seed(6)
by_python = random.random()
"""
CLAIM = """
x = drawn[0] / 1000
assert 0 < x < 2
assert abs(x - 1) < 0.25 and x != 7
assert [x, 2 * x, 9] == sorted([x, 2 * x, 9])
assert drawn[1] == drawn[0] + 1
after = True
for y in (x, 2 * x):
    assert (torch.tensor([y, 3.0]) < 3.5).all()
def checked():
    assert x < 0
try:
    checked()
except AssertionError:
    caught = True
"""
LAST = """
assert after and caught
torch.testing.assert_close(torch.tensor([1.0, x]), torch.tensor([1.0, 1.0]), rtol=0, atol=1)
print(nothing)
"""
RAISES = "1 / 0"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A small page whose claims hold under its own seeds; results are kept beside it."""
    folder = tmp_path_factory.mktemp("book")
    cells = [
        nbformat.v4.new_code_cell(s.strip()) for s in (IMPORTS, DRAW, CLAIM, LAST, "1 / 0", "1")
    ]
    for cell in cells[-2:]:
        cell.metadata["tags"] = ["raises-exception"]
    jupytext.write(nbformat.v4.new_notebook(cells=cells), folder / "page.md", fmt="md:myst")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds, "KEPT", folder / "seeds")
        yield folder / "page.md"


@pytest.fixture(scope="module")
def results(page):
    return {run: run.do() for run in (Run(page, 900), Run(page, 1300))}


def test_seeds_are_shifted_and_failures_noted_without_stopping(results):
    for (run, notes), cell_3 in zip(
        results.items(), ([], ["assert abs(x - 1) < 0.25"]), strict=True
    ):
        x = run.shift / 1000 + 0.003
        assert notes["failures"] == [
            *([3, f"{text} and x != 7"] for text in cell_3),
            *([4, "NameError: name 'nothing' is not defined"] for _ in [0] if not cell_3),
            [6, "does not raise"],
        ]
        assert notes["bounds"]["3: 0 < x < 2"] == [[0, x], [x, 2]]
        inside = pytest.approx(x - 1)
        assert notes["bounds"]["3: abs(x - 1) < 0.25"] == [[-0.25, inside], [inside, 0.25]]
        ordered = notes["bounds"]["3: [x, 2 * x, 9] == sorted([x, 2 * x, 9])"]
        assert ordered == [[x, 2 * x], [2 * x, 9]]
        assert notes["bounds"]["3: torch.tensor([y, 3.0]) < 3.5"] == [[3, 3.5], [3, 3.5]]
        assert notes["tolerances"] == {"4: assert_close": pytest.approx(abs(x - 1), abs=1e-6)}


def test_the_table_lists_what_fails_and_what_is_close(results):
    lines, holds = report(results)
    text = "\n".join(lines)
    assert not holds and "page: 2 runs of" in text
    assert "FAILS in 1 of 2, cell 3: assert abs(x - 1) < 0.25 and x != 7\n    seeds + 1300" in text
    assert "FAILS in 2 of 2, cell 6: does not raise\n    seeds + 900, 1300" in text
    assert re.search(r"^ !   0.\d deviations, cell 3: abs\(x - 1\) < 0.25: ", text, flags=re.M)
    assert " 30.3% of the tolerance, cell 4: assert_close" in text
    assert "deviations, cell 3: torch.tensor" not in text, "3 < 3.5 does not vary"


def test_a_run_is_kept_until_the_code_changes(page, results, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("executed again")

    monkeypatch.setattr(seeds.subprocess, "run", refuse)
    assert Run(page, 900).do() == results[Run(page, 900)]
    monkeypatch.setattr(Run, "code", ["x = 1"])
    with pytest.raises(AssertionError, match="executed again"):
        Run(page, 900).do()


def test_margins_are_in_standard_deviations():
    assert margin([(0, 4), (0, 6)]) == pytest.approx(5 / 2**0.5)
    assert margin([(1, 2), (1, 2)]) == float("inf")
    diverged = [(0, float("nan")), (1, float("inf"))]
    assert margin([(0, 4), *diverged, (0, 6)]) == pytest.approx(5 / 2**0.5)
    assert margin([(1, 10), (1, 1000)]) == pytest.approx(2 / 2**0.5), "a ratio counts in logarithms"


def test_other_processors_get_their_instruction_sets_and_a_lost_process_is_noted(page, monkeypatch):
    started = []

    def lose(command, env, **options):
        started.append(env)
        return CompletedProcess(command, -9, stderr="Loading\nkilled\n")

    monkeypatch.setattr(seeds.subprocess, "run", lose)
    for name in seeds.PROCESSORS:
        (failure,) = Run(page, 0, name).do()["failures"]
        assert failure == (0, "the process ended with status -9: killed")
    assert [env["ATEN_CPU_CAPABILITY"] for env in started] == ["default", "avx2", "avx512"]
    assert {env["BOOK_PROFILE"] for env in started} == {"check"}


def test_an_instruction_set_that_this_machine_lacks_is_left_out(page, monkeypatch, capsys):
    notes = {"seconds": 1.0, "failures": [], "bounds": {}, "tolerances": {}}
    done = []
    monkeypatch.setattr(Run, "do", lambda run: done.append(run.processor) or notes)
    monkeypatch.setattr(seeds, "resolve", lambda name: page)
    own = "AVX2"
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: own)
    assert main([page.stem, "--processors"]) == 0
    assert done == ["SSE", "AVX2"]
    assert "AVX-512: left out" in capsys.readouterr().out
    own = "VSX"
    assert [seeds.runs_here(name) for name in seeds.PROCESSORS] == [True, False, False]
    own = "AVX512"
    assert all(map(seeds.runs_here, seeds.PROCESSORS))


def test_the_exit_status_says_whether_all_holds(monkeypatch, capsys):
    notes = {"seconds": 1.0, "failures": [], "bounds": {}, "tolerances": {}}
    done = []
    monkeypatch.setattr(Run, "do", lambda run: done.append((run.page.stem, run.shift)) or notes)
    assert main(["7-3-padding-and-stride", "-n", "2", "--first", "70"]) == 0
    assert done == [("7-3-padding-and-stride", 70), ("7-3-padding-and-stride", 170)]
    assert "seeds + 170: 1 s, holds" in capsys.readouterr().out
    notes["failures"] = [(4, "assert 1 < 0")]
    assert main(["7-3-padding-and-stride", "-n", "1"]) == 1
    assert main(["no-such-page"]) == 2
