"""Claims about recorded runs: each is made again, on the numbers that its recording keeps.

A claim must also be red on numbers that break it: without any one of its arguments' numbers, and
where its numbers are all the same, in another order, or scattered.
"""

import ast
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from helpers import claims
from helpers.claims import CLAIM_TYPE, decode, encode, recorded, run_keys, verdict
from helpers.history import History
from tools.pages import find_pages, recording_of

LENET = History("LeNet", "", "", "CPU", 10, (28, 28), 3, 4, 5)


def run(*accuracies: float) -> History:
    return History(**asdict(LENET) | {"val_acc": list(accuracies), "val_loss": [0.5, 0.25]})


def claim_of(source: str) -> Callable[..., str]:
    """The one function of a claims cell, undecorated."""
    found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    (function,) = [f for f in found if "recorded" in map(ast.unparse, f.decorator_list)]
    function.decorator_list = []
    namespace: dict[str, Any] = {}
    exec(compile(ast.Module([function], []), "<claim>", "exec"), namespace)
    return namespace[function.name]


def faults(cell: NotebookNode) -> Iterator[str]:
    """What is wrong with a recorded claim, in words."""
    shown = [o.data for o in cell.outputs if CLAIM_TYPE in o.get("data", {})]
    if len(shown) != 1:
        yield f"{len(shown)} verdicts"
        return
    kept, claim = shown[0][CLAIM_TYPE], claim_of(cell.source)
    arguments = kept["arguments"]
    if said(claim, arguments) != kept["verdict"] or kept["verdict"] != shown[0]["text/plain"]:
        yield f"{said(claim, arguments)!r} on its own numbers; the page says {kept['verdict']!r}"
        return
    for name, value in arguments.items():
        without = arguments | {name: encode(replaced(decode(value), lambda _: math.nan))}
        if said(claim, without) is not None:
            yield f"holds whatever the numbers of {name!r} are"
    if all(said(claim, {k: encode(v) for k, v in other.items()}) for other in broken(arguments)):
        yield "holds on equal numbers, in another order, and on scattered ones"


def said(claim: Callable[..., str], arguments: dict[str, Any]) -> str | None:
    """The verdict; None where the claim does not hold, or cannot be made of such numbers."""
    try:
        return verdict(claim, arguments)
    except (AssertionError, ArithmeticError, LookupError, TypeError, ValueError):
        return None


