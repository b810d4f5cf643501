"""Sphinx extension: live views get their scripts and styles.

A recording holds a view's figure, its state, and empty places for a script and a style
(`helpers/live/view.py`). They are filled when a page is written, so mending a script needs no new
recording; a page is made again when a script of one of its views has changed.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from helpers.live.view import HERE, SLOT, files, filled  # of the standard library alone


def depend_on_scripts(app: Sphinx, doctree: nodes.document) -> None:
    for node in doctree.findall(nodes.raw):
        for slot in SLOT.finditer(node.astext()):
            for file in files(slot[2]):
                app.env.note_dependency(str(HERE / file))


def fill_in(
    app: Sphinx,
    pagename: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    if doctree is not None and "data-live" in context["body"]:
        context["body"] = filled(context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", depend_on_scripts)
    app.connect("html-page-context", fill_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
