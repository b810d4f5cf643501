"""Exercises that answer back: `check("label")` judges an answer, `progress()` counts the solved.

`answers/` holds inputs, results, and what common mistakes give, made by `python -m tools.answers`.
Numbers agree within 0.0001, relative or absolute; lists, arrays and tensors count the same.
"""

import copy
import hashlib
import io
import json
import math
import random
import sys
import textwrap
from collections import namedtuple
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from linecache import getline
from numbers import Real
from pathlib import Path
from traceback import walk_tb
from typing import Any

ANSWERS = Path(__file__).with_name("answers")
REPORT = "the authors of the book"  # an address, in notebooks that run by themselves
TOLERANCE = {"rel_tol": 1e-4, "abs_tol": 1e-4}
RIGHT, WRONG, WAITING = "✓", "✗", "○"
SLIPS = (NameError, AttributeError, NotImplementedError)  # errors that refuse no input
Crash = namedtuple("Crash", "error line")  # the line of the student's code that led to it
solved: dict[str, dict[str, bool]] = {}  # by section and label, since the kernel started


def check(label: str) -> None:
    """Print what there is to say about the answer to an exercise."""
    sign, text = WAITING, f"No exercise is called {label!r}."
    for path in ANSWERS.glob("*.json"):
        exercises = json.loads(path.read_text(encoding="utf-8"))
        if label in exercises:
            sign, text = judge(exercises[label], sys._getframe(1).f_globals)
            state = solved.setdefault(path.stem.replace("_", "."), dict.fromkeys(exercises, False))
            state[label] = sign == RIGHT
    print(sign, text)


def progress() -> None:
    """Print how many exercises are solved, in each section of which one was tried."""
    for section, state in solved.items():
        print(f"{section}: {sum(state.values())} of {len(state)} solved")
    print(f"Is a verdict wrong? Send your code and the name of the check to {REPORT}.")


def judge(exercise: dict[str, Any], namespace: dict[str, Any]) -> tuple[str, str]:
    """Verdict on what a namespace holds under the exercise's name: a sign and the words."""
    if (name := exercise["name"]) not in namespace:
        return WAITING, f"Waiting for `{name}`: no cell that ran defines it."
    if "parts" in exercise:
        return judge_values(name, exercise, namespace[name])
    if not callable(namespace[name]):
        return WRONG, f"`{name}` should be a function; it is {show(plain(namespace[name]))}."
    return judge_code(exercise, namespace)


def judge_values(name: str, exercise: dict[str, Any], given: Any) -> tuple[str, str]:
    """Judge numbers, shapes and choices: one, or a dictionary of them."""
    salt, parts = exercise["salt"], exercise["parts"]
    answers = {"": given} if "" in parts else given
    if not isinstance(answers, dict) or parts.keys() - answers.keys():
        return WRONG, f"`{name}` should be a dictionary with the keys {', '.join(parts)}."
    given = {k: plain(answers[k]) for k in parts}
    codes = {k: digest(salt + k, given[k], p["digits"], "set" in p) for k, p in parts.items()}
    missing = [k for k, answer in given.items() if answer is None or "Ellipsis" in repr(answer)]
    right = [k for k, part in parts.items() if codes[k] == part["right"]]
    rest = [(codes[k], part) for k, part in parts.items() if k not in right + missing]
    wrong = [part["wrong"].get(code, part["otherwise"]) for code, part in rest]
    if len(missing) == len(parts):
        return WAITING, f"Waiting for `{name}`: your answer goes in place of `...`."
    if len(right) == len(parts):
        return RIGHT, exercise["shows"]
    counts = [f"{w}: {', '.join(k)}." for w, k in (("Right", right), ("Open", missing)) if k]
    return WRONG if wrong else WAITING, "\n  ".join(filter(None, [" ".join(counts), *wrong]))


def judge_code(exercise: dict[str, Any], namespace: dict[str, Any]) -> tuple[str, str]:
    """Judge a function by its results in all cases, and by what it was to do without."""
    name, cases, used = exercise["name"], exercise["cases"], set[str]()
    watch = "without" in exercise and (lambda *seen: note(used, namespace, namespace[name], *seen))
    came = [attempt(case, exercise["inputs"], namespace, watch) for case in cases]
    crashes = [outcome for outcome in came if isinstance(outcome, Crash)]
    if lines := [line for _, line in crashes if "raise NotImpl" in line]:
        return WAITING, f"Waiting for `{name}`: replace {lines[0].split(':')[0]} with your code."
    here = [e for e, _ in crashes if not e.__traceback__.tb_next.tb_next]  # in the call itself
    if missing := [e.name for e in here if isinstance(e, NameError)]:
        return WAITING, f"Waiting for `{missing[0]}`: no cell that ran defines it."
    if all(o is None for o in came) or [getattr(e, "obj", 0) for e in here] == [None] * len(came):
        return WRONG, f"`{name}` returns None. Did you forget `return`?"
    if not (wrong := [k for k, case in enumerate(cases) if not agree(came[k], case["result"])]):
        if short := [n for n in exercise.get("without", ()) if n in used]:
            return WRONG, f"Right in all cases, but the exercise is to do without `{short[0]}`."
        return RIGHT, exercise["shows"]
    right = {str(k): case["result"] for k, case in enumerate(cases)}
    said = [m["says"] for m in exercise["mistakes"] if explains(right | m["results"], came, wrong)]
    k = min(wrong, key=lambda k: (bool(said) and isinstance(came[k], Crash), cases[k]["size"]))
    said.append(f"Wrong in {len(wrong)} of {len(cases)} cases. The smallest of them:")
    return WRONG, "\n    ".join([said[0], *counterexample(cases[k], came[k])])


