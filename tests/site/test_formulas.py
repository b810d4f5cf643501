"""Formulas as they are drawn: with the font that is shipped and with the complete one."""

import base64
import io
import re

from PIL import Image, ImageChops, ImageFilter

from extensions.assets import font_face
from tests.conftest import HTML
from tools.font import FONT, complete_font

FAINT = 64  # of 255: the shipped font has no hints, so the joints of long brackets differ a little


def formulas() -> list[str]:
    """Every formula of the site, once."""
    pages = (p.read_text(encoding="utf-8") for p in sorted(HTML.rglob("*.html")))
    return list(
        dict.fromkeys(found for p in pages for found in re.findall(r"<math.*?</math>", p, re.S))
    )


def drawn(page, address: str, found: list[str], font: bytes) -> tuple[Image.Image, list[dict]]:
    """A picture of all formulas, each in a box, and the places of the boxes."""
    head = '<!DOCTYPE html><meta charset="utf-8"><link rel="stylesheet" href="_static/site.css">'
    style = "<style>body { display: block } b { display: inline-block; padding: 8px }</style>"
    body = "".join(f"<b>{formula}</b> " for formula in found)
    page.route(
        "**/formulas.html", lambda r: r.fulfill(body=head + style + body, content_type="text/html")
    )
    page.route("**/*.woff2", lambda route: route.fulfill(body=font))
    page.goto(f"{address}/formulas.html")
    assert page.evaluate("document.fonts.load('16px \"Book Math\"').then(f => f.length)")
    boxes = page.evaluate(
        "[...document.querySelectorAll('b')].map(e => e.getBoundingClientRect().toJSON())"
    )
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L")
    page.unroute_all()
    return picture, boxes


def ink(picture: Image.Image, box: dict) -> Image.Image:
    """What a box shows, dark on light, without its margins."""
    cut = ImageChops.invert(picture.crop((box["left"], box["top"], box["right"], box["bottom"])))
    return cut.crop(cut.getbbox())


def alike(one: Image.Image, other: Image.Image) -> bool:
    """Whether all ink of each has ink of the other within a pixel; layout rounds to pixels."""
    size = (max(one.width, other.width), max(one.height, other.height))
    a, b = (image.crop((0, 0, *size)) for image in (one, other))
    return all(
        ImageChops.subtract(x, y.filter(ImageFilter.MaxFilter(3))).getextrema()[1] <= FAINT
        for x, y in ((a, b), (b, a))
    )


def differing(page, address: str, found: list[str], font: bytes) -> list[str]:
    """The formulas whose pictures in this font and in the complete one differ."""
    ours, places = drawn(page, address, found, font)
    theirs, others = drawn(page, address, found, complete_font().read_bytes())
    return [
        formula
        for formula, our, their in zip(found, places, others, strict=True)
        if not alike(ink(ours, our), ink(theirs, their))
    ]


def test_every_formula_is_drawn_as_in_the_complete_font(page, address):
    found = formulas()
    assert len(found) > 100
    assert differing(page, address, found, FONT.read_bytes()) == []


def test_a_font_without_root_signs_is_noticed(page, address):
    """The font of an earlier edition had only the characters that stand in the formulas' text."""
    found = formulas()
    roots = [formula for formula in found if "<msqrt>" in formula]
    text = "".join(re.sub(r"<[^>]*>", "", formula) for formula in found)
    font = base64.b64decode(re.search(r"base64,([^)]*)", font_face("", FONT, text))[1])
    assert roots and set(roots) <= set(differing(page, address, found, font))
