"""The view of first-layer filters: its fit is PyTorch's, and a hand turns the wave."""

import random
import statistics

import pytest
import torch

from helpers.live import turn_gabor
from helpers.live.gabor import GRID, made_up, quantised
from helpers.sections.alexnet import explained, gabor_pair


def places(count: int) -> list[tuple[float, float, float]]:
    """Wavelengths, widths and angles that the sliders reach."""
    choose = random.Random(0)
    return [
        (choose.randint(4, 32), choose.randint(3, 14) / 2, 5 * choose.randint(0, 35))
        for _ in range(count)
    ]


def kernels(count: int, k: int = 11) -> torch.Tensor:
    K = torch.randn(count, k, k, generator=torch.Generator().manual_seed(1)).double()
    return K - K.mean((1, 2), keepdim=True)


@pytest.mark.parametrize("k", [11, 8])
def test_a_pair_is_the_pages(call, k):
    chosen = places(25)
    found = call("gabor", "pair", [[*place, k] for place in chosen])
    wanted = [gabor_pair(*place, k).flatten(1) for place in chosen]
    torch.testing.assert_close(
        torch.tensor(found).double(), torch.stack(wanted), rtol=0, atol=1e-5, check_dtype=False
    )


def test_a_fit_is_least_squares(call):
    """Values and share, against a general solver, on 50 kernels and waves."""
    K, chosen = kernels(50), places(50)
    pairs = [gabor_pair(*place).flatten(1) for place in chosen]
    arguments = [
        [kernel.flatten().tolist(), pair.tolist()] for kernel, pair in zip(K, pairs, strict=True)
    ]
    for kernel, pair, found in zip(K, pairs, call("gabor", "fit", arguments), strict=True):
        y = kernel.reshape(-1, 1)
        fit = (pair.T @ torch.linalg.lstsq(pair.T, y).solution).flatten()
        torch.testing.assert_close(torch.tensor(found["values"]).double(), fit, rtol=0, atol=1e-4)
        share = 1 - float((y.flatten() - fit).square().sum() / y.square().sum())
        assert found["share"] == pytest.approx(share, abs=1e-4)


def test_the_best_wave_is_found(call):
    K = torch.cat([made_up()[0][:3], made_up()[2][:3]]).double()
    K = K - K.mean((1, 2), keepdim=True)
    shares = torch.stack([explained(K, gabor_pair(*each)) for each in GRID])
    found = call("gabor", "best", [[kernel.flatten().tolist(), 11] for kernel in K])
    for each, column in zip(found, shares.T, strict=True):
        place = each["wave"], each["width"], each["angle"]
        assert place == GRID[int(column.argmax())]
        assert each["share"] == pytest.approx(float(column.max()), abs=1e-4)


@pytest.mark.parametrize("longest", [11, 8])
def test_the_best_of_the_short_waves_is_found(call, longest):
    K, short = kernels(50), [each for each in GRID if each[0] <= longest]
    shares = torch.stack([explained(K, gabor_pair(*each)) for each in short])
    found = call("gabor", "best", [[kernel.flatten().tolist(), 11, longest] for kernel in K])
    for each, column in zip(found, shares.T, strict=True):
        assert each["share"] == pytest.approx(float(column.max()), abs=1e-4)
        assert each["wave"] <= longest


def test_the_control_uses_the_same_waves(call):
    """Half of the mixtures: by short waves, until a hand takes a longer one."""
    view = turn_gabor()
    mixtures = quantised("mixture", made_up()[2])
    for longest, wave, counted in ((8, 6, 8), (11, 11, 11), (8, 9, 32), (32, 6, 32)):
        waves = [each for each in GRID if each[0] <= counted]
        shares = torch.stack([explained(mixtures, gabor_pair(*each)) for each in waves])
        middle = 100 * statistics.median(shares.max(0).values.tolist())
        [words] = call("gabor", "say", [[view.state | {"longest": longest, "wave": wave}]])
        short = f" of up to {counted} pixels" if counted < 32 else ""
        assert words.endswith(f"reach {middle:.0f} % with their own best wave{short}.")


def test_it_says_what_the_wave_explains(call):
    view = turn_gabor()
    states = [view.state, view.state | {"set": 1, "kernel": 3, "wave": 8, "width": 2.5}]
    found = call("gabor", "say", [[state] for state in states])
    assert found[0] == view.says and found[0].startswith("Change 1, wavelength 16 pixels, width 5")
    share = float(explained(quantised("start", made_up()[1])[3:4], gabor_pair(8, 2.5, 0)))
    assert found[1].startswith(
        f"Start 4, wavelength 8 pixels, width 2.5, angle 0°: the wave explains {100 * share:.0f} %."
    )
    mixtures = quantised("mixture", made_up()[2])
    shares = torch.stack([explained(mixtures, gabor_pair(*each)) for each in GRID]).max(0).values
    middle = 100 * statistics.median(shares.tolist())
    for words in found:
        assert words.endswith(
            f"Half of the mixtures reach {middle:.0f} % with their own best wave."
        )


