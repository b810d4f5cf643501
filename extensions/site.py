"""Sphinx extension: what this book's site does otherwise than Jupyter Book's.

- A page with code says below its title what its recording was made on.
- "How to run it" offers all notebooks in one file, if the build makes that file.
- Where the address of the site is known (variable BOOK_URL), every page names its canonical
  address and a picture for social media, and there is a map of the site for search engines.
- Code has no elements but those that colour it: names, brackets and spaces have none. They were
  half of a page, and a phone waited for them.
- Pages are written by as many processes as there are cores; read by one, because not all
  extensions say that they allow more.
- Jupyter Book always sets `comments_config`, the option of `sphinx_comments`. The book leaves that
  extension out, because it puts scripts of another host into every page; the option is declared
  here, so that a strict build does not stumble over it.
"""

import logging
import os
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlparse

from docutils import nodes
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter
from pygments.styles import get_style_by_name
from pygments.token import Token
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.highlighting import PygmentsBridge

from tools.pages import HISTORY_TYPE, read_recording, recording_of

HOW_TO_RUN = "how-to-run"
PICTURE = "_static/page.png"
MARK = "<!-- all-notebooks -->"
ALL_NOTEBOOKS = (
    '<p class="screen-only"><a href="notebooks/all.zip" download>All notebooks in one file</a></p>'
)


def say_what_it_was_made_on(
    app: Sphinx,
    pagename: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Put the conditions of the recording below the title of its page."""
    recording = recording_of(Path(app.env.doc2path(pagename))) if doctree else None
    if recording is None or not recording.is_file():
        return
    notebook = read_recording(recording)
    made_on = notebook.metadata.get("book")
    if made_on:
        made_on = {**made_on, "device": " and ".join([made_on["device"], *trained_on(notebook)])}
        link = app.builder.get_relative_uri(pagename, HOW_TO_RUN)
        head, title, rest = context["body"].partition("</h1>")
        context["body"] = f"{head}{title}\n{conditions_line(made_on, link)}{rest}"


def trained_on(notebook: NotebookNode) -> list[str]:
    """Other devices than a CPU on which networks of a recording were trained."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    histories = (output.get("data", {}).get(HISTORY_TYPE) for output in outputs)
    devices = sorted({history["device"] for history in histories if history})
    return [f"{name} (networks)" for name in devices if not name.startswith("CPU")]


def conditions_line(made_on: dict[str, str], link: str) -> str:
    """One paragraph of HTML: profile, device and versions of a recording, without a date."""
    profile, device = escape(made_on["profile"]), escape(made_on["device"])
    versions = f"PyTorch {escape(made_on['torch'])}, Python {escape(made_on['python'])}"
    return (
        '<p class="made-on">Outputs recorded on: '
        f'{device}; profile <a href="{link}#profiles">{profile}</a>; {versions}.</p>'
    )


def offer_all_notebooks(app: Sphinx, docname: str, content: list[str]) -> None:
    """Put the link where the page asks for it; without the extension that packs them, none."""
    if docname == HOW_TO_RUN:
        made = "extensions.notebooks.standalone" in app.extensions
        content[0] = content[0].replace(MARK, ALL_NOTEBOOKS if made else "")


def set_address(app: Sphinx, config: Config) -> None:
    """Give the address of the site to whatever names absolute addresses.

    Raises:
        ValueError: BOOK_URL is no address of the web.
    """
    address = os.environ.get("BOOK_URL", "").strip()
    if not address:
        return
    parts = urlparse(address)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"BOOK_URL={address!r}: an address is wanted, such as https://host/book/")
    config.html_baseurl = config.ogp_site_url = address.rstrip("/") + "/"
    config.ogp_image = PICTURE


def write_sitemap(app: Sphinx, exception: Exception | None) -> None:
    """List all pages for search engines, where the address of the site is known."""
    base = app.config.html_baseurl
    if exception is not None or not base or app.builder.name != "html":
        return
    pages = [urljoin(base, app.builder.get_target_uri(name)) for name in sorted(app.env.found_docs)]
    entries = "".join(f"<url><loc>{escape(page)}</loc></url>\n" for page in pages)
    Path(app.outdir, "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</urlset>\n',
        encoding="utf-8",
    )


class CodeFormatter(HtmlFormatter[str]):
    """Pygments' formatter, without an element around what looks like a plain name."""

    styles: tuple[Any, ...] = ()  # of light and dark mode

    def _get_css_classes(self, ttype: Any) -> str:
        if all(s.style_for_token(ttype) == s.style_for_token(Token.Name) for s in self.styles):
            return ""
        return str(super()._get_css_classes(ttype))


def lighten_code(app: Sphinx, config: Config) -> None:
    names = (config.html_theme_options[f"pygments_{mode}_style"] for mode in ("light", "dark"))
    level, handlers = logging.root.level, [*logging.root.handlers]
    CodeFormatter.styles = tuple(map(get_style_by_name, names))
    logging.root.setLevel(level)  # these styles turn on the messages of all packages
    logging.root.handlers[:] = handlers
    PygmentsBridge.html_formatter = CodeFormatter


def write_in_parallel(app: Sphinx, env: BuildEnvironment) -> None:
    """Called when all pages are read; one process hands out, the others write."""
    app.parallel = 1 + (os.cpu_count() or 1)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("comments_config", {}, "html")
    app.connect("env-updated", write_in_parallel)
    app.connect("config-inited", set_address)
    app.connect("config-inited", lighten_code)
    app.connect("source-read", offer_all_notebooks)
    app.connect("html-page-context", say_what_it_was_made_on)
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
