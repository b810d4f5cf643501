"""The view of LeNet: its model is PyTorch's on the bytes that travel; a hand changes the image."""

import json

import nbformat
import pytest
import torch
from bs4 import BeautifulSoup
from torch import nn

from helpers.claims import CLAIM_TYPE, decode
from helpers.data import ImageSet, read_digits
from helpers.live import lenet_live
from helpers.live.lenet import dequantised, quantised, say
from helpers.sections.lenet import LeNet, record_outputs
from tools.pages import recording_of, resolve


@pytest.fixture(scope="module")
def view():
    return lenet_live()


def recorded_state() -> dict:
    """What the page's recording holds: the weights of its trained network."""
    cells = nbformat.read(recording_of(resolve("7-6-lenet")), as_version=4).cells
    outputs = [o.data for c in cells if c.cell_type == "code" for o in c.outputs if "data" in o]
    (html,) = [d["text/html"] for d in outputs if 'data-live="lenet"' in d.get("text/html", "")]
    return json.loads(BeautifulSoup(html, "html.parser").select_one(".state").string)


def images(count: int) -> list[list[int]]:
    """Noise, and smooth shapes with black around them."""
    generator = torch.Generator().manual_seed(0)
    X = torch.rand(count, 1, 28, 28, generator=generator)
    X[count // 2 :] = (nn.functional.avg_pool2d(X[count // 2 :], 9, 1, 4) - 0.45).clamp(0) * 9
    return (X.clamp(0, 1) * 255).round().int().flatten(1).tolist()


@pytest.mark.parametrize("trained", [False, True])
def test_the_model_is_pytorchs(call, view, trained):
    """Maps behind both ReLUs, and probabilities, on 50 images."""
    state = recorded_state() if trained else view.state
    cases = images(50)
    net = dequantised(state)
    X = torch.tensor(cases).reshape(-1, 1, 28, 28) / 255
    outputs = record_outputs(net, X)
    wanted = [outputs[1].flatten(1), outputs[4].flatten(1), outputs[-1].softmax(1)]
    found = call("lenet", "answer", [[state | {"image": image}] for image in cases])
    for part, tensor in enumerate(wanted):
        ours = torch.tensor([answer[part] for answer in found])
        torch.testing.assert_close(ours, tensor, rtol=1e-4, atol=1e-4)


def test_weights_survive_as_bytes():
    net = LeNet(activation=nn.ReLU).net
    net(torch.zeros(1, 1, 28, 28))
    twin = dequantised(quantised(net))
    for ours, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        step = float(ours.detach().abs().max()) / 127
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0.51 * step + 1e-5)


def test_the_recorded_bytes_answer_as_well_as_the_recorded_network():
    """On the page's test images, where it was recorded."""
    cells = nbformat.read(recording_of(resolve("7-6-lenet")), as_version=4).cells
    outputs = [o.data for c in cells if c.cell_type == "code" for o in c.outputs if "data" in o]
    claims = [data[CLAIM_TYPE]["arguments"] for data in outputs if CLAIM_TYPE in data]
    (numbers,) = [arguments for arguments in claims if "live_accuracy" in arguments]
    right = decode(numbers["relu_run"]).val_acc[-1]
    assert abs(decode(numbers["live_accuracy"]) - right) < 0.002


def test_moving_brings_zeros_in(call):
    image = images(1)[0]
    (moved,) = call("lenet", "shift", [[image, 2, -3]])
    X = torch.tensor(image).reshape(28, 28)
    assert moved == nn.functional.pad(X, (-3, 3, 2, -2)).flatten().tolist()


def test_other_networks_and_missing_classes_are_refused():
    digits = read_digits()[1]
    with pytest.raises(ValueError, match="a LeNet with ReLUs is wanted"):
        lenet_live(LeNet(activation=nn.Sigmoid).net, digits)
    few = ImageSet(digits.images[digits.labels < 8], digits.labels[digits.labels < 8])
    net = LeNet(activation=nn.ReLU).net
    with pytest.raises(ValueError, match=r"no image of the classes \[8, 9\]"):
        lenet_live(net, few)


@pytest.fixture
def page(open_page, view):
    page = open_page(view._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".alive")
    yield page
    assert page.faults == []


def answer_to(state: dict, image: torch.Tensor) -> str:
    with torch.no_grad():
        p = dequantised(state)(image.reshape(1, 1, 28, 28) / 255).softmax(1)[0]
    return say(p, state["names"])


