"""The live view of an Inception block: its widths, and what its 1×1 reductions save."""

import math

from helpers.live.view import View

INPUT, FIRST, LAST = 192, 64, 32  # channels that stay: in, out of the 1×1, out of the pooling
RANGES = {"r2": (1, 192, 1), "c2": (16, 256, 16), "r3": (1, 192, 1), "c3": (16, 256, 16)}
WHOLE = 640_000  # weights of the longest bar; where a block needs more, all become shorter
WINDOWS = (1, 3, 5, 3)
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f; dominant-baseline: central }
.name { font-weight: 600 } .right { text-anchor: end; font-size: 11px } .faint { fill: #57606a }
.field { fill: #fff; stroke: #8c959f } .sees { fill: #e3ab84; stroke: #bc4c00 }
.reduce { fill: #8250df } .kernel { fill: #0969da }
.without { fill: #eaeef2; stroke: #6e7781; stroke-dasharray: 3 2 }
"""


def inception_widths(r2: int = 96, c2: int = 128, r3: int = 16, c3: int = 32) -> View:
    """The weights of an Inception block on 192 channels, with and without its 1×1 reductions.

    Args:
        r2: Channels that the 1×1 in front of the 3×3 leaves, 1 to 192.
        c2: Channels that come out of the 3×3, 16 to 256 in steps of 16.
        r3: As r2, in front of the 5×5.
        c3: As c2, out of the 5×5.

    Raises:
        ValueError: a width is outside its range, or between two steps.
    """
    state = {"r2": r2, "c2": c2, "r3": r3, "c3": c3}
    for name, value in state.items():
        low, high, step = RANGES[name]
        if value not in range(low, high + 1, step):
            kind = f"multiple of {step}" if step > 1 else "whole number"
            raise ValueError(f"{name} = {value}: choose a {kind} from {low} to {high}.")
    return View(
        "inception",
        "The widths of an Inception block",
        state=state,
        picture=draw(**state),
        says=say(**state),
    )


def weights(r2: int, c2: int, r3: int, c3: int) -> list[tuple[int, int, int]]:
    """Weights of each branch: of its reduction, of the rest, and of all without a reduction."""
    ends = INPUT * FIRST, INPUT * LAST
    middle = [
        (INPUT * r, k * k * r * c, k * k * INPUT * c) for k, r, c in ((3, r2, c2), (5, r3, c3))
    ]
    return [(0, ends[0], ends[0]), *middle, (0, ends[1], ends[1])]


def say(r2: int, c2: int, r3: int, c3: int) -> str:
    """The result in one sentence, as the script says it."""
    branches = weights(r2, c2, r3, c3)
    ours, direct = sum(a + b for a, b, _ in branches), sum(c for _, _, c in branches)
    out = FIRST + c2 + c3 + LAST
    many = "fewer" if direct < ours else f"{direct / ours:.2f} times as many"
    return (
        f"With reductions to {r2} and {r3} channels {ours:,} weights; without them {direct:,}, "
        f"{many}. {out} channels come out."
    )


def draw(r2: int, c2: int, r3: int, c3: int, width: int = 560) -> str:
    """The four branches and the whole block, as an SVG document."""
    branches = weights(r2, c2, r3, c3)
    paths = (FIRST,), (r2, c2), (r3, c3), (LAST,)
    kinds = "1×1", "3×3", "5×5", "pooling 3×3"
    whole = sum(a for a, _, _ in branches), sum(b for _, b, _ in branches)
    rows = [
        (f"{kind}: " + " → ".join(map(str, (INPUT, *path))), branch)
        for kind, path, branch in zip(kinds, paths, branches, strict=True)
    ]
    direct = sum(c for *_, c in branches)
    shorter = math.ceil(max(sum(whole), direct) / WHOLE)
    scale = f" (now all bars are {shorter} times shorter)" if shorter > 1 else ""
    rows.append((f"whole block{scale}", (*whole, direct)))
    room = (width - 100) / WHOLE / shorter
    marks = []
    for i, (name, (reduce, kernel, direct)) in enumerate(rows):
        y = 12 + 54 * i
        if i < 4:
            for kind, side in (("field", 30), ("sees", 6 * WINDOWS[i])):
                place = f'x="{15 - side / 2:g}" y="{y + 14 - side / 2:g}"'
                marks.append(f'<rect class="{kind}" {place} width="{side}" height="{side}"/>')
        marks.append(f'<text class="name" x="38" y="{y}">{name}</text>')
        start = 38.0
        for kind, count in (("reduce", reduce), ("kernel", kernel)):
            size = f'x="{start:g}" y="{y + 10}" width="{count * room:g}" height="12"'
            marks.append(f'<rect class="{kind}" {size}/>')
            start += count * room
        number = f'<text class="right" x="{width}" y="{y + 16}">{reduce + kernel:,}</text>'
        marks.append(number)
        if reduce:
            size = f'x="38" y="{y + 25}" width="{direct * room:g}" height="9"'
            marks.append(f'<rect class="without" {size}/>')
            place = f'x="{width}" y="{y + 30}"'
            marks.append(f'<text class="right faint" {place}>{direct:,}</text>')
    size = f'width="{width}" height="272" viewBox="0 0 {width} 272"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(marks)}</svg>'
    )
