"""Sphinx extension: what this book's site does otherwise than Jupyter Book's.

- Jupyter Book always sets `comments_config`, the option of `sphinx_comments`. The book leaves that
  extension out, because it puts scripts of another host into every page; the option is declared
  here, so that a strict build does not stumble over it.
"""

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("comments_config", {}, "html")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