def replaced(value: Any, number: Callable[[float], float]) -> Any:
    """The value with other numbers in it."""
    if isinstance(value, History):
        return History(**{k: replaced(v, number) for k, v in vars(value).items()})
    if isinstance(value, dict):
        return {k: replaced(v, number) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replaced(v, number) for v in value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return number(value) if is_number else value


def broken(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Arguments that a claim about differences, an order or closeness does not survive."""
    values = {name: decode(value) for name, value in arguments.items()}
    yield replaced(values, lambda _: 0.5)
    counter = itertools.count()
    yield replaced(values, lambda _: (-10.0) ** next(counter))
    if len(values) > 1:
        yield dict(zip(values, reversed(values.values()), strict=True))
    else:
        yield {name: turned(value) for name, value in values.items()}


def turned(value: Any) -> Any:
    """A list or a dictionary with its values in the other order."""
    if isinstance(value, dict):
        return dict(zip(value, reversed(value.values()), strict=True))
    return value[::-1] if isinstance(value, list | tuple) else value


def test_every_recorded_claim_holds_on_its_numbers_and_is_red_on_others():
    found = {}
    for page in find_pages():
        for number, cell in enumerate(nbformat.read(recording_of(page), as_version=4).cells):
            tags = set(cell.metadata.get("tags", []))
            if "recorded-claims" in tags:
                assert "nbval-ignore-output" in tags, f"{page.stem}, cell {number}"
                found[f"{page.stem}, cell {number}"] = list(faults(cell))
            else:
                assert "@recorded\n" not in cell.source, f"{page.stem}, cell {number}: no tag"
    assert {where: wrong for where, wrong in found.items() if wrong} == {}


LEADS = """
@recorded
def relu_leads(sigmoid, relu):
    gap = relu.val_acc[-1] - sigmoid.val_acc[-1]
    assert gap > 0.05
    return f"ReLU ends ahead of the sigmoid, by {gap:.2f}"
"""
CLOSE = """
@recorded
def alike(runs):
    ends = [run.val_acc[-1] for run in runs.values()]
    assert max(ends) - min(ends) < 0.01 and statistics.mean(ends) > 0.8
    return "three seeds end within 0.01"
"""


def make(source: str, monkeypatch, profile: str = "full", **page: Any) -> NotebookNode:
    """Execute a claims cell where these names stand on the page; return it with its output."""
    bundles = []
    monkeypatch.setattr(claims, "display", lambda data, raw: bundles.append(data))
    monkeypatch.setenv("BOOK_PROFILE", profile)
    exec(source, {"recorded": recorded} | page)
    outputs = [nbformat.v4.new_output("display_data", data=data) for data in bundles]
    return nbformat.v4.new_code_cell(source.strip(), outputs=outputs)


@pytest.fixture
def leads(monkeypatch):
    return make(LEADS, monkeypatch, sigmoid=run(0.1, 0.7), relu=run(0.5, 0.875))


def test_a_claim_shows_its_verdict_and_what_it_rests_on(leads):
    data = nbformat.from_dict(leads.outputs[0]).data
    assert data["text/plain"] == "ReLU ends ahead of the sigmoid, by 0.18"
    kept = data[CLAIM_TYPE]
    assert (kept["claim"], kept["verdict"]) == ("relu_leads", data["text/plain"])
    assert decode(kept["arguments"]["relu"]) == run(0.5, 0.875)
    assert not list(faults(leads))


def test_a_claim_about_closeness_is_red_where_the_runs_are_not_close(monkeypatch):
    runs = {("ReLU", seed): run(0.9 + seed / 1000) for seed in range(3)}
    assert not list(faults(make(CLOSE, monkeypatch, runs=runs)))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda c: c.outputs.clear(), "0 verdicts"),
        (lambda c: c.update(source=c.source.replace("> 0.05", "> 0.2")), "None on its own numbers"),
        (lambda c: c.update(source=c.source.replace("ahead of", "before")), "the page says"),
        (
            lambda c: (
                c.outputs[0].data[CLAIM_TYPE]["arguments"]["relu"].update(encode(run(0.5, 0.8)))
            ),
            "by 0.10' on its own numbers",
        ),
    ],
    ids=["no-output", "other-bound", "other-words", "other-numbers"],
)
def test_a_claim_that_is_not_the_one_of_the_page_is_red(leads, change, fault):
    change(leads)
    assert any(fault in f for f in faults(leads))


def test_a_claim_that_cannot_fail_is_red(monkeypatch):
    idle = LEADS.replace("assert gap > 0.05", "assert gap < 9").replace("{gap:.2f}", "far")
    page = {"sigmoid": run(0.1, 0.7), "relu": run(0.5, 0.875)}
    assert list(faults(make(idle.replace("gap < 9", "True"), monkeypatch, **page))) == [
        "holds whatever the numbers of 'sigmoid' are",
        "holds whatever the numbers of 'relu' are",
        "holds on equal numbers, in another order, and on scattered ones",
    ]
    unused = LEADS.replace("sigmoid.val_acc[-1]", "0.5")
    (fault,) = faults(make(unused, monkeypatch, **page))
    assert fault == "holds whatever the numbers of 'sigmoid' are"


def test_at_check_nothing_is_claimed(monkeypatch):
    page = {"sigmoid": run(0.9), "relu": run(0.1)}
    page["relu"].key = "which run"
    data = make(LEADS, monkeypatch, "check", **page).outputs[0].data
    assert data["text/plain"] == claims.NOT_HERE
    assert data[CLAIM_TYPE] == {
        "claim": "relu_leads", "verdict": None, "arguments": {}, "keys": ["which run"]
    }  # fmt: skip


def test_a_claim_that_does_not_hold_stops_a_recording_and_tells_a_reader(monkeypatch):
    page = {"sigmoid": run(0.9), "relu": run(0.1)}
    with pytest.raises(AssertionError):
        make(LEADS, monkeypatch, "full", **page)
    cell = make(LEADS, monkeypatch, "quick", **page)
    assert cell.outputs[0].data["text/plain"] == claims.NOT_IN_THESE
    assert any("None on its own numbers" in fault for fault in faults(cell))


def test_a_claim_sees_nothing_but_its_arguments(monkeypatch):
    reads = "@recorded\ndef leads(relu):\n    assert relu.val_acc[-1] > bound\n    return 'leads'"
    with pytest.raises(NameError, match="'bound' is not defined"):
        make(reads, monkeypatch, relu=run(0.5), bound=0.1)
    with pytest.raises(NameError, match="leads asks for {'relu'}: not on the page"):
        make(reads, monkeypatch)
    with pytest.raises(TypeError, match="not about set"):
        make(reads, monkeypatch, relu={1})
    with pytest.raises(ValueError, match="leads returns None: return one line"):
        make("@recorded\ndef leads(relu): pass", monkeypatch, relu=run(0.5))


def test_values_come_back_from_json_as_they_were():
    import json

    import numpy as np
    import torch

    value = {("ReLU", 1): [run(0.5), math.inf, (1, True)], "none": {"x": None}, 3: 0.25}
    assert decode(json.loads(json.dumps(encode(value), allow_nan=False))) == value
    assert math.isnan(decode(encode(math.nan)))
    assert encode(torch.ones(2, 1)) == [[1.0], [1.0]] and encode(np.float64(0.5)) == 0.5


def test_the_keys_of_all_runs_are_kept():
    first, second = run(0.1), run(0.2)
    first.key, second.key = "a", "b"
    assert run_keys({"x": [first, (second, run(0.3), 4)]}) == ["a", "b"]
