"""The live view of kernels: weights that can be changed, on numbers and on a photograph."""

import io

from PIL import Image
from sklearn.datasets import load_sample_image

from helpers.live.view import View, address

STYLE = """
text { font: 16px system-ui, sans-serif; fill: #24292f }
text { text-anchor: middle; dominant-baseline: central }
rect { fill: #f3f4f4; stroke: #8c959f } .kernel { fill: #f6dcc9 }
.mark { fill: none; stroke: #bc4c00; stroke-width: 2.5 } .small { font-size: 12px; fill: #57606a }
.sign { font-size: 26px }
"""
SIDE = 64  # of the photograph, in pixels
CELL = 44


def kernel_playground(X: list[list[int]] | None = None, K: list[list[int]] | None = None) -> View:
    """A kernel whose weights can be changed, on numbers and on a photograph.

    Args:
        X: Whole numbers, (n, n). Default: 0 to 8 in a 3×3 square.
        K: Whole numbers, (k, k), smaller than X. Default: [[0, 1], [2, 3]].

    Raises:
        ValueError: X or K is not square, or K does not fit.
    """
    X = [[0, 1, 2], [3, 4, 5], [6, 7, 8]] if X is None else [[int(v) for v in row] for row in X]
    K = [[0, 1], [2, 3]] if K is None else [[int(v) for v in row] for row in K]
    n, k = len(X), len(K)
    if any(len(row) != n for row in X) or any(len(row) != k for row in K) or not 1 <= k <= n <= 6:
        raise ValueError(
            f"X has {n} rows and K {k}: both must be square, K within X, X within 6×6."
        )
    state = {"photo": False, "flip": False, "X": sum(X, []), "K": sum(K, []), "W": [1] * 9}
    state |= {"image": address(photograph())[0], "i": 0, "j": 0}
    terms = [(X[a][b], K[a][b]) for a in range(k) for b in range(k)]
    products = " + ".join(f"{x} × {w}" if w >= 0 else f"{x} × (−{-w})" for x, w in terms)
    total = sum(x * w for x, w in terms)
    says = f"Output in row 0, column 0: {products} = {total}.".replace("= -", "= −")
    return View("playground", "Kernel playground", state=state, picture=draw(X, K), says=says)


def photograph() -> bytes:
    """A pagoda, 64×64 grey pixels, as PNG."""
    square = Image.fromarray(load_sample_image("china.jpg")).convert("L").crop((0, 0, 427, 427))
    file = io.BytesIO()
    square.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
    return file.getvalue()


def draw(X: list[list[int]], K: list[list[int]]) -> str:
    """Input, kernel and output as an SVG document, the first window marked."""
    k, m = len(K), len(X) - len(K) + 1
    Y = [
        [sum(X[i + a][j + b] * K[a][b] for a in range(k) for b in range(k)) for j in range(m)]
        for i in range(m)
    ]
    height = CELL * len(X) + 28
    marks, left = [], 4.0
    for name, values, size in (("input", X, k), ("kernel", K, 0), ("output", Y, 1)):
        n = len(values)
        top = 24 + (height - 28 - CELL * n) / 2
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                x, y = left + CELL * j, top + CELL * i
                marks.append(
                    f'<rect class="{name}" x="{x:g}" y="{y:g}" width="{CELL}" height="{CELL}"/>'
                    f'<text x="{x + CELL / 2:g}" y="{y + CELL / 2:g}">{value}</text>'
                )
        if size:
            marks.append(
                f'<rect class="mark" x="{left:g}" y="{top:g}" width="{CELL * size}"'
                f' height="{CELL * size}"/>'
            )
        marks.append(f'<text class="small" x="{left + CELL * n / 2:g}" y="12">{name}</text>')
        left += CELL * n + 36
        if name != "output":
            sign = "⋆" if name == "input" else "="
            y = 24 + (height - 28) / 2
            marks.append(f'<text class="sign" x="{left - 18:g}" y="{y:g}">{sign}</text>')
    width = left - 32
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height}" '
        f'viewBox="0 0 {width:g} {height}"><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>{"".join(marks)}</svg>'
    )