def says(page, sentence: str) -> None:
    page.wait_for_function(
        "text => document.querySelector('.said').textContent === text", arg=sentence
    )


def test_arrow_keys_move_the_image(page, view):
    page.get_by_role("slider", name="Image").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    X = torch.tensor(view.state["image"]).reshape(28, 28)
    sentence = answer_to(view.state, nn.functional.pad(X, (2, -2, 1, -1)))
    says(page, sentence)
    text = page.get_by_role("slider", name="Image").get_attribute("aria-valuetext")
    assert text == "right 2, down 1"  # the answer is said once, by the sentence


def test_keys_draw_what_the_network_is_sure_of(page, view):
    page.get_by_role("button", name="Clear").click()
    brush = page.get_by_role("slider", name="Brush")
    brush.focus()
    before = brush.get_attribute("aria-valuetext")
    for key in ["ArrowUp"] * 8 + ["ArrowLeft"] * 5:
        page.keyboard.press(key)
    page.wait_for_timeout(50)
    assert before == "column 14, row 14, lifted"
    assert brush.get_attribute("aria-valuetext") == "column 9, row 6, lifted"
    ink = "() => document.querySelector('.live').live.state.image.filter(Boolean).length"
    assert page.evaluate(ink) == 0  # lifted, it leaves nothing
    page.keyboard.press("Space")
    for _ in range(5):  # a pair of trousers
        for key in ["ArrowDown"] * 16 + ["ArrowRight"] + ["ArrowUp"] * 16 + ["ArrowRight"]:
            page.keyboard.press(key)
    assert "painting" in brush.get_attribute("aria-valuetext")
    assert page.evaluate(ink) > 150
    page.keyboard.press("Space")
    drawn = page.evaluate(ink)
    page.keyboard.press("PageUp")
    assert page.evaluate(ink) == drawn


def test_an_item_that_was_moved_out_comes_back_whole(page, view):
    """Cut off, it would count as not moved, and have another answer."""
    for name in ("Move left", "Move right"):
        for _ in range(20):
            page.get_by_role("button", name=name).click()
    says(page, view.says)


def test_on_a_phone_drawing_and_maps_are_on_one_screen(open_page, view):
    page = open_page(view._repr_mimebundle_()["text/html"], width=390)
    page.wait_for_selector(".alive")
    drawing, maps = (page.locator(part).bounding_box() for part in (".ink", ".of-16"))
    assert 0 < maps["y"] + maps["height"] - drawing["y"] < 650


def test_another_item_and_back(page, view):
    seven = lenet_live(item=7).says
    assert seven != view.says
    page.get_by_role("button", name="7", exact=True).click()
    says(page, seven)
    page.get_by_role("button", name="Reset").click()
    says(page, view.says)


def test_a_stroke_by_mouse_and_a_tap(page):
    page.get_by_role("button", name="Clear").click()
    box = page.locator(".ink").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 150, steps=8)
    page.mouse.up()
    pixels = "() => document.querySelector('.ink').getContext('2d').getImageData(0, 0, 28, 28).data"
    bright = f"() => [...({pixels})()].filter((v, at) => at % 4 === 0 && v > 200).length"
    page.wait_for_function(f"() => ({bright})() > 10")
    drawn = page.evaluate(bright)
    page.touchscreen.tap(box["x"] + 150, box["y"] + 150)
    page.wait_for_function(f"() => ({bright})() > {drawn}")


def test_buttons_move_the_image_and_a_finger_draws_without_scrolling(page, view):
    for name in ("Move right", "Move right", "Move down"):
        page.get_by_role("button", name=name).tap()
    X = torch.tensor(view.state["image"]).reshape(28, 28)
    says(page, answer_to(view.state, nn.functional.pad(X, (2, -2, 1, -1))))
    for button in page.locator(".keys button").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    assert page.locator(".ink").evaluate("e => getComputedStyle(e).touchAction") == "none"


def test_idle_filters_are_framed(page, view):
    idle = sum(share < 0.05 for layer in view.state["active"] for share in layer)
    assert page.locator("canvas.idle").count() == idle > 0
    assert page.locator(".maps canvas").count() == 22


def test_below_the_first_maps_stand_the_sums_of_their_kernels(page, view):
    sums = dequantised(view.state)[0].weight.detach().sum((1, 2, 3)).tolist()
    wanted = [f"{value:+.1f}".replace("-", "−") for value in sums]
    assert page.locator(".of-6 div").all_inner_texts() == wanted
