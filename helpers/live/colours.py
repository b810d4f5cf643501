"""The live view of a 1×1 convolution: three channels of two pictures mixed into one."""

import io
from base64 import b64encode

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image

from helpers.live.view import View

SIZE = 88  # of the photograph, in pixels
AT = 44 * SIZE + 27  # the marked pixel: on a petal
HUE, LIGHTNESS, NOISE = (0.08, -0.02, -0.12), 0.6, 0.12  # of the dots: half way, two ranges
CHANNELS = ("red", "green", "blue")
STYLE = (
    "text { font: 14px system-ui, sans-serif; text-anchor: middle; fill: #24292f } "
    "image { image-rendering: pixelated } rect { fill: none }"
)


def mix_colours(red: float = 0.3, green: float = 0.6, blue: float = 0.1) -> View:
    """The channels of a flower and of dots, mixed into one by three weights; sliders change them.

    Args:
        red: Weight of the red channel, -1 to 1, in tenths.
        green: Weight of the green channel.
        blue: Weight of the blue channel.

    Raises:
        ValueError: A weight is outside its range.
    """
    weights = dict(zip(CHANNELS, (red, green, blue), strict=True))
    for name, weight in weights.items():
        if not -1 <= weight <= 1:
            raise ValueError(f"{name} = {weight}: choose a weight from -1 to 1.")
    photo = photograph()
    rgb = np.asarray(Image.open(io.BytesIO(photo)))[AT // SIZE, AT % SIZE].tolist()
    pairs = list(zip(weights.values(), rgb, strict=True))
    total = round(sum(w * v for w, v in pairs), 2)
    products = " + ".join(f"{w:g} × {v}" if w >= 0 else f"(−{-w:g}) × {v}" for w, v in pairs)
    pixel = f"Marked pixel, red {rgb[0]}, green {rgb[1]}, blue {rgb[2]}"
    says = f"{pixel}: {products} = {total:g}.".replace("= -", "= −")
    state = weights | {"image": address(photo), "size": SIZE, "at": AT, "rgb": rgb}
    spread = [round(width / 12**0.5, 3) for width in (LIGHTNESS, NOISE)]  # of uniform numbers
    state |= {"dots": address(dots()), "hue": HUE, "spread": spread}
    picture = draw(list(weights.values()))
    return View("colours", "Colours mixed", state=state, picture=picture, says=says)


def photograph() -> bytes:
    """A dahlia before dark leaves, 88×88 pixels, as JPEG."""
    square = Image.fromarray(load_sample_image("flower.jpg")).crop((100, 0, 527, 427))
    return encoded(square.resize((SIZE, SIZE), Image.Resampling.LANCZOS), "JPEG")


def dots() -> bytes:
    """A digit that shows in the hue of dots, not in their grey: 20×20 pixels, as PNG."""
    digit = Image.fromarray((load_digits().images[14] * 15).astype(np.uint8))
    mask = np.pad(np.asarray(digit.resize((16, 16), Image.Resampling.BILINEAR)) > 120, 2)
    rng = np.random.default_rng(0)
    lightness = LIGHTNESS * (rng.random((20, 20, 1)) - 0.5)
    noise = NOISE * (rng.random((20, 20, 3)) - 0.5)
    plate = 0.5 + np.where(mask, 1, -1)[..., None] * np.array(HUE) + lightness + noise
    levels = (21 * plate).round().clip(0, 21).astype(np.uint8) * 12  # fewer bytes, seen by nobody
    return encoded(Image.fromarray(levels), "PNG")


def encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, quality=72, optimize=True)
    return file.getvalue()


def address(file: bytes) -> str:
    kind = "png" if file.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64," + b64encode(file).decode()


def mixer(weights: list[float]) -> str:
    """SVG's filter that mixes the channels: to grey, or with a negative weight to blue and red."""
    most = max(sum(max(w, 0) for w in weights), -sum(min(w, 0) for w in weights), 1 / 255)
    signed = min(weights) < 0  # then 0 is in the middle
    row = " ".join(f"{w / most * (0.6 if signed else 1):.4g}" for w in weights)
    rows = f"{row} 0 {0.5 if signed else 0} " * 3 + "0 0 0 1 0"
    ends = zip("RGB", ((33, 178), (102, 24), (172, 43)), strict=True)
    tables = "".join(
        f'<feFunc{c} type="table" tableValues="{a / 255:.3f} {247 / 255:.3f} {b / 255:.3f}"/>'
        for c, (a, b) in ends
    )
    colours = f"<feComponentTransfer>{tables}</feComponentTransfer>" if signed else ""
    matrix = f'<feColorMatrix values="{rows}"/>'
    return f'<filter id="mix" color-interpolation-filters="sRGB">{matrix}{colours}</filter>'


def draw(weights: list[float]) -> str:
    """Both pictures, each beside its mixed channel, as an SVG document."""
    sum_of = " + ".join(f"{w:g} · {n}" for w, n in zip(weights, CHANNELS, strict=True))
    top, left = (240 * (place - 1) / SIZE for place in divmod(AT, SIZE))
    marks = "".join(
        f'<text x="{x + 120}" y="15">{name}</text>'
        + "".join(
            f'<image href="{address(file)}" x="{x}" y="{y}" width="240" height="240"{mix}/>'
            for file, y in ((photograph(), 24), (dots(), 272))
        )
        + "".join(
            f'<rect x="{x + left:.1f}" y="{24 + top:.1f}" width="9" height="9" stroke="{colour}" '
            f'stroke-width="{width}"/>'
            for colour, width in (("#000", 4), ("#fff", 2))
        )
        for x, name, mix in ((0, "three channels", ""), (256, sum_of, ' filter="url(#mix)"'))
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="496" height="512" viewBox="0 0 496 512">'
        f"<style>{STYLE}</style>{mixer(weights)}"
        f'<rect width="100%" height="100%" style="fill: #fff"/>{marks}</svg>'
    )
