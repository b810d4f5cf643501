"""What the checks of the exercises are made of; one file a section, none of them shipped."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Mistake:
    """A mistake that people make.

    Args:
        name: What it is, in a few words; the verdict begins with it.
        says: What a teacher would say to whoever made it.
        code: All of it, or what it has in place of parts of the solution, as `ast.unparse` writes
            that.
    """

    name: str
    says: str
    code: str | dict[str, str]


@dataclass(frozen=True)
class Code:
    """An exercise whose answer is a function.

    Args:
        label: The page's label for it, without "ex-".
        name: Name of the function.
        shows: What a right answer shows, in one or two sentences.
        cases: Calls, each with the inputs that it names; lists become tensors of type `inputs`.
        mistakes: Three at least.
        second: A right answer that is written differently.
        draw: Makes one more case at random, for the tests.
        inputs: Type of the tensors, a name in PyTorch; empty where lists stay lists.
        without: Names that the function may not use, since they would do all the work.
    """

    label: str
    name: str
    shows: str
    cases: list[tuple[str, dict[str, Any]]]
    mistakes: list[Mistake]
    second: str
    draw: Callable[[Random], tuple[str, dict[str, Any]]]
    inputs: str = "float32"
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One answer that is a number, a shape or a choice, and the reasons against wrong ones."""

    right: Any
    wrong: list[tuple[Any, str]] = field(default_factory=list)
    digits: int = 6  # behind the decimal point, to which numbers are rounded
    otherwise: str = "not this. Work it out once more, step by step."


@dataclass(frozen=True)
class Values:
    """An exercise whose answers are written down: a dictionary, or one under the key ""."""

    label: str
    name: str
    shows: str
    parts: dict[str, Part]


def sections() -> list[str]:
    """Names of all sections that have a file of exercises, for example "7_3"."""
    return sorted(path.stem for path in HERE.glob("[0-9]_[0-9].py"))


def exercises_of(section: str) -> list[Code | Values]:
    """All exercises of a section that have a check; none if it has no file."""
    if not (HERE / f"{section}.py").is_file():
        return []
    return import_module(f"exercises.{section}").EXERCISES


def in_order(answer: object) -> object:
    """An answer as it is shown; a set always in the same order."""
    return f"{{{', '.join(map(repr, sorted(answer)))}}}" if isinstance(answer, set) else answer


def note(exercise: Code | Values) -> str:
    """What an instructor may want to know of an exercise, in Markdown."""
    if isinstance(exercise, Code):
        lines = [f"- *{mistake.name}.* {mistake.says}" for mistake in exercise.mistakes]
    else:
        parts = exercise.parts.items()
        pairs = [(f"`{key}` " if key else "", part) for key, part in parts]
        lines = [f"- {k}{in_order(answer)}: {why}" for k, p in pairs for answer, why in p.wrong]
    return "\n".join(["**For instructors.** The check knows these mistakes:\n", *lines])
