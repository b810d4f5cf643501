"""The style sheet that the pages share: what is kept of the styles, and the icons inside it."""

import base64
import io
import os
import re
from types import SimpleNamespace

import pytest
from fontTools.ttLib import TTFont

from extensions.assets import follow_static, font_face, may_match, purge
from tools.font import complete_font


@pytest.mark.parametrize(
    "selector, matches",
    [
        (".used", True),
        (".unused", False),
        (".used .unused", False),
        ("p > a:hover", True),
        ("html[data-theme=dark] .used", True),
        ("div:not(.unused)", True),
        (":is(.unused, .used) p", True),
        (r".a\:b", False),
    ],
)
def test_a_selector_may_match_if_all_its_classes_occur(selector, matches):
    assert may_match(selector, {"used"}) is matches


def test_rules_that_match_nothing_go_and_the_order_stays():
    styles = """
    /* a comment */ @font-face { font-family: x } p { color: red }
    .used, .unused { margin: 0 } .unused { margin: 1px }
    @media print { .unused { x: y } }
    @media (min-width: 9px) { .used { top: 0 } .unused { top: 1 } }
    @keyframes turn { to { rotate: 1turn } }
    """
    kept = purge(styles, {"used"})
    assert re.sub(r"\s+", "", kept) == (
        "p{color:red}.used{margin:0}@media(min-width:9px){.used{top:0}}"
        "@keyframesturn{to{rotate:1turn}}"
    )


def test_a_list_inside_brackets_is_one_selector():
    assert purge(":is(a, b) .used { top: 0 }", {"used"}).startswith(":is(a, b) .used{")


def test_the_font_of_icons_has_those_that_are_asked_for(tmp_path):
    rule = font_face("Icons", complete_font(), "x∑")
    data = re.search(r"base64,([^)]*)\)", rule)[1]
    font = TTFont(io.BytesIO(base64.b64decode(data)))
    assert {ord(c) for c in "x∑"} == set(font.getBestCmap())
    assert font_face("Icons", complete_font(), "") == ""


def test_a_newer_style_is_copied(tmp_path):
    config = SimpleNamespace(html_static_path=["_static"], root_doc="index")
    app = SimpleNamespace(config=config, srcdir=tmp_path, outdir=tmp_path / "html")
    for folder, name in ("_static", "book.css"), ("html", "index.html"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    os.utime(tmp_path / "_static" / "book.css", (1, 1))
    assert follow_static(app) == []
    os.utime(tmp_path / "html" / "index.html", (0, 0))
    assert follow_static(app) == ["index"]
