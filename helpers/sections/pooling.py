"""What section 7.5, Pooling, builds; `make export` writes it."""

import math
from itertools import product

from torch import Tensor
from torch.nn import functional as F

from helpers.sections.padding_and_stride import Pair, out_size, pair, window


def pooled_size(n: int, k: int, p: int, s: int) -> int:
    """`out_size`, for padding of at most half the window."""
    if 2 * p > k:
        raise ValueError(f"padding {p} is more than half of {k=}")
    return out_size(n, k, p, s)


def padding_value(mode: str) -> float:
    """What padded cells hold: -∞ for a maximum, 0 for a mean."""
    if mode not in ("max", "avg"):
        raise ValueError(f"unknown mode {mode!r}: choose max or avg")
    return -math.inf if mode == "max" else 0.0


def pool2d(X: Tensor, k: Pair, mode: str, p: Pair = 0, s: Pair = 1) -> Tensor:
    """Pool X (n_h, n_w), floats, by windows of k = (k_h, k_w) cells.

    mode is "max" or "avg"; p, s are padding and stride.
    """
    outside = padding_value(mode)
    k, p, s = pair(k), pair(p), pair(s)
    Y = X.new_empty(*map(pooled_size, X.shape, k, p, s))
    X = F.pad(X, (p[1], p[1], p[0], p[0]), value=outside)
    for i, j in product(range(Y.shape[0]), range(Y.shape[1])):
        rows = window(i, k[0], s[0], 1)
        cells = X[rows, window(j, k[1], s[1], 1)]
        Y[i, j] = cells.max() if mode == "max" else cells.mean()
    return Y
