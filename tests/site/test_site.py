"""The compiled site as it is written: strict build, links, pictures, notebooks."""

import functools
import gzip
import re
import zipfile
from urllib.parse import unquote, urlparse

import nbformat
import pytest
from bs4 import BeautifulSoup
from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES

from tests.conftest import HTML, PUBLISHED
from tests.site.conftest import PATHS, of_every_path
from tests.test_book import PAGES, SECTIONS
from tools.pages import ROOT

LIGHT_PAGE = 500_000  # bytes over the wire, with all pictures


@functools.cache
def soup(path: str) -> BeautifulSoup:
    return BeautifulSoup((HTML / f"{path}.html").read_text(encoding="utf-8"), "html.parser")


@functools.cache
def ids(path: str) -> set[str]:
    return {tag["id"] for tag in soup(path).find_all(id=True)}


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
def test_elements_in_code_are_there_for_their_colours(log, path):
    styles = map(get_style_by_name, ("a11y-high-contrast-light", "a11y-high-contrast-dark"))
    light, dark = ({STANDARD_TYPES[t]: s["color"] for t, s in style} for style in styles)
    code = soup(path).select(".highlight pre > span[class]")
    used = {name for tag in code for name in tag["class"]} & light.keys()
    plain = {n for n in used if (light[n], dark[n]) == (light["n"], dark["n"])}
    assert not plain


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
            assert unquote(address.fragment) in ids(name), link


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
    text = soup(page.relative_to(ROOT).with_suffix("").as_posix()).get_text()
    shown = " ".join(text.replace("`", "").split())  # a verdict sets what stands between as code
    cells = nbformat.read(page.with_suffix(".ipynb"), as_version=4).cells
    cells = [c for c in cells if "remove-output" not in c.metadata.get("tags", [])]
    texts = [o.text for c in cells for o in c.get("outputs", []) if o.output_type == "stream"]
    assert texts
    for text in texts:
        assert " ".join(text.replace("`", "").split()) in shown


EDITIONS = [("notebook", "colab", "", PAGES), ("student", "colab-student", "student/", SECTIONS)]
OFFERS = [(*edition, page) for *edition, pages in EDITIONS for page in pages]


@pytest.mark.parametrize(("name", "colab", "folder", "page"), OFFERS)
def test_an_edition_can_be_downloaded_and_opened_in_colab(log, name, colab, folder, page):
    path = page.relative_to(ROOT).with_suffix("").as_posix()
    (link,) = soup(path).select(f"a.btn-download-{name}-button")
    offered = ((HTML / path).parent / link["href"]).resolve()
    assert offered == (HTML / "notebooks" / f"{folder}{path}.ipynb").resolve()
    assert offered.is_file()
    (link,) = soup(path).select(f"a.btn-{colab}-button")
    published = f".com/github/owner/name/blob/gh-pages/notebooks/{folder}{path}.ipynb"
    assert link["href"].endswith(published)


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
