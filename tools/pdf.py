"""The whole book as one PDF, from the compiled site: python -m tools.pdf [FILE]

Pages follow each other in the order of the contents; links between them lead inside the file, and
name the page. Hints and solutions stand at the end, each solution with a link to its exercise.
Chromium prints until the page numbers in the contents and behind the links are those of the print;
before each print `paper.js` fills half-empty pages.
"""

import re
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import unquote, urljoin, urlparse

import yaml
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, ViewportSize
from pypdf import PdfReader, PdfWriter

from tools.browser import browser
from tools.pages import ROOT

HTML = ROOT / "_build" / "html"
BOOK = ROOT / "_build" / "book.pdf"
FILL = (ROOT / "tools" / "paper.js").read_text(encoding="utf-8")
SIZE: ViewportSize = {"width": 672, "height": 986}  # A4 within its margins, in pixels
STYLE = (ROOT / "tools" / "paper.css").read_text(encoding="utf-8")
CHECK = re.compile(r"\n*(?<![\w.])check\([^\n]*\n*$")
RIGHT = re.compile(r"Right in all \d+ cases\. ?")
SCREEN = ".headerlink, .toctree-wrapper, script, noscript, button, summary .visually-hidden"
LOG = re.compile(r"Show what .* printed\b|The logs? of ")  # of runs, line by line
SHOWS = re.compile(r"Show (?:the )?(.)(.*)", re.S)  # what a fold says on the screen
PREDICT, ANSWER = "Predict first, then open", "The answer: predict first"
IMPRINT = """<div class="title-page"><h1>{title}</h1><p>{authors}</p>
<p>Version {version} of {date}</p><p>Code: MIT. Text and figures: CC BY 4.0.</p></div>"""
ON_PAPER = """On paper the live figures stand still, in the state that the text begins with: what it
says of a hand, of buttons and of sliders is for the site and for the notebooks. Hints and solutions
stand at the end of the book; what checks an answer, and what long runs print, in the notebooks."""
FOOTER = (
    '<div style="width: 100%; text-align: center; font: 8pt sans-serif;">'
    '<span class="pageNumber"></span></div>'
)


def one(tag: Tag, selector: str) -> Tag:
    """The first element that a selector matches.

    Raises:
        ValueError: there is none.
    """
    found = tag.select_one(selector)
    if found is None:
        raise ValueError(f"no {selector!r} in {str(tag)[:80]!r}")
    return found


def words(tag: Tag) -> str:
    return tag.get_text(" ", strip=True)


def reading_order(html: Path) -> list[str]:
    """Addresses of all pages inside the book, as the side bar lists them, the front page first."""
    index = BeautifulSoup((html / "index.html").read_text(encoding="utf-8"), "html.parser")
    links = [str(a["href"]).partition("#")[0] for a in index.select("nav.bd-links a[href]")]
    return list(dict.fromkeys(["index.html", *(link for link in links if link)]))


def anchor(page: str, name: str = "") -> str:
    """An anchor that is the only one of its name among all pages."""
    return f"{page.removesuffix('.html').replace('/', '_')}--{name}"


