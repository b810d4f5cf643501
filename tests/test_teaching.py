"""The page for teachers agrees with the pages it speaks of."""

import re

import pytest

from tools.lift import find_page
from tools.pages import ROOT

TEXT = find_page("teaching").read_text(encoding="utf-8")
SECTIONS = {
    "-".join(page.stem.split("-")[:2]).replace("-", "."): page.read_text(encoding="utf-8")
    for page in sorted((ROOT / "chapters").glob("*/[78]-*.md"))
}
LABELS = {re.search(r"^\((sec-[\w-]+)\)=\n# ", text, re.M)[1]: n for n, text in SECTIONS.items()}
EXERCISE = re.compile(r"\{exercise-start\} (.+)\n:label: (ex-[\w-]+)\n```\n\*(\d+) minutes")
EXERCISES = {
    label: (title, minutes)
    for text in SECTIONS.values()
    for title, label, minutes in EXERCISE.findall(text)
}
LECTURES = re.findall(r"^### Lecture \d\n(.*?)(?=^##)", TEXT, re.M | re.S)


def needs() -> dict[str, list[str]]:
    """The arrows of the figure."""
    found: dict[str, dict[str, list[str]]] = {}
    exec(re.search(r"^NEEDS = \{.*?^\}", TEXT, re.M | re.S)[0], found)
    return found["NEEDS"]


def behind(section: str) -> set[str]:
    """All sections from which arrows lead to this one."""
    return {s for other in needs().get(section, []) for s in {other, *behind(other)}}


@pytest.mark.parametrize("section", SECTIONS)
def test_arrows_are_what_a_page_asks_for_before_you_start(section):
    asked = re.search(r"^\*Before you start\*.*?(?=^$|^Reading)", SECTIONS[section], re.M | re.S)[0]
    asked = {LABELS[label] for label in re.findall(r"sec-[\w-]+", asked) if label in LABELS}
    assert asked <= behind(section), "the figure lacks an arrow"
    assert set(needs().get(section, [])) <= asked, "the page does without what the arrow says"


def test_exercises_have_the_titles_and_minutes_of_their_pages():
    named = re.findall(r"\{ref\}`([^`<]+?) <(ex-[\w-]+)>`(?: (\d+))?", TEXT)
    assert len({label for _, label, _ in named}) >= 25
    for title, label, minutes in named:
        assert EXERCISES[label][0] == title and minutes in ("", EXERCISES[label][1]), label


@pytest.mark.parametrize("lecture", LECTURES, ids=range(1, len(LECTURES) + 1))
def test_what_a_lecture_shows_takes_eighty_minutes(lecture):
    shown = re.sub(r"\{\w+\}`[^`]+`", "", re.search(r"^- \*Show:\*.*", lecture, re.M)[0])
    assert sum(map(int, re.findall(r"\d+", shown))) == 80


def test_there_are_nine_lectures_and_each_section_is_in_one():
    assert len(LECTURES) == 9
    assert {label for text in LECTURES for label in LABELS if f"`{label}`" in text} == {*LABELS}
