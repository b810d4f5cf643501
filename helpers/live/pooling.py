"""The live view of pooling: a digit that moves, its edges, and the edges after pooling."""

import io
from base64 import b64encode

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

from helpers.live.view import View

STYLE = "text { font: 14px system-ui, sans-serif; text-anchor: middle; fill: #24292f }"
MARGIN = 6  # empty pixels around the digit
FARTHEST, STRIDE = 4, 2
WHOLE = " The old pooled map, only moved: difference 0."
NAMES = "digit", "edges", "pooled edges", "their change"


def shift_and_pool(k: int = 2, right: int = 1, mean: bool = False, low: int = 0) -> View:
    """A digit that moves: how much its edges change, and how much they do after pooling.

    Args:
        k: Window of the pooling, 1 to 6.
        right: How far the digit is moved to the right, -4 to 4 pixels.
        mean: Take the mean of each window, not the largest value.
        low: Rows that the digit rests below the middle: 0 (its upper edge at an odd place) or 1.

    Raises:
        ValueError: A number is outside its range.
    """
    limits = {"k": (k, 1, 6), "right": (right, -FARTHEST, FARTHEST), "low": (low, 0, 1)}
    for name, (value, least, most) in limits.items():
        if value not in range(least, most + 1):
            raise ValueError(f"{name} = {value}: choose a whole number from {least} to {most}.")
    small = torch.from_numpy(load_digits().images[3]).float()[None, None] / 16
    digit = (255 * F.interpolate(small, (20, 20), mode="bilinear") + 1e-3).round()  # no ties
    rest = F.pad(digit, (MARGIN, MARGIN, MARGIN + low, MARGIN - low))
    moved = torch.roll(rest, right, dims=-1)
    way = F.avg_pool2d if mean else F.max_pool2d
    maps = edges(moved), edges(rest)
    pooled = [way(A, k, STRIDE) for A in maps]
    every = [A[..., ::STRIDE, ::STRIDE] for A in maps]
    bare, alone, left = (
        f"{100 * ((A - B).norm() / B.norm()).item():.0f} %" for A, B in (maps, every, pooled)
    )
    pixels = (
        f"{abs(right)} pixel{'s' * (abs(right) != 1)} to the {'left' if right < 0 else 'right'}"
    )
    after, before = (A.flatten(2) for A in pooled)
    whole = right and right % STRIDE == 0
    whole = whole and torch.equal(after, before.roll(right // STRIDE, -1))
    says = (
        f"From an {('odd', 'even')[low]} place, {pixels} and 0 down: "
        f"the full map changes by {bare}, after the stride alone by {alone}, "
        f"after a {k}×{k} {'mean' if mean else 'maximum'} at stride {STRIDE} by {left}."
        f"{WHOLE if whole else ''}"
    )
    state = {"digit": digit.flatten().int().tolist(), "low": low, "right": right, "down": 0}
    state |= {"k": k, "mean": mean}
    shown = [A[0].sum(0) for A in pooled]
    picture = draw(moved[0, 0], maps[0][0].sum(0), shown[0], 2 * (shown[0] - shown[1]))
    return View("pooling", "A digit that moves", state=state, picture=picture, says=says)


def edges(X: Tensor) -> Tensor:
    """Edges in four directions: (1, 1, H, W) -> (1, 4, H, W), none negative."""
    K = X.new_tensor([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 4
    return F.relu(F.conv2d(X, torch.stack([K, -K, K.T, -K.T])[:, None], padding=1))


def draw(digit: Tensor, edge: Tensor, pooled: Tensor, gap: Tensor) -> str:
    """Digit, edges, pooled edges and their change in two rows, as an SVG document.

    Lines on the edges show where the windows begin.
    """
    most = pooled.max()
    grey = digit[..., None].expand(-1, -1, 3).numpy()
    pixels = grey, tint(edge / edge.max()), tint(pooled / most), tint(gap / most)
    marks = "".join(
        f'<image href="{png(panel)}" x="{200 * (at % 2)}" y="{24 + 216 * (at // 2)}" width="184" '
        f'height="184" style="image-rendering: pixelated"/>'
        f'<text x="{200 * (at % 2) + 92}" y="{15 + 216 * (at // 2)}">{name}</text>'
        for at, (name, panel) in enumerate(zip(NAMES, pixels, strict=True))
    )
    cell = 184 / len(digit)
    starts = [cell * at for at in range(0, len(digit), STRIDE)]
    lines = "".join(f"M{200 + at:g} 24v184M200 {24 + at:g}h184" for at in starts)
    marks += f'<path d="{lines}" stroke="#000" stroke-opacity="0.2"/>'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="384" height="424" viewBox="0 0 384 424">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>{marks}</svg>'
    )


def tint(A: Tensor) -> np.ndarray:
    """From a blue (-1 and below) over white to a red (1 and above), as `diverging` in view.js."""
    hues = np.where(A[..., None] < 0, [33, 102, 172], [178, 24, 43])
    return np.array(247 + (hues - 247) * A.abs().clamp(max=1)[..., None].numpy())


def png(pixels: np.ndarray) -> str:
    """Data address of an image (H, W, 3), 0 to 255."""
    file = io.BytesIO()
    Image.fromarray(pixels.round().astype(np.uint8)).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + b64encode(file.getvalue()).decode()
