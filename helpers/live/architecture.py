"""The live view of VGG: a network as a line of text, drawn layer by layer, with what it costs."""

import math
import re
from dataclasses import dataclass

from helpers.live.view import View

MOST = {"blocks": 8, "convs": 8, "dense": 4, "units": 8192, "kernel": 11}
SHORT = re.compile(r"(\d+)\s*[x×]\s*(\d+)(?:\s*k\s*(\d+))?", re.I)
PART = re.compile(r"\(([^()]*)\)|(\d+)|[^\s,;()\d]+|[()]")
VGG_11 = "1x64 1x128 2x256 2x512 2x512 4096 4096 10"
TALL, LEFT, RIGHT, WIDE = 58, 92, 100, 420  # as in the script
COSTS = {"params": "parameters", "macs": "multiply–adds", "outputs": "outputs"}
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f; dominant-baseline: central }
.right { text-anchor: end; fill: #57606a } .rule { stroke: #e4e6e8 }
.conv { fill: #0969da } .pool { fill: #1a7f37 } .dense { fill: #bc4c00 }
.params { fill: #8250df } .macs { fill: #6e7781 } .outputs { fill: #0969da }
"""


@dataclass(frozen=True)
class Row:
    """A block, or, with 0 convolutions, a dense layer: what it costs and what a value sees."""

    convs: int
    kernel: int
    out: int
    side: int
    params: int
    macs: int
    outputs: int
    field: int


def edit_network(text: str = VGG_11, side: int = 224) -> View:
    """A network that is edited as text; layers, costs and receptive fields follow.

    Args:
        text: Blocks such as `2x64` (two convolutions of 64 channels, then a pooling), `1x64k5`
            with kernels of 5×5, or `(2, 64)` as in Python; then the units of the dense layers.
        side: Height and width of the grey image, in pixels.

    Raises:
        ValueError: The text is no network, or the image is too small for it.
    """
    rows = count(text, side)
    return View(
        "architecture",
        "A network as text",
        state={"text": text, "side": side},
        picture=draw(rows, side),
        says=say(rows, side),
    )


def parse(text: str) -> tuple[list[list[int]], list[int]]:
    """The blocks (convolutions, channels, kernel) and the dense layers of a text.

    Raises:
        ValueError: It is no network.
    """
    blocks: list[list[int]] = []
    dense: list[int] = []

    def spell(found: re.Match[str]) -> str:
        return f" ({','.join(filter(None, found.groups()))}) "

    for part in PART.finditer(SHORT.sub(spell, text)):
        inside, units = part.groups()
        if units:
            dense.append(int(units))
            continue
        if inside is None:
            raise ValueError(f"What is “{part[0]}”? Write a block as 2x64.")
        words = inside.split(",")
        if len(words) not in (2, 3) or not all(re.fullmatch(r"\s*\d+\s*", w) for w in words):
            raise ValueError(f"({inside}) is no block. Write 2x64.")
        if dense:
            raise ValueError("A block cannot follow a dense layer: that has no maps.")
        blocks.append([*map(int, words), 3][:3])
    if not blocks:
        raise ValueError("Begin with a block, such as 2x64.")
    for name, found in (("blocks", blocks), ("dense layers", dense)):
        if len(found) > MOST[name.split()[0]]:
            raise ValueError(f"This figure draws at most {MOST[name.split()[0]]} {name}.")
    for at, (n, c, k) in enumerate(blocks, start=1):
        if not 1 <= n <= MOST["convs"]:
            raise ValueError(f"Block {at} has {n} convolutions. Give it 1 to {MOST['convs']}.")
        if not 1 <= c <= MOST["units"]:
            raise ValueError(f"Block {at} has {c} channels. Give it 1 to {MOST['units']}.")
        if k % 2 == 0:
            raise ValueError(f"Block {at} has an even kernel, {k}: no padding would keep the size.")
        if k > MOST["kernel"]:
            raise ValueError(f"Block {at} has a kernel of {k}. Give it {MOST['kernel']} at most.")
    for units in dense:
        if not 1 <= units <= MOST["units"]:
            raise ValueError(f"A dense layer has {units} units. Give it 1 to {MOST['units']}.")
    return blocks, dense


def count(text: str, side: int) -> list[Row]:
    """What every block and dense layer of a network costs and sees, for one grey image.

    Raises:
        ValueError: It is no network, or the image is too small for it.
    """
    blocks, dense = parse(text)
    rows: list[Row] = []
    inputs, now, field, step = 1, side, 1, 1
    for convs, out, kernel in blocks:
        if now < 2:
            halved = f"{len(rows)} pooling{'s have' if len(rows) != 1 else ' has'}"
            rest = f"block {len(rows) + 1} cannot halve it."
            raise ValueError(f"{halved} left 1×1 of {side}×{side}: {rest}")
        weights = [kernel**2 * (out if at else inputs) * out for at in range(convs)]
        params, macs = sum(weights) + convs * out, sum(weights) * now**2
        outputs = out * (convs * now**2 + (now // 2) ** 2)
        field += convs * (kernel - 1) * step + step
        inputs, now, step = out, now // 2, 2 * step
        rows.append(Row(convs, kernel, out, now, params, macs, outputs, field))
    inputs *= now**2
    for out in dense:
        rows.append(Row(0, 0, out, 1, (inputs + 1) * out, inputs * out, out, side))
        inputs = out
    return rows


def say(rows: list[Row], side: int) -> str:
    """The result in one sentence, as the script says it."""
    blocks = [row for row in rows if row.convs]
    counts = (len(blocks), "block"), (len(rows) - len(blocks), "dense layer")
    parts = ", ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in counts)
    costs = ", ".join(f"{total(rows, key):,} {name}" for key, name in COSTS.items())
    seen = f"{blocks[-1].field}×{blocks[-1].field}"
    return f"{parts}, image {side}×{side}: {costs}. A value after the last block sees {seen}."


def total(rows: list[Row], key: str) -> int:
    """What all rows cost together."""
    return sum(getattr(row, key) for row in rows)


def short(value: int) -> str:
    """7,400 → "7.4 k", 1,849,688,064 → "1,849.7 M"."""
    if value < 1000:
        return f"{value}"
    size, unit = (1e3, "k") if value < 1e6 else (1e6, "M")
    return f"{value / size:,.1f}".removesuffix(".0") + f" {unit}"


def draw(rows: list[Row], side: int) -> str:
    """A row for each block and dense layer as an SVG document."""
    marks: list[str] = []

    def box(kind: str, x: float, y: float, width: float, height: float) -> None:
        shape = f'x="{x:g}" y="{y:.4g}" width="{width:.4g}" height="{height:.4g}"'
        marks.append(f'<rect class="{kind}" {shape}/>')

    def text(kind: str, x: float, y: float, words: str) -> None:
        marks.append(f'<text class="{kind}" x="{x:.4g}" y="{y:g}">{words}</text>')

    for x, (kind, words) in zip((0, 92, 202), COSTS.items(), strict=True):
        box(kind, x, 3, 10, 10)
        text("left", x + 14, 9, words)
    before = side
    for at, row in enumerate(rows):
        y = 20 + TALL * at
        marks.append(f'<path class="rule" d="M0 {y}H{WIDE}"/>')
        words = f"{row.convs} × conv {row.kernel}×{row.kernel}" if row.convs else "dense"
        text("left", 0, y + 10, words)
        maps = f"{row.out}×{row.side}×{row.side}, sees {row.field}"
        text("right", WIDE, y + 10, maps if row.convs else f"{row.out:,}")
        for k in range(row.convs + 1):  # sheets: convolutions and their pooling, or a dense layer
            kind = "dense" if not row.convs else "conv" if k < row.convs else "pool"
            share = math.sqrt((before if k < row.convs else row.side) / side)
            if not row.convs:
                share = min(1, row.out / 4096) * 0.85 + 0.15
            box(kind, 2 + 9 * k, y + 37 - 12 * share, 7, 24 * share)
        for k, key in enumerate(COSTS):
            value, share = getattr(row, key), getattr(row, key) / total(rows, key)
            long = (WIDE - LEFT - RIGHT) * share
            box(key, LEFT, y + 20 + 12 * k, max(1, long), 9)
            text("left", LEFT + long + 5, y + 25 + 12 * k, f"{short(value)}, {100 * share:.0f} %")
        before = row.side
    size = f'width="{WIDE}" height="{20 + TALL * len(rows)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDE} '
        f'{20 + TALL * len(rows)}"><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(marks)}</svg>'
    )
