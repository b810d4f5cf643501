"""The live view of normalisation: a minibatch of four examples and four channels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.live.view import View

SIDE = 4  # examples, and channels
LOW, HIGH = -8, 10  # of an input
BOTTOM, TOP = -5, 7  # of the outputs that are drawn
GAMMA, BETA, EPS = 2, 1, 1e-5
GROUPS = {"layer": 1, "group": 2}  # of the channels of one example
LANE, GAP, HEAD = 15, 34, 20
STYLE = """
text { font: 12px system-ui, sans-serif; text-anchor: middle; fill: #24292f;
  dominant-baseline: central }
.left { text-anchor: start } .tick { font-size: 11px; fill: #57606a }
.block { fill: #f1f2f4 } .band { fill: #d5d9de } .mean { stroke: #24292f; stroke-width: 2 }
.rule { stroke: #dfe2e6 } .e1 { color: #0969da } .e2 { color: #bc4c00 } .e3 { color: #1a7f37 }
.e4 { color: #8250df } .wire { stroke: currentColor; stroke-opacity: 0.5 }
.dot { fill: currentColor } .now { stroke: #24292f; stroke-width: 3.5 }
.name { font-size: 11px; font-weight: 600; fill: #fff }
"""


BATCH = [[1, -4, 0, -3], [5, 2, 0, -3], [1, 2, 8, -1], [5, 4, 8, -1]]


def drag_a_batch(X: Tensor | None = None, method: str = "batch", training: bool = True) -> View:
    """Four examples of four channels, normalised; dots can be dragged.

    Args:
        X: Shape (4, 4), whole numbers from -8 to 10; by default the batch of section 8.5. Its own
            means and variances serve as the running statistics.
        method: "batch", "layer" or "group" (two groups of two channels).
        training: Whether the statistics of a batch, or the running ones, are used.

    Raises:
        ValueError: X has another shape or other numbers, or the method is unknown.
    """
    X = torch.tensor(BATCH) if X is None else X
    if X.shape != (SIDE, SIDE) or not all(v in range(LOW, HIGH + 1) for v in X.flatten().tolist()):
        shape, cure = tuple(X.shape), f"give (4, 4) whole numbers from {LOW} to {HIGH}"
        raise ValueError(f"X of shape {shape}, {X.min():g} to {X.max():g}: {cure}.")
    if method not in ("batch", *GROUPS):
        raise ValueError(f"method = {method!r}: choose batch, layer or group.")
    values = [round(value) for value in X.flatten().tolist()]
    mean, variance = X.float().mean(0), X.float().var(0, correction=0)
    mode = "training" if training else "prediction"
    state = {
        "X": values, "first": values, "mean": mean.tolist(), "variance": variance.tolist(),
        "method": method, "mode": mode, "at": SIDE + 1,
    }  # fmt: skip
    hat = normalise(X.float(), method, training, mean, variance)
    return View(
        "minibatch",
        "A minibatch, normalised",
        state=state,
        picture=draw(X, GAMMA * hat + BETA, method),
        says=say(X.float(), hat, method, mode),
    )


def normalise(X: Tensor, method: str, training: bool, mean: Tensor, variance: Tensor) -> Tensor:
    """X (4, 4) without mean and deviation, by PyTorch."""
    if method != "batch":
        return F.group_norm(X, GROUPS[method], eps=EPS)
    if training:
        return F.batch_norm(X, None, None, training=True, eps=EPS)
    return F.batch_norm(X, mean, variance, eps=EPS)


def say(X: Tensor, hat: Tensor, method: str, mode: str) -> str:
    """The marked value in one sentence, as the script says it."""
    x, z = float(X[1, 1]), float(hat[1, 1])
    shared = X[:, 1] if method == "batch" else X[1, : SIDE // GROUPS[method]]
    mu, sigma = float(shared.mean()), float(shared.std(correction=0))
    ratio = f"({plain(x)} − {term(mu)}) / {term(sigma)} = {plain(z)}"
    out = f"{GAMMA} × {term(z)} + {BETA} = {plain(GAMMA * z + BETA)}"
    mode = mode if method == "batch" else "training as in prediction"
    return f"Example 2, channel 2, in {mode}: {ratio}, then {out}. Nothing has moved."


def plain(value: float) -> str:
    text = f"{abs(value):.2f}".rstrip("0").rstrip(".")
    return f"−{text}" if value < 0 and text != "0" else text


def term(value: float) -> str:
    return f"({plain(value)})" if plain(value).startswith("−") else plain(value)


def draw(X: Tensor, Y: Tensor, method: str) -> str:
    """A strip for each channel, inputs above and outputs below, as an SVG document."""
    wide, marks = 300, []
    tall, below = HEAD + 2 * SIDE * LANE + GAP + 26, HEAD + SIDE * LANE + GAP

    def along(value: float, low: float, high: float) -> float:
        return 12 + (wide - 24) * (min(max(value, low), high) - low) / (high - low)

    def box(kind: str, x: float, y: float, width: float) -> None:
        shape = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{SIDE * LANE}"'
        marks.append(f'<rect class="{kind}" {shape}/>')

    for channel in range(SIDE):
        left, top = (wide + 24) * (channel % 2), tall * (channel // 2)
        mu, sigma = (
            float(X[:, channel].float().mean()),
            float(X[:, channel].float().std(correction=0)),
        )
        numbers = f": mean and deviation {plain(mu)}, {plain(sigma)}" if method == "batch" else ""
        words = f"channel {channel + 1}{numbers}"
        marks.append(f'<text class="left" x="{left + 4}" y="{top + 9}">{words}</text>')
        box("block", left, top + HEAD, wide)
        box("block", left, top + below, wide)
        if numbers:
            ends = [left + along(mu + s * sigma, LOW, HIGH) for s in (-1, 0, 1)]
            box("band", ends[0], top + HEAD, ends[2] - ends[0])
            marks.append(f'<path class="mean" d="M{ends[1]:g} {top + HEAD}v{SIDE * LANE}"/>')
        rows = (top + HEAD, LOW, HIGH, (-5, 0, 5)), (top + below, BOTTOM, TOP, (-3, 1, 5))
        for (y, low, high, ticks), name in zip(rows, ("input", "output"), strict=True):
            at = [left + along(value, low, high) for value in ticks]
            lines = "".join(f"M{x:g} {y}v{SIDE * LANE}" for x in at)
            marks.append(f'<path class="rule" d="{lines}"/>')
            labels = [("left", left + 2, name)] + [
                ("", x, plain(v)) for x, v in zip(at, ticks, strict=True)
            ]
            for kind, x, words in labels:
                spot = f'x="{x:g}" y="{y + SIDE * LANE + 9}"'
                marks.append(f'<text class="tick {kind}" {spot}>{words}</text>')
        for example in range(SIDE):
            lane = (example + 0.5) * LANE
            start = left + along(float(X[example, channel]), LOW, HIGH), top + HEAD + lane
            end = left + along(float(Y[example, channel]), BOTTOM, TOP), top + below + lane
            line = f"M{start[0]:g} {start[1]:g}L{end[0]:g} {end[1]:g}"
            marks.append(f'<g class="e{example + 1}"><path class="wire" d="{line}"/>')
            for u, v in (start, end):
                now = " now" if (example, channel) == (1, 1) else ""
                marks.append(f'<circle class="dot{now}" cx="{u:g}" cy="{v:g}" r="7.5"/>')
                marks.append(f'<text class="name" x="{u:g}" y="{v + 0.5:g}">{example + 1}</text>')
            marks.append("</g>")
    width, height = 2 * wide + 24, 2 * tall
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(marks)}</svg>'
    )
