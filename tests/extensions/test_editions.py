"""What becomes of exercises and solutions in the editions of a page."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from extensions.notebooks.editions import (
    untried,
    with_checks_in_reach,
    with_notes,
    without_solutions,
)

EXERCISE = "```{exercise-start} Twice\n:label: ex-twice\n```\nDouble it.\n```{exercise-end}\n```"
HINT = "```{hint}\n:class: dropdown\n\nAdd it to itself.\n```"
START = "```{solution-start} ex-twice\n:label: sol-twice\n:class: dropdown\n```\n\nWords.\n"
END = "```{solution-end}\n```"


def code(source, tag, said=""):
    outputs = [new_output("stream", text=said)] if said else []
    return new_code_cell(source, metadata={"tags": [tag]}, outputs=outputs)


def page():
    return [
        new_markdown_cell(f"## Exercises\n\n{EXERCISE}"),
        code("def twice(x):\n    raise NotImplementedError", "starter", "a warning"),
        new_markdown_cell(HINT),
        code('check("twice")', "check", "○ Waiting"),
        new_markdown_cell(START),
        code('def twice(x):\n    return x + x\n\n\ncheck("twice")', "solution", "✓"),
        new_code_cell("twice(2)"),
        new_markdown_cell(f"More words.\n{END}\n\nBetween.\n\n{START}\n{END}\n\n## Sources"),
        code("progress()", "check", "9.9: 1 of 1 solved"),
    ]


def sources(cells):
    return [cell.source for cell in cells]


def test_a_student_sees_no_solution():
    left = sources(without_solutions(page()))
    assert left[:4] == sources(page())[:4]
    assert left[4:] == ["Between.\n\n\n## Sources", "progress()"]


def test_where_the_page_is_known_each_solution_leaves_a_link_to_it():
    left = sources(without_solutions(page(), "https://book/page.html"))
    link = "[Solution](https://book/page.html#sol-twice), on the page of the book."
    assert left[4:] == [link, f"Between.\n\n{link}\n\n\n## Sources", "progress()"]


def test_a_solution_without_gates_goes_too():
    cell = new_markdown_cell("Before\n\n```{solution} ex-twice\nAdd.\n```\nAfter")
    assert sources(without_solutions([cell])) == ["Before\n\nAfter"]


@pytest.mark.parametrize("gates", [[END], [START, START]])
def test_gates_come_in_pairs(gates):
    with pytest.raises(ValueError, match="stands alone in"):
        without_solutions([new_markdown_cell(gate) for gate in gates])


def test_one_works_and_is_answered_in_one_cell():
    cells = with_checks_in_reach(page())
    assert sources(cells)[:3] == [
        page()[0].source,
        HINT,
        'def twice(x):\n    raise NotImplementedError\n\n\ncheck("twice")',
    ]
    assert [output.text for output in cells[2].outputs] == ["a warning", "○ Waiting"]
    assert sources(cells)[3:] == sources(page())[4:]


def test_a_starter_without_a_check_stays():
    cells = page()[:3]
    assert sources(with_checks_in_reach(cells)) == sources(cells)


def test_what_a_student_has_not_done_is_not_said_to_be_done():
    said = [cell.outputs for cell in untried(page()) if cell.cell_type == "code"]
    assert said[1][0].text == "○ Waiting" and said[-1] == []


def test_notes_stand_behind_the_check():
    cells = with_notes(page(), {"twice": "**For instructors.**"})
    assert sources(cells)[3:5] == ['check("twice")', "**For instructors.**"]
    assert len(cells) == len(page()) + 1
