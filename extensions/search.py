"""Sphinx extension: a search that knows sections, definitions and the names that others use.

When all pages are written, their text is read section by section and put into the search page,
where `templates/search.js` looks through it: no index to load, no host to ask, and it works from a
folder. `search-terms.txt` holds names that the text does not use: a label, a colon, then words.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from bs4 import BeautifulSoup, Tag
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.config import Config
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

logger = logging.getLogger(__name__)

TERMS = "search-terms.txt"
DESCRIPTION = '<meta name="description" content="Search all sections of the book, also offline.">'
TEMPLATES = Path(__file__).parent / "templates"
NOT_TEXT = {"script", "style", "template", "nav", "button"}
NO_PROSE = {"headerlink", "made-on", "toctree-wrapper", "cell_output", "visually-hidden", "sealed"}
TELLING = {"solution", "hint"}  # folds that would tell what an exercise asks for
DEFINED = re.compile(r"^[ \t]*(?:def|class)\s+(\w+)", re.M)
LONGEST = 40  # characters of a term that is stressed where it is defined
SENTENCE = (".", ":", "?", "!")  # ends of what is stressed, but is no term
SOURCES = "Sources"  # how a section's title begins where stress marks the titles of works
PRINTED, SPAN = re.compile(r"<pre\b.*?</pre>", re.S), re.compile(r"</?span\b[^>]*>")
NAME = re.compile(r"[A-Za-z_]\w{2,}")


def sections(html: str) -> Iterator[tuple[dict[str, str], set[str]]]:
    """The sections of a page, in order, each with all anchors inside it.

    A section has an anchor, a title, text, names in its code, and what it defines: in code,
    or in prose by stressing it.
    """
    plain = PRINTED.sub(lambda block: SPAN.sub("", block[0]), html)  # colours are half of all tags
    article = BeautifulSoup(plain, "html.parser").find("article")
    if article is None:
        return
    for tag in article.find_all(is_left_out):
        tag.extract()
    parts = article.find_all("section")
    for section in reversed(parts):  # inner ones first, so that each text is taken once
        section.extract()
    for section in parts:
        heading = section.find(re.compile("^h[1-6]$"), recursive=False)
        if heading is None:
            continue
        anchors = {str(tag["id"]) for tag in [section, *section.find_all(id=True)] if tag.get("id")}
        title = words(heading.extract())
        blocks = section.find_all("div", class_="highlight")
        code = "\n".join(block.extract().get_text() for block in blocks)
        marks = [] if title.startswith(SOURCES) else section.find_all(["strong", "em", "dfn"])
        stressed = [tag.get_text() for tag in marks]
        terms = [term for term in stressed if len(term) <= LONGEST and not term.endswith(SENTENCE)]
        defined = DEFINED.findall(code) + terms
        entry = {
            "id": str(section.get("id", "")),
            "title": title,
            "text": words(section),
            "code": " ".join(sorted(set(NAME.findall(code)) - set(defined))),
            "defined": ", ".join(dict.fromkeys(defined)),
        }
        yield entry, anchors


def is_left_out(tag: Tag) -> bool:
    """Whether the search knows nothing of an element."""
    classes = set(tag.get("class") or ())
    left_out = NO_PROSE | TELLING if tag.name == "details" else NO_PROSE
    return tag.name in NOT_TEXT or bool(classes & left_out)


def words(tag: Tag) -> str:
    """The text of an element, with single spaces, and none before punctuation."""
    for cell in tag.find_all(["p", "li", "dt", "dd", "td", "th", "div", "figcaption", "br"]):
        cell.append(" ")
    return re.sub(r"\s+(?=[.,;:!?)])|\s+(?=\s)", "", " ".join(tag.get_text().split()))


def read_terms(path: Path) -> dict[str, str]:
    """Words by label; lines that begin with # are comments.

    Raises:
        ValueError: a line has no colon, or a label stands twice.
    """
    terms: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        label, colon, found = line.partition(":")
        if not colon or label.strip() in terms:
            raise ValueError(f"{path.name}:{number}: want `label: words`, a label once: {line}")
        terms[label.strip()] = found.strip()
    return terms


def places(terms: dict[str, str], env: BuildEnvironment) -> dict[tuple[str, str], str]:
    """Words by page and anchor; a label that the book does not have is a warning."""
    labels = cast(StandardDomain, env.get_domain("std")).anonlabels
    found = {}
    for label, text in terms.items():
        if label not in labels:
            logger.warning("%s: the book has no label %r", TERMS, label)
            continue
        page, anchor = labels[label][:2]
        found[page, anchor] = text
    return found


def search_page(app: Sphinx) -> Iterator[tuple[str, dict[str, str], str]]:
    """The page that searches, with the text of all others."""
    builder = cast(StandaloneHTMLBuilder, app.builder)
    terms = Path(app.srcdir, TERMS)
    also = places(read_terms(terms) if terms.is_file() else {}, app.env)
    entries = []
    for name in in_reading_order(app.env):
        html = Path(builder.get_outfilename(name)).read_text(encoding="utf-8")
        page = ""
        for section, anchors in sections(html):
            page = page or section["title"]
            names = [also.pop((name, anchor)) for anchor in anchors if (name, anchor) in also]
            place = {"page": page, "uri": builder.get_target_uri(name)}
            entries.append({**place, **section, "also": " ".join(names)})
    for name, anchor in also:
        logger.warning("%s: %s#%s stands in no section", TERMS, name, anchor)
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    yield "search", {"search_text": text, "metatags": DESCRIPTION}, "search.html"


def in_reading_order(env: BuildEnvironment) -> list[str]:
    """All pages, in the order of the contents."""

    def walk(name: str) -> Iterator[str]:
        yield name
        for child in env.toctree_includes.get(name, []):
            yield from walk(child)

    return list(dict.fromkeys(walk(env.config.root_doc)))


def replace_template(app: Sphinx, config: Config) -> None:
    config.templates_path.append(str(TEMPLATES))


def leave_out_index(app: Sphinx) -> None:
    if isinstance(app.builder, StandaloneHTMLBuilder):
        app.builder.search = False  # neither Sphinx' own index nor the page that reads it


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", replace_template)
    app.connect("builder-inited", leave_out_index)
    app.connect("html-collect-pages", search_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
