"""The exercises, and the data by which their checks judge: each verdict is what it should be."""

import ast
import gzip
import json
import linecache
import random
import re
import signal
import time
from contextlib import contextmanager

import pytest
import torch

from exercises import Code, Part, Values, exercises_of, sections
from helpers import checking
from tests.tools.mutants import mutants
from tools.answers import (
    ANSWERS,
    answers_of,
    cells_of,
    code_of,
    execute,
    judged_values,
    numbers,
    page_of,
    results,
    rounded,
    solution_of,
    source_of,
)
from tools.lift import lift

ALL = [(section, exercise) for section in sections() for exercise in exercises_of(section)]
of_every_section = pytest.mark.parametrize("section", sections())
of_every_exercise = pytest.mark.parametrize(
    ("section", "exercise"), ALL, ids=lambda value: getattr(value, "label", value)
)
TRAINING = {"alexnet-overfit", "alexnet-lenet", "alexnet-small", "googlenet-starts"}  # solutions
CODE = [(section, exercise) for section, exercise in ALL if isinstance(exercise, Code)]
of_all_code = pytest.mark.parametrize(
    ("section", "exercise"), CODE, ids=lambda value: getattr(value, "label", value)
)


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors: on a busy machine, threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def entry(section: str, exercise: Code | Values) -> dict:
    text = (ANSWERS / f"{section}.json").read_text(encoding="utf-8")
    return json.loads(text)[exercise.label]


def verdict(section: str, exercise: Code, code: str) -> tuple[str, str]:
    return checking.judge(entry(section, exercise), execute(section, code))


def plain(text: str) -> str:
    """A verdict without its line breaks."""
    return " ".join(text.split())


@of_every_section
def test_the_data_are_in_step_with_the_exercises_and_small(section):
    kept = (ANSWERS / f"{section}.json").read_text(encoding="utf-8")
    assert kept == answers_of(section), "python -m tools.answers"
    assert len(gzip.compress(kept.encode(), mtime=0)) <= 15_000


def test_results_have_six_digits_and_no_rest_of_a_rounding():
    assert rounded([1 / 3, -1.5308e-17, 2.0, [0.1 + 0.2 - 0.3]]) == [0.333333, 0, 2, [0]]


@of_every_section
def test_a_section_asks_for_enough(section):
    exercises = exercises_of(section)
    assert len(exercises) >= 5
    assert sum(isinstance(exercise, Code) for exercise in exercises) >= 3
    assert any(isinstance(exercise, Values) for exercise in exercises)
    labels = [label for label, tags, _ in cells_of(section) if "check" in tags]
    assert {exercise.label for exercise in exercises} == set(labels)


@of_every_exercise
def test_the_cells_of_an_exercise_come_in_order(section, exercise):
    cells = [(tags, source) for label, tags, source in cells_of(section) if label == exercise.label]
    kinds = [next(iter(tags & {"starter", "check", "solution"}), "run") for tags, _ in cells]
    assert re.fullmatch("starter check (run )*(solution ?)+", " ".join(kinds)), kinds
    call = f'check("{exercise.label}")'
    assert cells[1][1] == call and cells[-1][1].endswith(call)


@of_every_section
def test_between_a_starter_and_its_check_stand_hints_alone(section):
    cell = r"^```\{code-cell\}[^\n]*\n:tags: \[%s\]\n"
    pattern = cell % "starter" + r".*?^```$(.*?)" + cell % "check"
    found = re.findall(pattern, source_of(section), flags=re.S | re.M)
    assert len(found) == len(exercises_of(section))
    for between in found:
        rest = re.sub(r"^```\{hint\}\n:class: dropdown\n.*?^```$", "", between, flags=re.S | re.M)
        assert not rest.strip() and "{hint}" in between


@pytest.mark.parametrize(
    ("section", "exercise"),
    [pytest.param(*each, marks=[pytest.mark.slow] * (each[1].label in TRAINING)) for each in ALL],
    ids=lambda value: getattr(value, "label", value),
)
def test_a_starter_waits_and_the_solution_is_right(section, exercise, capsys):
    """As it stands on the page: in any order, without what other exercises define."""
    sources = {
        tag: source
        for label, tags, source in cells_of(section)
        for tag in tags & {"starter", "solution"}
        if label == exercise.label
    }
    namespace = dict(vars(lift(page_of(section).stem))) | {"check": checking.check}
    starter = sources["starter"] + f'\ncheck("{exercise.label}")'
    linecache.cache["<starter>"] = len(starter), None, starter.splitlines(True), "<starter>"
    exec(compile(starter, "<starter>", "exec"), namespace)
    assert capsys.readouterr().out.startswith(checking.WAITING)
    exec(sources["solution"], namespace)
    assert f"\n{checking.RIGHT} " in "\n" + capsys.readouterr().out


@of_all_code
def test_a_second_right_answer_is_right(section, exercise):
    assert ast.dump(ast.parse(exercise.second)) != ast.dump(
        ast.parse(solution_of(section, exercise.label))
    )
    sign, text = verdict(section, exercise, exercise.second)
    assert sign == checking.RIGHT, text


@of_all_code
def test_every_mistake_is_called_by_its_name(section, exercise):
    assert len(exercise.mistakes) >= 3
    solution = solution_of(section, exercise.label)
    for mistake in exercise.mistakes:
        sign, text = verdict(section, exercise, code_of(mistake, solution))
        assert sign == checking.WRONG and text.startswith(mistake.name), text
        assert plain(f"{mistake.name}. {mistake.says}") in plain(text)


