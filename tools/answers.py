"""Make the data by which `helpers/checking.py` judges, out of `exercises/` and the pages.

    python -m tools.answers         writes helpers/answers/7_3.json, and so on

A file of `exercises/` holds, for one section, what nobody shall find in a notebook: cases, the
usual mistakes and second right answers. The first right answer is the solution on the page.
"""

import ast
import gzip
import json
import math
import re
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import jupytext

from exercises import Code, Mistake, Values, exercises_of, sections
from helpers.checking import Crash, attempt, digest, plain
from tools.lift import DEFINITIONS, lift
from tools.pages import ROOT

ANSWERS = ROOT / "helpers" / "answers"
COMPACT: dict[str, Any] = {"ensure_ascii": False, "separators": (",", ":")}
WIDTH = 66  # characters of a line of a verdict: what the site shows without a break


def page_of(section: str) -> Path:
    """Source of a section's page."""
    (page,) = (ROOT / "chapters").rglob(f"{section.replace('_', '-')}-*.md")
    return page


def source_of(section: str) -> str:
    """Text in which the section's exercises stand: its page."""
    return page_of(section).read_text(encoding="utf-8")


def cells_of(section: str) -> list[tuple[str, set[str], str]]:
    """Label, tags and code of every cell of the section's exercises, in their order."""
    return cells_in(source_of(section))


@cache
def cells_in(source: str) -> list[tuple[str, set[str], str]]:
    """The same, of the text of a page."""
    label, found = "", []
    for cell in jupytext.reads(source, fmt="md:myst").cells:
        if cell.cell_type == "code":
            found.append((label, set(cell.metadata.get("tags", [])), cell.source))
        else:
            label = "" if "{solution-end}" in cell.source else label
            label = [label, *re.findall(r"^:label: ex-([\w-]+)$", cell.source, flags=re.M)][-1]
    return [entry for entry in found if entry[0]]


def solution_of(section: str, label: str) -> str:
    """Code of the solution that ends with the check of an exercise.

    Raises:
        ValueError: there is none, or more than one.
    """
    call = f'check("{label}")'
    found = [c for of, tags, c in cells_of(section) if "solution" in tags and c.endswith(call)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} solutions of ex-{label} end with {call}; one is wanted")
    return found[0].removesuffix(call).rstrip()


def code_of(mistake: Mistake, solution: str) -> str:
    """All code of a mistake.

    Raises:
        ValueError: what is to be replaced does not stand in the solution once.
    """
    if isinstance(mistake.code, str):
        return mistake.code
    solution = ast.unparse(ast.parse(solution))  # however it is laid out on the page
    for old, new in mistake.code.items():
        if solution.count(old) != 1:
            raise ValueError(f"{mistake.name}: {old!r} stands {solution.count(old)} times in it")
        solution = solution.replace(old, new)
    return solution


def execute(section: str, code: str) -> dict[str, Any]:
    """What the definitions of a page's lesson, and then those of some code, leave behind."""
    namespace = dict(vars(lift(page_of(section).stem)))
    body: list[ast.stmt] = [n for n in ast.parse(code).body if isinstance(n, DEFINITIONS)]
    exec(compile(ast.Module(body, type_ignores=[]), f"<{section}>", "exec"), namespace)
    return namespace


def results(exercise: Code, section: str, code: str, cases: list[dict[str, Any]]) -> list[Any]:
    """What the code gives in all cases, rounded; an exception as the name of its type."""
    namespace = execute(section, code)
    outcomes = [attempt(case, exercise.inputs, namespace) for case in cases]
    return [
        {"raises": type(o.error).__name__} if isinstance(o, Crash) else rounded(o) for o in outcomes
    ]


def rounded(value: Any) -> Any:
    """Numbers with six digits, whole ones as integers.

    Raises:
        ValueError: it is not a number, a text or a list of such.
    """
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        value = float(f"{round(value, 12):.6g}")  # what is left of a difference is 0
        return int(value) if value.is_integer() else value
    if isinstance(value, bool | int | str):
        return value
    raise ValueError(f"{value!r} is no result that can be compared")


def numbers(value: Any) -> int:
    """How many numbers a nested list holds; a number is one."""
    return sum(map(numbers, value)) if isinstance(value, list) else 1


