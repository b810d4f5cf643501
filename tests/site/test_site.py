"""The compiled site: strict build, nothing executed, and what a browser makes of every page."""

import functools
import gzip
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from bs4 import BeautifulSoup

from helpers.pages import ROOT
from tests.test_book import PAGES, SOURCES
from tools.style import check_drawn

TESTED = ROOT / "_build" / "tested"
HTML = TESTED / "_build" / "html"
PUBLISHED = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "owner/name",
    "BOOK_URL": "https://owner.github.io/name/",
}
PATHS = ["index", "how-to-run", *(p.relative_to(ROOT).with_suffix("").as_posix() for p in SOURCES)]
LIGHT_PAGE = 500_000  # bytes over the wire, with all pictures
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
of_every_path = pytest.mark.parametrize("path", PATHS)


@pytest.fixture(scope="module")
def log():
    """Compile the site as it is published, from the beginning; return what was printed."""
    shutil.rmtree(TESTED, ignore_errors=True)
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", ".", "-W", "-n", "--keep-going", "--path-output", TESTED]
    environment = {**os.environ, "JUPYTER_PLATFORM_DIRS": "1", **PUBLISHED}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    printed = run.stdout + run.stderr
    assert run.returncode == 0, printed[-5000:]
    return printed


@functools.cache
def soup(path: str) -> BeautifulSoup:
    return BeautifulSoup((HTML / f"{path}.html").read_text(encoding="utf-8"), "html.parser")


def test_the_build_is_strict_and_executes_nothing(log):
    assert "Executing" not in log
    assert log.count("Using cached notebook") == len(PAGES)
    assert f"recordings: {len(PAGES)} pages" in log


@of_every_path
def test_a_page_has_one_main_heading_and_a_description(log, path):
    assert len(soup(path).select("h1")) == 1
    (description,) = soup(path).select('meta[name="description"]')
    assert len(description["content"]) >= 50


@of_every_path
def test_a_page_is_light(log, path):
    """The page, all that it loads and the map of what it might load, compressed."""
    here = HTML / f"{path}.html"
    tags = soup(path).select("script[src], link[rel~=stylesheet], link[rel~=icon], img")
    names = {(tag.get("src") or tag.get("href")).split("?")[0] for tag in tags}
    names = {name for name in names if not name.startswith("data:")}  # part of the page
    files = {here, *((here.parent / name).resolve() for name in names)}
    weights = {file.name: len(gzip.compress(file.read_bytes())) for file in files}
    assert sum(weights.values()) <= LIGHT_PAGE, weights


@of_every_path
def test_scripts_wait_and_only_a_search_loads_its_index(log, path):
    scripts = soup(path).select("script[src]")
    assert scripts and all(tag.has_attr("defer") for tag in scripts)
    names = " ".join(tag["src"] for tag in scripts)
    assert "searchindex" not in names and "fontawesome" not in names


@of_every_path
def test_pictures_have_sizes_and_wait_for_their_turn(log, path):
    images = soup(path).select("article img")
    for number, image in enumerate(images):
        assert int(image["width"]) > 0 and int(image["height"]) > 0, image
        assert number == 0 or image["loading"] == "lazy", image


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_says_what_its_recording_was_made_on(log, page):
    import nbformat

    made_on = nbformat.read(page.with_suffix(".ipynb"), as_version=4).metadata.book
    (line,) = soup(page.relative_to(ROOT).with_suffix("").as_posix()).select("article .made-on")
    for value in made_on.values():
        assert value in line.get_text()


@of_every_path
def test_a_page_asks_no_other_host(log, path):
    for tag in soup(path).find_all(["script", "link", "img", "iframe", "source"]):
        if tag.name == "link" and not {"stylesheet", "preload", "icon"} & set(tag.get("rel", [])):
            continue
        address = tag.get("src") or tag.get("href") or ""
        assert not urlparse(address).netloc, tag


@of_every_path
def test_links_inside_the_book_lead_somewhere(log, path):
    here = HTML / f"{path}.html"
    for link in soup(path).find_all("a", href=True):
        address = urlparse(link["href"])
        if address.scheme or address.netloc:
            continue
        target = (here.parent / unquote(address.path)).resolve() if address.path else here
        assert target.is_file(), link
        if address.fragment and target.suffix == ".html":
            name = target.relative_to(HTML.resolve()).with_suffix("").as_posix()
            ids = soup(name).find_all(id=unquote(address.fragment))
            assert ids, link


@of_every_path
def test_pictures_are_there_and_described(log, path):
    article = soup(path).select_one("article")
    for image in article.find_all("img"):
        inside = image["src"].startswith("data:")
        assert inside or ((HTML / path).parent / image["src"]).resolve().is_file(), image
        alt = image.get("alt", "")
        assert len(alt.split()) >= 5 and "_images" not in alt, image


