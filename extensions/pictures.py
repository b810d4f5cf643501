"""Sphinx extension: photographs inside figures are stored as lossless WebP, a third of their PNG.

matplotlib writes images into an SVG as PNG. The recordings stay as they are; the copies that the
site shows are lighter, and every pixel of them is the same.
"""

import base64
import io
import re
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx

PNG = re.compile(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)")


def lighten(svg: str) -> str:
    """The SVG with its embedded PNG images as lossless WebP, where that is smaller."""
    return PNG.sub(lambda found: as_webp(found[1]) or found[0], svg)


def as_webp(encoded: str) -> str | None:
    """Data address of the image as WebP; none where the PNG is smaller or has another mode."""
    png = base64.b64decode(encoded)
    image, webp = Image.open(io.BytesIO(png)), io.BytesIO()
    if image.mode not in ("RGB", "RGBA"):
        return None
    image.save(webp, "WEBP", lossless=True, exact=True, quality=75, method=4)
    if len(webp.getvalue()) >= len(png):
        return None
    return f"data:image/webp;base64,{base64.b64encode(webp.getvalue()).decode()}"


def lighten_all(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.name != "html":
        return
    for path in sorted(Path(app.outdir, "_images").glob("*.svg")):
        svg = path.read_text(encoding="utf-8")
        if (lighter := lighten(svg)) != svg:
            path.write_text(lighter, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", lighten_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
