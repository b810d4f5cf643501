"""The view of an Inception block: its weights are those of PyTorch's layers, and hands move it."""

import random

import pytest
import torch
from torch import nn

from helpers.live import inception_widths
from helpers.live.inception import RANGES, weights
from helpers.sections.googlenet import Inception


def states(count: int) -> list[dict[str, int]]:
    draw = random.Random(0)
    steps = {name: range(low, high + 1, step) for name, (low, high, step) in RANGES.items()}
    return [{name: draw.choice(widths) for name, widths in steps.items()} for _ in range(count)]


def counted(*layers: nn.Module) -> int:
    return sum(p.numel() for layer in layers for p in layer.parameters() if p.dim() > 1)


def test_the_weights_are_pytorchs(call):
    cases = states(60)
    answers = call("inception", "weights", [[case] for case in cases])
    with torch.device("meta"):  # shapes without memory
        for case, answer in zip(cases, answers, strict=True):
            r2, c2, r3, c3 = case.values()
            block = Inception(64, (r2, c2), (r3, c3), 32)
            block(torch.zeros(1, 192, 5, 5))
            parts = [[block.b1], [*block.b2], [*block.b3], [block.b4]]
            ours = [
                [0, counted(*part)] if len(part) == 1 else [*map(counted, part)] for part in parts
            ]
            kinds = (64, 1), (c2, 3), (c3, 5), (32, 1)
            direct = [counted(nn.Conv2d(192, c, k)) for c, k in kinds]
            assert answer == [[*pair, last] for pair, last in zip(ours, direct, strict=True)]
            assert answer == [list(branch) for branch in weights(**case)]


def test_what_it_says_is_what_python_says(call):
    cases = states(50)
    found = call("inception", "say", [[case] for case in cases])
    assert found == [inception_widths(**case).says for case in cases]
    assert any(", fewer." in text for text in found) and any(", 2." in text for text in found)
    assert inception_widths().says == (
        "With reductions to 96 and 16 channels 163,328 weights; without them 393,216, "
        "2.41 times as many. 256 channels come out."
    )


def test_a_branch_sees_as_much_as_its_window():
    """What the drawing says of every width is so for each branch: 1, 3, 5 and 3 places."""
    block = Inception(2, (3, 4), (1, 2), 3)
    seen = []
    for branch in (block.b1, block.b2, block.b3, block.b4):
        X = torch.rand(1, 2, 9, 9, requires_grad=True)
        branch(X)  # gives the lazy layers their shapes
        for p in branch.parameters():
            nn.init.constant_(p, 0.5)
        reached = torch.zeros(9, dtype=torch.bool)
        for _ in range(30):  # the largest value hides the others of a pooling window
            X = torch.rand(1, 2, 9, 9, requires_grad=True)
            (grad,) = torch.autograd.grad(branch(X)[0, :, 4, 4].sum(), X)
            reached |= grad.abs().sum((0, 1, 2)) > 0
        seen.append(int(reached.sum()))
    assert seen == [1, 3, 5, 3]


@pytest.mark.parametrize(
    ("widths", "text"),
    [
        ({"r2": 0}, "r2 = 0: choose a whole number from 1 to 192"),
        ({"c3": 40}, "c3 = 40: choose a multiple of 16 from 16 to 256"),
        ({"r3": 200}, "r3 = 200"),
    ],
)
def test_other_widths_are_refused(widths, text):
    with pytest.raises(ValueError, match=text):
        inception_widths(**widths)


@pytest.fixture
def page(open_page):
    page = open_page(inception_widths()._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".alive")
    yield page
    assert page.faults == []


def says(page, text: str) -> None:
    page.wait_for_function("t => document.querySelector('.said').textContent.includes(t)", arg=text)


def test_by_keyboard_and_goals(page):
    sliders = [page.locator(f".slider.{name} input") for name in RANGES]
    r2, c2, r3, c3 = sliders
    r3.focus()
    page.keyboard.press("ArrowRight")
    says(page, "With reductions to 96 and 17 channels")
    page.keyboard.press("End")
    says(page, "to 96 and 192 channels")
    page.wait_for_selector("li.met:has-text('dearer than the 3×3')")
    page.wait_for_selector("li.met:has-text('more than it saves')")
    page.keyboard.press("Home")
    c3.fill("128")
    r2.fill("80")
    says(page, "352 channels come out")
    page.wait_for_selector("li.met:has-text('128 channels')")
    page.get_by_role("button", name="Reset").click()
    says(page, "163,328 weights; without them 393,216")
    assert page.locator("li.met").count() == 0


def test_by_mouse_a_bar_grows_and_the_windows_stay(page):
    bar = page.locator(".kernel").nth(1)
    before = bar.bounding_box()["width"]
    fields = [mark.bounding_box() for mark in page.locator("svg .sees").all()]
    slider = page.locator(".slider.c2 input").bounding_box()
    middle = slider["y"] + slider["height"] / 2
    page.mouse.click(slider["x"] + slider["width"] - 3, middle)
    says(page, "384 channels come out")
    assert bar.bounding_box()["width"] > 1.2 * before
    assert [mark.bounding_box() for mark in page.locator("svg .sees").all()] == fields


def test_a_block_with_more_weights_shortens_all_bars_and_says_so(page):
    bar, words = page.locator(".kernel").first, page.locator("svg .name").last
    before = bar.bounding_box()["width"]
    page.locator(".slider.c3 input").fill("128")
    says(page, "352 channels come out")
    assert "2 times shorter" in words.inner_html()
    assert bar.bounding_box()["width"] == pytest.approx(before / 2, rel=0.01)
    page.get_by_role("button", name="Reset").click()
    says(page, "163,328 weights")
    assert words.inner_html() == "whole block"


def test_the_last_slider_is_as_long_as_the_others(open_page):
    page = open_page(inception_widths()._repr_mimebundle_()["text/html"], width=390)
    page.wait_for_selector(".alive")
    widths = [box.bounding_box()["width"] for box in page.locator(".slider").all()]
    assert min(widths) > 0.95 * max(widths)


def test_on_a_narrow_phone_nothing_runs_over_the_edge(open_page):
    page = open_page(inception_widths()._repr_mimebundle_()["text/html"], width=320)
    page.wait_for_selector(".alive")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    inputs = [box.bounding_box() for box in page.locator(".slider input").all()]
    assert min(box["height"] for box in inputs) >= 44
    names = [text.bounding_box() for text in page.locator("svg .name").all()]
    assert max(box["x"] + box["width"] for box in names) <= 320
