"""Sphinx extension: what this book's site does otherwise than Jupyter Book's.

- The download menu of a page offers its recording, the notebook, beside its Markdown source.
- Jupyter Book always sets `comments_config`, the option of `sphinx_comments`. The book leaves that
  extension out, because it puts scripts of another host into every page; the option is declared
  here, so that a strict build does not stumble over it.
"""

import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from extensions.recordings import recording_of

BEFORE_THE_BUTTONS = 499  # priority: the theme makes its download menu at 501


def offer_notebook(
    app: Sphinx,
    pagename: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Put the page's recording where the theme's download menu expects a notebook."""
    if doctree is None or not recording_of(Path(app.env.doc2path(pagename))).is_file():
        return
    context["ipynb_source"] = f"{pagename}.ipynb"
    target = Path(app.outdir, "_sources", context["ipynb_source"])
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(recording_of(Path(app.env.doc2path(pagename))), target)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("comments_config", {}, "html")
    app.connect("html-page-context", offer_notebook, priority=BEFORE_THE_BUTTONS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
