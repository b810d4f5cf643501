"""The view of normalisation: its model is PyTorch's, and a hand drags the values of a batch."""

import random
import re

import pytest
import torch
from torch.nn import functional as F

from helpers.live import drag_a_batch

X = torch.tensor([[1, -4, 0, -3], [5, 2, 0, -3], [1, 2, 8, -1], [5, 4, 8, -1]])


def states(count: int) -> list[dict]:
    """Random batches, running statistics, methods and modes."""
    draw = random.Random(0)
    return [
        {
            "X": [draw.randint(-8, 10) for _ in range(16)],
            "method": draw.choice(["batch", "layer", "group"]),
            "mode": draw.choice(["training", "prediction"]),
            "mean": [draw.uniform(-3, 3) for _ in range(4)],
            "variance": [draw.uniform(0.5, 9) for _ in range(4)],
        }
        for _ in range(count)
    ]


def test_the_model_is_pytorchs(call):
    cases = states(90)
    order = "X", "method", "mode", "mean", "variance"
    answers = call("minibatch", "normalise", [[case[key] for key in order] for case in cases])
    for case, answer in zip(cases, answers, strict=True):
        batch = torch.tensor(case["X"], dtype=torch.float).reshape(4, 4)
        gamma, beta = torch.full((4,), 2.0), torch.ones(4)
        running = [torch.tensor(case[key]) for key in ("mean", "variance")]
        if case["method"] == "batch":
            training = case["mode"] == "training"
            wanted = F.batch_norm(batch, *running, gamma, beta, training=training)
        else:
            wanted = F.group_norm(batch, {"layer": 1, "group": 2}[case["method"]], gamma, beta)
        found = torch.tensor([value["y"] for value in answer]).reshape(4, 4)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def moved(values: dict[int, int], method: str, mode: str) -> dict:
    """The text's state with other values at some places."""
    state = drag_a_batch(X).state | {"method": method, "mode": mode}
    return state | {"X": [values.get(at, x) for at, x in enumerate(state["first"])]}


def test_one_value_moves_those_it_shares_a_mean_with_in_training_only(call):
    column, row = [0, 8, 12], [4, 6, 7]
    wanted = {
        ("batch", "training"): column,
        ("batch", "prediction"): [],
        ("layer", "training"): [5, *row[1:]],
        ("layer", "prediction"): [5, *row[1:]],
        ("group", "training"): [],  # two values end at −1 and 3, whichever they are
        ("group", "prediction"): [],
    }
    found = call("minibatch", "dragged", [[moved({4: 9}, *key)] for key in wanted])
    assert found == list(wanted.values())
    overtaken = [[moved({4: -9}, "group", mode)] for mode in ("training", "prediction")]
    assert call("minibatch", "dragged", overtaken) == [[5], [5]]


def test_in_training_no_output_is_above_what_four_values_allow(call):
    """A value of four lies at most √3 deviations from their mean."""
    far = {4: 10, 0: -8, 8: -8, 12: -8}
    state = moved(far, "batch", "training")
    order = "X", "method", "mode", "mean", "variance"
    training, prediction = call(
        "minibatch",
        "normalise",
        [[(state | {"mode": mode})[key] for key in order] for mode in ("training", "prediction")],
    )
    assert max(v["y"] for v in training) == pytest.approx(1 + 2 * 3**0.5, abs=1e-4)
    assert max(v["y"] for v in prediction) > 4.5


@pytest.mark.parametrize("method", ["batch", "layer", "group"])
@pytest.mark.parametrize("training", [True, False])
def test_python_says_what_pytorch_computes(method, training):
    state = drag_a_batch(X, method, training)
    mode = "training" if training else "prediction"
    mode = mode if method == "batch" else "training as in prediction"
    assert state.says.startswith(
        f"Example 2, channel 2, in {mode}: "
        + {
            "batch": "(2 − 1) / 3 = 0.33, then 2 × 0.33 + 1 = 1.67.",
            "layer": "(2 − 1) / 2.92 = 0.34, then 2 × 0.34 + 1 = 1.69.",
            "group": "(2 − 3.5) / 1.5 = −1, then 2 × (−1) + 1 = −1.",
        }[method]
    )


@pytest.mark.parametrize(
    ("changed", "options", "text"),
    [
        (X[:3], {}, r"X of shape \(3, 4\), -4 to 8: give \(4, 4\) whole numbers from -8 to 10"),
        (X * 2, {}, r"X of shape \(4, 4\), -8 to 16"),
        (X + 0.5, {}, "whole numbers"),
        (X, {"method": "instance"}, "method = 'instance': choose batch, layer or group"),
    ],
)
def test_what_it_cannot_show_is_refused(changed, options, text):
    with pytest.raises(ValueError, match=text):
        drag_a_batch(changed, **options)


