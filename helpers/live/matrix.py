"""The live view of a dense layer on an image: what sharing and locality leave of its weights."""

import io

import numpy as np
from PIL import Image

from helpers.live.view import View

N = 6  # side of the image


def dense_to_local(share: bool = False, local: bool = False, delta: int = 1) -> View:
    """The 36×36 matrix of a layer on a 6×6 image, and what a marked pixel does to the output.

    Args:
        share: Equal offsets have equal weights.
        local: Offsets of more than `delta` have none.
        delta: Reach of a local layer in pixels, 0 to 5.

    Raises:
        ValueError: delta is outside its range.
    """
    if delta not in range(N):
        raise ValueError(f"delta = {delta}: choose a whole number from 0 to {N - 1}.")
    W = matrix(share, local, delta)
    offsets = 2 * (delta if local else N - 1) + 1
    count = offsets**2 if share else int((W != 0).sum())
    x = y = 2
    reached = int((W[:, N * y + x] != 0).sum())
    says = (
        f"{count:,} weight{'s' * (count != 1)} to learn. The marked pixel reaches {reached} "
        f"output{'s' * (reached != 1)}."
    )
    state = {"share": share, "local": local, "delta": delta, "x": x, "y": y}
    return View("matrix", "Weights of a layer", state=state, picture=draw(W), says=says)


def matrix(share: bool, local: bool, delta: int) -> np.ndarray:
    """Weights (36, 36), a row for each output; 0 where there is none."""
    output, pixel = np.indices((N * N, N * N))
    a, b = pixel // N - output // N, pixel % N - output % N
    number = (a + N - 1) * (2 * N - 1) + b + N - 1 if share else output * N * N + pixel
    mixed = (number + 36971) * 0x9E3779B1 & 0xFFFFFFFF  # the nine in the middle differ
    mixed = (mixed ^ mixed >> 15) * 0x85EBCA6B & 0xFFFFFFFF
    value = (mixed >> 16) % 18 - 9
    W = np.where(value < 0, value, value + 1)
    return np.where(np.maximum(abs(a), abs(b)) > delta, 0, W) if local else W


def draw(W: np.ndarray) -> bytes:
    """The matrix as PNG: violet negative, orange positive, grey where there is no weight."""
    ends = np.where(W[..., None] < 0, [94, 60, 153], [200, 84, 0])
    pixels = np.where(
        W[..., None] == 0, [225, 228, 232], 247 + (ends - 247) * abs(W[..., None]) / 9
    )
    image = Image.fromarray(pixels.round().astype(np.uint8)).resize(
        (360, 360), Image.Resampling.NEAREST
    )
    file = io.BytesIO()
    image.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()
