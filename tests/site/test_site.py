"""The compiled site: strict build, nothing executed, and what a browser makes of every page."""

import functools
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
from bs4 import BeautifulSoup

from tests.lift import ROOT
from tests.test_book import PAGES, SOURCES

HTML = ROOT / "_build" / "html"
PATHS = ["index", *(p.relative_to(ROOT).with_suffix("").as_posix() for p in SOURCES)]
WIDTHS = {"desktop": 1280, "phone": 360}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
of_every_path = pytest.mark.parametrize("path", PATHS)


@pytest.fixture(scope="module")
def log():
    """Compile the site as `make book` does, from the beginning; return what was printed."""
    shutil.rmtree(ROOT / "_build", ignore_errors=True)
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", ".", "-W", "-n", "--keep-going"]
    environment = {**os.environ, "JUPYTER_PLATFORM_DIRS": "1"}
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
def test_a_page_has_one_main_heading(log, path):
    assert len(soup(path).select("article h1")) == 1


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
        assert ((HTML / path).parent / image["src"]).resolve().is_file(), image
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
        assert " ".join(text.split()) in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_notebook_can_be_downloaded(log, page):
    path = page.relative_to(ROOT).with_suffix("").as_posix()
    (link,) = soup(path).select("a.btn-download-notebook-button")
    offered = ((HTML / path).parent / link["href"]).resolve()
    assert offered == (HTML / "notebooks" / f"{path}.ipynb").resolve() and offered.is_file()


def test_all_notebooks_can_be_downloaded_at_once(log):
    with zipfile.ZipFile(HTML / "notebooks" / "all.zip") as archive:
        names = {p.relative_to(ROOT).with_suffix(".ipynb").as_posix() for p in PAGES}
        assert set(archive.namelist()) == names


def test_solutions_are_folded(log):
    folded = [tag for path in PATHS for tag in soup(path).select("div.solution.dropdown")]
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
    """The site, served on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(HTML))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def allow_loopback(monkeypatch):
    """Give the driver of the browser back what the hermetic fixture took."""
    monkeypatch.undo()


@of_every_path
@pytest.mark.parametrize("device", WIDTHS)
def test_a_page_in_the_browser(allow_loopback, browser, address, path, device):
    faults: list[str] = []
    context = browser.new_context(viewport={"width": WIDTHS[device], "height": 800})
    page = context.new_page()
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda r: faults.append(r.url) if not r.url.startswith((address, "data:")) else None,
    )
    page.goto(f"{address}/{path}.html", wait_until="load")
    formulas = page.locator(".math").count()
    if formulas:
        page.wait_for_function(
            "n => document.querySelectorAll('mjx-container').length >= n", arg=formulas
        )
    assert page.locator("mjx-merror").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[device]
    broken = page.evaluate(
        "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    )
    assert broken == []
    assert faults == []
    keep_screenshot(page, path, device)
    context.close()


def keep_screenshot(page, path: str, device: str) -> None:
    """Leave a picture of the page where CI collects them."""
    if folder := os.environ.get("BOOK_SCREENSHOTS"):
        name = f"{path.replace('/', '_')}-{device}.png"
        page.screenshot(path=str(Path(folder) / name), full_page=True)


def test_a_solution_unfolds(allow_loopback, browser, address):
    page = browser.new_page()
    page.goto(f"{address}/{PATHS[PATHS.index(next(p for p in PATHS if '7-2' in p))]}.html")
    solution = page.locator("div.solution").first
    code = solution.locator("pre").first
    assert not code.is_visible()
    solution.locator("button").first.click()
    code.wait_for(state="visible", timeout=5000)
    page.close()


def test_search_finds_an_operator(allow_loopback, browser, address):
    page = browser.new_page()
    page.goto(f"{address}/search.html?q=corr2d")
    page.wait_for_selector("#search-results li a", timeout=20000)
    hits = page.locator("#search-results li a").all_inner_texts()
    assert any("Convolutions for images" in hit for hit in hits), hits
    page.close()


def test_dark_mode_switches(allow_loopback, browser, address):
    page = browser.new_page(color_scheme="light")
    page.goto(f"{address}/index.html")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    for _ in range(3):
        page.locator("button.theme-switch-button").first.click()
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(background) != light
    page.close()
