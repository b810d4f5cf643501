"""The page of errata keeps its form: each entry has a witness, a lesson and a place."""

import ast
import re

import jupytext
import pytest
import torch

from tools.lift import find_page, lift
from tools.style import count_checks

PAGE = find_page("errata")
HEADING = re.compile(r"^### E(\d+) \S", flags=re.M)


def read_entries() -> dict[int, str]:
    """Sources of the entries by number: heading, text and cells, up to the next heading."""
    text = PAGE.read_text(encoding="utf-8")
    parts = re.split(r"^(?:\(sec-erratum-e\d+\)=\n)?(?=##)", text, flags=re.M)
    found = [(HEADING.match(part), part) for part in parts]
    return {int(match.group(1)): part for match, part in found if match}


def witnesses(entry: str) -> list[str]:
    """Sources of the code cells of an entry."""
    notebook = jupytext.reads(entry, fmt="md:myst")
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


ENTRIES = read_entries()
of_every_entry = pytest.mark.parametrize("number", ENTRIES, ids=lambda n: f"E{n}")


def test_every_heading_below_the_second_level_is_an_entry_and_numbers_rise():
    headings = re.findall(r"^### (\S+)", PAGE.read_text(encoding="utf-8"), flags=re.M)
    headings = [heading for heading in headings if heading.startswith("E")]
    numbers = [int(heading[1:]) for heading in headings]
    assert numbers == list(ENTRIES)
    assert len(numbers) >= 14 and numbers == sorted(set(numbers))


def test_the_table_lists_every_entry_once():
    introduction = PAGE.read_text(encoding="utf-8").split("```{code-cell}")[0]
    listed = re.findall(r"\{ref\}`E(\d+) <sec-erratum-e(\d+)>`", introduction)
    assert all(shown == target for shown, target in listed)
    assert sorted(int(shown) for shown, _ in listed) == sorted(ENTRIES)


@of_every_entry
def test_an_entry_has_its_label(number):
    label = f"(sec-erratum-e{number})=\n### E{number} "
    assert PAGE.read_text(encoding="utf-8").count(label) == 1


@of_every_entry
def test_an_entry_links_the_section_that_teaches_it(number):
    assert re.search(r"^Taught in \{ref\}`sec-[a-z-]+`", ENTRIES[number], flags=re.M)


@of_every_entry
def test_an_entry_has_one_witness_that_asserts_and_prints(number):
    cells = witnesses(ENTRIES[number])
    assert len(cells) == 1, f"E{number} has {len(cells)} cells"
    assert count_checks(cells[0]), f"the cell of E{number} asserts nothing"
    calls = [node for node in ast.walk(ast.parse(cells[0])) if isinstance(node, ast.Call)]
    assert any(getattr(call.func, "id", "") == "print" for call in calls)


@of_every_entry
def test_an_assertion_depends_on_what_was_computed(number):
    """`assert True` and `assert 2 > 1` are no witnesses."""
    for node in ast.walk(ast.parse(witnesses(ENTRIES[number])[0])):
        if isinstance(node, ast.Assert):
            assert any(isinstance(part, ast.Name) for part in ast.walk(node.test))


def test_the_comparison_of_the_source_is_the_one_described():
    passes = lift("errata").passes_source
    zero, off = torch.zeros(2, 3, 3), torch.full((2, 3, 3), 5e-8)
    assert passes(zero, zero) and passes(zero, off)  # 18 differences sum to 9e-7
    assert not passes(zero, 2 * off)
    assert not passes(torch.tensor([1.0, -1.0]), torch.zeros(2))  # signs do not cancel


def test_early_initialisation_does_nothing_and_late_does():
    largest = lift("errata").largest_weight
    assert largest(early=True) == largest() < largest(late=True) == largest(True, True)


def test_the_index_of_a_chapter_has_no_parts():
    """A heading in it would take the number 7.1, and the first section would become 7.2."""
    indexes = sorted(PAGE.parent.parent.glob("*/index.md"))
    assert indexes
    for index in indexes:
        assert not re.search(r"^##", index.read_text(encoding="utf-8"), flags=re.M), index