def note(used: set[str], home: dict, answer: Any, frame: Any, event: str, called: Any) -> None:
    """Add to `used` what an answer calls, itself or through others: a function for a profiler."""
    cell = getattr(getattr(answer, "__code__", None), "co_filename", None)
    scope = getattr({"call": frame.f_back, "c_call": frame}.get(event), "f_globals", {})
    if event == "call" and frame.f_code.co_filename == cell:  # its own function: what that names
        used.update({*frame.f_code.co_names} - home.keys())
    elif scope is home or str(scope.get("__name__")).startswith(("torch.nn", "helpers.sections")):
        used.add(getattr(called, "__name__", frame.f_code.co_name))


def attempt(case: dict[str, Any], dtype: str, namespace: dict[str, Any], watch: Any = None) -> Any:
    """What a call returns, in plain numbers, or a `Crash`; its inputs are made anew."""
    inputs = copy.deepcopy(case["inputs"])
    for name in [name for name, value in inputs.items() if dtype and isinstance(value, list)]:
        import torch  # only here: numbers are judged without it

        inputs[name] = torch.tensor(inputs[name], dtype=getattr(torch, dtype))
    with ExitStack() as stack, redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        stack.callback(random.setstate, random.getstate())  # leave the random states as they are
        for library, state in {"numpy.random": "state", "torch": "rng_state"}.items():
            if at := sys.modules.get(library):
                stack.callback(getattr(at, f"set_{state}"), getattr(at, f"get_{state}")())
        stack.callback(sys.setprofile, sys.getprofile())
        sys.setprofile(watch or sys.getprofile())
        try:
            return plain(eval(case["call"], {**namespace, **inputs}))
        except Exception as error:
            steps = [s for s in walk_tb(error.__traceback__) if s[0].f_globals is namespace]
            lines = [f"line {n}: {getline(f.f_code.co_filename, n).strip()}" for f, n in steps]
            return Crash(error, lines[-1] if lines else "")


def explains(results: dict[str, Any], came: list[Any], wrong: list[int]) -> bool:
    """Whether a mistake gives all results that came, and one of them, or its crashes, is wrong."""
    values = [k for k, outcome in enumerate(came) if not isinstance(outcome, Crash)]
    ours = [type(o.error).__name__ if isinstance(o, Crash) else None for o in came]
    theirs = [r["raises"] if isinstance(r, dict) else None for r in results.values()]
    told = ours == theirs or any(k in wrong and 0 not in shape(came[k]) for k in values)
    return bool(told and values) and all(agree(came[k], results[str(k)]) for k in values)


def agree(outcome: Any, result: Any) -> bool:
    """Whether an outcome is the expected one: a value, or the refusal of senseless inputs."""
    if isinstance(result, dict):
        return isinstance(outcome, Crash) and not isinstance(outcome.error, SLIPS)
    if isinstance(result, list) and isinstance(outcome, list):
        return len(outcome) == len(result) and all(map(agree, outcome, result))
    if isinstance(result, Real) and isinstance(outcome, Real):
        return f"{outcome}{result}" == "nannan" or math.isclose(outcome, result, **TOLERANCE)
    return type(outcome) is type(result) and outcome == result


def counterexample(case: dict[str, Any], outcome: Any) -> list[str]:
    """The inputs, the call, what came and what was expected."""
    result, inputs = case["result"], [f"{n} = {show(v)}" for n, v in case["inputs"].items()]
    came = show(outcome) + ": did you forget `return` in one branch?" * (outcome is None)
    expected = "an error: no result is right here" if isinstance(result, dict) else show(result)
    if () != shape(outcome) != shape(result) != ():
        came, expected = f"{came}, shape {shape(outcome)}", f"{expected}, shape {shape(result)}"
    return [*inputs, case["call"], f"came      {came}", f"expected  {expected}"]


def plain(value: Any) -> Any:
    """Numbers, and lists of lists, in place of tensors, arrays, tuples and sets."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value), key=str)
    return [plain(item) for item in value] if isinstance(value, list | tuple | range) else value


def shape(value: Any) -> tuple[int, ...]:
    inner = {*map(shape, value)} if isinstance(value, list) else None  # two in [W, b]
    return () if inner is None else (len(value), *(inner.pop() if len(inner) == 1 else ()))


def show(value: Any) -> str:  # a value or a crash, cut short
    if isinstance(value, Crash):
        said = textwrap.shorten(f"{type(value.error).__name__}: {value.error}", 90)
        return f"{said}\n              in {value.line}" if value.line else said
    if isinstance(value, list):
        rows = [*map(show, value[:8]), *["…"][: len(value) > 8]]
        tall = isinstance(value[0] if value else 0, list) and sum(map(len, rows)) > 50
        return "[" + (f",\n{' ' * 15}" if tall else ", ").join(rows) + "]"
    return f"{value + 0:.5g}" if isinstance(value, float) else textwrap.shorten(repr(value), 60)


def digest(salt: str, answer: Any, digits: int, unordered: bool = False) -> str:
    """Hash of an answer, hidden from a glance, in one of its spellings; numbers are rounded."""
    if isinstance(answer, list):
        answer = (sorted if unordered else list)(digest("", item, digits) for item in answer)
    elif isinstance(answer, Real) and math.isfinite(answer):
        answer = f"{round(float(answer), digits) + 0.0:.{digits}f}"
    text = " ".join([salt, *str(answer).casefold().replace("×", "x").split()])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
