"""Compare two pictures of pixels with a tolerance.

Three numbers bound the difference, chosen so that a line drawn half a pixel aside (the same
picture, antialiased otherwise) passes, and a marker moved by its own width fails.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

MEAN_LEVELS = 1.5  # mean over all pixels of the largest difference of a channel, of 255 levels
NEAR_LEVELS = 8  # a pixel this far outside the range of the 3 x 3 pixels around it is far
FAR_FRACTION = 1e-4  # of all pixels that may be far


def compare_pictures(recorded: bytes, new: bytes) -> str | None:
    """Compare two pictures in a format that Pillow reads.

    Returns:
        None if they show the same, else the first measure that is exceeded.
    """
    if recorded == new:
        return None
    old, fresh = _pixels(recorded), _pixels(new)
    if old.shape != fresh.shape:
        return (
            f"size {old.shape[1]} x {old.shape[0]} recorded, "
            f"{fresh.shape[1]} x {fresh.shape[0]} new"
        )
    mean = float(np.abs(old - fresh).max(axis=2).mean())
    far = float((_outside(old, fresh) | _outside(fresh, old)).mean())
    if mean > MEAN_LEVELS:
        return f"pictures differ by {mean:.2f} of 255 levels on average, allowed {MEAN_LEVELS}"
    if far > FAR_FRACTION:
        return f"{far:.3%} of the pixels show something else, allowed {FAR_FRACTION:.3%}"
    return None


def _pixels(data: bytes) -> np.ndarray:
    """Premultiplied RGBA, so that what is transparent has no colour, shape (n_h, n_w, 4)."""
    with Image.open(io.BytesIO(data)) as picture:
        pixels = np.asarray(picture.convert("RGBA")).astype(np.int32)
    pixels[..., :3] = pixels[..., :3] * pixels[..., 3:] // 255
    return pixels


def _outside(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where a pixel of a lies outside the range of the 3 x 3 pixels of b around it."""
    height, width = b.shape[:2]
    padded = np.pad(b, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    low = np.minimum.reduce(around) - NEAR_LEVELS
    high = np.maximum.reduce(around) + NEAR_LEVELS
    return ((a < low) | (a > high)).any(axis=2)
