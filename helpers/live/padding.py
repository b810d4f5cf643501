"""The live view of padding and stride: one row of cells, and every window on it."""

from helpers.live.view import View

STYLE = """
text { font: 12px system-ui, sans-serif; text-anchor: middle; fill: #24292f;
  dominant-baseline: central }
.cell { fill: #dbeafb; stroke: #0969da } .pad { fill: #fff; stroke: #8250df; stroke-dasharray: 3 2 }
.never { fill: #e4e6e8; stroke: #8c959f } .unread { fill: #eff1f2 }
.window { fill: #f6dcc9; stroke: #bc4c00 } .first { fill: #e3ab84; stroke-width: 2 }
.ghost { fill: none; stroke: #6e7781; stroke-dasharray: 4 3 } .over { fill: #b9bfc5 }
.wire { stroke: #8c959f; stroke-dasharray: 1 3 }
.left { text-anchor: start } .right { text-anchor: end }
"""
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


RANGES = {"n": (7, 12), "k": (1, 7), "p": (0, 3), "s": (1, 4)}


def padding_stride(n: int = 8, k: int = 3, p: int = 1, s: int = 2) -> View:
    """Which cells the windows of a layer read, and how often; sliders change k, p and s.

    Args:
        n: Cells of the input in one direction, 7 to 12.
        k: Size of the kernel, 1 to 7.
        p: Padding per side, 0 to 3.
        s: Stride, 1 to 4.

    Raises:
        ValueError: A number is outside its range.
    """
    state = {"n": n, "k": k, "p": p, "s": s}
    for name, value in state.items():
        low, high = RANGES[name]
        if value not in range(low, high + 1):
            raise ValueError(f"{name} = {value}: choose a whole number from {low} to {high}.")
    return View(
        "padding",
        "Padding and stride",
        state=state | {"i": 0, "j": 0},
        picture=draw(**state),
        says=say(**state),
    )


def count_reads(n: int, k: int, p: int, s: int) -> list[int]:
    """How often each padded cell is read."""
    starts = range(0, n + 2 * p - k + 1, s)
    return [sum(start <= cell < start + k for start in starts) for cell in range(n + 2 * p)]


def say(n: int, k: int, p: int, s: int) -> str:
    """The result in one sentence, as the script says it."""
    unread = [cell - p for cell, count in enumerate(count_reads(n, k, p, s)) if not count]
    missed = [name(cell) for cell in unread if 0 <= cell < n]
    if border := len(unread) - len(missed):
        missed.append(f"{border} cell{'s' * (border > 1)} of padding")
    rest = f"{', '.join(missed[:-1])} and {missed[-1]}" if len(missed) > 1 else "".join(missed)
    end = (
        f"{rest} {'are' if len(unread) > 1 else 'is'} never read"
        if missed
        else "every cell is read"
    )
    out = (n + 2 * p - k) // s + 1
    outputs = f"{out} output{'s' * (out > 1)}"
    return f"{n} cells, kernel {k}, padding {p}, stride {s}: {outputs}; {end}."


def name(cell: int) -> str:
    return f"x{cell}".translate(SUBSCRIPTS)


def draw(n: int, k: int, p: int, s: int, c: float = 20) -> str:
    """The row of cells and its windows as an SVG document; `c` is the side of a cell."""
    reads, out = count_reads(n, k, p, s), (n + 2 * p - k) // s + 1
    x0, top, high = (3 - p) * c, 2.9 * c, min(1.9 * c, 9.5 * c / (out + 1))
    bar, bottom = min(0.92 * c, high - 2), top + (out + 1) * high
    right, width, end = (n + 6.6) * c, (n + 9) * c, x0 + (n + 2 * p) * c
    marks = []

    def box(kind: str, x: float, y: float, wide: float, tall: float) -> None:
        shape = f'x="{x:g}" y="{y:g}" width="{wide:g}" height="{tall:g}" rx="2"'
        marks.append(f'<rect class="{kind}" {shape}/>')

    def text(kind: str, x: float, y: float, words: str) -> None:
        marks.append(f'<text class="{kind}" x="{x:g}" y="{y:g}">{words}</text>')

    text("left", x0, 0.55 * c, f"{n} + 2·{p} = {n + 2 * p} padded cells")
    for cell, count in enumerate(reads):
        x, real = x0 + cell * c, p <= cell < n + p
        if not count:
            box("unread", x, c, c, bottom + 0.25 * c)
        box(("cell" if real else "pad") + ("" if count else " never"), x + 1, c + 1, c - 2, c - 2)
        text("", x + c / 2, 1.5 * c, name(cell - p) if real else "0")
        text("", x + c / 2, bottom + 0.65 * c, str(count))
    for i in range(out):
        x, y = x0 + i * s * c, top + i * high + (high - bar) / 2
        box("window first" if i == 0 else "window", x + 1, y, k * c - 2, bar)
        marks.append(f'<path class="wire" d="M{x + k * c:g} {y + bar / 2:g}H{right:g}"/>')
        box("cell", right, y, 1.7 * c, bar)
        text("", right + 0.85 * c, y + bar / 2, f"y{i}".translate(SUBSCRIPTS))
    x, y = x0 + out * s * c, top + out * high + (high - bar) / 2
    box("ghost", x + 1, y, k * c - 2, bar)
    box("over", end, y, min(x + k * c, width) - end - 1, bar)
    text("right", min(x, end) - 0.3 * c, y + bar / 2, "does not fit")
    text("left", right, bottom + 0.65 * c, "reads")
    tall = bottom + 1.3 * c
    size = f'width="{width:g}" height="{tall:g}" viewBox="0 0 {width:g} {tall:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(marks)}</svg>'
    )
