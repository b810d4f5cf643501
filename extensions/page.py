"""What is done to the HTML of every page after the theme's templates have made it.

Each rule mends one thing that no option of the theme reaches: scripts that hold up the page or
serve nothing, names and landmarks for screen readers, tables, the sizes of pictures. Sphinx calls
`Finisher` in place of its own template loader (`template_bridge` in `_config.yml`).
"""

import re
from pathlib import PurePosixPath
from typing import Any

from bs4 import BeautifulSoup, NavigableString, Tag
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.jinja2glue import BuiltinTemplateLoader
from sphinx.util.images import get_image_size

STYLE_SHEET = "site.css"  # written by extensions.assets, in place of all others
CODE = re.compile(r"<pre>.*?</pre>", re.S)
ASIDE = re.compile(r'<pre data-aside="(\d+)"></pre>')
PUNCTUATION = re.compile(r"[.,;:!?)\]’–-]+")
SEARCH = ("searchtools.js", "language_data.js", "searchindex.js")
RESOLVE_THEME = (
    'const root = document.documentElement; if (root.dataset.theme === "auto") root.dataset.theme ='
    ' matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";'
)


class Finisher(BuiltinTemplateLoader):
    """Sphinx' template loader; pages that it renders are finished by the rules of this module."""

    builder: StandaloneHTMLBuilder

    def init(self, builder: StandaloneHTMLBuilder, *args: Any, **kwargs: Any) -> None:
        super().init(builder, *args, **kwargs)
        self.builder = builder

    def render(self, template: str, context: dict[str, Any]) -> str:
        html = super().render(template, context)
        if not html.lstrip().startswith("<!DOCTYPE html>"):
            return html
        sizes = {
            name: get_image_size(str(self.builder.srcdir / path))
            for path, name in self.builder.images.items()
        }
        return finish(html, sizes, searches=context.get("pagename") == "search")


def finish(html: str, sizes: dict[str, tuple[int, int] | None], *, searches: bool) -> str:
    """Apply all rules to one page.

    Args:
        html: The page as the templates made it.
        sizes: Width and height of pictures, in pixels, by file name.
        searches: Whether this is the page that shows the results of a search.
    """
    code: list[str] = []
    soup = BeautifulSoup(CODE.sub(lambda found: put_aside(found[0], code), html), "html.parser")
    join_styles(soup)
    trim_scripts(soup, searches=searches)
    keep_one_heading(soup)
    name_controls(soup)
    mark_tables(soup)
    mark_citations(soup)
    glue_punctuation(soup)
    size_pictures(soup, sizes)
    return ASIDE.sub(lambda found: code[int(found[1])], str(soup))


def put_aside(block: str, code: list[str]) -> str:
    """An empty block in place of one of code, which holds thousands of tags and no rule changes."""
    code.append(block)
    return f'<pre data-aside="{len(code) - 1}"></pre>'


def join_styles(soup: BeautifulSoup) -> None:
    """One style sheet, `STYLE_SHEET`, in place of the first; and one viewport."""
    first, *others = soup.select('link[rel="stylesheet"]')
    first["href"] = re.sub(r"_static/.*", f"_static/{STYLE_SHEET}", first["href"])
    for tag in [*others, *soup.select('meta[name="viewport"]')[1:]]:
        tag.decompose()


def trim_scripts(soup: BeautifulSoup, *, searches: bool) -> None:
    """Scripts run after the page has been read, in their order; those that serve nothing go.

    An inline script that needs a deferred one becomes a module, since modules wait for their turn.
    """
    unused = ["fontawesome.js"] + ([] if searches else list(SEARCH))
    if not soup.select_one(".sd-tab-set"):
        unused.append("design-tabs.js")
    for tag in soup.find_all("script"):
        source = tag.get("src")
        if source and PurePosixPath(source.split("?")[0]).name in unused:
            tag.decompose()
        elif source:
            tag["defer"] = ""
        elif "DOCUMENTATION_OPTIONS" in tag.text or "Search." in tag.text:
            tag["type"] = "module"
    for tag in soup.select('link[rel="preload"][as="script"]'):
        tag.decompose()
    theme = soup.find("script", string=re.compile(r"dataset\.theme"))
    if theme is not None:
        theme.string = f"{theme.text.rstrip()}\n    {RESOLVE_THEME}\n  "


