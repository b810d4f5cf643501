"""What section 7.2, Convolutions for images, builds; `make export` writes it."""

import torch
from torch import Tensor


def corr2d(X: Tensor, K: Tensor) -> Tensor:
    """X (n_h, n_w) ⋆ K (k_h, k_w), no padding."""
    check_fit(X, K)
    (n_h, n_w), (k_h, k_w) = X.shape, K.shape
    m_h, m_w = n_h - k_h + 1, n_w - k_w + 1
    dtype = torch.result_type(X, K)
    Y = X.new_zeros(m_h, m_w, dtype=dtype)
    for i in range(m_h):
        for j in range(m_w):
            window = X[i : i + k_h, j : j + k_w]
            Y[i, j] = (window * K).sum()
    return Y


def check_fit(X: Tensor, K: Tensor) -> None:
    """Raise ValueError unless both are matrices and K fits in X."""
    for name, tensor in (("X", X), ("K", K)):
        if tensor.dim() != 2:
            shape = tuple(tensor.shape)
            cure = f"it needs two, try {name}[0, 0]"
            raise ValueError(f"{name} has the shape {shape}: {cure}")
    (n_h, n_w), (k_h, k_w) = X.shape, K.shape
    if not (1 <= k_h <= n_h and 1 <= k_w <= n_w):
        shapes = f"K {(k_h, k_w)} does not fit in X {(n_h, n_w)}"
        raise ValueError(f"{shapes}: take a smaller K, or pad X")


def im2col(X: Tensor, k_h: int, k_w: int) -> Tensor:
    """Windows as columns, (k_h * k_w, windows)."""
    windows = X.unfold(0, k_h, 1).unfold(1, k_w, 1)
    return windows.reshape(-1, k_h * k_w).T
