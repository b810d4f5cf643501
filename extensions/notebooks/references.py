"""What a page points to, in the words of the site: numbers, titles, authors, sources, pictures.

The numbers and titles are those that Sphinx has given in this build; its domains are asked, as they
are for the site itself. So a notebook and its page never disagree.
"""

import base64
import mimetypes
import re
from pathlib import Path
from typing import cast

from docutils import nodes
from pybtex.plugin import find_plugin
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinxcontrib.bibtex.citation_target import parse_citation_targets
from sphinxcontrib.bibtex.domain import BibtexDomain

DOMAINS = {"eq": "math"}  # of roles without a prefix; the others belong to the standard domain
EXPLICIT = re.compile(r"^(?P<title>.+?)\s*<(?P<target>[^<>]+)>$", re.S)
MARKDOWN = find_plugin("pybtex.backends", "markdown")()


class PageReferences:
    """The references of one page; it also remembers which sources the page cites.

    Args:
        app: The application, after all sources were read.
        docname: The page.
    """

    def __init__(self, app: Sphinx, docname: str) -> None:
        self.app, self.docname = app, docname
        self.cited: set[str] = set()

    def text(self, role: str, content: str) -> str:
        """What the site shows for a role; a link to it where the site's address is known.

        Raises:
            ValueError: the role is not known, or what it names is not in the book.
        """
        prefix, _, kind = role.rpartition(":")
        explicit = EXPLICIT.match(content)
        target = explicit["target"] if explicit else content
        if kind in ("ref", "numref", "term"):
            target = " ".join(target.lower().split())
        enumerated = target in getattr(self.app.env, "sphinx_exercise_registry", {})
        if kind == "ref" and enumerated and not explicit:
            kind = "numref"  # as sphinx-exercise does
        name = prefix or DOMAINS.get(kind, "std")
        title = nodes.inline("", explicit["title"] if explicit else content)
        node = pending_xref(
            "",
            title,
            refdomain=name,
            reftype=kind,
            reftarget=target,
            refexplicit=bool(explicit),
            refdoc=self.docname,
        )
        domain = self.app.env.domains.get(name)
        found = domain and domain.resolve_xref(
            self.app.env, self.docname, self.app.builder, kind, target, node, title.deepcopy()
        )
        if not found or not found.astext():
            raise ValueError(f"{{{role}}}`{content}` leads nowhere")
        if name == "cite":
            self.cited.update(t.key for t in parse_citation_targets(target))
            return found.astext()
        text = found.astext()
        if kind == "ref" and not explicit:
            text = f"*{text}*"  # a title within a sentence
        return self.linked(text, found)

    def link(self, text: str, target: str) -> str:
        """Words that lead to another page or to a label of the book."""
        path, _, anchor = target.partition("#")
        if path.endswith(".md"):
            base = Path("/", self.docname).parent
            other = (base / path).resolve().relative_to("/").with_suffix("").as_posix()
            return self.text("doc", f"{text} </{other}>" if text else f"/{other}")
        label = path or anchor
        return self.text("ref", f"{text} <{label}>" if text else label)

    def linked(self, text: str, reference: nodes.Element) -> str:
        """The text, as a link where the site's address is known and it leads to another page."""
        site, address = self.app.config.html_baseurl, reference.get("refuri", "")
        if not site or not address or address.startswith("#"):
            return text
        here = Path("/", self.app.builder.get_target_uri(self.docname)).parent
        path, _, anchor = address.partition("#")
        page = (here / path).resolve().relative_to("/").as_posix()
        return f"[{text}]({site.rstrip('/')}/{page}{'#' * bool(anchor)}{anchor})"

    def address(self) -> str | None:
        """Where the page stands on the web, if that is known."""
        site = self.app.config.html_baseurl
        path = self.app.builder.get_target_uri(self.docname)
        return f"{site.rstrip('/')}/{path}" if site else None

    def picture(self, path: str) -> str:
        """A picture of the page as a data address.

        Raises:
            ValueError: there is no such picture.
        """
        if re.match(r"(https?|data):", path):
            return path
        _, source = self.app.env.relfn2path(path, self.docname)
        if not Path(source).is_file():
            raise ValueError(f"there is no picture {path}")
        kind = mimetypes.guess_type(source)[0] or "application/octet-stream"
        return f"data:{kind};base64,{base64.b64encode(Path(source).read_bytes()).decode('ascii')}"

    def title_number(self) -> str:
        """The number of the page's title, for example "7.5"; empty if it has none."""
        number = self.app.env.toc_secnumbers.get(self.docname, {}).get("")
        return ".".join(map(str, number)) if number else ""

    def sources(self) -> list[str]:
        """Entries of the bibliography, in its order, for all that the page has cited so far."""
        citations = cast(BibtexDomain, self.app.env.get_domain("cite")).citations
        return [
            as_line(citation.formatted_entry.text.render(MARKDOWN))
            for citation in citations
            if citation.key in self.cited
        ]


def as_line(entry: str) -> str:
    """An entry as pybtex renders it, on one line, with fewer escapes and with links to arXiv."""
    entry = re.sub(r"\\([.()-])", r"\1", " ".join(entry.split()))
    return re.sub(r"(?<!\[)\b(arXiv:(\d{4}\.\d{4,5}))", r"[\1](https://arxiv.org/abs/\2)", entry)
