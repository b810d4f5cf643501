"""The live view of residual blocks: two trained networks whose blocks can be switched off."""

from collections.abc import Sequence
from typing import Any

from helpers.live.view import View

Counts = tuple[Sequence[int], Sequence[int | None]]  # with shortcuts, without

BLOCKS = 8
NAMES = [f"{k // 2 + 1}.{k % 2 + 1}" for k in range(BLOCKS)]
CHANGES = (2, 4, 6)  # blocks that change the shape: their shortcut is a 1×1 convolution
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f; text-anchor: middle;
  dominant-baseline: central }
.name { font-size: 14px; font-weight: 600; text-anchor: start } .tick { font-size: 11px }
.wire, .arc { stroke: #6e7781; stroke-width: 1.5; fill: none }
.block, .convolution { fill: #ddf4ff; stroke: #24292f }
.off { fill: #fff; stroke: #6e7781; stroke-dasharray: 4 3 }
.used { stroke: #bc4c00; stroke-width: 3 }
.whole { stroke: #24292f; stroke-width: 2; stroke-dasharray: 3 2 }
.track { fill: #eaeef2 } .bar, .dot { fill: #0969da } .left { text-anchor: start }
"""


def switch_blocks(
    stored: Counts | None = None,
    fresh: Counts | None = None,
    images: int = 2000,
    off: str = "",
) -> View:
    """Two networks of eight blocks, whose blocks can be switched off.

    Args:
        stored: For each set of blocks that are on, how many images are classified right by the
            network with shortcuts and by the one without (None where nothing passes); block k,
            from 0, is on where bit k of the index is 1. By default made-up counts, to try it.
        fresh: The same where batch normalisation takes its statistics anew for each set. By
            default as many.
        images: How many images there are.
        off: The block that is off at first, such as "1.2". By default all are on.

    Raises:
        ValueError: there are not 256 counts each, a count is not between 0 and `images`, or
            there is no such block.
    """
    if stored is None:
        hits = [images * (4 + on.bit_count() ** 2) // 76 for on in range(2**BLOCKS)]
        bare = [None if any(not on >> k & 1 for k in CHANGES) else hits[on] for on in range(256)]
        stored = hits, bare
    fresh = stored if fresh is None else fresh
    state: dict[str, Any] = {"on": 2**BLOCKS - 1, "statistics": "stored", "images": images}
    for name, pair in (("stored", stored), ("fresh", fresh)):
        state[name] = {"hits": list(pair[0]), "plain": list(pair[1])}
        for which, counts in state[name].items():
            check(f"{which} ({name})", counts, images)
    if off and off not in NAMES:
        raise ValueError(f"there is no block {off!r}; there are {', '.join(NAMES)}.")
    state["on"] -= 1 << NAMES.index(off) if off else 0
    count, other = (counts[state["on"]] for counts in stored)
    what = f"Block {off} off: 128 paths of 256 are left" if off else "All blocks on"
    told = "nothing passes" if other is None else f"{other:,}"
    whole = [(counts[-1] or 0) / images for counts in stored]
    return View(
        "blocks",
        "Two networks whose blocks can be switched off",
        state=state,
        picture=draw((count, other), images, whole=whole, curve=means(stored[0]), off=off),
        says=f"{what}. With shortcuts {count:,} of {images:,} are right, without them {told}.",
    )


def check(name: str, counts: Sequence[int | None], images: int) -> None:
    """ValueError if they are not 256 counts, each a number of the images."""
    if len(counts) != 2**BLOCKS:
        raise ValueError(f"{name} has {len(counts)} counts: one for each of 256 sets is wanted.")
    for count in counts:
        if count is not None and not 0 <= count <= images:
            raise ValueError(f"{name} holds {count}, of {images} images: count them again.")


def means(hits: Sequence[int]) -> list[float]:
    """Right answers for 0 to 8 blocks off, a mean over all sets of so many."""
    sets = [[n for on, n in enumerate(hits) if on.bit_count() == BLOCKS - off] for off in range(9)]
    return [sum(counts) / len(counts) for counts in sets]


def draw(
    counts: Sequence[int | None],
    images: int,
    *,
    whole: Sequence[float],
    curve: Sequence[float],
    off: str,
) -> str:
    """Both networks, of which a block may be off, and the curve below, as an SVG document."""
    width, marks = 560, []
    pitch = (width - 40) / BLOCKS
    for row, (name, right) in enumerate(zip(("with shortcuts", "without"), counts, strict=True)):
        y, told = 58 + 132 * row, "cut" if right is None else f"{right:,} right"
        marks.append(f'<text class="name" x="0" y="{y - 46}">{name}: {told}</text>')
        marks.append(f'<path class="wire" d="M0 {y}H{width}"/>')
        for k, word in enumerate(NAMES):
            x, used = 20 + (k + 0.5) * pitch, " used" * (word == off)
            if row == 0:
                line = f"M{x - 26:g} {y}v-18q0 -8 8 -8h36q8 0 8 8v18"
                marks.append(f'<path class="arc{used}" d="{line}"/>')
            box = f'x="{x - 23:g}" y="{y - 14}" width="46" height="28" rx="5"'
            kind = "block off" if used else "block"
            marks.append(f'<rect class="{kind}" {box}/><text x="{x:g}" y="{y}">{word}</text>')
            if row == 0 and k in CHANGES:
                box = f'x="{x - 11:g}" y="{y - 34}" width="22" height="15" rx="4"'
                marks.append(f'<rect class="convolution" {box}/>')
                marks.append(f'<text class="tick" x="{x:g}" y="{y - 26}">1×1</text>')
        for kind, length in (("track", width), ("bar", width * (right or 0) / images)):
            box = f'x="0" y="{y + 28}" width="{length:g}" height="16" rx="3"'
            marks.append(f'<rect class="{kind}" {box}/>')
        marks.append(f'<path class="whole" d="M{width * whole[row]:g} {y + 24}v24"/>')
    step = (width - 60) / BLOCKS
    points = [(36 + step * k, 382 - 100 * mean / images) for k, mean in enumerate(curve)]
    marks.append('<text class="left" x="0" y="262">right answers: mean of all sets</text>')
    for y, number in ((382, 0), (282, images)):
        marks.append(f'<text class="left tick" x="0" y="{y}">{number:,}</text>')
    marks.append(f'<path class="wire" d="M28 382H{width - 12}"/>')
    marks.append(f'<path class="wire" d="M{"L".join(f"{x:g} {y:g}" for x, y in points)}"/>')
    marks += [f'<text x="{x:g}" y="394">{k}</text>' for k, (x, _) in enumerate(points)]
    marks.append(f'<text x="{width / 2:g}" y="412">blocks off</text>')
    dot = points[1 if off else 0][0], 382 - 100 * (counts[0] or 0) / images
    marks.append('<circle class="dot" cx="{:g}" cy="{:g}" r="5"/>'.format(*dot))
    size = f'width="{width}" height="424" viewBox="0 0 {width} 424"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(marks)}</svg>'
    )
