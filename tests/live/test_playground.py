"""The kernel playground: its model is PyTorch's, and a hand changes its weights."""

import pytest
import torch
from torch.nn import functional as F

from helpers.live import kernel_playground


def states(count: int) -> list[tuple[torch.Tensor, torch.Tensor, bool]]:
    draw = torch.Generator().manual_seed(0)
    found = []
    for number in range(count):
        k = int(torch.randint(1, 4, (), generator=draw))
        n = k + int(torch.randint(0, 6, (), generator=draw))
        X = torch.randint(0, 256, (n, n), generator=draw)
        K = torch.randint(-9, 10, (k, k), generator=draw) / (1, 4)[number % 3 == 0]  # and quarters
        found.append((X, K, number % 2 == 1))
    return found


def test_the_model_is_pytorchs(call):
    cases = states(60)
    arguments = [[X.flatten().tolist(), K.flatten().tolist(), flip] for X, K, flip in cases]
    for (X, K, flip), Y in zip(cases, call("playground", "slide", arguments), strict=True):
        W = K.flip(0, 1) if flip else K
        wanted = F.conv2d(X[None, None].double(), W[None, None].double())  # exact
        assert wanted.flatten().tolist() == Y


def test_python_and_script_say_the_same_of_other_numbers(call):
    view = kernel_playground([[1, 2], [3, 4]], [[1, -2], [0, 5]])
    assert view.says == "Output in row 0, column 0: 1 × 1 + 2 × (−2) + 3 × 0 + 4 × 5 = 17."
    assert call("playground", "say", [[view.state]]) == [view.says]


@pytest.mark.parametrize("X", [[[1, 2, 3], [4, 5, 6]], [[1]]])
def test_what_does_not_fit_is_refused(X):
    with pytest.raises(ValueError, match="both must be square, K within X"):
        kernel_playground(X)


@pytest.fixture
def page(open_page):
    page = open_page(kernel_playground()._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".alive")
    yield page
    assert page.faults == []


def says(page, text: str) -> None:
    page.wait_for_function("t => document.querySelector('.said').textContent.includes(t)", arg=text)


def test_outputs_by_touch_and_keyboard(page):
    output = page.get_by_role("slider", name="Output")
    assert output.locator("text").all_text_contents() == ["19", "25", "37", "43"]
    box = output.bounding_box()
    page.touchscreen.tap(box["x"] + 0.8 * box["width"], box["y"] + 0.2 * box["height"])
    says(page, "Output in row 0, column 1: 1 × 0 + 2 × 1 + 4 × 2 + 5 × 3 = 25.")
    output.focus()
    page.keyboard.press("ArrowDown")
    says(page, "Output in row 1, column 1: 4 × 0 + 5 × 1 + 7 × 2 + 8 × 3 = 43.")


