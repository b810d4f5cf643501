"""The view of sharing and locality: its model is PyTorch's, and a hand moves the mark."""

from itertools import product

import pytest
import torch
from torch.nn import functional as F

from helpers.live import dense_to_local
from helpers.live.matrix import matrix

STATES = list(product((False, True), (False, True), range(6)))


def test_the_matrices_are_those_of_python(call):
    for state, W in zip(STATES, call("matrix", "matrix", STATES), strict=True):
        assert matrix(*state).flatten().tolist() == W


def test_the_shared_ones_are_convolutions():
    """With offsets as indices, the weights of one row are PyTorch's kernel."""
    images = torch.randn(60, 1, 6, 6, generator=torch.Generator().manual_seed(0)).double()
    full = torch.zeros(11, 11).double()
    W = torch.from_numpy(matrix(True, False, 0)).double().reshape(6, 6, 6, 6)
    for i, j, y, x in product((0, 5), (0, 5), range(6), range(6)):
        full[y - i + 5, x - j + 5] = W[i, j, y, x]
    for delta in range(6):
        kernel = full[5 - delta : 6 + delta, 5 - delta : 6 + delta]
        wanted = F.conv2d(images, kernel[None, None], padding=delta)
        ours = images.flatten(1) @ torch.from_numpy(matrix(True, True, delta)).double().T
        torch.testing.assert_close(ours, wanted.flatten(1))


def test_weights_are_counted(call):
    counts = dict(zip(STATES, call("matrix", "count", STATES), strict=True))
    assert counts[False, False, 1] == 1296 and counts[True, False, 1] == 121
    assert counts[False, True, 1] == 256 and counts[True, True, 1] == 9
    for (share, local, delta), count in counts.items():
        assert dense_to_local(share, local, delta).says.startswith(f"{count:,} weight")
        free = sum(
            not local or max(abs(i - a), abs(j - b)) <= delta
            for i, j, a, b in product(range(6), repeat=4)
        )
        assert share or count == free


def test_a_reach_beyond_the_image_is_refused():
    with pytest.raises(ValueError, match="delta = 6: choose a whole number from 0 to 5"):
        dense_to_local(delta=6)


@pytest.fixture
def page(open_page):
    page = open_page(dense_to_local()._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".alive")
    yield page
    assert page.faults == []


def says(page, text: str) -> None:
    page.wait_for_function("t => document.querySelector('.said').textContent.includes(t)", arg=text)


def test_from_1296_weights_to_9(page):
    assert not page.get_by_role("slider", name="reach").is_visible()
    page.get_by_role("button", name="share weights").click()
    says(page, "121 weights to learn. The marked pixel reaches 36 outputs.")
    page.get_by_role("button", name="near ones").click()
    says(page, "9 weights to learn. The marked pixel reaches 9 outputs")
    page.get_by_role("slider", name="reach").focus()
    page.keyboard.press("ArrowLeft")
    says(page, "1 weight to learn. The marked pixel reaches 1 output.")
    assert page.locator("li.met").count() == 2


def test_the_mark_by_keyboard_mouse_and_touch(page):
    page.get_by_role("button", name="near ones").click()
    mark = page.get_by_role("slider", name="Marked pixel")
    mark.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    says(page, "reaches 6 outputs")
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 2, steps=3)
    page.mouse.up()
    says(page, "reaches 4 outputs")
    assert mark.get_attribute("aria-valuenow") == "5"
    whole = page.locator(".stage svg").bounding_box()
    page.touchscreen.tap(whole["x"] + 14.5 / 36 * whole["width"], whole["y"] + 20)
    page.wait_for_selector("[aria-label='Marked pixel'][aria-valuenow='14']")


def test_the_outline_follows_the_mark_and_ends_at_the_border(page):
    outline = "document.querySelector('.aside .panel:last-child .mark')"
    sides = f"['x', 'y', 'width', 'height'].map(k => {outline}.getAttribute(k)).join(' ')"
    page.wait_for_function(f"() => {sides} === '1 1 3 3'")
    page.get_by_role("slider", name="Marked pixel").focus()
    page.keyboard.press("Home")
    page.wait_for_function(f"() => {sides} === '0 0 2 2'")


@pytest.mark.parametrize("end", [(0.25, 0.9), (0.75, 0.1), (0.9, 0.9)])
def test_a_finger_drags_the_mark_up_down_and_aslant(open_page, swipe, end):
    page = open_page(dense_to_local()._repr_mimebundle_()["text/html"], width=390, has_touch=True)
    page.wait_for_selector(".alive")
    mark = page.get_by_role("slider", name="Marked pixel")
    assert swipe(page, mark, (0.5, 0.5), end) == 0, "the page has scrolled"
    place = 6 * int(6 * end[1]) + int(6 * end[0])
    page.wait_for_selector(f"[aria-label='Marked pixel'][aria-valuenow='{place}']")
    assert swipe(page, page.locator(".said"), (0.5, 0.5), (0.5, -2)) > 0  # elsewhere it scrolls


def test_nine_weights_have_nine_colours_that_are_seen():
    """None is as pale as a place without a weight."""
    column = matrix(True, True, 1)[:, 14]
    weights = column[column != 0]
    assert len(set(weights)) == 9 and abs(weights).min() > 1


def test_on_a_phone_matrix_and_picture_are_seen_at_once(page):
    page.set_viewport_size({"width": 390, "height": 664})
    page.get_by_role("button", name="near ones").click()
    page.locator(".stage").evaluate("e => e.scrollIntoView()")
    boxes = [page.locator(part).bounding_box() for part in (".stage", ".aside")]
    assert boxes[1]["y"] + boxes[1]["height"] - boxes[0]["y"] < 560