@pytest.fixture
def page(open_page):
    page = open_page(drag_a_batch(X)._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".alive")
    yield page
    assert page.faults == []


def says(page, text: str) -> None:
    page.wait_for_function("t => document.querySelector('.said').textContent.includes(t)", arg=text)


def dot(page, example: int, channel: int) -> tuple[float, float]:
    """Middle of the dot of an input, in pixels."""
    path = page.locator(f".dot.e{example}").nth(channel - 1).get_attribute("d")
    x, y = re.match(r"M([\d.]+) ([\d.]+)a", path).groups()
    box = page.locator(".stage svg").bounding_box()
    return box["x"] + float(x) + 7.5, box["y"] + float(y)


def test_the_batch_by_keyboard(page):
    page.get_by_role("slider", name="Marked value").focus()
    page.keyboard.press("ArrowRight")
    says(page, "3 other outputs have moved, of examples 1, 3 and 4, by up to 0.23.")
    page.keyboard.press("End")
    says(page, "Example 2, channel 2, in training: (10 − ")
    page.keyboard.press("ArrowDown")
    says(page, "Example 2, channel 3, in training: (0 − 4) / 4 = −1")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    says(page, "Example 1, channel 4")


def test_the_batch_by_mouse_and_touch(page):
    x, y = dot(page, 3, 2)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 400, y, steps=3)
    page.mouse.up()
    says(page, "Example 3, channel 2, in training: (10 − 3) / ")
    page.touchscreen.tap(*dot(page, 4, 3))
    says(page, "Example 4, channel 3")
    assert page.locator(".ghost").count() == 4


def test_a_finger_that_scrolls_moves_nothing(page, swipe):
    """The page takes a swipe up or down only when it has begun, on whatever value it began."""
    picture = page.locator("[data-live] svg").first
    before = page.locator(".said").inner_text()
    for x in (0.2, 0.5, 0.8):
        assert swipe(page, picture, (x, 0.7), (x, 0.2)) > 50
        says(page, before)
    assert page.locator("li.met").count() == 0
    swipe(page, picture, (0.2, 0.5), (0.6, 0.5))
    assert page.locator(".said").inner_text() != before


def test_goals(page):
    slider = page.get_by_role("slider", name="Marked value")
    slider.press("ArrowRight")
    page.wait_for_selector("li.met:has-text('three examples')")
    page.get_by_role("button", name="layer").click()
    page.wait_for_selector("li.met:has-text('no other example')")
    page.wait_for_selector(".choice[inert]:has-text('prediction')")
    says(page, "Example 2, channel 2, in training as in prediction: ")
    assert page.locator(".stage text.left").first.text_content().startswith("ex. 2: ")
    page.get_by_role("button", name="batch").click()
    page.wait_for_selector(".choice:not([inert]):has-text('prediction')")
    page.get_by_role("button", name="prediction").click()
    says(page, "No other output has moved.")
    assert page.locator(".beyond").count() == 0
    slider.press("End")
    page.wait_for_selector("li.met:has-text('above 4.5')")
    assert page.locator(".beyond").count() == 0  # at 7, the edge
    slider.press("ArrowUp")
    slider.press("End")
    says(page, "Example 2, channel 1, in prediction: (10 − 3) / 2 = 3.5")
    assert page.locator(".beyond").count() == 1
    page.get_by_role("button", name="Reset").click()
    says(page, "(2 − 1) / 3 = 0.33, then 2 × 0.33 + 1 = 1.67. Nothing has moved.")
    assert page.locator("li.met").count() == 0


def test_on_a_phone_all_channels_are_seen_at_once(open_page):
    page = open_page(drag_a_batch(X)._repr_mimebundle_()["text/html"], width=390)
    page.wait_for_selector(".alive")
    page.get_by_role("button", name="prediction").click()
    says(page, "in prediction")
    stage = page.locator(".stage svg").bounding_box()
    assert stage["width"] <= 390 and stage["height"] <= 420
    names = page.locator(".stage text.left")
    boxes = [names.nth(k).bounding_box() for k in range(names.count())]
    assert names.nth(3).text_content() == "ch. 4: running μ −2, σ 1" and len(boxes) == 4
    assert all(boxes[k]["x"] + boxes[k]["width"] < boxes[k + 1]["x"] for k in (0, 2))
    assert page.faults == []
