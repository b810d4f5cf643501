"""Checks answer like a good teacher, whatever comes."""

import json
import linecache
import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from helpers import checking
from helpers.checking import RIGHT, WAITING, WRONG, digest, judge
from tools.pages import ROOT

DOUBLE = {
    "name": "double",
    "shows": "Twice is twice.",
    "inputs": "float32",
    "cases": [
        {"call": "double(X)", "inputs": {"X": [[1, 2, 3], [4, 5, 6]]}, "size": 12}
        | {"result": [[2, 4, 6], [8, 10, 12]]},
        {"call": "double(X)", "inputs": {"X": [[1, -2]]}, "size": 4, "result": [[2, -4]]},
        {"call": "double(X, 0.5)", "inputs": {"X": [[1]]}, "size": 2, "result": [[0.333333]]},
        {
            "call": "double(X)",
            "inputs": {"X": [7]},
            "size": 101,
            "result": {"raises": "ValueError"},
        },
    ],
    "mistakes": [
        {"says": "Squared. Not so.", "results": {"0": [[1, 4, 9], [16, 25, 36]], "1": [[1, 4]]}},
        {"says": "Turned. Not so.", "results": {"0": [[2, 8], [4, 10], [6, 12]], "1": [[2], [-4]]}},
        {"says": "Crashes.", "results": {"0": {"raises": "KeyError"}, "1": {"raises": "KeyError"}}},
    ],
}
HEAD = """
def double(X, third=None):
    if X.ndim == 1:
        raise ValueError("a matrix is wanted")
    if third:
        return X / 3
"""


def judged(code: str, exercise=DOUBLE, **names) -> tuple[str, str]:
    """The verdict on some code, as a cell that was run."""
    linecache.cache["<cell>"] = len(code), None, code.splitlines(keepends=True), "<cell>"
    namespace = {"torch": torch, "np": np, **names}
    exec(compile(code, "<cell>", "exec"), namespace)
    return judge(exercise, namespace)


@pytest.mark.parametrize(
    "line",
    [
        "return X * 2",
        "return X.double() * 2",
        "return X.half() * 2",
        "return (X * 2).tolist()",
        "return tuple(map(tuple, (X * 2).tolist()))",
        "return [[np.float32(v * 2) for v in row.tolist()] for row in X]",
        "return [[v * 2 for v in row] for row in X]",
        "return np.asarray(X) * 2",
        "return torch.nn.Parameter(X * 2)",
        "X *= 2\n    return X",
        "X += X\n    return X",
        "return X * 2 + 1e-6",
        "print('on my way')\n    return X * 2",
    ],
)
def test_right_answers_of_every_form(line, capsys):
    assert judged(f"{HEAD}    {line}") == (RIGHT, "Twice is twice.")
    assert capsys.readouterr().out == ""


def test_the_smallest_wrong_case_is_shown():
    sign, text = judged(f"{HEAD}    return X * 3")
    assert sign == WRONG
    assert text.split("\n    ") == [
        "Wrong in 2 of 4 cases. The smallest of them:",
        "X = [[1, -2]]",
        "double(X)",
        "came      [[3, -6]]",
        "expected  [[2, -4]]",
    ]


def test_a_mistake_is_named_where_it_explains_all_results():
    sign, text = judged(f"{HEAD}    return X * X")
    assert sign == WRONG and text.startswith("Squared. Not so.\n")
    only_one = f"{HEAD}    return X * X if X.shape[0] == 1 else X"
    assert judged(only_one)[1].startswith("Wrong in 2 of 4 cases.")


def test_a_mistake_is_named_though_the_code_crashes_on_other_cases():
    code = f"{HEAD}    if len(X) == 1:\n        raise IndexError\n    return X * X"
    text = judged(code)[1]
    assert text.startswith("Squared. Not so.\n") and "came      [[1, 4, 9], [16, 25, 36]]" in text


def test_an_empty_result_names_a_mistake_only_if_nothing_crashes():
    mistakes = [{"says": "Empty.", "results": {"0": [], "1": []}}]
    exercise = DOUBLE | {"mistakes": mistakes}
    assert judged(f"{HEAD}    return X[:0]", exercise)[1].startswith("Empty.")
    crash = f"{HEAD}    return X[:0] if len(X) == 1 else X.reshape(7)"
    assert judged(crash, exercise)[1].startswith("Wrong in 2 of 4 cases.")


def test_crashes_alone_are_named_only_if_they_are_the_same():
    assert judged(f"{HEAD}    return X['']")[1].startswith("Wrong")
    assert judged(f"{HEAD}    return {{}}['']")[1].startswith("Crashes.")


