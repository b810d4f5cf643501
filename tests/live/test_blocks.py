"""The view of residual blocks: what it says of a set of blocks, and a hand that switches them."""

import random

import pytest
import torch

from helpers.live import switch_blocks
from helpers.live.blocks import means

IMAGES = 2000
WHOLE = 255


def counts() -> tuple[list[int], list[int | None]]:
    """Right answers for all sets of blocks; the first network misses block 3.1 most, 4.2 least."""
    cost = [90, 80, 300, 60, 700, 50, 200, 10]
    hits = [1800 - sum(c for k, c in enumerate(cost) if not on >> k & 1) for on in range(256)]
    plain = [None if ~on & 0b1010100 else 200 + 1600 * (on == WHOLE) for on in range(256)]
    return [max(hit, 200) for hit in hits], plain


def with_fresh_statistics() -> tuple[list[int], list[int | None]]:
    """As above, 5 more with all on; a block costs less, 2.1 most, and 3.1 has most of it back."""
    hits, plain = counts()
    gain = [20, 30, 0, 10, 500, 40, 150, 0]
    more = [sum(g for k, g in enumerate(gain) if not on >> k & 1) for on in range(256)]
    return [hit + each + 5 for hit, each in zip(hits, more, strict=True)], plain


def show(off: str = ""):
    return switch_blocks(counts(), with_fresh_statistics(), IMAGES, off)


def test_paths_are_products_of_one_and_two(call):
    """As many as terms of (1 + a)(1 + b)…, in which a block that is off has no second term."""
    sets = random.Random(0).sample(range(256), 60)
    found = call("blocks", "paths", [[on] for on in sets])
    terms = [[1.0, 1.0] if on >> k & 1 else [1.0] for on in sets for k in range(8)]
    wanted = []
    for start in range(0, len(terms), 8):
        product = torch.ones(1)
        for factor in terms[start : start + 8]:
            product = torch.outer(product, torch.tensor(factor)).flatten()
        wanted.append(len(product))
    assert found == wanted and set(wanted) > {4, 8, 16}


def test_missing_names_the_bits_that_are_0(call):
    assert call("blocks", "missing", [[255], [0b11111010], [0]]) == [[], [0, 2], list(range(8))]


def test_it_says_what_is_off_and_what_is_left(call):
    state = show().state
    found = call("blocks", "say", [[state | {"on": on}] for on in (255, 0b11110111, 0b11101011, 0)])
    assert found == [
        "All blocks on. With shortcuts 1,800 of 2,000 are right, without them 1,800.",
        "Block 2.2 off: 128 paths of 256 are left. With shortcuts 1,740 of 2,000 are right, "
        "without them 200.",
        "Blocks 2.1 and 3.1 off: 64 paths of 256 are left. With shortcuts 800 of 2,000 are "
        "right, without them nothing passes. Together they cost 1,000; singly 300 + 700 = 1,000.",
        "Blocks 1.1, 1.2, 2.1, 2.2, 3.1, 3.2, 4.1 and 4.2 off: 1 path of 256 is left. With "
        "shortcuts 310 of 2,000 are right, without them nothing passes. Together they cost 1,490; "
        "singly 90 + 80 + 300 + 60 + 700 + 50 + 200 + 10 = 1,490.",
    ]
    assert show().says == found[0] and show(off="2.2").says == found[1]
    fresh = [state | {"statistics": "fresh", "on": on} for on in (0b11101111, 255)]
    assert call("blocks", "say", [[each] for each in fresh]) == [
        "Block 3.1 off: 128 paths of 256 are left, statistics are fresh. With shortcuts "
        "1,605 of 2,000 are right, without them nothing passes.",
        "All blocks on, statistics are fresh. With shortcuts 1,805 of 2,000 are right, without "
        "them 1,800.",
    ]
    (cut,) = call("blocks", "say", [[show(off="3.1").state]])
    assert show(off="3.1").says == cut and cut.endswith("nothing passes.")


@pytest.mark.parametrize(
    ("hits", "plain", "text"),
    [
        ([1] * 255, [1] * 256, r"hits \(stored\) has 255 counts: one for each of 256 sets"),
        ([1] * 256, [None] * 32, r"plain \(stored\) has 32 counts"),
        ([2001] * 256, [1] * 256, "holds 2001, of 2000 images: count them again"),
        ([1] * 256, [-1] * 256, r"plain \(stored\) holds -1, of 2000 images"),
    ],
)
def test_what_it_cannot_show_is_refused(hits, plain, text):
    with pytest.raises(ValueError, match=text):
        switch_blocks((hits, plain), images=IMAGES)
    with pytest.raises(ValueError, match=text.replace("stored", "fresh")):
        switch_blocks(counts(), (hits, plain), IMAGES)


