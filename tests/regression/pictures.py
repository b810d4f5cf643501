"""Compare two pictures of pixels with a tolerance.

A picture is as different as its worst neighbourhood, however large the rest: a line drawn half a
pixel aside (the same picture, antialiased otherwise) passes, a changed digit of 6 points fails.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

MEAN_LEVELS = 1.5  # mean over all pixels of the largest difference of a channel, of 255 levels
SIDE = 6  # of a neighbourhood, in pixels: a digit of 6 points at 100 dots per inch
WORST_LEVELS = 30  # the same mean over one neighbourhood, moved by half a pixel where that fits
NEAR_LEVELS = 8  # a pixel this far outside the range of the 3 x 3 pixels around it is far
FAR_FRACTION = 0.5  # of the pixels of one neighbourhood that may be far
SHIFTS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]


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
    if mean > MEAN_LEVELS:
        return f"pictures differ by {mean:.2f} of 255 levels on average, allowed {MEAN_LEVELS}"
    rows, columns = np.nonzero((old != fresh).any(axis=2))
    if not len(rows):
        return None
    top, left = max(rows.min() - SIDE, 0), max(columns.min() - SIDE, 0)
    part = np.s_[top : rows.max() + SIDE + 1, left : columns.max() + SIDE + 1]
    old, fresh = (np.pad(x[part], ((0, SIDE), (0, SIDE), (0, 0)), "edge") for x in (old, fresh))
    far = _local_mean(_outside(old, fresh) | _outside(fresh, old))
    for levels, allowed, what in (
        (np.minimum(_moved(old, fresh), _moved(fresh, old)), WORST_LEVELS, "of 255 levels"),
        (far, FAR_FRACTION, "of the pixels"),
    ):
        row, column = np.unravel_index(levels.argmax(), levels.shape)
        if (worst := float(levels[row, column])) > allowed:
            where = f"around row {row + top}, column {column + left}"
            return f"pictures differ by {worst:.3g} {what} {where}, allowed {allowed}"
    return None


def _pixels(data: bytes) -> np.ndarray:
    """Premultiplied RGBA, so that what is transparent has no colour, shape (n_h, n_w, 4)."""
    with Image.open(io.BytesIO(data)) as picture:
        pixels = np.asarray(picture.convert("RGBA")).astype(np.int32)
    pixels[..., :3] = pixels[..., :3] * pixels[..., 3:] // 255
    return pixels


def _moved(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The mean difference of each neighbourhood of a from that of b, moved by 0 or 1/2 pixel."""
    moved = ((b + around) // 2 for around in _around(b))
    return np.minimum.reduce([_local_mean(np.abs(a - x).max(axis=2)) for x in moved])


def _around(x: np.ndarray) -> list[np.ndarray]:
    """The picture moved by one pixel in each direction, and unmoved."""
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return [padded[1 + i :, 1 + j :][: x.shape[0], : x.shape[1]] for i, j in SHIFTS]


def _local_mean(values: np.ndarray) -> np.ndarray:
    """The mean over each window of SIDE x SIDE pixels."""
    sums = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    inside = sums[SIDE:, SIDE:] - sums[:-SIDE, SIDE:] - sums[SIDE:, :-SIDE] + sums[:-SIDE, :-SIDE]
    return inside / SIDE**2


def _outside(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where a pixel of a lies outside the range of the 3 x 3 pixels of b around it."""
    around = _around(b)
    low = np.minimum.reduce(around) - NEAR_LEVELS
    high = np.maximum.reduce(around) + NEAR_LEVELS
    return ((a < low) | (a > high)).any(axis=2)
