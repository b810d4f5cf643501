"""The benchmarks' clock: who is timed, how often, and where; nothing here depends on speed."""

import json
import multiprocessing
import os
import threading
import time

import pytest

from benchmarks.timing import alternate, isolated, timed
from tools.pages import ROOT

RESULTS = ROOT / "benchmarks" / "results"


def test_the_clock_measures_seconds():
    assert 0.05 <= timed(lambda: time.sleep(0.05)) < 5


def test_every_alternative_runs_once_a_round_in_changing_order():
    calls = []
    given = {"a": [3, 1, 2, 2, 9, 1], "b": [30, 20, 70, 30, 80, 10], "c": [5, 5, 5, 9, 9, 9]}

    def alternative(name):
        def run():
            calls.append(name)
            return given[name][calls.count(name) - 1]

        return run

    assert alternate({name: alternative(name) for name in given}, 6) == given
    rounds = [calls[i : i + 3] for i in range(0, 18, 3)]
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len(set(map(tuple, rounds))) > 1


def prepared(marks, delay):
    """An alternative that leaves a mark at each stage; it sleeps only while it is timed."""

    start = multiprocessing.get_start_method()

    def note(what):
        with open(marks, "a", encoding="utf-8") as file:
            file.write(f"{what} {os.environ.get('BOOK_TRIAL')} {os.getpid()} {start}\n")

    def run():
        time.sleep(delay)
        note("run")

    def fresh():
        note("fresh")
        return run

    note("prepare")
    return fresh


@pytest.mark.slow
def test_an_isolated_alternative_is_prepared_once_in_its_own_process_and_environment(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("BOOK_TRIAL", raising=False)
    marks = tmp_path / "marks"
    with isolated(prepared, marks, 0.2, environment={"BOOK_TRIAL": "system"}) as run:
        assert marks.read_text(encoding="utf-8").startswith("prepare")  # before anything is timed
        assert all(0.2 <= seconds < 10 for seconds in (run(), run()))
    lines = [line.split() for line in marks.read_text(encoding="utf-8").splitlines()]
    assert [what for what, *_ in lines] == ["prepare", "fresh", "run", "fresh", "run"]
    assert {value for _, value, *_ in lines} == {"system"}
    assert {start for *_, start in lines} == {multiprocessing.get_start_method()}
    (number,) = {int(number) for *_, number, _ in lines}
    assert number != os.getpid() and "BOOK_TRIAL" not in os.environ
    assert not multiprocessing.active_children()  # nothing is left behind


def impossible():
    raise EOFError("Compressed file ended")


def broken():
    def run():
        raise ValueError("no such network")

    return lambda: run


def fatal():
    os._exit(3)


def mortal():
    return lambda: lambda: threading.Timer(0.1, os._exit, [4]).start()


def once(prepare):
    with isolated(prepare, environment={}) as run:
        run()


def twice(prepare):
    with isolated(prepare, environment={}) as run:
        run()
        time.sleep(1)
        run()


@pytest.mark.slow
@pytest.mark.parametrize(
    "prepare, runs, text",
    [
        (impossible, once, "EOFError: Compressed file ended"),
        (broken, once, "ValueError: no such network"),
        (fatal, once, "its process has ended, exit code 3"),
        (mortal, twice, "its process has ended, exit code 4"),
    ],
)
def test_an_alternative_that_fails_says_why_and_does_not_hang(prepare, runs, text):
    with pytest.raises(RuntimeError, match=prepare.__name__) as caught:
        runs(prepare)
    assert text in str(caught.value)
    assert not multiprocessing.active_children()


def test_the_recorded_results_hold_every_way_and_every_round():
    from benchmarks.training import WAYS  # not above: every process would import d2l

    results = [json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*.json")]
    assert results
    for network in (each for result in results for each in result["networks"].values()):
        assert set(network["seconds"]) == set(network["every"]) == set(WAYS)
        assert all(len(rounds) == network["rounds"] >= 3 for rounds in network["every"].values())
