"""The live view of a 1×1 convolution: three channels of a photograph mixed into one."""

import io
from base64 import b64encode

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from helpers.live.view import View

SIZE = 88  # of the photograph, in pixels
AT = 44 * SIZE + 27  # the marked pixel: on a petal
CHANNELS = ("red", "green", "blue")
STYLE = "text { font: 14px system-ui, sans-serif; text-anchor: middle; fill: #24292f }"


def mix_colours(red: float = 0.3, green: float = 0.6, blue: float = 0.1) -> View:
    """The channels of a flower, mixed into one by three weights; sliders change them.

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
    products = " + ".join(f"{w:g}·{v}" if w >= 0 else f"(−{-w:g})·{v}" for w, v in pairs)
    pixel = f"Marked pixel, red {rgb[0]}, green {rgb[1]}, blue {rgb[2]}"
    says = f"{pixel}: {products} = {total:g}.".replace("= -", "= −")
    state = weights | {"image": jpeg(photo), "size": SIZE, "at": AT, "rgb": rgb}
    picture = draw(photo, list(weights.values()))
    return View("colours", "Colours mixed", state=state, picture=picture, says=says)


def photograph() -> bytes:
    """A dahlia before dark leaves, 88×88 pixels, as JPEG."""
    square = Image.fromarray(load_sample_image("flower.jpg")).crop((100, 0, 527, 427))
    return encoded(square.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=72, optimize=True)
    return file.getvalue()


def jpeg(file: bytes) -> str:
    return "data:image/jpeg;base64," + b64encode(file).decode()


def draw(photo: bytes, weights: list[float]) -> str:
    """The photograph and the mixed channel side by side, as an SVG document."""
    pixels = np.asarray(Image.open(io.BytesIO(photo)), dtype=float)
    values = pixels @ np.array(weights)
    most = max(255 * sum(max(w, 0) for w in weights), -255 * sum(min(w, 0) for w in weights), 1)
    share = values / most
    if min(weights) < 0:  # diverging: blue below 0, white, red above
        ends = np.where(share[..., None] < 0, [33, 102, 172], [178, 24, 43])
        mixed = 247 + (ends - 247) * np.minimum(1, 1.6 * np.abs(share))[..., None]
    else:
        mixed = np.repeat(255 * share[..., None], 3, axis=-1)
    output = encoded(Image.fromarray(mixed.round().astype(np.uint8)))
    names = (
        "three channels",
        " + ".join(f"{w:g} · {n}" for w, n in zip(weights, CHANNELS, strict=True)),
    )
    marks = "".join(
        f'<image href="{jpeg(file)}" x="{x}" y="24" width="240" height="240"/>'
        f'<text x="{x + 120}" y="15">{name}</text>'
        for x, file, name in ((0, photo, names[0]), (256, output, names[1]))
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="496" height="264" viewBox="0 0 496 264">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>{marks}</svg>'
    )
