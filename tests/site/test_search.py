"""The search, in a browser, on the site as it is read from a folder."""

import pytest
from bs4 import BeautifulSoup

from tests.conftest import HTML
from tests.site.test_browser import close_network, violations

FIRST = [  # what is typed, where the best result lies
    ("corr2d", "7-2-convolutions-for-images"),
    ("receptive field", "7-2-convolutions-for-images.html#"),
    ("vanishing gradient", "7-6-lenet"),
    ("1×1", "7-4-channels"),
    ("corr2d_multi_in_out_1x1", "7-4-channels"),
    ("comp_conv2d", "7-3-padding-and-stride"),
    ("init_cnn", "7-6-lenet"),
    ("layer_summary", "7-6-lenet"),
    ("batch normalization", "8-5-batch-normalisation"),
    ("skip connection", "8-6-resnet"),
    ("ResNet", "8-6-resnet"),
    ("dead filters of LeNet", "7-6-lenet"),
    ("loss nan", "when-training-fails.html#"),
    ("not learning", "when-training-fails"),
    ("shape mismatch", "when-training-fails.html#"),
]


@pytest.fixture
def search(page, log):
    """A function that types a query on the search page and returns the links found, in order."""
    close_network(page, HTML.as_uri())
    page.goto((HTML / "search.html").as_uri())

    def find(query: str) -> list[str]:
        page.fill(".book-search input", query)
        links = page.locator("#search-results a")
        return links.evaluate_all("links => links.map(link => link.getAttribute('href'))")

    yield find
    assert page.faults == []


def test_titles_definitions_and_other_names_come_first(search):
    wrong = {query: search(query)[:3] for query, best in FIRST if best not in search(query)[0]}
    assert wrong == {}


def test_signs_that_mean_the_same_find_the_same(search):
    for product in ("1×1", "3×3"):
        found = search(product)
        assert found
        for spelling in (product.replace("×", "x"), product.replace("×", " x ")):
            assert search(spelling) == found
    assert search("normalisation") == search("normalization")


def test_results_name_sections_and_show_prose(search, page):
    search("receptive field")
    assert page.locator("meta[name=description]").count() == 1
    first = page.locator("#search-results li").first
    assert "7.2. Convolutions for images › What one output sees" in first.inner_text()
    assert "receptive field" in first.locator("p").inner_text()
    shown = page.locator("#search-results").inner_text()
    assert not [ending for ending in (".ipynb", ".md", ".pdf") if ending in shown]
    assert "sections" in page.locator("#search-status[role=status]").inner_text()
    assert (
        search("xyzzy") == []
        and "Nothing found" in page.locator("#search-status[role=status]").inner_text()
    )


def test_no_answer_is_told(log):
    """Predictions, hints and solutions are read where they stand, not in a list of results."""
    entries = (HTML / "search.html").read_text(encoding="utf-8")
    chapters = HTML / "chapters"
    answers = 0
    for path in chapters.glob("*/[78]-*.html"):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for tag in page.select("details:is(.solution, .hint, .sealed) p"):
            text = " ".join(tag.get_text().split())
            if len(text) > 60 and not tag.select("math, a"):
                answers += 1
                assert text[:50] not in entries, text
    assert answers > 100


def test_every_result_leads_to_a_place(search):
    for link in search("convolution"):
        name, _, anchor = link.partition("#")
        html = (HTML / name).read_text(encoding="utf-8")
        assert not anchor or f'id="{anchor}"' in html


def test_the_search_button_of_a_page_leads_to_results(page, log):
    close_network(page, HTML.as_uri())
    page.goto((HTML / "index.html").as_uri())
    page.keyboard.press("Control+k")
    field = page.locator("#pst-search-dialog input")
    field.wait_for(state="visible", timeout=20000)
    page.keyboard.type("corr2d")
    sign = page.locator("#pst-search-dialog .fa-magnifying-glass").bounding_box()
    padding = field.evaluate("field => parseFloat(getComputedStyle(field).paddingLeft)")
    assert field.bounding_box()["x"] + padding >= sign["x"] + sign["width"]
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a", timeout=20000)
    assert page.locator(".book-search input").input_value() == "corr2d"
    assert page.faults == []


def test_the_page_of_results_is_accessible(page, address):
    page.goto(f"{address}/search.html?q=corr2d")
    page.wait_for_selector("#search-results li a", timeout=20000)
    assert violations(page) == {}
