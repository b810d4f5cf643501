"""The live view of first-layer filters: how much of a kernel a Gabor filter explains."""

import statistics
from base64 import b64encode
from itertools import product

import torch
from torch import Tensor

from helpers.live.view import View
from helpers.sections.alexnet import explained, gabor_pair

NAMES = "change", "start", "mixture"
GRID = list(product((4, 5, 6, 8, 11, 16, 22, 32), (1.5, 2, 2.5, 3.5, 5, 7), range(0, 180, 15)))
FIRST = 16, 5, 0  # wavelength, width, angle
CELL, GAP = 15, 24  # pixels
LEVELS = 10  # shades on either side of 0
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; text-anchor: middle }
.left { text-anchor: start } .track { fill: #eaeef2 } .bar { fill: #0969da }
"""


def turn_gabor(
    change: Tensor | None = None, start: Tensor | None = None, mixture: Tensor | None = None
) -> View:
    """Kernels, and a Gabor filter that a hand turns to explain them.

    Each argument holds kernels (N, k, k), with one k for all and N from 1 to 10; by default they
    are made up.

    Args:
        change: What training added to filters.
        start: Filters before training.
        mixture: Random mixtures of image patches, the control.

    Raises:
        ValueError: the shapes are others, or a kernel is constant.
    """
    if change is None or start is None or mixture is None:
        change, start, mixture = made_up()
    sets = [K.detach().cpu().double() for K in (change, start, mixture)]
    k = sets[0].shape[-1]
    for name, K in zip(NAMES, sets, strict=True):
        if K.dim() != 3 or K.shape[1:] != (k, k) or not 1 <= len(K) <= 10:
            shape = tuple(K.shape)
            raise ValueError(f"{name} has shape {shape}: (N, {k}, {k}) with N up to 10 is wanted.")
    sets = [quantised(name, K) for name, K in zip(NAMES, sets, strict=True)]
    data = torch.cat([K.flatten() for K in sets]).to(torch.int8).numpy().tobytes()
    wave, width, angle = FIRST
    pair = gabor_pair(wave, width, angle, k)
    share = float(explained(sets[0][:1], pair))
    shares = torch.stack([explained(sets[2], gabor_pair(*each, k)) for each in GRID])
    middle = statistics.median(shares.max(0).values.tolist())
    state = {
        "counts": [len(K) for K in sets], "size": k, "kernels": b64encode(data).decode(),
        "set": 0, "kernel": 0, "wave": wave, "width": width, "angle": angle,
    }  # fmt: skip
    return View(
        "gabor",
        "A kernel and the Gabor filter that explains it",
        state=state,
        picture=draw(sets[0][0], pair, share),
        says=f"Change 1, wavelength {wave} pixels, width {width}, angle {angle}°: the wave "
        f"explains {100 * share:.0f} %. Half of the mixtures reach {100 * middle:.0f} % with "
        "their own best wave.",
    )


def made_up() -> tuple[Tensor, Tensor, Tensor]:
    """Noisy Gabor filters, noise, and blurred noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(20, 11, 11, generator=generator)
    each = [gabor_pair(8 + k, 2 + 0.25 * k, 15 * k)[k % 2] for k in range(10)]
    waves = torch.stack([wave / wave.norm() for wave in each])
    blurred = torch.nn.functional.avg_pool2d(noise[4:10, None], 7, 1, 3)[:, 0]
    return waves + 0.02 * noise[10:], noise[:4], blurred


def quantised(name: str, K: Tensor) -> Tensor:
    """Whole numbers from -127 to 127 for each kernel, without its mean."""
    K = K - K.mean((1, 2), keepdim=True)
    largest = K.abs().amax((1, 2), keepdim=True)
    if not (largest > 1e-12).all():
        raise ValueError(f"{name} holds a constant kernel: leave it out.")
    return (127 * K / largest).round()


def draw(kernel: Tensor, pair: Tensor, share: float) -> str:
    """Kernel, fit, what is left, and the share explained, as an SVG document."""
    kernel = kernel - kernel.mean()
    unit = pair / pair.norm(dim=(1, 2), keepdim=True)
    fit = ((kernel * unit).sum((1, 2), keepdim=True) * unit).sum(0)
    side = CELL * len(kernel)
    width, limit, marks = 3 * side + 2 * GAP, float(kernel.abs().max()), []
    for k, (name, values) in enumerate(
        {"change 1": kernel, "the wave, fitted": fit, "what is left": kernel - fit}.items()
    ):
        x = k * (side + GAP)
        marks.append(f'<text x="{x + side / 2:g}" y="14">{name}</text>')
        levels = (LEVELS * values / limit).round().clamp(-LEVELS, LEVELS).int().tolist()
        cells: dict[int, str] = {}
        for i, row in enumerate(levels):
            for j, level in enumerate(row):
                cells[level] = cells.get(level, "") + f"M{j} {i}h1v1h-1z"
        paths = "".join(f'<path fill="{colour(n)}" d="{d}"/>' for n, d in sorted(cells.items()))
        marks.append(f'<g transform="translate({x} 24) scale({CELL})">{paths}</g>')
    y = side + 56
    marks.append(f'<text class="left" x="0" y="{y - 8}">explained: {100 * share:.0f} %</text>')
    for kind, length in (("track", 1.0), ("bar", share)):
        marks.append(f'<rect class="{kind}" x="0" y="{y}" width="{width * length:g}" height="16"/>')
    size = f'width="{width}" height="{y + 24}" viewBox="0 0 {width} {y + 24}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(marks)}</svg>'
    )


def colour(level: int) -> str:
    """From violet (-10) over nearly white (0) to orange (10)."""
    hues = (84, 39, 136) if level < 0 else (179, 88, 6)
    mixed = [round(247 + (hue - 247) * abs(level) / LEVELS) for hue in hues]
    return "#" + "".join(f"{value:02x}" for value in mixed)
