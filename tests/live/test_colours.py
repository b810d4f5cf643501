"""The view of a 1×1 convolution: its model is PyTorch's, and a hand moves its weights."""

import pytest
import torch
from torch.nn import functional as F

from helpers.live import mix_colours


def test_the_model_is_pytorchs(call):
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 3, 4, 5), generator=draw)
    weights = torch.randint(-10, 11, (60, 3), generator=draw) / 10
    arguments = [
        [X.permute(1, 2, 0).flatten().tolist(), w.tolist()]
        for X, w in zip(pixels, weights, strict=True)
    ]
    for X, w, Y in zip(pixels, weights, call("colours", "mix", arguments), strict=True):
        wanted = F.conv2d(X[None].float(), w[None, :, None, None])[0, 0]
        torch.testing.assert_close(torch.tensor(Y), wanted.flatten(), rtol=1e-4, atol=1e-4)


def test_a_weight_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="green = 2: choose a weight from -1 to 1"):
        mix_colours(green=2)


@pytest.fixture
def page(open_page):
    page = open_page(mix_colours()._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".scale span")  # the picture is decoded
    yield page
    assert page.faults == []


@pytest.mark.parametrize("late, on_time", [("png", "jpeg"), ("jpeg", "png")])
def test_a_picture_that_is_decoded_late_kills_nothing(open_page, late, on_time):
    """On a slow machine one picture comes long after the other; each is drawn when it is there."""
    hold = """<script>
        const { get, set } = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
        Object.defineProperty(HTMLImageElement.prototype, "src", { get, set(address) {
            const decode = () => set.call(this, address);
            if (address.startsWith("data:image/LATE")) window.arrive = decode; else decode();
        } });
    </script>""".replace("LATE", late)
    page = open_page(hold + mix_colours()._repr_mimebundle_()["text/html"])
    canvases = {"jpeg": "figure:nth-of-type(2) canvas", "png": ".plate canvas"}
    drawn = """selector => { const canvas = document.querySelector(selector);
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.some(Boolean); }"""
    page.wait_for_function("Boolean(window.arrive)")  # a function alone would be called
    page.wait_for_function(drawn, arg=canvases[on_time])
    assert not page.evaluate(drawn, canvases[late])
    weigh(page, red=1, green=0, blue=-1)
    reaches(page, "digit")
    page.evaluate("window.arrive()")
    page.wait_for_function(drawn, arg=canvases[late])
    assert page.locator(".alive").count() == 1 and page.faults == []


def weigh(page, **weights: float) -> None:
    for name, weight in weights.items():
        page.get_by_role("slider", name=name).fill(str(weight))


def reaches(page, goal: str) -> None:
    page.wait_for_selector(f"li.met:has-text('{goal}')", timeout=5000)


def test_the_answers_of_the_text(page):
    """Red − green answers 0 for grey, and the heart is higher in it than the petals."""
    weigh(page, red=-0.3, green=-0.6, blue=-0.1)  # turns bright and dark, and leaves are darkest
    page.wait_for_function("document.querySelector('.said').textContent.includes('(−0.3) ×')")
    assert page.locator("li.met").count() == 0
    weigh(page, red=1, green=-1, blue=0)
    reaches(page, "answer 0 for every grey")
    reaches(page, "the heart")
    assert page.locator("li.met", has_text="0 from every grey").count() == 0
    weigh(page, red=-0.5, green=-0.5, blue=1)
    reaches(page, "more for the leaves")


def test_the_dots_are_read_along_red_minus_blue_and_not_in_one_channel(page):
    for name in ("red", "green", "blue"):
        weigh(page, **{"red": 0, "green": 0, "blue": 0, name: 1})
        page.wait_for_timeout(50)
        assert page.locator("li.met", has_text="digit").count() == 0
    weigh(page, red=1, green=-1, blue=0)  # there it is weak
    reaches(page, "the heart")
    assert page.locator("li.met", has_text="digit").count() == 0
    weigh(page, red=1, green=0, blue=-1)
    reaches(page, "digit")


def test_a_finger_that_scrolls_leaves_a_slider_as_it_is(open_page):
    """The browser moves the slider at the first touch, before it knows that the finger scrolls."""
    html = mix_colours()._repr_mimebundle_()["text/html"]
    page = open_page(html, width=390, has_touch=True, is_mobile=True)
    page.wait_for_selector(".scale span")
    slider = page.get_by_role("slider", name="green")
    slider.scroll_into_view_if_needed()
    before, box = page.evaluate("scrollY"), slider.bounding_box()
    touch = page.context.new_cdp_session(page)
    x, y = box["x"] + 0.1 * box["width"], box["y"] + box["height"] / 2
    for step in range(12):
        event = "touchMove" if step else "touchStart"
        points = [{"x": x, "y": y - 15 * step}]
        touch.send("Input.dispatchTouchEvent", {"type": event, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("y => scrollY > y", arg=before)
    page.wait_for_timeout(100)
    assert slider.input_value() == "0.6"
    assert "0.6 × 100" in page.locator(".said").inner_text()


def test_a_slider_by_keyboard(page):
    page.get_by_role("slider", name="red").focus()
    page.keyboard.press("Home")
    page.wait_for_function("document.querySelector('.said').textContent.includes('(−1) ×')")


def test_a_pixel_by_touch_mouse_and_keyboard(page):
    said = page.locator(".said")
    before = said.inner_text()
    picture = page.get_by_role("slider", name="Marked pixel")
    box = picture.bounding_box()
    page.touchscreen.tap(box["x"] + 2, box["y"] + 2)
    page.wait_for_function("t => document.querySelector('.said').textContent !== t", arg=before)
    assert picture.get_attribute("aria-valuenow") == "0"
    page.mouse.click(box["x"] + box["width"] - 1, box["y"] + 1)
    page.wait_for_selector("[aria-label='Marked pixel'][aria-valuenow='87']")
    picture.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("[aria-label='Marked pixel'][aria-valuenow='85']")