def test_bytes_change_little():
    K = kernels(12)
    pair = gabor_pair(11, 3.5, 30)
    torch.testing.assert_close(
        explained(quantised("start", K), pair), explained(K, pair), rtol=0, atol=2e-3
    )


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((3, 11), r"start has shape \(3, 11\): \(N, 11, 11\)"),
        ((3, 5, 5), r"start has shape \(3, 5, 5\)"),
        ((11, 11, 11), r"start has shape \(11, 11, 11\)"),
        ((0, 11, 11), r"start has shape \(0, 11, 11\)"),
    ],
)
def test_other_shapes_are_refused(shape, text):
    change, _, mixture = made_up()
    with pytest.raises(ValueError, match=text):
        turn_gabor(change, torch.randn(*shape), mixture)


def test_a_constant_kernel_is_refused():
    change, start, mixture = made_up()
    mixture[3] = 0.5
    with pytest.raises(ValueError, match="mixture holds a constant kernel"):
        turn_gabor(change, start, mixture)


@pytest.fixture
def page(open_page):
    page = open_page(turn_gabor()._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".alive")
    yield page
    assert page.faults == []


def says(page, text: str) -> None:
    page.wait_for_function("t => document.querySelector('.said').textContent.includes(t)", arg=text)


def test_by_keyboard_buttons_and_goals(page):
    slider = page.get_by_role("slider", name="angle")
    slider.focus()
    page.keyboard.press("ArrowRight")
    says(page, "angle 5°")
    page.get_by_role("button", name="Fit", exact=True).click()
    wave, width, angle = GRID[
        int(
            torch.stack(
                [
                    explained(quantised("change", made_up()[0])[:1], gabor_pair(*each))
                    for each in GRID
                ]
            ).argmax()
        )
    ]
    says(page, f"wavelength {wave} pixels, width {width}, angle {angle}°")
    assert page.locator(".mark").is_visible()
    says(page, "with their own best wave.")
    assert page.locator("li.met").count() == 0  # for this goal only short waves count
    page.get_by_role("button", name="Fit ≤ 8 px").click()
    says(page, "with their own best wave of up to 8 pixels.")
    page.wait_for_selector("li.met:has-text('8 px')")  # these changes are made of waves
    page.get_by_role("button", name="start", exact=True).click()
    page.get_by_role("button", name="start 3").tap()
    says(page, "Start 3")
    page.get_by_role("button", name="Fit", exact=True).click()
    page.wait_for_selector("li.met:has-text('even Fit')")
    page.get_by_role("button", name="Reset").click()
    says(page, "Change 1, wavelength 16")
    assert page.locator("li.met").count() == 0


def test_a_goal_is_met_where_a_change_is_explained_less_than_mixtures(open_page):
    _, start, mixture = made_up()
    view = turn_gabor(start, start, mixture)  # noise in place of changes
    page = open_page(view._repr_mimebundle_()["text/html"])
    page.wait_for_selector(".alive")
    assert page.locator("li.met").count() == 0
    page.get_by_role("button", name="Fit", exact=True).click()
    page.wait_for_selector("li.met:has-text('less well')")
    assert page.locator("li.met:has-text('8 px')").count() == 0


def test_sets_may_differ_in_size(open_page):
    change, start, mixture = made_up()
    view = turn_gabor(change[:2], start, mixture)
    page = open_page(view._repr_mimebundle_()["text/html"])
    page.wait_for_selector(".alive")
    assert page.get_by_role("button", name="change 2").is_visible()
    assert page.locator(".thumbs button:visible").count() == 2
    page.get_by_role("button", name="start", exact=True).click()
    shown = "document.querySelectorAll('.thumbs button:not([hidden])').length"
    page.wait_for_function(f"{shown} === 4")


def test_on_a_narrow_phone(open_page):
    page = open_page(turn_gabor()._repr_mimebundle_()["text/html"], width=320)
    page.wait_for_selector(".alive")
    boxes = [b.bounding_box() for b in page.locator(".thumbs button").all()]
    assert len(boxes) == 10 and min(min(b["width"], b["height"]) for b in boxes) >= 44
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