def test_an_exception_is_shown_with_its_line():
    text = judged(f"{HEAD}    Y = X * 2\n    return Y.reshape(7)")[1]
    assert "RuntimeError: shape '[7]' is invalid" in text and "Traceback" not in text
    assert "in line 8: return Y.reshape(7)" in text


def test_a_missing_refusal_is_wrong_and_a_misspelt_name_is_none():
    code = "def double(X, third=None):\n    return X / 3 if third else X * 2"
    assert "expected  an error" in judged(code)[1]
    misspelt = HEAD.replace("ValueError", "ValuError") + "    return X * 2"
    assert "NameError" in judged(misspelt)[1]


@pytest.mark.parametrize(
    ("code", "sign", "words"),
    [
        ("", WAITING, "no cell that ran defines it"),
        (
            "def double(X, third=None):\n    raise NotImplementedError  # your code",
            WAITING,
            "replace line 2 with",
        ),
        ("def double(X, third=None):\n    X * 2", WRONG, "Did you forget `return`?"),
        (f"{HEAD}    X * 2", WRONG, "None: did you forget `return` in one branch?"),
        ("double = 3", WRONG, "should be a function; it is 3"),
        (f"{HEAD}    return X[0] * 2", WRONG, "came      [2, -4], shape (2,)"),
        (f"{HEAD}    return [X * 2, X[0]]", WRONG, "came      [[[2, -4]], [1, -2]], shape (2,)\n"),
        (f"{HEAD}    return 'two'", WRONG, "came      'two'"),
        (f"{HEAD}    raise NotImplementedError", WAITING, "replace line 7 with"),
    ],
)
def test_what_else_can_come(code, sign, words):
    came, text = judged(code)
    assert came == sign and words in text


ENDS = (0, 1)
CALLS = [{"call": f"double(start).shape[{k}]", "inputs": {}, "result": 1, "size": 1} for k in ENDS]


@pytest.mark.parametrize(
    ("code", "names", "sign", "words"),
    [
        ("return X", {}, WAITING, "Waiting for `start`: no cell that ran defines it."),
        ("X", {"start": 1}, WRONG, "`double` returns None. Did you forget `return`?"),
        ("return None", {"start": 1}, WRONG, "`double` returns None. Did you forget `return`?"),
        ("return strat", {"start": 1}, WRONG, "NameError: name 'strat' is not defined"),
        ("return X.none.shape", {"start": 1}, WRONG, "'int' object has no attribute 'none'"),
        ("return (lambda y: y.x)(None)", {"start": 1}, WRONG, "AttributeError: 'NoneType' object"),
    ],
)
def test_what_fails_in_the_call_of_a_case_and_what_in_the_answer(code, names, sign, words):
    exercise = {"name": "double", "inputs": "", "cases": CALLS, "mistakes": [], "shows": ""}
    came, text = judged(f"def double(X):\n    {code}\n", exercise, **names)
    assert came == sign and words in text


def test_an_error_of_a_library_does_not_make_a_check_wait():
    line = "return torch.nn.functional.pad(X, (1, 1, 1, 1, 1, 1, 1, 1), mode='reflect')"
    assert judged(f"{HEAD}    {line}")[0] == WRONG


def test_what_does_all_the_work_may_be_ruled_out():
    ruled = DOUBLE | {"without": ["multiply", "mul"]}
    text = "Right in all cases, but the exercise is to do without `mul`."
    assert judged(f"{HEAD}    return torch.mul(X, 2)", ruled) == (WRONG, text)
    assert judged(f"{HEAD}    return X * 2", ruled)[0] == RIGHT
    assert "without" not in judged(f"{HEAD}    return torch.mul(X, 3)", ruled)[1]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("    def go():\n        return torch.mul(X, 2)\n    return go()", "mul"),
        ("    return torch.stack([*map(lambda x: x.mul(2), X)])", "mul"),
        ("    return helper(X)\n\n\ndef helper(X):\n    return X.mul(2)", "mul"),
        ("    return getattr(torch, 'mul')(X, 2)", "mul"),
        ("    return lesson(X)", "lesson"),
        ("    return [*map(lesson, X)]", "lesson"),
        ("    return torch.nn.ReflectionPad2d(0)(X[None])[0] * 2", "pad"),
        ("    return np.maximum(X.numpy(), X.numpy()) * 2", "maximum"),
        ("    return torch.tensor([[max(v, v) * 2 for v in row] for row in X.tolist()])", "max"),
        ("    def mul(a, b):\n        return a * b\n    return mul(X, 2)", None),
        ("    return mul(X)\n\n\ndef mul(X):\n    return X * 2", None),
        ("    print(X)\n    return X * 2", None),  # printing takes a maximum
    ],
)
def test_what_is_ruled_out_is_seen_however_deep(code, name):
    ruled = DOUBLE | {"without": ["mul", "lesson", "pad", "max", "maximum"]}
    lesson = {}
    exec(compile("def lesson(X):\n    return X * 2", "<another cell>", "exec"), lesson)
    sign, text = judged(HEAD + code, ruled, lesson=lesson["lesson"])
    assert sign == (WRONG if name else RIGHT), text
    assert text == (
        f"Right in all cases, but the exercise is to do without `{name}`."
        if name
        else "Twice is twice."
    )
    assert sys.getprofile() is None


