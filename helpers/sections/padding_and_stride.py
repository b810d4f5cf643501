"""What section 7.3, Padding and stride, builds; `make export` writes it."""

from itertools import product

from torch import Tensor
from torch.nn import functional as F


def out_size(n: int, k: int, p: int = 0, s: int = 1, d: int = 1) -> int:
    """Number of positions of a window on a row of cells.

    n cells, p more on each side; k cells in the window, d apart; steps
    of s. Raises ValueError where a number makes no sense or the window
    does not fit.
    """
    span = d * (k - 1) + 1  # from the window's first cell to its last
    if min(n, k, s, d) < 1 or p < 0:
        raise ValueError(f"n={n}, k={k}, s={s}, d={d} < 1, or p={p} < 0.")
    if span > n + 2 * p:
        raise ValueError(f"{span} cells do not fit in {n} + 2·{p}.")
    return (n + 2 * p - span) // s + 1


Pair = int | tuple[int, int]


def pair(value: Pair) -> tuple[int, int]:
    """One number for both directions, or one for each (height first)."""
    return (value, value) if isinstance(value, int) else value


def strided_corr2d(
    X: Tensor, K: Tensor, padding: Pair = 0, stride: Pair = 1, dilation: Pair = 1
) -> Tensor:
    """Cross-correlate X (n_h, n_w) with K (k_h, k_w), zeros around X."""
    (p_h, p_w), (s_h, s_w), (d_h, d_w) = map(pair, (padding, stride, dilation))
    (n_h, n_w), (k_h, k_w) = X.shape, K.shape
    Y = X.new_zeros(out_size(n_h, k_h, p_h, s_h, d_h), out_size(n_w, k_w, p_w, s_w, d_w))
    X = F.pad(X, (p_w, p_w, p_h, p_h))  # left, right, top, bottom
    for i, j in product(range(Y.shape[0]), range(Y.shape[1])):
        rows = slice(i * s_h, i * s_h + d_h * (k_h - 1) + 1, d_h)
        columns = slice(j * s_w, j * s_w + d_w * (k_w - 1) + 1, d_w)
        Y[i, j] = (X[rows, columns] * K).sum()
    return Y
