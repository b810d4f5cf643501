"""What a browser makes of every page: from a folder, on a phone, in the dark, with axe."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_FILE_PATH

from tests.conftest import HTML
from tests.site.conftest import PATHS, of_every_path
from tools.pages import ROOT
from tools.style import check_drawn


def close_network(page, *allowed: str) -> None:
    """Refuse every request that does not begin with one of `allowed`, and count it as a fault."""

    def check(route):
        if route.request.url.startswith((*allowed, "data:")):
            route.continue_()
        else:
            page.faults.append(f"asked for {route.request.url}")
            route.abort()

    page.route("**/*", check)


INVISIBLE = """() => [...document.querySelectorAll('article math')].filter(m => {
    const box = m.getBoundingClientRect();
    return m.checkVisibility() && !(box.width > 0 && box.height > 0);
}).map(m => m.textContent)"""
SIDEWAYS = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
    [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right >
    innerWidth + 1).map(e => e.outerHTML.slice(0, 120)).slice(0, 5)"""
BROKEN = """async () => {
    const images = [...document.images];
    images.forEach(image => image.loading = 'eager');
    await Promise.all(images.map(image => image.decode().catch(() => null)));
    return images.filter(image => !image.naturalWidth).map(image => image.src);
}"""


THIN_OUT = """() => {
    const seen = new Set();
    for (const token of document.querySelectorAll('article pre span[class]'))
        if (seen.has(token.className)) token.replaceWith(...token.childNodes);
        else seen.add(token.className);
}"""


def violations(page, **options) -> dict[str, list[str]]:
    """What axe, with these options, finds on the page as it stands: rule and places.

    Of the tokens of code, which are thousands, one of each kind keeps its colour.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
    options["resultTypes"] = ["violations"]
    page.evaluate(THIN_OUT)
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    return {rule["id"]: [node["html"][:200] for node in rule["nodes"][:3]] for rule in found}


@of_every_path
def test_a_page_reads_from_a_folder(page, log, path):
    """Pictures, formulas and fonts are there, nothing is asked of a host, nothing runs out."""
    close_network(page, HTML.as_uri())
    page.goto((HTML / f"{path}.html").as_uri(), wait_until="load")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).display") != "inline"
    assert page.evaluate("document.fonts.load('16px \"Font Awesome 6 Free\"').then(f => f.length)")
    if page.locator("article math").count():
        assert page.evaluate("document.fonts.load('16px \"Book Math\"').then(f => f.length)")
    assert page.evaluate(BROKEN) == []
    assert page.evaluate(INVISIBLE) == []
    assert page.locator("article math").count() == page.locator("article .math").count()
    for width in (1280, 320):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(f"innerWidth === {width}")
        assert page.evaluate(SIDEWAYS) == []
    assert page.faults == []


@pytest.mark.slow
@of_every_path
def test_a_page_is_accessible(page, address, path):
    close_network(page, address)
    page.goto(f"{address}/{path}.html", wait_until="load")
    page.evaluate(BROKEN)
    for width, device in ((1280, "desktop"), (320, "phone")):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(f"innerWidth === {width}")
        for scheme in ("dark", "light"):
            switch_to(page, scheme)
            keep_screenshot(page, path, f"{device}-{scheme}")
    colours_apart = {"color-contrast": {"enabled": False}}  # they are those of the desktop
    assert violations(page, rules=colours_apart) == {}
    page.set_viewport_size({"width": 1280, "height": 800})
    assert violations(page) == {}
    switch_to(page, "dark")
    assert violations(page, runOnly=["color-contrast"]) == {}  # nothing but colours has changed
    assert page.faults == []


def switch_to(page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")


def keep_screenshot(page, path: str, view: str) -> None:
    """Leave a picture of the page for people to look at: in CI, and where one is asked for."""
    folder = os.environ.get("BOOK_SCREENSHOTS")
    if folder is None and os.environ.get("CI"):
        folder = ROOT / "_build" / "screenshots"
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = f"{path.replace('/', '_')}-{view}.png"
        page.screenshot(path=str(Path(folder) / name), full_page=True)


def test_pages_made_anew_keep_the_limits_of_what_is_drawn(page, log):
    assert check_drawn(page, HTML) == []


INK = "getComputedStyle(document.querySelector('article math')).color"
NONE = "rgba(0, 0, 0, 0)"


def test_the_font_of_formulas_is_fetched_when_text_is_drawn_or_all_is_loaded(page, address):
    """Here no frame is drawn, and pictures are held back: so neither has come."""
    fonts, held, free = [], [], []
    page.on("request", lambda request: fonts.append(request.url.endswith(".woff2")))
    page.route("**/_images/*", lambda r: r.continue_() if free else held.append(r))
    page.add_init_script("requestAnimationFrame = () => 0")
    path = "chapters/convolutional-neural-networks/7-3-padding-and-stride.html"
    page.goto(f"{address}/{path}", wait_until="domcontentloaded")
    page.wait_for_timeout(500)
    assert held and not any(fonts) and page.evaluate(INK) == NONE
    free.append(True)
    for route in held:
        route.continue_()
    page.wait_for_function(f"{INK} !== '{NONE}'", polling=50)
    page.wait_for_function("document.fonts.check('16px \"Book Math\"')", polling=50)
    assert any(fonts)


def test_dark_mode_switches_and_stays(page, address):
    page.goto(f"{address}/index.html")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    for _ in range(3):
        page.locator("button.theme-switch-button").first.click()
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    assert page.evaluate(background) != light
    page.goto(f"{address}/how-to-run.html")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_menu_opens_on_a_phone(page, address):
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"{address}/index.html")
    link = page.locator("nav.bd-links a", has_text="How to run it").first
    assert not link.is_visible()
    page.locator("button.primary-toggle").click()
    link.wait_for(state="visible", timeout=5000)


@pytest.mark.parametrize("width", [320, 576, 1280])
def test_the_buttons_have_room_in_the_header(page, address, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{address}/{next(path for path in PATHS if '8-6' in path)}.html")
    header = page.locator(".bd-header-article").bounding_box()
    buttons = page.locator(".bd-header-article :is(a.btn, button.btn):visible").all()
    boxes = [button.bounding_box() for button in buttons]
    assert len(boxes) >= 4
    for box in boxes:
        assert header["x"] <= box["x"] and box["x"] + box["width"] <= header["x"] + header["width"]
        assert header["y"] <= box["y"]
        assert box["y"] + box["height"] <= header["y"] + header["height"]
    rights = [box["x"] + box["width"] for box in boxes[:-1]]
    assert all(right <= box["x"] + 1 for right, box in zip(rights, boxes[1:], strict=True))


def test_what_scrolls_sideways_is_reached_by_keyboard(page, address):
    page.goto(f"{address}/{next(path for path in PATHS if '7-2' in path)}.html")
    page.set_viewport_size({"width": 320, "height": 800})
    page.wait_for_function("document.querySelector('article .formula[tabindex]') !== null")
    box = page.locator("article .formula[tabindex]").first
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