def test_the_window_by_mouse(page):
    box = page.locator(".panel", has_text="input").locator("svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] - 1, steps=3)
    page.mouse.up()
    says(page, "Output in row 1, column 0: ")


def test_the_turned_kernel_and_its_goal(page):
    """The boxes stay the kernel, a copy shows it turned; turned by hand, it undoes the turn."""
    page.get_by_role("button", name="convolve ∗").click()
    says(page, "0 × 3 + 1 × 2 + 3 × 1 + 4 × 0 = 5.")
    weights, goal = page.locator(".weights input"), "li.met:has-text('get 19, 25, 37 and 43 back')"
    assert [weights.nth(at).input_value() for at in range(4)] == ["0", "1", "2", "3"]
    assert page.locator(".turned span").all_text_contents() == ["3", "2", "1", "0"]
    assert page.locator(".weights span").all_text_contents() == ["× 4", "× 3", "× 1", "× 0"]
    for at, weight in enumerate(("3", "2", "1", "0")):
        assert page.locator(goal).count() == 0
        weights.nth(at).fill(weight)
    page.wait_for_selector(goal)
    page.get_by_role("button", name="correlate ⋆").click()
    says(page, "0 × 3 + 1 × 2 + 3 × 1 + 4 × 0 = 5.")
    assert not page.locator(".turned").is_visible()


def test_a_fraction_can_be_typed(page):
    box = page.locator(".weights input").nth(1)
    box.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("-0.25")
    says(page, "0 × 0 + 1 × (−0.25) + 3 × 2 + 4 × 3 = 17.75.")
    assert box.input_value() == "-0.25"
    assert page.get_by_role("slider", name="Output").locator("text").first.text_content() == "17.8"
    box.fill("1000")
    says(page, "1 × 99 + ")
    assert box.input_value() == "99"


def test_fractions_whose_sum_is_no_exact_zero_reach_the_goal(page):
    """0.1 + 0.2 − 0.3 is not 0 in floating point."""
    weights = page.locator(".weights input")
    for at, weight in enumerate(("0.1", "-0.1", "-0.1", "0.1")):
        weights.nth(at).fill(weight)
    page.wait_for_selector("li.met:has-text('answer 0 everywhere')")


BELOW = """() => {
  const parts = [".stage", ".words", ".controls"].map((name) => document.querySelector(name));
  const [stage, words, controls] = parts.map((part) => part.getBoundingClientRect());
  const gap = words.top - stage.bottom;
  return 0 <= gap && gap < 20 && controls.top >= words.bottom;
}"""


@pytest.mark.parametrize("width", [390, 1200])
def test_the_sentence_stands_right_below_the_weights(open_page, width):
    page = open_page(kernel_playground()._repr_mimebundle_()["text/html"], width=width)
    page.wait_for_selector(".alive")
    for name in ("photograph", "convolve ∗"):
        page.get_by_role("button", name=name).click()
        page.wait_for_function(BELOW)
    if width == 390:
        kernel, output = (
            page.locator(".panel", has_text=part).first.bounding_box()
            for part in ("kernel", "output")
        )
        assert kernel["y"] > output["y"] + output["height"] - 1


def test_a_negative_weight_can_be_typed(page):
    page.locator(".weights input").nth(1).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("-7")
    says(page, "0 × 0 + 1 × (−7) + 3 × 2 + 4 × 3 = 11.")


def test_the_photograph_is_convolved(page):
    """The drawn pixels are those of the recorded picture, and vertical edges get their colours."""
    page.get_by_role("button", name="photograph").click()
    says(page, "Output in row 23, column 14: ")
    page.get_by_role("button", name="vertical edges").click()
    says(page, " = ")
    assert page.locator("li.met").count() == 0, "a preset is no kernel of one's own"
    reds = (
        page.locator(".panel", has_text="output")
        .locator("canvas")
        .evaluate("""(canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let reds = 0;
        for (let at = 0; at < data.length; at += 4) reds += data[at] > data[at + 2] + 60;
        return [canvas.width, reds];
    }""")
    )
    assert reds[0] == 62 and reds[1] > 50
    weights = page.locator(".weights input")
    page.get_by_role("button", name="sum of nine").click()
    for weights_typed, reached in (
        ((1, -1, 0, -1, 1, 0, 0, 0, 0), False),  # blind to posts, too
        ((0, 0, 0, 0, 1, -1, 0, 0, 0), False),  # a preset
        ((0, 0, 0, 1, -1, 0, 0, 0, 0), False),  # a preset, moved
        ((0.3, -0.1, -0.2, 1, -1, 0, 0, 1, -1), True),
    ):
        for at, weight in enumerate(weights_typed):
            weights.nth(at).fill(f"{weight}")
        page.evaluate("() => new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")
        assert page.locator("li.met:has-text('a kernel of your own')").count() == reached


def test_a_finger_drags_the_window_down_the_photograph(open_page, swipe):
    html = kernel_playground()._repr_mimebundle_()["text/html"]
    page = open_page(html, width=390, has_touch=True)
    page.wait_for_selector(".alive")
    page.get_by_role("button", name="photograph").click()
    says(page, "Output in row 23, column 14: ")
    photograph = page.locator(".panel", has_text="input").locator("svg")
    assert swipe(page, photograph, (0.5, 0.5), (0.5, 0.99)) == 0, "the page has scrolled"
    says(page, "Output in row 61, column 31: ")


def test_an_empty_box_shows_its_weight_again(page):
    box = page.locator(".weights input").nth(3)
    box.fill("")
    assert box.input_value() == ""
    box.blur()
    page.wait_for_function("document.querySelectorAll('.weights input')[3].value === '3'")


def test_large_outputs_stay_in_their_cells(page):
    for at in range(4):
        page.locator(".weights input").nth(at).fill("-98.7")
    says(page, "= −789.6.")
    widths = page.get_by_role("slider", name="Output").evaluate(
        "p => [...p.querySelectorAll('text')].map((text) => text.getBoundingClientRect().width)"
    )
    assert max(widths) < 43, widths