@of_every_path
def test_nothing_reads_like_markup(log, path):
    article = BeautifulSoup(str(soup(path).select_one("article")), "html.parser")
    for tag in article.select("pre, code, script, .math"):
        tag.decompose()
    words = article.get_text()
    assert not re.search(r"\{(numref|eq|ref|cite)[:\w]*\}|:::|```|\$[^$\n]+\$", words)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_outputs_of_the_recording_are_on_the_page(log, page):
    import nbformat

    shown = " ".join(soup(page.relative_to(ROOT).with_suffix("").as_posix()).get_text().split())
    cells = nbformat.read(page.with_suffix(".ipynb"), as_version=4).cells
    texts = [o.text for c in cells for o in c.get("outputs", []) if o.output_type == "stream"]
    assert texts
    for text in texts:
        text = text.replace("`", "")  # a verdict sets what stands between them as code
        assert " ".join(text.split()) in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_notebook_can_be_downloaded(log, page):
    path = page.relative_to(ROOT).with_suffix("").as_posix()
    (link,) = soup(path).select("a.btn-download-notebook-button")
    offered = ((HTML / path).parent / link["href"]).resolve()
    assert offered == (HTML / "notebooks" / f"{path}.ipynb").resolve() and offered.is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_colab_opens_the_published_notebook(log, page):
    path = page.relative_to(ROOT).with_suffix(".ipynb").as_posix()
    (link,) = soup(path.removesuffix(".ipynb")).select("a.btn-colab-button")
    assert link["href"].endswith(f".com/github/owner/name/blob/gh-pages/notebooks/{path}")


@of_every_path
def test_a_page_knows_its_address(log, path):
    address = f"{PUBLISHED['BOOK_URL']}{path}.html"
    (canonical,) = soup(path).select("link[rel=canonical]")
    (shared,) = soup(path).select('meta[property="og:url"]')
    assert canonical["href"] == shared["content"] == address
    assert f"<loc>{address}</loc>" in (HTML / "sitemap.xml").read_text(encoding="utf-8")


def test_all_notebooks_can_be_downloaded_at_once(log):
    with zipfile.ZipFile(HTML / "notebooks" / "all.zip") as archive:
        names = {p.relative_to(ROOT).with_suffix(".ipynb").as_posix() for p in PAGES}
        assert set(archive.namelist()) == names


def test_solutions_are_folded(log):
    folded = [tag for path in PATHS for tag in soup(path).select("details.solution")]
    assert len(folded) >= 33


# What follows needs a browser.


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: CI has to install it")
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(log):
    """The site, served on loopback from a folder below the root, as on a project's pages."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def translate_path(self, path):
            return super().translate_path(path.removeprefix("/book"))

    handler = functools.partial(Quiet, directory=str(HTML))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/book"
    server.shutdown()


@pytest.fixture
def allow_loopback(monkeypatch):
    """Give the driver of the browser back what the hermetic fixture took."""
    monkeypatch.undo()


@pytest.fixture
def page(allow_loopback, browser):
    """An empty page, 1280 pixels wide, in light mode; `page.faults` collects what goes wrong."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, color_scheme="light", reduced_motion="reduce"
    )
    page = context.new_page()
    page.faults = []
    page.on("console", lambda m: page.faults.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("response", lambda r: page.faults.append(r.url) if r.status >= 400 else None)
    yield page
    context.close()


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
def test_a_page_in_the_browser(page, address, path):
    close_network(page, address)
    page.goto(f"{address}/{path}.html", wait_until="load")
    assert page.evaluate(BROKEN) == []
    assert page.evaluate(INVISIBLE) == []
    assert page.locator("article math").count() == page.locator("article .math").count()
    for width, device in ((1280, "desktop"), (320, "phone")):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(f"innerWidth === {width}")
        assert page.evaluate(SIDEWAYS) == []
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


@of_every_path
def test_a_page_reads_the_same_from_a_folder(page, log, path):
    close_network(page, HTML.as_uri())
    page.goto((HTML / f"{path}.html").as_uri(), wait_until="load")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).display") != "inline"
    assert page.evaluate("document.fonts.load('16px \"Font Awesome 6 Free\"').then(f => f.length)")
    if page.locator("article math").count():
        assert page.evaluate("document.fonts.load('16px \"Book Math\"').then(f => f.length)")
    assert page.faults == []


def test_pages_made_anew_keep_the_limits_of_what_is_drawn(page, log):
    assert check_drawn(page, HTML) == []


@pytest.mark.parametrize(
    "word, title", [("corr2d", "Convolutions for images"), ("ResNet", "ResNet and ResNeXt")]
)
def test_search_finds_operators_and_classes(page, address, word, title):
    page.goto(f"{address}/index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type(word)
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a", timeout=20000)
    page.wait_for_function("document.querySelector('.search-summary').textContent.match(/\\d/)")
    hits = page.locator("#search-results li a").all_inner_texts()
    assert any(title in hit for hit in hits), hits
    assert page.faults == []


def test_the_page_of_search_results_is_accessible(page, address):
    page.goto(f"{address}/search.html?q=corr2d")
    page.wait_for_selector("#search-results li a", timeout=20000)
    assert violations(page) == {}


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
