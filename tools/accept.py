"""Accepted pictures of figures and live views: python -m tools.accept [PAGE …]

Every figure of the pages in `PAGES` is drawn on a phone and on a desktop, light and dark; the four
views are kept as one small grey picture below `tests/site/pictures`. A test draws them again and
compares. Run this after a change that is meant, look at what `git diff` shows, and commit it.
"""

import io
import sys
from pathlib import Path
from typing import Literal

from PIL import Image, ImageChops, ImageFilter
from playwright.sync_api import Browser

from tools.browser import browser
from tools.pages import ROOT, find_pages, resolve

HTML = ROOT / "_build" / "html"
ACCEPTED = ROOT / "tests" / "site" / "pictures"
CHANGED = ROOT / "_build" / "pictures"
PAGES = tuple(page.stem for page in find_pages() if "  figure:" in page.read_text(encoding="utf-8"))
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
VIEWS = [(width, scheme) for width in (390, 1440) for scheme in SCHEMES]
SMALL = (110, 110, 200, 200)  # pixels, the widths of the accepted views
OVERLAID = ".bd-header-article, .skip-link, #pst-back-to-top { display: none !important }"
TOLERANCE = 28  # of 255, in the mean over a neighbourhood: fonts differ between machines

STANDS_STILL = """figure => {  // its view has come alive, and its height has stayed for ten frames
  figure.scrollIntoView()
  const views = [...figure.querySelectorAll('[data-live]')]
  const awake = views.every(view => view.querySelector('.alive'))
  figure.frames = awake && figure.height === figure.offsetHeight ? figure.frames + 1 : 0
  figure.height = figure.offsetHeight
  return figure.frames > 9
}"""
ON_WHOLE_PIXELS = """figure => {  // by layout, since a transform leaves fractions of a pixel inside
  const {x, y} = figure.getBoundingClientRect()
  figure.style.position = 'relative'
  figure.style.left = `${Math.round(x) - x}px`
  figure.style.top = `${Math.round(y + scrollY) - y - scrollY}px`
}"""


def draw(started: Browser, html: Path, page: str) -> dict[str, list[bytes]]:
    """The views of every figure of a page by its name, as PNG, in the order of `VIEWS`."""
    source = resolve(page).relative_to(ROOT).with_suffix(".html")
    views: dict[str, list[bytes]] = {}
    for width, scheme in VIEWS:
        context = started.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        opened = context.new_page()
        opened.goto((html / source).as_uri(), wait_until="load")
        opened.add_style_tag(content=OVERLAID)
        opened.evaluate("document.querySelectorAll('article details').forEach(d => d.open = true)")
        opened.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
        opened.evaluate("Promise.all([...document.images].map(i => i.decode().catch(() => 0)))")
        figures = opened.locator("article .cell_output figure[id]")
        for number in range(figures.count()):
            figure = figures.nth(number)
            opened.wait_for_function(STANDS_STILL, arg=figure.element_handle())
            figure.evaluate(ON_WHOLE_PIXELS)
            name = figure.get_attribute("id") or ""
            views.setdefault(name, []).append(figure.screenshot(animations="disabled"))
        context.close()
    return views


def small(views: list[Image.Image]) -> Image.Image:
    """The views side by side, small and in sixteen greys."""
    thumbs = [
        view.convert("L").resize((width, max(1, round(view.height * width / view.width))))
        for view, width in zip(views, SMALL, strict=False)
    ]
    strip = Image.new("L", (sum(SMALL), max(thumb.height for thumb in thumbs)), 255)
    for number, thumb in enumerate(thumbs):
        strip.paste(thumb, (sum(SMALL[:number]), 0))
    return strip.point(lambda grey: grey // 16 * 17)


def difference(one: Image.Image, other: Image.Image) -> float:
    """How far two strips are apart where they differ most, of 255; a row more counts as none."""
    if one.width != other.width or abs(one.height - other.height) > 4:
        return 255
    other = other.resize(one.size)
    blurred = (picture.filter(ImageFilter.BoxBlur(3)) for picture in (one, other))
    return max(ImageChops.difference(*blurred).tobytes())


def accept(pages: list[str]) -> None:
    """Draw the figures of pages and keep them as accepted; those that are gone go."""
    with browser() as started:
        for page in pages:
            folder = ACCEPTED / resolve(page).stem
            folder.mkdir(parents=True, exist_ok=True)
            drawn = {f"{name}.png": views for name, views in draw(started, HTML, page).items()}
            for old in folder.glob("*.png"):
                if old.name not in drawn:
                    old.unlink()
            for name, views in drawn.items():
                new, old = small(open_all(views)), folder / name
                if not old.is_file() or difference(Image.open(old).convert("L"), new) > 0:
                    new.quantize(16).save(old, optimize=True)
            print(f"{folder.relative_to(ROOT)}: {len(drawn)} figures")


def open_all(views: list[bytes]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(view)) for view in views]


def show_change(page: str, name: str, views: list[bytes]) -> Path:
    """Put the accepted picture above the views as they are now, for people to look at."""
    drawn = open_all(views)
    old = ACCEPTED / page / f"{name}.png"
    strip = Image.open(old).convert("RGB") if old.is_file() else Image.new("RGB", (sum(SMALL), 20))
    strip = strip.resize((strip.width * 2, strip.height * 2))
    width = max(strip.width, sum(view.width for view in drawn))
    sheet = Image.new("RGB", (width, strip.height + 10 + max(v.height for v in drawn)), "white")
    sheet.paste(strip, (0, 0))
    left = 0
    for view in drawn:
        sheet.paste(view.convert("RGB"), (left, strip.height + 10))
        left += view.width
    file = CHANGED / page / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)
    return file


if __name__ == "__main__":
    accept(sys.argv[1:] or list(PAGES))
