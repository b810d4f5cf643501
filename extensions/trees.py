"""Sphinx extension: the tree of a page is read from disk once while all pages are written.

Sphinx reads the whole tree of the target's page again for every `{numref}`, which took a third of
a build. Trees that are only looked at are kept; a tree that is about to be written, and so changed,
is read anew. pybtex looks through all packages for every citation; here it looks once.
"""

from functools import cache
from typing import Any

import pybtex.plugin
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.environment import BuildEnvironment

FIRST = 100  # priority: before the handlers of other extensions, which have 500 and more


def keep_trees(env: BuildEnvironment) -> None:
    """Let `env` keep the trees that it reads; once it has been stored, since they are not."""
    if "get_doctree" in vars(env):
        return
    read, resolve = env.get_doctree, env.get_and_resolve_doctree

    def resolve_new(
        docname: str, builder: Builder, doctree: nodes.document | None = None, **options: Any
    ) -> nodes.document:
        return resolve(docname, builder, doctree or read(docname), **options)

    vars(env).update(get_doctree=cache(read), get_and_resolve_doctree=resolve_new)


def setup(app: Sphinx) -> dict[str, bool]:
    pybtex.plugin.find_plugin = cache(pybtex.plugin.find_plugin)
    app.connect("write-started", lambda app, builder: keep_trees(app.env), priority=FIRST)
    app.connect("build-finished", lambda app, exception: keep_trees(app.env), priority=FIRST)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
