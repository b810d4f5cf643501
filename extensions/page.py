"""What is done to the HTML of every page after the theme's templates have made it.

Each rule mends one thing that no option of the theme reaches: scripts that hold up the page or
serve nothing, names and landmarks for screen readers, tables, the sizes of pictures. Sphinx calls
`Finisher` in place of its own template loader (`template_bridge` in `_config.yml`).
"""

import re
from pathlib import PurePosixPath
from typing import Any

from bs4 import BeautifulSoup
from bs4.element import NavigableString, Tag
from sphinx.builders import Builder
from sphinx.jinja2glue import BuiltinTemplateLoader
from sphinx.util.images import get_image_size

STYLE_SHEET = "site.css"  # written by extensions.assets, in place of all others
VERBATIM = re.compile(r"<(pre|script|style)\b(?![^>]*\ssrc=)[^>]*>.*?</\1>", re.S)
ASIDE = re.compile(r'<(\w+) data-aside="(\d+)"></\1>')
LEGIBLE = 0.85  # a label of 8 points, the smallest in our figures, is drawn with 9 pixels
PHONE = 358  # pixels, the width of the text on a phone of 390
DIFFICULTY = re.compile(r"([●○](?: [●○]){2})")
PUNCTUATION = re.compile(r"[.,;:!?)\]’–-]+")
UNUSED = (  # 1.5 MB that draw the icons of a font again; the search that extensions.search replaces
    "fontawesome.js",
    "searchtools.js",
    "language_data.js",
    "searchindex.js",
)
VERDICT = re.compile(r"(?:^|<pre>(?:<span></span>)?)✓ .*(?:\n  \S.*)+", re.M)  # of an exercise
NEEDS_DEFERRED = "<script>DOCUMENTATION_OPTIONS."  # how the theme's inline scripts begin
SETS_THEME = '<script data-cfasync="false">'
RESOLVE_THEME = (
    'const root = document.documentElement; if (root.dataset.theme === "auto") root.dataset.theme ='
    ' matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";'
)
FETCH_FONT_LAST = (  # of formulas, when the page has been drawn once; see `undrawn` in book.css
    'root.classList.add("undrawn"); const drawn = () => root.classList.remove("undrawn");'
    " requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(drawn)));"
    ' addEventListener("load", drawn);'
)


class Finisher(BuiltinTemplateLoader):
    """Sphinx' template loader; pages that it renders are finished by the rules of this module."""

    builder: Builder

    def init(self, builder: Builder, *args: Any, **kwargs: Any) -> None:
        super().init(builder, *args, **kwargs)
        self.builder = builder

    # Sphinx' own base class says None where its loader, too, returns the text.
    def render(self, template: str, context: dict[str, Any]) -> str:  # type: ignore[override]
        html = super().render(template, context)
        if not html.lstrip().startswith("<!DOCTYPE html>"):
            return html
        sizes = {
            name: get_image_size(str(self.builder.srcdir / path))
            for path, name in self.builder.images.items()
        }
        return finish(html, sizes)


def finish(html: str, sizes: dict[str, tuple[int, int] | None]) -> str:
    """Apply all rules to one page.

    Args:
        html: The page as the templates made it.
        sizes: Width and height of pictures, in pixels, by file name.

    Code, inline scripts and inline styles pass through byte for byte, but for those of the theme
    and for notes to the formatter, which tell a reader nothing. The lines of an exercise's verdict
    are joined, since the page breaks them where it is as wide as it is.
    """
    verbatim: list[str] = []
    html = html.replace('  <span class="c1"># fmt: skip</span>', "")
    html = VERDICT.sub(lambda found: found[0].replace("\n  ", " "), html)
    html = VERBATIM.sub(lambda found: put_aside(found, verbatim), html)
    soup = BeautifulSoup(html, "html.parser")
    join_styles(soup)
    defer_scripts(soup)
    keep_one_heading(soup)
    name_controls(soup)
    mark_tables(soup)
    mark_citations(soup)
    mark_exercises(soup)
    glue_punctuation(soup)
    size_pictures(soup, sizes)
    return ASIDE.sub(lambda found: mend_theme(verbatim[int(found[2])]), str(soup))


def put_aside(found: re.Match[str], verbatim: list[str]) -> str:
    """An empty element in place of one that no rule of this module may touch."""
    verbatim.append(found[0])
    return f'<{found[1]} data-aside="{len(verbatim) - 1}"></{found[1]}>'


def mend_theme(block: str) -> str:
    """The theme's own inline scripts: one needs a deferred script, one leaves the colours open.

    A module waits for its turn, as deferred scripts do. The colours are known before the page is
    drawn, so that a dark page does not flash white; the font of formulas comes after that.
    """
    if block.startswith(NEEDS_DEFERRED):
        return block.replace("<script>", '<script type="module">', 1)
    if block.startswith(SETS_THEME):
        return block.replace("</script>", f"{RESOLVE_THEME} {FETCH_FONT_LAST}</script>")
    return block