def wrap(text: str) -> str:
    """A sentence of a verdict in lines; those behind the first are indented."""
    return textwrap.fill(text, WIDTH, subsequent_indent="  ")


def judged_code(exercise: Code, section: str) -> dict[str, Any]:
    """The entry of an exercise whose answer is code.

    Raises:
        ValueError: a mistake is right in all cases, or cannot be told from another.
    """
    solution = solution_of(section, exercise.label)
    cases: list[dict[str, Any]] = [{"call": c, "inputs": inputs} for c, inputs in exercise.cases]
    for case, result in zip(cases, results(exercise, section, solution, cases), strict=True):
        refused = 100 * isinstance(result, dict)  # says less than a value
        size = numbers([*case["inputs"].values(), result]) + refused
        case |= {"result": result, "size": size}
    right, taken, mistakes = [case["result"] for case in cases], [], []
    for mistake in exercise.mistakes:
        came = results(exercise, section, code_of(mistake, solution), cases)
        if came == right or came in taken:
            raise ValueError(f"ex-{exercise.label}: no case tells {mistake.name!r} from the others")
        says = wrap(f"{mistake.name}. {mistake.says}")
        taken.append(came)
        other = {str(k): r for k, r in enumerate(came) if r != right[k]}
        mistakes.append({"says": says, "results": other})
    shows = wrap(f"Right in all {len(cases)} cases. {exercise.shows}")
    entry: dict[str, Any] = {"name": exercise.name, "shows": shows, "inputs": exercise.inputs}
    entry |= {"without": exercise.without} if exercise.without else {}
    return entry | {"cases": cases, "mistakes": mistakes}


def judged_values(exercise: Values) -> dict[str, Any]:
    """The entry of an exercise whose answers are written down, as hashes."""
    parts = {}
    for key, part in exercise.parts.items():
        salt, head = exercise.label + key, f"{key}: " if key else ""

        unordered = isinstance(part.right, set)

        def hashed(
            answer: Any, salt: str = salt, digits: int = part.digits, unordered: bool = unordered
        ) -> str:
            return digest(salt, plain(answer), digits, unordered)

        wrong = {hashed(answer): wrap(head + reason) for answer, reason in part.wrong}
        number = isinstance(part.right, float)  # of a small one, one decimal at least is near
        fewer = range(abs(part.right) < 10, part.digits) if number else ()
        coarse = {hashed(round(part.right, digits)) for digits in fewer}
        if number:  # cut off in place of rounded
            unit = 10**part.digits
            coarse |= {hashed(math.trunc(part.right * unit) / unit)} - {hashed(part.right)}
        says = wrap(f"{head}right so far. Now to the nearest {10**-part.digits:.6g}.")
        wrong |= dict.fromkeys(sorted(coarse - wrong.keys()), says)
        if hashed(part.right) in wrong:
            raise ValueError(f"ex-{exercise.label} {key}: the right answer is among the wrong ones")
        parts[key] = {
            "right": hashed(part.right),
            "wrong": wrong,
            "otherwise": wrap(head + part.otherwise),
            "digits": part.digits,
        }
        parts[key] |= {"set": True} if unordered else {}
    name, shows = exercise.name, wrap(exercise.shows)
    return {"name": name, "salt": exercise.label, "shows": shows, "parts": parts}


def answers_of(section: str) -> str:
    """The file that the checks of a section read."""
    entries = {
        exercise.label: judged_code(exercise, section)
        if isinstance(exercise, Code)
        else judged_values(exercise)
        for exercise in exercises_of(section)
    }
    lines = [f"{json.dumps(k)}: {json.dumps(v, **COMPACT)}" for k, v in entries.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    """Write the files of all sections, and say how large they are."""
    ANSWERS.mkdir(exist_ok=True)
    for section in sections():
        text = answers_of(section)
        (ANSWERS / f"{section}.json").write_text(text, encoding="utf-8")
        size = len(gzip.compress(text.encode(), mtime=0))
        print(f"{section}: {len(json.loads(text))} checks, {size / 1000:.1f} kB compressed")


if __name__ == "__main__":
    main()
