"""The view of occlusion: its squares and maps are PyTorch's, and a hand that drags the square."""

import gzip

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers.data import read_digits, to_float
from helpers.live import cover_places
from helpers.live.occlusion import LETTERS, START, covered, packed

NAMES = [f"class {k}" for k in range(10)]


def images() -> torch.Tensor:
    digits = read_digits()[0].images[:3]
    return (to_float(digits, (28, 28)) * 255).round().byte()


def maps_of(seed: int) -> torch.Tensor:
    """Class maps of a small random network with fields as wide as the page's."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 10, 1),
    )  # fmt: skip
    with torch.no_grad():
        return torch.stack([40 * net(covered(x)) for x in to_float(images(), (28, 28))])


def show():
    return cover_places(images(), maps_of(0), maps_of(1), NAMES)


def test_a_square_of_49_pixels_in_the_mean_grey():
    x = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(0))
    out = covered(x)
    assert out.shape == (37, 1, 28, 28) and torch.equal(out[0], x)
    changed = (out[1:] != x).sum((1, 2, 3)).reshape(6, 6)
    assert changed[0, 0] == 36 and changed[0, 3] == 42 and (changed[1:, 1:] == 49).all()
    assert (out[1 + 6 * 2 + 3, 0, 7:14, 11:18] == x.mean()).all()


def test_the_script_covers_the_same_pixels(call):
    state = show().state
    cases = [[text, at] for text in state["images"] for at in range(0, 36, 2)]
    answers = torch.tensor(call("occlusion", "cover", cases))
    levels = [[16.0 * LETTERS.index(letter) + 8 for letter in text] for text in state["images"]]
    wanted = [covered(torch.tensor(row).reshape(1, 28, 28))[1::2].flatten(1) for row in levels]
    torch.testing.assert_close(answers, torch.cat(wanted), rtol=1e-4, atol=1e-3)


def test_the_script_has_the_maps_and_the_falls(call):
    maps = torch.cat([maps_of(0), maps_of(1)])
    found = [packed(each) for each in maps]
    answers = torch.tensor(call("occlusion", "mapOf", [[each] for each in found]))
    for each, answer in zip(maps, answers, strict=True):
        own = each[0, each[0].mean((1, 2)).argmax()].flatten()
        # rounded to parts of 31: off by half a step
        torch.testing.assert_close(answer, own / own.abs().max(), rtol=0, atol=0.0162)
    falls = torch.tensor(call("occlusion", "falls", [[each] for each in found]))
    for each, fall in zip(maps, falls, strict=True):
        scores = F.adaptive_avg_pool2d(each, 1)[:, each[0].mean((1, 2)).argmax(), 0, 0]
        torch.testing.assert_close(fall, scores[0] - scores[1:], rtol=0, atol=0.011)


def test_a_lead_is_what_the_score_is_above_the_best_of_the_others():
    maps = torch.zeros(37, 4, 6, 6)
    maps[:, 1], maps[:, 2], maps[:, 3] = 3, 1, -5
    maps[4, 0] = 3.5
    leads = packed(maps)["leads"]
    assert leads[4] == -0.5 and leads[:4] + leads[5:] == 36 * [2]


def test_it_says_what_the_square_does(call):
    maps = torch.zeros(1, 37, 2, 6, 6)
    maps[:, :, 0] = 3
    maps[0, 15, 0], maps[0, 16, 0], maps[0, 16, 1] = 2.5, -1, 0.25
    view = cover_places(images()[:1], maps, maps, ["bag", "shirt"])
    found = call("occlusion", "say", [[view.state | {"at": at}] for at in (14, 15, 0)])
    assert found == [
        "The trained network says bag, score 3.00. With row 3, column 3 covered the score is "
        "2.50, down by 0.50, and it still says bag: the lead is 2.50.",
        "The trained network says bag, score 3.00. With row 3, column 4 covered the score is "
        "−1.00, down by 4.00, and it says shirt: the lead is −1.25.",
        "The trained network says bag, score 3.00. With row 1, column 1 covered the score is "
        "3.00, down by 0.00, and it still says bag: the lead is 3.00.",
    ]
    assert view.says == call("occlusion", "say", [[view.state]])[0]


def test_it_is_light_with_real_maps():
    html = show()._repr_mimebundle_()["text/html"]
    assert len(gzip.compress(html.encode())) <= 12_000


@pytest.mark.parametrize(
    ("count", "shape", "text"),
    [
        (0, (0, 37, 10, 6, 6), "0 images: give one to four"),
        (5, (5, 37, 10, 6, 6), "5 images"),
        (2, (2, 36, 10, 6, 6), r"trained has shape \(2, 36, 10, 6, 6\); \(2, 37, 10, 6, 6\)"),
        (2, (2, 37, 9, 6, 6), r"trained has shape \(2, 37, 9, 6, 6\)"),
    ],
)
def test_what_it_cannot_show_is_refused(count, shape, text):
    blank = torch.zeros(count, 1, 28, 28, dtype=torch.uint8)
    with pytest.raises(ValueError, match=text):
        cover_places(blank, torch.zeros(shape), torch.zeros(shape), NAMES)


@pytest.fixture
def page(open_page):
    page = open_page(show()._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".alive")
    yield page
    assert page.faults == []


def says(page, text: str) -> None:
    page.wait_for_function("t => document.querySelector('.said').textContent.includes(t)", arg=text)


def most(kind: str) -> tuple[int, int]:
    """Row and column, from 0, of the place that costs the first image's score most."""
    scores = show().state[kind][0]["scores"]
    return divmod(min(range(36), key=lambda at: scores[at + 1]), 6)