def read_page(html: Path, page: str, pages: list[str]) -> Tag:
    """The article of a page, with its anchors, links and pictures as one file needs them."""
    soup = BeautifulSoup((html / page).read_text(encoding="utf-8"), "html.parser")
    article = one(soup, "article.bd-article")
    for tag in article.select(SCREEN):
        tag.decompose()
    for tag in article.find_all(id=True):
        tag["id"] = anchor(page, str(tag["id"]))
    article["id"] = anchor(page)
    for link in article.select("a[href]"):
        target = urlparse(str(link["href"]))
        if target.scheme or target.netloc:
            continue
        at = urljoin(page, target.path) if target.path else page
        if at in pages:
            link["href"] = f"#{anchor(at, unquote(target.fragment))}"
        else:  # a notebook to load, or a folder: nothing on paper
            del link["href"]
    for image in article.select("img[src]"):
        source = str(image["src"])
        if not source.startswith("data:"):
            image["src"] = (html / page).parent.joinpath(unquote(source)).resolve().as_uri()
        image["loading"] = "eager"
    for prime in article.find_all("mo", string="′"):  # the font's is raised and small already
        prime["class"] = "prime"
    for fold in article.select("details:not(.code, .verdict)"):
        fold["open"] = ""
        summary = fold.select_one("summary")
        if summary and LOG.match(words(summary)):
            fold.decompose()
    for summary in article.select("summary"):
        if words(summary) == PREDICT:
            summary.string = ANSWER
        elif shown := SHOWS.match(words(summary)):
            summary.string = shown[1].upper() + shown[2]
    return article


def take_solutions(articles: list[Tag], soup: BeautifulSoup) -> Tag:
    """The hints and solutions of all pages, out of their places, in a chapter of their own."""
    chapter = soup.new_tag("article", attrs={"class": "bd-article", "id": "solutions"})
    chapter.append(element(soup, "h1", "Hints and solutions"))
    for article in articles:
        folds = article.select(".hint:not([data-live] *), .solution")
        found = [fold for fold in folds if not fold.find_parent(class_="solution")]
        exercise = ""
        for fold in reversed(found):  # a hint stands before the solution of its exercise
            summary = one(fold, "summary") if fold.name == "details" else None
            if summary and "hint" in fold["class"] and exercise:
                summary.string = f"{words(summary)}: {exercise}"
            elif summary:
                exercise = words(summary).removeprefix("Solution to ").partition(" (")[0]
        if found:
            at = soup.new_tag("section", id=f"solutions-{article['id']}")
            at.append(element(soup, "h2", words(one(article, "h1"))))
            at.extend(fold.extract() for fold in found)
            chapter.append(at)
    return chapter


def say_answers(chapter: Tag) -> None:
    """On paper nothing checks: of a check its sentence stays, below the solution."""
    for block in chapter.select(".cell_input"):
        code = CHECK.sub("", one(block, "pre").decode_contents())
        anew = BeautifulSoup(f"<pre>{code}</pre>", "html.parser")  # outside of pre indents are lost
        one(block, "pre").replace_with(anew)
        if not words(block):
            block.decompose()
    for block in chapter.select(".cell_output:has(pre)"):
        pre = one(block, "pre")
        printed, _, verdict = pre.get_text().partition("✓ ")
        if verdict:
            said = re.sub(r"\*(\w+)\*", r"<em>\1</em>", escape(RIGHT.sub("", verdict).strip()))
            block.insert_after(BeautifulSoup(f"<p>{said}</p>", "html.parser"))
            pre.string = printed.rstrip()
            if not words(block):
                block.decompose()


def name_pages(articles: list[Tag], numbers: dict[str, int], soup: BeautifulSoup) -> None:
    """Behind every link to another page of the book the number that it has on paper."""
    for article in articles:
        for link in article.select("p a.internal[href^='#'], li a.internal[href^='#']"):
            at = str(link["href"]).removeprefix("#")
            beside = link.find_next_sibling()
            if beside and "on-page" in (beside.get("class") or []):
                beside.decompose()
            if not at.startswith(str(article["id"])) and "bibliography" not in at:
                page = soup.new_tag("span", attrs={"class": "on-page"})
                page.string = f" (p.\xa0{numbers.get(at, 888)})"
                link.insert_after(page)


def element(soup: BeautifulSoup, name: str, text: str) -> Tag:
    made = soup.new_tag(name)
    made.string = text
    return made


def entries(articles: list[Tag]) -> Iterator[tuple[str, str, str]]:
    """Kind, title and anchor of every line of the contents."""
    for article in articles:
        yield "chapter", words(one(article, "h1")), str(article["id"])
        for section in article.select("section:has(> h2)"):
            title = one(section, "h2")
            if not title.get("id"):  # a section may begin on the page before its heading
                title["id"] = f"{section['id']}-title"
            yield "section", words(title), str(title["id"])