def keep_one_heading(soup: BeautifulSoup) -> None:
    """The contents that the theme adds for print have headings of their own: they become text."""
    for tag in soup.select("#jb-print-docs-body :is(h1, h2)"):
        tag.attrs["class"] = [tag.name]
        tag.name = "div"


def name_controls(soup: BeautifulSoup) -> None:
    """Names for what has none, the visible text where the name differed from it, landmarks."""
    sidebar = soup.select_one("#pst-primary-sidebar")
    if sidebar is not None:
        sidebar["role"] = "complementary"
        sidebar["aria-label"] = "The book"
    for button in soup.select(".search-button-field"):
        del button["aria-label"]
    for button in soup.select(".sidebar-toggle"):
        button["aria-label"] = button.get("title", "")
    for summary in soup.select(".bd-sidenav summary"):
        chapter = summary.find_parent("li").find("a").get_text(" ", strip=True)
        summary["aria-label"] = f"Sections of {chapter}"
    for icon in soup.select("i[class*=fa-], span[class*=fa-]"):
        icon["aria-hidden"] = "true"


def mark_tables(soup: BeautifulSoup) -> None:
    """Header cells say what they head, empty ones are none, and a wide table scrolls in a box."""
    for table in soup.select("article table"):
        join_header_rows(table)
        for cell in table.find_all("th"):
            words = cell.get_text(" ", strip=True)
            if not words:
                cell.name = "td"
                continue
            cell["scope"] = "col" if cell.find_parent("thead") else "row"
            if cell.find("math"):  # a formula is no name of a column: its letters are said instead
                for formula in cell.select(".math"):
                    formula["aria-hidden"] = "true"
                    said = soup.new_tag("span", attrs={"class": "visually-hidden"})
                    said.string = formula.get_text(" ", strip=True)
                    formula.insert_after(said)
        table.wrap(soup.new_tag("div", attrs={"class": "scrolls"}))


def join_header_rows(table: Tag) -> None:
    """The name of an index goes into the corner; pandas gives it a row that is empty otherwise."""
    rows = [row.find_all(["th", "td"]) for row in table.select("thead tr")]
    for above, row in zip([[], *rows], rows, strict=False):
        if any(cell.get_text(strip=True) for cell in row[1:]):
            continue
        if above and not above[0].get_text(strip=True):
            above[0].extend(list(row[0].contents))
            row[0].parent.decompose()


def mark_citations(soup: BeautifulSoup) -> None:
    """Entries of a bibliography are the items of a list; docutils' role for them is obsolete."""
    for entry in soup.select('[role="doc-biblioentry"]'):
        entry["role"] = "listitem"


def glue_punctuation(soup: BeautifulSoup) -> None:
    """A full stop after a formula stays on its line."""
    for formula in soup.select("article span.math"):
        after = formula.next_sibling
        marks = PUNCTUATION.match(after) if isinstance(after, NavigableString) else None
        if marks:
            after.replace_with(after[marks.end() :])
            formula.wrap(soup.new_tag("span", attrs={"class": "glued"})).append(marks[0])


def size_pictures(soup: BeautifulSoup, sizes: dict[str, tuple[int, int] | None]) -> None:
    """Width and height, so that nothing moves when a picture arrives; all but the first wait."""
    for number, image in enumerate(soup.select("article img")):
        size = sizes.get(PurePosixPath(image.get("src", "")).name)
        if size:
            image["width"], image["height"] = map(str, size)
        fit_style(image)
        if number:
            image["loading"] = "lazy"
        image["decoding"] = "async"


def fit_style(image: Tag) -> None:
    """A height in the style attribute would stop a picture from shrinking with the page."""
    if "height" in image.get("style", ""):
        del image["style"]