def test_by_mouse_touch_and_goals(page):
    over = page.locator(".layers svg").first
    for kind in ("trained", "untrained"):
        page.get_by_role("button", name=kind, exact=True).click()
        box, (row, column) = over.bounding_box(), most(kind)
        unit = box["width"] / 28
        at = box["x"] + (4 * column + 2.5) * unit, box["y"] + (4 * row + 2.5) * unit
        page.mouse.click(*at) if kind == "trained" else page.touchscreen.tap(*at)
        says(page, f"The {kind} network says")
        says(page, f"row {row + 1}, column {column + 1} covered")
        page.wait_for_selector(f"li.met:has-text('the {kind}')")
    page.get_by_role("button", name="Reset").click()
    says(page, "The trained network says")
    assert page.locator("li.met").count() == 0


def test_panels_stay_where_they_are(open_page):
    """Titles of other lengths move nothing, and the largest fall is printed."""
    maps = torch.zeros(2, 37, 2, 6, 6)
    maps[0, :, 0], maps[1, :, 1], maps[:, 5, :] = 3, 3, -9
    view = cover_places(images()[:2], maps, maps / 4, ["a", "a class with a long name"])
    page, places = open_page(view._repr_mimebundle_()["text/html"]), set()
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_selector(".alive")
    for kind, most in (("trained", "12.00"), ("untrained", "3.00")):
        page.get_by_role("button", name=kind, exact=True).click()
        for item in ("image 1", "image 2"):
            page.get_by_role("button", name=item).click()
            says(page, f"The {kind} network says a{' class' * (item == 'image 2')}")
            assert page.locator("p:has-text('up to')").count() == 0
            page.get_by_role("button", name="Cover all places").click()
            page.wait_for_selector(f"p:has-text('fall of the score, up to {most}')")
            says(page, "Row 1, column 5 costs most of all.")
            places.add(page.locator(".layers svg").first.bounding_box()["y"])
    assert len(places) == 1


def test_by_keyboard(page):
    page.get_by_role("slider", name="Covered place").focus()
    for key, place in (
        ("Right", "row 4, column 5"), ("Down", "row 5, column 5"), ("Left", "row 5, column 4"),
        ("Up", "row 4, column 4"),
    ):  # fmt: skip
        page.keyboard.press(f"Arrow{key}")
        says(page, place)
    for key, place in (("Home", "row 1, column 1"), ("End", "row 6, column 6")):
        page.keyboard.press(key)
        says(page, place)
    page.get_by_role("button", name="image 2").click()
    page.get_by_role("button", name="Cover all places").click()
    blank = """() => {
        const canvas = document.querySelectorAll("canvas")[2], { data } =
            canvas.getContext("2d").getImageData(0, 0, 6, 6);
        return Array.from({ length: 36 }, (_, k) => data[4 * k] === 190).filter(Boolean).length;
    }"""
    page.wait_for_function(f"({blank})() === 0")


def test_a_goal_is_not_met_before_the_hand_moves(open_page):
    maps = torch.zeros(1, 37, 2, 6, 6)
    maps[:, :, 0], maps[0, START + 1, 0] = 3, 1  # the place that is covered first costs most
    page = open_page(
        cover_places(images()[:1], maps, maps, NAMES[:2])._repr_mimebundle_()["text/html"]
    )
    page.wait_for_selector(".alive")
    page.get_by_role("button", name="untrained", exact=True).click()
    page.get_by_role("button", name="Cover all places").click()
    says(page, "The untrained network says")
    assert page.locator("li.met").count() == 0
    page.get_by_role("slider", name="Covered place").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("li.met:has-text('the untrained')")


def test_a_tap_where_the_square_stands_counts_and_a_rise_is_the_trained_networks(open_page):
    maps = torch.zeros(2, 37, 2, 6, 6)
    maps[:, :, 0], maps[:, START + 1, 0] = 3, 4  # the place that is covered first raises the score
    maps[1, START + 1, 1] = 5  # and changes the second answer
    page = open_page(
        cover_places(images()[:2], maps, maps, NAMES[:2])._repr_mimebundle_()["text/html"]
    )
    page.wait_for_selector(".alive")
    goal = page.locator("li:has-text('raises the trained')")
    page.get_by_role("button", name="untrained", exact=True).click()
    page.locator(".layers svg").first.click(position=middle(page))
    says(page, "The untrained network says")
    page.get_by_role("button", name="trained", exact=True).click()
    page.get_by_role("button", name="image 2").click()
    says(page, "The trained network says")
    assert "met" not in (goal.get_attribute("class") or "")
    assert page.locator("li.met").count() == 0
    page.locator(".layers svg").first.click(position=middle(page))
    page.wait_for_selector("li.met:has-text('raises the trained')")
    page.wait_for_selector("li.met:has-text('changes its answer')")


def middle(page) -> dict[str, float]:
    """The middle of row 4, column 4."""
    unit = page.locator(".layers svg").first.bounding_box()["width"] / 28
    return {"x": 14.5 * unit, "y": 14.5 * unit}
