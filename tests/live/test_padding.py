"""The view of padding and stride: its model is PyTorch's, and a hand moves it."""

import random

import pytest
import torch
from torch.nn import functional as F

from helpers.live import padding_stride
from helpers.live.padding import RANGES


def states(count: int) -> list[tuple[int, int, int, int]]:
    draw = random.Random(0)
    return [tuple(draw.randint(*RANGES[name]) for name in "nkps") for _ in range(count)]


def test_the_model_is_pytorchs(call):
    """Output sizes, and how often each padded cell is read, in one direction and in two."""
    cases = states(100)
    for (n, k, p, s), model in zip(cases, call("padding", "windows", cases), strict=True):
        padded = torch.ones(1, 1, n + 2 * p, n + 2 * p)
        windows = F.unfold(padded, k, stride=s)
        reads = F.fold(torch.ones_like(windows), padded.shape[2:], k, stride=s)[0, 0]
        out = F.conv2d(torch.ones(1, 1, n, n), torch.ones(1, 1, k, k), stride=s, padding=p)
        assert out.shape[2:] == (model["out"], model["out"])
        along = torch.tensor(model["reads"], dtype=torch.float)
        torch.testing.assert_close(torch.outer(along, along), reads, rtol=0, atol=0)
        assert model["padded"] == n + 2 * p


def test_python_and_script_say_the_same_of_every_state(call):
    cases = [dict(zip("nkps", state, strict=True)) for state in states(60)]
    spoken = call("padding", "say", [[case] for case in cases])
    assert spoken == [padding_stride(**case).says for case in cases]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"k": 9}, "k = 9: choose a whole number from 1 to 7"), ({"s": 1.5}, "s = 1.5: choose")],
)
def test_what_the_sliders_cannot_show_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        padding_stride(**wrong)


@pytest.fixture
def page(open_page):
    page = open_page(padding_stride()._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".alive")
    yield page
    assert page.faults == []


def says(page, sentence: str) -> None:
    page.wait_for_function(
        "text => document.querySelector('.said').textContent === text", arg=sentence
    )


def window(page, name: str = "Window along the row"):
    return page.get_by_role("slider", name=name)


def stands_at(page, number: int, name: str = "Window along the row") -> None:
    page.wait_for_selector(f"[aria-label='{name}'][aria-valuenow='{number}']")


def test_it_starts_where_the_text_speaks(page):
    says(
        page, "8 cells, kernel 3, padding 1, stride 2: 4 outputs; 1 cell of padding is never read."
    )
    assert page.locator(".formula-line").inner_text() == "⌊(8 + 2·1 − 3) / 2⌋ + 1 = ⌊3.5⌋ + 1 = 4"
    counts = page.locator(".reads").all_text_contents()
    assert counts == list("1121212110")


def test_sliders_by_keyboard_and_a_goal(page):
    page.get_by_role("slider", name="padding").focus()
    page.keyboard.press("Home")
    says(page, "8 cells, kernel 3, padding 0, stride 2: 3 outputs; x₇ is never read.")
    goal = page.locator("li", has_text="miss one with kernel 3 and stride 2")
    assert goal.inner_text().startswith("✓")
    page.get_by_role("button", name="Reset").click()
    says(
        page, "8 cells, kernel 3, padding 1, stride 2: 4 outputs; 1 cell of padding is never read."
    )
    assert goal.inner_text().startswith("–")


def test_a_longer_row_and_a_gap_between_windows(page):
    page.get_by_role("button", name="n + 1").click()
    says(page, "9 cells, kernel 3, padding 1, stride 2: 5 outputs; every cell is read.")
    for _ in range(6):
        page.get_by_role("button", name="n − 1").click()
    says(page, "7 cells, kernel 3, padding 1, stride 2: 4 outputs; every cell is read.")
    goal = page.locator("li", has_text="miss a cell of the image")
    assert goal.inner_text().startswith("–")
    page.get_by_role("slider", name="stride").focus()
    page.keyboard.press("End")
    says(
        page,
        "7 cells, kernel 3, padding 1, stride 4: 2 outputs; "
        "x₂, x₆ and 1 cell of padding are never read.",
    )
    assert goal.inner_text().startswith("✓")


def test_the_window_by_keyboard(page):
    window(page).focus()
    page.keyboard.press("End")
    stands_at(page, 3)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    stands_at(page, 2)
    text = window(page).get_attribute("aria-valuetext")
    assert text == "Window 3 of 4 reads 3 cells of the input and 0 zeros"
    down = window(page, "Window down the image")
    down.focus()
    page.keyboard.press("ArrowDown")
    stands_at(page, 1, "Window down the image")


def test_the_window_by_mouse(page):
    box = window(page).bounding_box()
    cell = box["width"] / 17
    page.mouse.move(box["x"] + 3.5 * cell, box["y"] + 1.5 * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + 9.5 * cell, box["y"] + 1.5 * cell, steps=4)
    page.mouse.up()
    stands_at(page, 3)
    page.mouse.move(box["x"], box["y"])  # not held down: nothing moves
    stands_at(page, 3)


def test_the_window_by_touch(page):
    """A tap on an output, and one on the image."""
    output = page.locator(".output").nth(2).bounding_box()
    page.touchscreen.tap(output["x"] + output["width"] / 2, output["y"] + output["height"] / 2)
    stands_at(page, 2)
    image = window(page, "Window down the image").bounding_box()
    page.touchscreen.tap(
        image["x"] + 8 / 14 * image["width"], image["y"] + 4 / 14 * image["height"]
    )
    stands_at(page, 0, "Window down the image")


def test_a_smaller_output_keeps_the_window_inside(page):
    window(page).focus()
    page.keyboard.press("End")
    page.get_by_role("slider", name="stride").focus()
    page.keyboard.press("End")
    says(
        page,
        "8 cells, kernel 3, padding 1, stride 4: 2 outputs; "
        "x₂, x₆, x₇ and 1 cell of padding are never read.",
    )
    stands_at(page, 1)