def test_a_block_may_be_off_at_first():
    view = show(off="2.2")
    assert view.state["on"] == 0b11110111
    assert view.picture.count('class="block off"') == 2
    assert "with shortcuts: 1,740 right" in view.picture and "without: 200 right" in view.picture
    assert "without: cut" in show(off="3.1").picture
    with pytest.raises(ValueError, match=r"no block '5\.1'; there are 1\.1, 1\.2"):
        show(off="5.1")


@pytest.fixture
def page(open_page):
    page = open_page(show()._repr_mimebundle_()["text/html"], has_touch=True)
    page.wait_for_selector(".alive")
    yield page
    assert page.faults == []


def says(page, text: str) -> None:
    page.wait_for_function("t => document.querySelector('.said').textContent.includes(t)", arg=text)


def compare(page) -> None:
    """Switch four blocks off and on, one at a time, as the invitation asks."""
    for name in ("1.1", "1.2", "2.2", "3.2"):
        for said in (f"Block {name} off", "All blocks on"):
            page.get_by_role("button", name=f"block {name}").click()
            says(page, said)


def test_costs_are_those_of_all_blocks_and_of_each(call):
    """Off by one: fresh counts have 5 more with all on, and 3.1 has most of its cost back."""
    state = show().state
    sets = random.Random(1).sample(range(256), 60)
    for statistics, (hits, _) in (("stored", counts()), ("fresh", with_fresh_statistics())):
        found = call(
            "blocks", "costs", [[state | {"statistics": statistics, "on": on}] for on in sets]
        )
        for on, costs in zip(sets, found, strict=True):
            alone = [hits[WHOLE] - hits[WHOLE - (1 << k)] for k in range(8) if not on >> k & 1]
            assert costs == {"together": hits[WHOLE] - hits[on], "alone": sum(alone)}


def test_by_keyboard_and_goals(page):
    last = page.get_by_role("button", name="block 4.2")
    last.click()
    says(page, "Block 4.2 off")
    last.click()
    assert page.locator("li.met").count() == 0, "nothing is compared yet"
    compare(page)
    last.focus()
    page.keyboard.press("Enter")
    says(page, "Block 4.2 off: 128 paths of 256 are left. With shortcuts 1,790")
    assert last.get_attribute("aria-pressed") == "false"
    page.wait_for_selector("li.met:has-text('shortcuts least')")
    page.keyboard.press("Space")
    says(page, "All blocks on.")
    page.get_by_role("button", name="block 3.1").click()
    says(page, "without them nothing passes")
    page.wait_for_selector("li.met:has-text('costs it most')")
    page.get_by_role("button", name="fresh statistics").click()
    says(page, "statistics are fresh. With shortcuts 1,605 of 2,000")
    page.wait_for_selector("li.met:has-text('fresh statistics')")
    page.get_by_role("button", name="stored statistics").click()
    says(page, "are left. With shortcuts 1,100 of 2,000")
    page.get_by_role("button", name="block 3.1").click()
    assert page.locator("li.met").count() == 3, "here costs add"
    page.get_by_role("button", name="Reset").click()
    says(page, "All blocks on.")
    assert page.locator("li.met").count() == 3, "what was found stays found"
    assert page.locator(".dot:not(.now)").count() > 4, "and what was tried stays drawn"


def test_fresh_statistics_have_their_own_counts_and_goals(page):
    """The most costly block is another one, and Reset leads back to the stored statistics."""
    fresh = page.get_by_role("button", name="fresh statistics")
    drawn = "document.querySelector('.mean').getAttribute('d')"
    stored = page.evaluate(drawn)
    compare(page)
    fresh.click()
    page.wait_for_function(f"d => {drawn} !== d", arg=stored)
    says(page, "All blocks on, statistics are fresh. With shortcuts 1,805 of 2,000")
    assert page.locator("li.met").count() == 0
    page.get_by_role("button", name="block 2.1").click()
    says(page, "Block 2.1 off: 128 paths of 256 are left, statistics are fresh.")
    page.wait_for_selector("li.met:has-text('costs it most')")
    assert page.locator("li.met").count() == 1, "all of its cost is left"
    page.get_by_role("button", name="Reset").click()
    says(page, "All blocks on. With")
    assert fresh.get_attribute("aria-pressed") == "false"
    page.wait_for_function(f"d => {drawn} === d", arg=stored)


