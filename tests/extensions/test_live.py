"""Live views on the site: scripts are filled in when a page is written."""

from types import SimpleNamespace

from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.utils import new_document

from extensions import live
from helpers.live.view import HERE

SLOTS = '<style data-of="padding"></style><script data-of="padding"></script>'
EMPTY = f'<div data-live="padding">{SLOTS}</div>'


def test_a_page_depends_on_the_scripts_of_its_views():
    document = new_document("page", get_default_settings())
    document += nodes.paragraph("", "", nodes.raw("", EMPTY, format="html"))
    noted = []
    app = SimpleNamespace(env=SimpleNamespace(note_dependency=noted.append))
    live.depend_on_scripts(app, document)
    assert {
        str(HERE / name) for name in ("view.js", "view.css", "padding.js", "padding.css")
    } == set(noted)


def test_a_page_gets_its_scripts_and_styles_and_nothing_else_changes():
    context = {"body": f"<p>before</p>{EMPTY}<p>after</p>"}
    live.fill_in(None, "page", "page.html", context, object())
    assert "mount(document.currentScript, view);" in context["body"]
    assert "container-type" in context["body"]
    assert context["body"].startswith("<p>before</p><div") and context["body"].endswith(
        "</div><p>after</p>"
    )


def test_the_site_needs_nothing_but_the_standard_library_for_it():
    """What `extensions/live.py` imports of `helpers` brings no package into the site's build."""
    import subprocess
    import sys

    code = (
        "import sys, helpers.live.view; print({'torch', 'numpy', 'matplotlib'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=HERE.parents[1]
    )
    assert run.stdout.strip() == "set()", run.stderr