def test_random_states_are_left_alone():
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    line = "torch.manual_seed(1), np.random.seed(1), __import__('random').seed(1)"
    judged(f"{HEAD}    {line}\n    return X * 2")
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected


# Values.


def part(salt: str, right, wrong=(), digits: int = 6) -> dict:
    unordered = isinstance(right, set)
    return {
        "right": digest(salt, checking.plain(right), digits, unordered),
        "wrong": {digest(salt, w, digits, unordered): f"because of {w}" for w in wrong},
        "otherwise": "no",
        "digits": digits,
    } | ({"set": True} if unordered else {})


TWO = {
    "name": "sizes",
    "salt": "two",
    "shows": "Well.",
    "parts": {"a": part("twoa", (2, 3), [[3, 2]]), "b": part("twob", 2 / 3, [1], digits=2)},
}
SET = {"name": "sizes", "salt": "", "shows": "Well.", "parts": {"": part("", {"x", "y"})}}


@pytest.mark.parametrize("a", [(2, 3), [2, 3], torch.Size([2, 3]), np.array([2, 3]), (2.0, 3.0)])
@pytest.mark.parametrize("b", [2 / 3, 0.67, np.float32(0.6667), torch.tensor(0.67)])
def test_right_values_of_every_form(a, b):
    assert judge(TWO, {"sizes": {"a": a, "b": b}}) == (RIGHT, "Well.")


@pytest.mark.parametrize(
    ("given", "sign", "text"),
    [
        ({"a": ..., "b": ...}, WAITING, "your answer goes in place of `...`"),
        ({"a": (..., 3), "b": None}, WAITING, "your answer goes in place of `...`"),
        ({"a": (2, 3), "b": ...}, WAITING, "Right: a. Open: b."),
        ({"a": (3, 2), "b": ...}, WRONG, "Open: b.\n  because of [3, 2]"),
        ({"a": (3, 2), "b": 0.67}, WRONG, "Right: b.\n  because of [3, 2]"),
        ({"a": "two", "b": 1}, WRONG, "no\n  because of 1"),
        ({"a": (2, 3)}, WRONG, "should be a dictionary with the keys a, b"),
        ((2, 3), WRONG, "should be a dictionary with the keys a, b"),
    ],
)
def test_other_values(given, sign, text):
    came, said = judge(TWO, {"sizes": given})
    assert came == sign and text in said


@pytest.mark.parametrize("given", [{"x", "y"}, {" X", "Y"}, ["x", "y"], ["y", "×"]])
def test_choices_of_several_spellings(given):
    assert judge(SET, {"sizes": given})[0] == RIGHT
    assert judge(SET, {"sizes": {"x"}})[0] == WRONG


# In a namespace.


@pytest.fixture
def two_exercises(tmp_path, monkeypatch):
    text = json.dumps({"double": DOUBLE, "two": TWO})
    (tmp_path / "9_9.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr(checking, "ANSWERS", tmp_path)
    monkeypatch.setattr(checking, "solved", {})


def test_a_check_finds_the_answer_where_it_is_called(two_exercises, capsys):
    namespace = {"check": checking.check, "progress": checking.progress}
    exec("check('two')\nsizes = {'a': (2, 3), 'b': 0.67}\ncheck('two')\nprogress()", namespace)
    waiting, right, counted, report = capsys.readouterr().out.splitlines()
    assert waiting == "○ Waiting for `sizes`: no cell that ran defines it."
    assert (right, counted) == ("✓ Well.", "9.9: 1 of 2 solved")
    assert report.startswith("Is a verdict wrong? Send your code")
    exec("sizes = {'a': 0, 'b': 0}\ncheck('two')\nprogress()\ncheck('three')", namespace)
    said = capsys.readouterr().out
    assert "9.9: 0 of 2 solved" in said and "○ No exercise is called 'three'." in said


def test_it_imports_nothing_beyond_python_and_is_short():
    code = (
        "import sys; import helpers.checking; print({'torch', 'numpy', 'd2l'} & set(sys.modules))"
    )
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "set()\n"
    lines = (ROOT / "helpers" / "checking.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 200