def join_styles(soup: BeautifulSoup) -> None:
    """One style sheet, `STYLE_SHEET`, in place of the first; and one viewport."""
    first, *others = soup.select('link[rel="stylesheet"]')
    first["href"] = re.sub(r"_static/.*", f"_static/{STYLE_SHEET}", str(first["href"]))
    for tag in [*others, *soup.select('meta[name="viewport"]')[1:]]:
        tag.decompose()


def defer_scripts(soup: BeautifulSoup) -> None:
    """Scripts run after the page has been read, in their order; those that serve nothing go."""
    for tag in soup.select("script[src]"):
        if PurePosixPath(str(tag["src"]).split("?")[0]).name in UNUSED:
            tag.decompose()
        else:
            tag["defer"] = ""
    for tag in soup.select('link[rel="preload"][as="script"]'):
        tag.decompose()


def keep_one_heading(soup: BeautifulSoup) -> None:
    """The theme adds a second title for print, without its number, and contents: they go."""
    for tag in soup.select("#jb-print-docs-body"):
        tag.decompose()


def name_controls(soup: BeautifulSoup) -> None:
    """Names for what has none, the visible text where the name differed from it, landmarks."""
    sidebar = soup.select_one("#pst-primary-sidebar")
    if sidebar is not None:
        sidebar["role"] = "complementary"
        sidebar["aria-label"] = "The book"
    for button in soup.select(".search-button-field"):
        del button["aria-label"]
    for button in soup.select(".sidebar-toggle"):
        button["aria-label"] = button.get("title") or ""
    for button in soup.select(".secondary-toggle"):
        button["aria-haspopup"] = "dialog"
    for summary in soup.select(".bd-sidenav summary"):
        item = summary.find_parent("li")
        chapter = item and item.find("a")
        assert chapter is not None  # the theme folds a list below the link to its chapter
        summary["aria-label"] = f"Sections of {chapter.get_text(' ', strip=True)}"
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
                    formula.insert_after(hidden(soup, formula.get_text(" ", strip=True)))
        table.wrap(soup.new_tag("div", attrs={"class": "scrolls"}))


def join_header_rows(table: Tag) -> None:
    """The name of an index goes into the corner; pandas gives it a row that is empty otherwise."""
    rows = table.select("thead tr")
    cells = [row.find_all(["th", "td"]) for row in rows]
    for row, above, own in zip(rows, [[], *cells], cells, strict=False):
        if any(cell.get_text(strip=True) for cell in own[1:]):
            continue
        if above and not above[0].get_text(strip=True):
            above[0].extend(list(own[0].contents))
            row.decompose()


def mark_citations(soup: BeautifulSoup) -> None:
    """Entries of a bibliography are the items of a list; docutils' role for them is obsolete.

    They are cited by author and year, so a label in front of an entry would serve nobody.
    """
    for entry in soup.select('[role="doc-biblioentry"]'):
        entry["role"] = "listitem"
    for label in soup.select(".citation > .label"):
        label.decompose()


def mark_exercises(soup: BeautifulSoup) -> None:
    """The title of an exercise is a heading, as far as one who hears the page is concerned."""
    for title in soup.select(".exercise > .admonition-title"):
        title["role"], title["aria-level"] = "heading", "3"
    for text in soup.find_all(string=DIFFICULTY):
        parts: list[str | Tag] = []
        for number, part in enumerate(DIFFICULTY.split(text)):
            if number % 2:
                parts.append(soup.new_tag("span", attrs={"aria-hidden": "true"}, string=part))
                parts.append(hidden(soup, f"difficulty {part.count('●')} of 3"))
            else:
                parts.append(part)
        text.replace_with(*parts)


def hidden(soup: BeautifulSoup, words: str) -> Tag:
    """What is said and not seen."""
    return soup.new_tag("span", attrs={"class": "visually-hidden"}, string=words)


def glue_punctuation(soup: BeautifulSoup) -> None:
    """A full stop after a formula stays on its line."""
    for formula in soup.select("article span.math"):
        after = formula.next_sibling
        if isinstance(after, NavigableString) and (marks := PUNCTUATION.match(after)):
            after.replace_with(after[marks.end() :])
            formula.wrap(soup.new_tag("span", attrs={"class": "glued"})).append(marks[0])


def size_pictures(soup: BeautifulSoup, sizes: dict[str, tuple[int, int] | None]) -> None:
    """Width and height, so that nothing moves when a picture arrives; all but the first wait.

    On a phone a wide picture scrolls in a box, so that its labels stay legible.
    """
    for number, image in enumerate(soup.select("article img")):
        size = sizes.get(PurePosixPath(str(image.get("src", ""))).name)
        if size:
            image["width"], image["height"] = map(str, size)
        fit_style(image)
        if size and size[0] * LEGIBLE > PHONE and image.find_parent(class_="cell_output"):
            image["style"] = f"min-width: {round(size[0] * LEGIBLE)}px; --natural: {size[0]}px"
            image.wrap(soup.new_tag("div", attrs={"class": "scrolls"}))
        if number:
            image["loading"] = "lazy"
        image["decoding"] = "async"


def fit_style(image: Tag) -> None:
    """A height in the style attribute would stop a picture from shrinking with the page."""
    if "height" in str(image.get("style", "")):
        del image["style"]
