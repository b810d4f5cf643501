"""The rules that finish the HTML of a page, each on the smallest page that needs it."""

import pytest
from bs4 import BeautifulSoup

from extensions.page import finish

HEAD = '<link href="../_static/a.css?v=1" rel="stylesheet"/><link href="b.css" rel="stylesheet"/>'


def finished(body: str, head: str = "", sizes=None) -> BeautifulSoup:
    html = f"<!DOCTYPE html><html><head>{HEAD}{head}</head><body>{body}</body></html>"
    return BeautifulSoup(finish(html, sizes or {}), "html.parser")


def test_one_style_sheet_in_the_folder_of_the_first():
    (sheet,) = finished("").select("link[rel=stylesheet]")
    assert sheet["href"] == "../_static/site.css"


def test_scripts_are_deferred_and_those_that_wait_for_them_become_modules():
    head = (
        "<script>let hint = 1;</script>"
        '<script src="_static/doctools.js?v=1"></script>'
        "<script>DOCUMENTATION_OPTIONS.pagename = 'a';</script>"
        '<link rel="preload" as="script" href="x.js"/>'
    )
    page = finished("", head)
    inline, source, waiting = page.select("script")
    assert not inline.attrs and source.has_attr("defer") and waiting["type"] == "module"
    assert not page.select("link[rel=preload]")


def test_notes_to_the_formatter_are_not_shown():
    code = '<pre><span class="p">)</span>  <span class="c1"># fmt: skip</span>\nb</pre>'
    assert finished(code).pre.text == ")\nb"


def test_the_lines_of_a_verdict_are_joined_and_others_are_not():
    said = "2301\n✓ From 25 weights to\n  nine, and\n  no more.\nend\n  of it"
    for start in ("<span></span>", ""):
        text = finished(f"<pre>{start}{said}</pre>").pre.text
        assert text == "2301\n✓ From 25 weights to nine, and no more.\nend\n  of it"
    alone = finished("<pre><span></span>✓ one\n  two\n</pre><pre>  three</pre>").select("pre")
    assert [pre.text for pre in alone] == ["✓ one two\n", "  three"]


def test_scripts_that_serve_nothing_go():
    names = (
        "_static/scripts/fontawesome.js?digest=1",
        "searchindex.js",
        "_static/language_data.js",
    )
    assert not finished("", "".join(f'<script src="{n}"></script>' for n in names)).select("script")


@pytest.mark.parametrize(
    "block",
    [
        "<script>const a = '<pre>1 < 2</pre>'; Search.go(DOCUMENTATION_OPTIONS.x)</script>",
        '<script data-of="padding">\n  document.currentScript.remove();\n</script>',
        '<script type="application/json">{"b": 1, "a": "&lt;"}</script>',
        "<style>[data-live] > p { color: red }</style>",
        "<pre><span class='k'>def</span> f(): return \"<b>\"</pre>",
    ],
)
def test_what_stands_inline_passes_through_byte_for_byte(block):
    html = f"<!DOCTYPE html><html><head>{HEAD}</head><body><p>a</p>{block}<p>b</p></body></html>"
    assert f"<p>a</p>{block}<p>b</p>" in finish(html, {})


def test_the_theme_is_known_before_the_page_is_drawn():
    sets = "document.documentElement.dataset.theme = 'auto'"
    (script,) = finished("", f'<script data-cfasync="false">{sets}</script>').select("script")
    assert script.string.startswith(sets) and "prefers-color-scheme: dark" in script.string


def test_the_second_title_for_print_goes():
    page = finished('<div id="jb-print-docs-body"><h1>A</h1><h2>B</h2></div><h1>7.1. A</h1>')
    assert [title.text for title in page.select("h1, h2")] == ["7.1. A"]


def test_controls_have_names_that_contain_what_is_seen():
    page = finished(
        '<div id="pst-primary-sidebar"></div>'
        '<button class="search-button-field" aria-label="Search">Search Ctrl+K</button>'
        '<button class="sidebar-toggle" title="Menu"><i class="fa-solid fa-bars"></i></button>'
        '<ul class="bd-sidenav"><li><a>7. Nets</a><details><summary></summary></details></li></ul>'
    )
    assert page.select_one("#pst-primary-sidebar")["role"] == "complementary"
    assert not page.select_one(".search-button-field").has_attr("aria-label")
    assert page.select_one(".sidebar-toggle")["aria-label"] == "Menu"
    assert page.select_one(".fa-bars")["aria-hidden"] == "true"
    assert page.select_one(".bd-sidenav summary")["aria-label"] == "Sections of 7. Nets"


def test_header_cells_say_what_they_head_and_tables_scroll_in_a_box():
    page = finished(
        "<article><table><thead><tr><th></th><th>a</th>"
        '<th><span class="math"><math><mi>m</mi></math></span></th></tr></thead>'
        "<tbody><tr><th>b</th><td>1</td><td>2</td></tr></tbody></table></article>"
    )
    assert [th.get("scope") for th in page.select("th")] == ["col", "col", "row"]
    assert page.select_one("table").parent["class"] == ["scrolls"]
    assert page.select_one("th .visually-hidden").text == "m"
    assert page.select_one("th .math")["aria-hidden"] == "true"


@pytest.mark.parametrize("name", ["", "epoch"])
def test_no_header_row_is_empty(name):
    head = f"<tr><th></th><th>a</th></tr><tr><th>{name}</th><th></th></tr>"
    page = finished(f"<article><table><thead>{head}</thead><tr><td>1</td></tr></table></article>")
    assert len(page.select("thead tr")) == 1
    assert [cell.text for cell in page.select("thead tr > *")] == [name, "a"]


def test_entries_of_a_bibliography_are_items_of_a_list():
    entry = '<div class="citation" role="doc-biblioentry"><span class="label">[A+98]</span>A.</div>'
    page = finished(f'<div role="list">{entry}</div>')
    assert page.select_one("div div")["role"] == "listitem"
    assert page.select_one("div div").text == "A."


def test_punctuation_stays_with_the_formula_before_it():
    formula = '<span class="math"><math><mi>u</mi></math></span>'
    page = finished(f"<article><p>{formula}). Then {formula} or</p></article>")
    (glued,) = page.select(".glued")
    assert glued.text == "u)." and page.select_one("p").text == "u). Then u or"


def test_pictures_have_sizes_and_all_but_the_first_wait():
    body = '<img src="../_images/a.svg"/><img src="_images/b.png" style="height: 9em"/>'
    body = f"<article>{body}</article>"
    first, second = finished(body, sizes={"a.svg": (40, 30), "b.png": (4, 3)}).select("img")
    assert (first["width"], first["height"], first.get("loading")) == ("40", "30", None)
    assert (second["width"], second["loading"], second.get("style")) == ("4", "lazy", None)


@pytest.mark.parametrize("width, scrolls", [(400, False), (700, True)])
def test_a_wide_figure_scrolls_before_its_labels_are_too_small(width, scrolls):
    body = '<article><div class="cell_output"><img src="a.svg"/></div></article>'
    (image,) = finished(body, sizes={"a.svg": (width, 300)}).select("img")
    assert (image.parent["class"] == ["scrolls"]) is scrolls
    assert ("min-width: 595px" in image.get("style", "")) is scrolls
