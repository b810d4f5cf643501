"""What section 7.5, Pooling, builds; `make export` writes it."""

import math
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.sections.padding_and_stride import Pair, out_size, pair, window

POOLS: dict[str, tuple[Callable[..., Tensor], float]] = {
    "max": (torch.amax, -math.inf),
    "avg": (torch.mean, 0.0),
}


def pool_rule(mode: str) -> tuple[Callable[..., Tensor], float]:
    """How a mode reduces a window, and what it pads with."""
    if mode not in POOLS:
        known = ", ".join(POOLS)
        raise ValueError(f"unknown mode {mode!r}; choose from: {known}")
    return POOLS[mode]


def pooled_size(n: int, k: int, p: int, s: int, d: int) -> int:
    """`out_size`, for padding of at most half the window's span."""
    if 2 * p > d * (k - 1) + 1:
        raise ValueError(f"padding {p} is more than half of {k=}, {d=}")
    return out_size(n, k, p, s, d)


def pool2d(X: Tensor, k: Pair, mode: str, p: Pair = 0, s: Pair = 1, d: Pair = 1) -> Tensor:
    """Pool X (n_h, n_w), floats, by windows of k = (k_h, k_w) cells.

    mode is "max" or "avg"; p, s, d are padding, stride and dilation.
    """
    reduce, outside = pool_rule(mode)
    k, p, s, d = pair(k), pair(p), pair(s), pair(d)
    Y = X.new_empty(*map(pooled_size, X.shape, k, p, s, d))
    X = F.pad(X, (p[1], p[1], p[0], p[0]), value=outside)
    for i, j in product(range(Y.shape[0]), range(Y.shape[1])):
        rows = window(i, k[0], s[0], d[0])
        columns = window(j, k[1], s[1], d[1])
        Y[i, j] = reduce(X[rows, columns])
    return Y
