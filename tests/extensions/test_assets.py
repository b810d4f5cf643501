"""The style sheet that the pages share: what is kept of the styles, and the fonts inside it."""

import base64
import io
import re

import pytest
from fontTools.ttLib import TTFont

from extensions.assets import characters_of_formulas, font_face, math_font, may_match, purge


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


def test_letters_that_stand_alone_are_drawn_in_italics():
    page = "<p>no</p><math><mi>h</mi><mi>β</mi><mi>ln</mi><mo>&lt;</mo><mn>2</mn></math>"
    assert set(characters_of_formulas([page])) == set("h\u210eβ\U0001d6fdln<2")


def test_a_font_has_the_characters_that_are_asked_for_and_can_set_formulas():
    rule = font_face("Book Math", math_font(), "x∑⟨")
    data = re.search(r"base64,([^)]*)\)", rule)[1]
    font = TTFont(io.BytesIO(base64.b64decode(data)))
    assert {ord(c) for c in "x∑⟨"} <= set(font.getBestCmap())
    assert ord("y") not in font.getBestCmap()
    assert "MATH" in font and len(data) < 40_000
    assert font_face("Book Math", math_font(), "") == ""
