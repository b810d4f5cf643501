"""The view of pooling: its model is PyTorch's, and a hand moves the digit."""

import itertools
import random

import pytest
import torch
from torch.nn import functional as F

from helpers.live import shift_and_pool
from helpers.live.pooling import edges


def states(count: int) -> list[dict]:
    """Random states: another digit, place, move and window each."""
    draw, noise = random.Random(0), torch.Generator().manual_seed(0)
    return [
        {
            "digit": torch.randint(0, 256, (400,), generator=noise).tolist(),
            "right": draw.randint(-4, 4),
            "down": draw.randint(-4, 4),
            "k": draw.randint(1, 6),
            "low": draw.randint(0, 1),
            "mean": draw.random() < 0.5,
        }
        for _ in range(count)
    ]


def test_the_model_is_pytorchs(call):
    """Edges, pooled edges, and the three changes, of 60 random digits."""
    cases = states(60)
    for case, model in zip(cases, call("pooling", "measure", [[c] for c in cases]), strict=True):
        digit = torch.tensor(case["digit"], dtype=torch.float).reshape(1, 1, 20, 20)
        rest = F.pad(digit, (6, 6, 6 + case["low"], 6 - case["low"]))
        moved = torch.roll(rest, (case["down"], case["right"]), (-2, -1))
        way = F.avg_pool2d if case["mean"] else F.max_pool2d
        maps = edges(moved), edges(rest)
        pooled = [way(A, case["k"], 2) for A in maps]
        for name, A in (("now", maps[0]), ("pooled", pooled[0]), ("rested", pooled[1])):
            ours = torch.tensor(model[name]).reshape(A.shape)
            torch.testing.assert_close(ours, A, rtol=1e-4, atol=1e-3)
        every = [A[..., ::2, ::2] for A in maps]
        for name, (A, B) in (("bare", maps), ("alone", every), ("left", pooled)):
            assert model[name] == pytest.approx(((A - B).norm() / B.norm()).item(), abs=1e-4)


def test_pooling_passes_a_move_on_where_the_stride_divides_it(call):
    digit = shift_and_pool().state["digit"]
    cases = list(itertools.product(range(-4, 5), range(-4, 5), (0, 1)))
    arguments = [
        [{"digit": digit, "low": low, "right": right, "down": down, "k": 2, "mean": False}]
        for right, down, low in cases
    ]
    wanted = [right % 2 == down % 2 == 0 and (right, down) != (0, 0) for right, down, _ in cases]
    assert call("pooling", "passesOn", arguments) == wanted


@pytest.mark.parametrize("low", [0, 1])
@pytest.mark.parametrize("mean", [False, True])
def test_the_figure_without_a_script_says_what_the_view_says(call, low, mean):
    cases = itertools.product((1, 2, 3), range(-4, 5))
    views = [shift_and_pool(k, right, mean, low) for k, right in cases]
    assert call("pooling", "say", [[view.state] for view in views]) == [view.says for view in views]
    whole = ["difference 0" in view.says for view in views]
    assert whole == 3 * [True, False, True, False, False, False, True, False, True]


def test_what_the_sliders_cannot_show_is_refused():
    with pytest.raises(ValueError, match="k = 7: choose a whole number from 1 to 6"):
        shift_and_pool(k=7)
    with pytest.raises(ValueError, match="low = 2: choose a whole number from 0 to 1"):
        shift_and_pool(low=2)


@pytest.fixture
def page(open_page):
    page = open_page(shift_and_pool()._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".alive")
    yield page
    assert page.faults == []


def says(page, text: str) -> None:
    page.wait_for_function("t => document.querySelector('.said').textContent.includes(t)", arg=text)


def test_the_digit_by_keyboard_mouse_and_touch(page):
    digit = page.get_by_role("slider", name="Digit")
    digit.focus()
    page.keyboard.press("ArrowRight")
    says(page, "From an odd place, 2 pixels to the right and 0 down")
    says(page, "The old pooled map, only moved: difference 0.")
    page.wait_for_selector("li.met:has-text('just passes on')")
    box = digit.bounding_box()
    corner = box["x"] + 5, box["y"] + 5
    page.mouse.move(*corner)
    page.mouse.down()
    says(page, "From an odd place, 2 pixels to the right and 0 down")  # a press alone moves nothing
    cell = box["width"] / 32
    page.mouse.move(corner[0] - 3 * cell, corner[1] + 2 * cell, steps=3)
    page.mouse.up()
    says(page, "From an odd place, 1 pixel to the left and 2 down")
    page.get_by_role("button", name="Move up").tap()
    page.get_by_role("button", name="Move right").tap()
    says(page, "From an odd place, 0 pixels to the right and 1 down")
    assert digit.evaluate("e => getComputedStyle(e).touchAction") == "none"


def test_goals(page):
    page.get_by_role("slider", name="window").fill("6")
    page.wait_for_selector("li.met:has-text('half of')")
    page.get_by_role("slider", name="window").fill("1")
    says(page, "after the stride alone by 47 %, after a 1×1 maximum at stride 2 by 47 %")
    page.get_by_role("button", name="Move left").click()
    page.get_by_role("button", name="Move down").click()
    says(page, "From an odd place, 0 pixels to the right and 1 down: the full map changes by 72 %")
    assert page.locator("li.met:has-text('worse')").count() == 0
    page.get_by_role("slider", name="window").fill("2")
    says(page, "after the stride alone by 40 %, after a 2×2 maximum at stride 2 by 53 %.")
    page.wait_for_selector("li.met:has-text('worse')")
    page.get_by_role("button", name="even place").click()
    says(page, "From an even place, 0 pixels to the right and 1 down: the full map changes by 72 %")
    says(page, "after the stride alone by 93 %, after a 2×2 maximum at stride 2 by 62 %.")
    page.get_by_role("button", name="Reset").click()
    says(page, "the full map changes by 47 %")
    assert page.locator("li.met").count() == 0