def contents(lines: list[tuple[str, str, str]], numbers: dict[str, int]) -> str:
    """The contents as HTML; a line whose page is not known yet has as many digits."""
    rows = (
        f'<li class="{kind}"><a href="#{at}">{title}</a><span class="dots"></span>'
        f"<span>{numbers.get(at, 888)}</span></li>"
        for kind, title, at in lines
    )
    body = f'<h1>Contents</h1><ul class="contents">{"".join(rows)}</ul>'
    return f'<article class="bd-article">{body}</article>'


def imprint(title: str) -> str:
    """The first page."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    authors = ", ".join(author["name"] for author in cited["authors"])
    return IMPRINT.format(
        title=title, authors=authors, version=cited["version"], date=cited["date-released"]
    )


def make_book(html: Path, file: Path, started: Browser) -> int:
    """Write the book; return its number of pages.

    Raises:
        ValueError: the site is not there, or a link of the contents leads nowhere.
    """
    if not (html / "index.html").is_file():
        raise ValueError(f"no site in {html}: run `make book` first")
    pages = reading_order(html)
    soup = BeautifulSoup("", "html.parser")
    articles = [read_page(html, page, pages) for page in pages]
    title = words(one(articles[0], "h1"))
    one(articles[0], "h1").string = "About this book"
    one(articles[0], "h1").insert_after(element(soup, "p", ON_PAPER))
    articles.append(take_solutions(articles, soup))
    say_answers(articles[-1])
    lines = list(entries(articles))
    sheet = (html / "_static" / "site.css").as_uri()
    numbers: dict[str, int] = {}
    source = file.with_suffix(".html")
    page = started.new_page(color_scheme="light")
    page.set_viewport_size(SIZE)
    page.emulate_media(media="print")
    for _ in range(5):  # the numbers of pages move what stands behind them
        name_pages(articles, numbers, soup)
        body = "".join(map(str, articles))
        source.write_text(
            '<!DOCTYPE html><html lang="en" data-theme="light"><meta charset="utf-8">'
            f'<title>{title}</title><link rel="stylesheet" href="{sheet}">'
            f"<style>{STYLE}</style>"
            f"<body>{imprint(title)}{contents(lines, numbers)}{body}",
            encoding="utf-8",
        )
        page.goto(source.as_uri(), wait_until="load", timeout=300_000)
        page.evaluate("Promise.all([...document.images].map(i => i.decode().catch(() => 0)))")
        page.evaluate(FILL, SIZE)
        page.pdf(
            path=str(file),
            format="A4",
            tagged=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
            margin={"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
        )
        reader = PdfReader(file)
        places = reader.named_destinations
        found = {
            name.lstrip("/"): (reader.get_destination_page_number(place) or 0) + 1
            for name, place in places.items()
        }
        lost = [at for _, _, at in lines if at not in found]
        if lost:
            raise ValueError(f"the contents lead nowhere: {', '.join(lost[:5])}")
        if found == numbers:
            break
        numbers = found
    source.unlink()
    add_outline(file, lines, numbers)
    return len(reader.pages)


def add_outline(file: Path, lines: list[tuple[str, str, str]], numbers: dict[str, int]) -> None:
    """Give the file the contents as its outline, which viewers show beside it."""
    book = PdfWriter(clone_from=file)
    chapter = None
    for kind, title, at in lines:
        inside = chapter if kind == "section" else None
        item = book.add_outline_item(title=title, page_number=numbers[at] - 1, parent=inside)
        chapter = item if kind == "chapter" else chapter
    book.write(file)


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else BOOK
    with browser() as started:
        number = make_book(HTML, file, started)
    print(f"{file}: {number} pages, {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