def test_by_mouse_and_touch(page):
    block = page.locator(".block").nth(3).bounding_box()
    middle = block["x"] + block["width"] / 2, block["y"] + block["height"] / 2
    page.mouse.click(*middle)
    says(page, "Block 2.2 off")
    page.touchscreen.tap(*middle)
    says(page, "All blocks on.")
    bar = page.locator(".track").first.bounding_box()
    page.touchscreen.tap(bar["x"] + 40, bar["y"] + 8)
    page.wait_for_timeout(100)
    says(page, "All blocks on.")


def test_a_swipe_scrolls_and_switches_nothing(page):
    page.evaluate("document.body.style.paddingBottom = '2000px'")
    page.locator(".block").nth(3).scroll_into_view_if_needed()
    block = page.locator(".block").nth(3).bounding_box()
    x, y = block["x"] + block["width"] / 2, block["y"] + block["height"] / 2
    touch = page.context.new_cdp_session(page)
    for step, kind in enumerate(("touchStart", *["touchMove"] * 8, "touchEnd")):
        points = [] if kind == "touchEnd" else [{"x": x, "y": y - 15 * step}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_function("scrollY > 50", timeout=3000)
    says(page, "All blocks on.")


@pytest.mark.parametrize("statistics", ["stored", "fresh"])
def test_the_curve_is_the_mean_over_all_sets_of_so_many(call, statistics):
    state = show().state | {"statistics": statistics}
    found, by_off = call("blocks", "means", [[state]])[0], {}
    for on, count in enumerate(state[statistics]["hits"]):
        by_off.setdefault(8 - on.bit_count(), []).append(count)
    wanted = [sum(by_off[off]) / len(by_off[off]) for off in range(9)]
    assert found == pytest.approx(wanted)
    assert found == pytest.approx(means(state[statistics]["hits"]))


def test_on_a_phone_the_buttons_stand_in_two_rows_of_four(open_page):
    page = open_page(show()._repr_mimebundle_()["text/html"], width=390)
    page.wait_for_selector(".alive")
    boxes = [b.bounding_box() for b in page.get_by_role("button", name="block").all()]
    assert len({box["y"] for box in boxes}) == 2 and len({round(b["x"]) for b in boxes}) == 4


def test_on_a_narrow_phone_the_blocks_are_large_enough(open_page):
    page = open_page(show()._repr_mimebundle_()["text/html"], width=320)
    page.wait_for_selector(".alive")
    boxes = [b.bounding_box() for b in page.get_by_role("button", name="block").all()]
    assert min(min(b["width"], b["height"]) for b in boxes) >= 44
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_goal_asks_for_its_number_of_blocks(open_page):
    """Where every set of blocks is right as often, only their number tells."""
    same = switch_blocks(([1000] * 256, [1000] * 256), images=IMAGES)
    page = open_page(same._repr_mimebundle_()["text/html"])
    page.wait_for_selector(".alive")
    assert page.locator("li.met").count() == 0
    compare(page)
    for name, met in (("1.1", 2), ("1.2", 2), ("4.1", 2)):
        page.get_by_role("button", name=f"block {name}").click()
        says(page, name)
        assert page.locator("li.met").count() == met


def test_two_blocks_may_cost_more_together(open_page):
    """Two blocks that do one work: each can be spared, both cannot."""
    hits = [1000 - 700 * (on & 0b11 == 0) - 10 * (on & 0b11 in (1, 2)) for on in range(256)]
    page = open_page(switch_blocks((hits, hits), images=IMAGES)._repr_mimebundle_()["text/html"])
    page.wait_for_selector(".alive")
    page.get_by_role("button", name="block 1.1").click()
    says(page, "Block 1.1 off")
    assert "right, all on 1,000" in page.locator("svg").first.text_content()
    page.get_by_role("button", name="block 1.2").click()
    says(page, "Together they cost 700; singly 10 + 10 = 20.")
    page.wait_for_selector("li.met:has-text('two blocks')")


def test_three_blocks_change_the_shape(page):
    assert page.locator(".convolution").count() == 3
    for name, cut in (("1.1", 0), ("2.1", 1), ("3.1", 2), ("4.1", 3), ("4.2", 3)):
        page.get_by_role("button", name=f"block {name}").click()
        says(page, name)
        assert page.locator(".cut").count() == cut
