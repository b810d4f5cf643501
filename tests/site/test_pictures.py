"""Every figure and live view of a page is drawn as it was accepted (`tools/accept.py`)."""

import pytest
from PIL import Image, ImageDraw

from tests.conftest import HTML
from tools import accept


@pytest.mark.slow
@pytest.mark.parametrize("name", accept.PAGES)
def test_figures_are_drawn_as_accepted(allow_loopback, log, browser, name):
    drawn = accept.draw(browser, HTML, name)
    kept = {path.stem for path in (accept.ACCEPTED / name).glob("*.png")}
    assert set(drawn) == kept, "figures came or went: look at them, then run `make accept`"
    changed = []
    for figure, views in drawn.items():
        old = Image.open(accept.ACCEPTED / name / f"{figure}.png").convert("L")
        if accept.difference(old, accept.small(accept.open_all(views))) > accept.TOLERANCE:
            changed.append(accept.show_change(name, figure, views))
    assert changed == [], "look at these pictures; if they are right, run `make accept`"


def test_accepted_pictures_are_small():
    sizes = [path.stat().st_size for path in accept.ACCEPTED.rglob("*.png")]
    assert sizes and sum(sizes) <= 3_000_000


def figure(text: str, bar: int) -> Image.Image:
    picture = Image.new("RGB", (360, 240), "white")
    pen = ImageDraw.Draw(picture)
    pen.text((20, 20), text, fill="black")
    pen.rectangle((40, 200 - bar, 90, 200), fill="steelblue")
    return picture


def test_a_changed_bar_is_noticed_and_a_changed_font_is_not():
    old = accept.small([figure("accuracy", 100)])
    for same in (figure("accurecy", 100), figure("accuracy", 101)):
        assert accept.difference(old, accept.small([same])) <= accept.TOLERANCE
    for other in (figure("accuracy", 130), figure("accuracy", 100).rotate(180)):
        assert accept.difference(old, accept.small([other])) > accept.TOLERANCE


@pytest.mark.slow
def test_half_a_pixel_more_above_changes_no_picture(allow_loopback, log, browser, monkeypatch):
    pages = []
    for more in ("0", "0.4px"):
        above = f"article::before {{ content: ''; display: block; height: {more} }}"
        monkeypatch.setattr(accept, "OVERLAID", accept.OVERLAID + above)
        pages.append(accept.draw(browser, HTML, "8-5-batch-normalisation"))
    for one, other in zip(*(page.values() for page in pages), strict=True):
        one, other = (accept.small(accept.open_all(views)) for views in (one, other))
        assert accept.difference(one, other) <= accept.TOLERANCE // 2
