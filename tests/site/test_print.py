"""On paper: one page as a browser prints it from the dark, and the whole book as one file."""

import re

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from tests.conftest import HTML
from tools.pdf import FILL, SIZE, make_book, reading_order, say_answers

PAGE = "chapters/convolutional-neural-networks/7-3-padding-and-stride"
FAINT = r"""() => {
    const light = (colour) => {
        const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
        return a === 0 || (r + g + b) / 3 > 235;
    };
    return [...document.querySelectorAll('article *')].filter(e => {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
        const style = getComputedStyle(e);
        return own && e.checkVisibility() && !e.closest('svg, math, .visually-hidden, [data-live]')
            && (style.color !== 'rgb(0, 0, 0)' || !light(style.backgroundColor));
    }).map(e => e.outerHTML.slice(0, 90)).slice(0, 5);
}"""
CUT = """() => [...document.querySelectorAll('article *')].filter(e => e.checkVisibility() &&
    ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1)
    .map(e => e.outerHTML.slice(0, 90))"""
HIDDEN = """() => [...document.querySelectorAll('article img')]
    .filter(i => !i.closest('.hint, .solution, [data-live]') && !i.checkVisibility())
    .map(i => i.alt)"""
LAZY = "[...document.images].filter(i => i.loading === 'lazy' || !i.naturalWidth).map(i => i.src)"


def test_a_page_is_printed_black_on_white_from_the_dark(page, log, tmp_path):
    page.emulate_media(color_scheme="dark")
    page.goto((HTML / f"{PAGE}.html").as_uri(), wait_until="load")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(LAZY) == []
    file = tmp_path / "page.pdf"
    page.pdf(path=file, format="A4")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    sheets = PdfReader(file).pages
    first = sheets[0].extract_text()
    assert re.match(r"\s*7\.3\.? Padding and stride", first), first[:200]
    assert sum(first.count(word) for word in ("Contents", "Search", "Show code")) == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 700, "height": 1000})
    assert page.evaluate(FAINT) == []
    assert page.evaluate(CUT) == []
    assert page.evaluate(HIDDEN) == []  # the answers to predictions are printed, too
    sealed = page.locator("article .fold.sealed").evaluate_all(
        "all => all.map(e => [!!e.closest('#exercises'), e.checkVisibility()])"
    )
    assert {(True, False), (False, True)} == set(map(tuple, sealed))  # but not those of exercises


ORDER = "[...document.querySelectorAll('section > *')].map(e => e.id)"


@pytest.mark.parametrize(
    ("tall", "share", "order"),
    [
        (250, 1, "before figure one two"),  # it fits
        (350, 0.85, "before figure one two"),  # it just misses: a little smaller, it fits
        (500, 1, "before one figure two"),  # what fits passes in front, what does not stays behind
    ],
)
def test_a_figure_that_misses_its_page_leaves_no_gap(page, tall, share, order):
    block = '<p id="{}" style="height: {}px; margin: 0">text</p>'
    image = f"<svg style='display: block' viewBox='0 0 9 {tall}' height='{tall}'></svg>"
    figure = f'<figure id="figure" style="break-inside: avoid; margin: 0">{image}</figure>'
    blocks = block.format("before", 650), figure, block.format("one", 200), block.format("two", 400)
    page.set_content(f"<article><section>{''.join(blocks)}</section></article>")
    page.evaluate(FILL, SIZE)
    drawn = page.evaluate("document.querySelector('svg').getBoundingClientRect().height")
    assert share * tall - 1 <= drawn <= (tall if share == 1 else 986 - 650)
    assert page.evaluate(ORDER) == order.split()


def test_a_solution_says_its_answer_without_a_check():
    call = 'check(<span class="s2">"bias"</span>)\n'
    cell = """<div class="cell"><div class="cell_input"><pre>{}</pre></div>
        <div class="cell_output"><pre><span></span>{}✓ Right in all 6 cases. It *stays*.
        </pre></div></div>"""
    code = "<i>if</i> x:\n\n    <i>return</i> 1"
    cells = cell.format(call, "") + cell.format(f"{code}\n\n\n{call}", "226\n")
    chapter = BeautifulSoup(f"<article>{cells}</article>", "html.parser")
    say_answers(chapter.article)
    assert [pre.text for pre in chapter.select("pre")] == ["if x:\n\n    return 1", "226"]
    assert [str(p) for p in chapter.select("p")] == ["<p>It <em>stays</em>.</p>"] * 2


@pytest.mark.slow
def test_the_book_is_one_file_with_contents_numbers_and_links(
    allow_loopback, log, browser, tmp_path
):
    file = tmp_path / "book.pdf"
    number = make_book(HTML, file, browser)
    book = PdfReader(file)
    assert number == len(book.pages) > 100
    starts = {
        item.title: book.get_destination_page_number(item)
        for item in book.outline
        if not isinstance(item, list)
    }
    assert list(starts)[-1] == "Hints and solutions"
    at = starts["7.3. Padding and stride"]
    assert re.match(r"\s*7\.3\.? Padding", book.pages[at].extract_text())
    listed = " ".join(sheet.extract_text() for sheet in book.pages[1:6])
    assert re.search(rf"Padding and stride\s*{at + 1}\b", listed)
    named = re.search(r"Convolutions for images \(p\.\s(\d+)\)", book.pages[at].extract_text())
    assert named and int(named[1]) == starts["7.2. Convolutions for images"] + 1
    assert "Fig. 7.3.1 (p." not in book.pages[at].extract_text()  # of the same page
    everything = " ".join(sheet.extract_text() for sheet in book.pages[-60:])
    assert 'check("' not in everything and "Right in all" not in everything
    assert "answers to your hand" not in everything  # of live views, which are no hints
    assert re.search(r"Hint:\s+Exercise\s+8\.6\.1", everything)
    assert re.search(r"Fig\. [78]\.\d\.\d+ \(p\.\s\d+\)", everything)  # far from its page here
    at = next(page for title, page in starts.items() if title.startswith("8.6"))
    shown = " ".join(sheet.extract_text() for sheet in book.pages[at : at + 20])
    assert "Show " not in shown  # a fold that stands open
    assert "images/s" not in shown  # nor what a run prints
    places = book.named_destinations
    links = [
        annotation.get_object()
        for sheet in book.pages
        for annotation in sheet.get("/Annots", [])
        if annotation.get_object().get("/Subtype") == "/Link"
    ]
    inside = [link["/Dest"] for link in links if "/Dest" in link]
    assert len(inside) > 500 and set(map(str, inside)) <= set(places)
    outside = [link["/A"]["/URI"] for link in links if "/A" in link and "/URI" in link["/A"]]
    assert not [address for address in outside if not address.startswith("http")]
    assert len(reading_order(HTML)) > 15
