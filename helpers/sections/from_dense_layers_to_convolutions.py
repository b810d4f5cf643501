"""What section 7.1, From dense layers to convolutions, builds; `make export` writes it."""

from itertools import product

import torch
from torch import Tensor


def dense_image(X: Tensor, W: Tensor) -> Tensor:
    """Dense layer on X (n_h, n_w); W is (n_h, n_w, n_h, n_w)."""
    if W.shape != (*X.shape, *X.shape):
        wanted = f"X {tuple(X.shape)} wants {(*X.shape, *X.shape)}"
        raise ValueError(f"W has the shape {tuple(W.shape)}: {wanted}")
    return torch.einsum("ijkl,kl->ij", W, X)


def spread_kernel(V: Tensor, n_h: int, n_w: int) -> Tensor:
    """W (n_h, n_w, n_h, n_w) of a kernel V with two odd sides."""
    if V.dim() != 2 or V.shape[0] % 2 == 0 or V.shape[1] % 2 == 0:
        raise ValueError(f"V is {tuple(V.shape)}: make both sides odd")
    d_h, d_w = V.shape[0] // 2, V.shape[1] // 2
    W = V.new_zeros(n_h, n_w, n_h, n_w)
    for i, j in product(range(n_h), range(n_w)):
        for a in range(max(-d_h, -i), min(d_h + 1, n_h - i)):
            for b in range(max(-d_w, -j), min(d_w + 1, n_w - j)):
                W[i, j, i + a, j + b] = V[d_h + a, d_w + b]
    return W
