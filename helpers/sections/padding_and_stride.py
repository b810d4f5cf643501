"""What section 7.3, Padding and stride, builds; `make export` writes it."""

from itertools import product

import torch
from torch import Tensor


def out_size(n: int, k: int, p: int = 0, s: int = 1, d: int = 1) -> int:
    """Number of positions of a window on a row.

    n cells, p more on each side; k cells in the window,
    d apart; steps of s. Raises ValueError where a number
    makes no sense or the window does not fit.
    """
    span = d * (k - 1) + 1  # first to last cell
    if min(n, k, s, d) < 1 or p < 0:
        raise ValueError(f"{n=}, {k=}, {s=}, {d=} < 1, or {p=} < 0")
    if span > n + 2 * p:
        raise ValueError(f"{span} cells do not fit in {n} + 2·{p}")
    return (n + 2 * p - span) // s + 1


# One number for both directions, or (height, width).
Pair = int | tuple[int, int]


def pair(value: Pair) -> tuple[int, int]:
    """The pair that a number stands for."""
    return (value, value) if isinstance(value, int) else value


def window(i: int, k: int, s: int, d: int) -> slice:
    """The k cells, d apart, that window i reads."""
    return slice(i * s, i * s + d * (k - 1) + 1, d)


def zero_pad(X: Tensor, p_h: int, p_w: int) -> Tensor:
    """X (n_h, n_w) with p_h rows and p_w columns of zeros.

    That many on each side.
    """
    n_h, n_w = X.shape
    padded = X.new_zeros(n_h + 2 * p_h, n_w + 2 * p_w)
    padded[p_h : p_h + n_h, p_w : p_w + n_w] = X
    return padded


def strided_corr2d(X: Tensor, K: Tensor, p: Pair = 0, s: Pair = 1, d: Pair = 1) -> Tensor:
    """Cross-correlate X, padded with zeros, with K.

    Shapes (n_h, n_w) and (k_h, k_w).
    """
    p, s, d = pair(p), pair(s), pair(d)
    m_h, m_w = map(out_size, X.shape, K.shape, p, s, d)
    dtype = torch.result_type(X, K)
    Y = X.new_zeros(m_h, m_w, dtype=dtype)
    padded = zero_pad(X, *p)
    for i, j in product(range(m_h), range(m_w)):
        rows = window(i, K.shape[0], s[0], d[0])
        columns = window(j, K.shape[1], s[1], d[1])
        Y[i, j] = (padded[rows, columns] * K).sum()
    return Y