@of_all_code
def test_a_counterexample_is_small(section, exercise):
    for case in entry(section, exercise)["cases"]:
        assert numbers([*case["inputs"].values()]) <= 12 + len(case["inputs"]), case


@of_all_code
def test_the_cases_are_not_too_regular(section, exercise):
    """Not all square, not symmetric, some by default arguments."""
    for case in entry(section, exercise)["cases"]:
        shapes = [checking.shape(value) for value in case["inputs"].values()]
        shown = [shape for shape in shapes if len(shape) > 1]
        if shown and all(len(set(shape)) > 1 for shape in shown):
            return
    by_nature = exercise.label == "lenet-precision"  # a confusion matrix has equal sides
    assert by_nature or not exercise.inputs, "every case has a square input"


@of_all_code
def test_two_right_answers_agree_on_cases_drawn_at_random(section, exercise):
    draw = random.Random(0)
    drawn = [dict(zip(("call", "inputs"), exercise.draw(draw), strict=True)) for _ in range(200)]
    ours = results(exercise, section, solution_of(section, exercise.label), drawn)
    second = results(exercise, section, exercise.second, drawn)
    for case, a, b in zip(drawn, ours, second, strict=True):
        assert isinstance(a, dict) == isinstance(b, dict), case
        assert isinstance(a, dict) or checking.agree(b, a), case


@of_every_exercise
def test_wrong_values_get_their_reasons(section, exercise):
    if isinstance(exercise, Code):
        return
    answers = {key: part.right for key, part in exercise.parts.items()}
    for key, part in exercise.parts.items():
        for wrong, reason in part.wrong:
            given = answers | {key: wrong}
            namespace = {exercise.name: given.get("", given)}
            sign, text = checking.judge(entry(section, exercise), namespace)
            assert sign == checking.WRONG and plain(reason) in plain(text), (key, wrong)


@pytest.mark.parametrize(
    ("given", "near"),
    [(1, False), (2, False), (1.2, True), (1.22, True), (1.224, True), (1.225, None)],
)
def test_a_small_number_is_near_from_its_first_decimal_on(given, near):
    """A whole number in place of 1.224… is another idea, and not rounded."""
    part = Part(1.5**0.5, [], digits=3, otherwise="Not this.")
    entry = judged_values(Values("x", "root", "Well.", {"": part}))
    sign, said = checking.judge(entry, {"root": given})
    assert sign == (checking.RIGHT if near is None else checking.WRONG)
    assert ("right so far" in said) == bool(near)


@of_every_exercise
def test_no_answer_and_no_code_travels(section, exercise):
    kept = json.dumps(entry(section, exercise), ensure_ascii=False)
    assert "return " not in kept.replace("`return`", "") and "lambda" not in kept
    if isinstance(exercise, Values):
        assert all(
            re.fullmatch("[0-9a-f]{12}", p["right"]) for p in json.loads(kept)["parts"].values()
        )


class Endless(BaseException):
    """Code goes on and on; no `except Exception` of a check catches this."""


@contextmanager
def time_limit(seconds: float):
    """Raise Endless in the code below, if it takes longer; time of the processor counts."""

    def stop(*_):
        raise Endless

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def around_loops(code: str) -> str:
    """The functions without `while` loops, of which nearly every change goes on for ever."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.While):
            node.test, node.body = ast.Constant(True), [ast.Pass()]
    return " ".join(ast.dump(node) for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.slow
@of_all_code
def test_mutants_of_a_solution_are_rejected_and_get_no_wrong_name(section, exercise):
    """At least 95 % of those that differ on cases drawn at random."""
    solution = solution_of(section, exercise.label)
    draw = random.Random(1)
    drawn = [dict(zip(("call", "inputs"), exercise.draw(draw), strict=True)) for _ in range(300)]
    began = time.process_time()
    right = results(exercise, section, solution, drawn)
    limit = 5 + 20 * (time.process_time() - began)  # so that only what is endless is left out
    known = {
        plain(f"{m.name}. {m.says}"): results(exercise, section, code_of(m, solution), drawn)
        for m in exercise.mistakes
    }
    accepted, rejected, endless = [], 0, 0  # endless, but for changes of a `while` loop itself
    for mutant in mutants(solution):
        try:
            with time_limit(limit):
                came = results(exercise, section, mutant, drawn)
                if came == right:
                    continue
                sign, text = verdict(section, exercise, mutant)
        except Endless:  # nobody is told that this is right
            endless += around_loops(mutant) != around_loops(solution)
            continue
        accepted += [mutant] if sign == checking.RIGHT else []
        rejected += sign != checking.RIGHT
        for name, theirs in known.items():
            if plain(text).startswith(name):
                values = [k for k, value in enumerate(came) if not isinstance(value, dict)]
                assert all(checking.agree(came[k], theirs[k]) for k in values), (mutant, name)
    print(f"{exercise.label}: {rejected} of {rejected + len(accepted)} mutants rejected", *accepted)
    assert endless <= 0.2 * rejected, f"{endless} mutants did not end in {limit:.0f} s"
    assert rejected >= 0.95 * (rejected + len(accepted)), "\n\n".join(accepted)
