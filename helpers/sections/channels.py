"""What section 7.4, Multiple input and multiple output channels, builds; `make export` writes
it."""

import torch
from torch import Tensor

from helpers.sections.convolutions_for_images import corr2d
from helpers.sections.padding_and_stride import out_size


def corr2d_multi_in(X: Tensor, K: Tensor) -> Tensor:
    """Add up all channels: X (c_i, n_h, n_w), K (c_i, k_h, k_w)."""
    if len(X) != len(K):
        given = f"X has {len(X)} channels, but K has {len(K)} slices"
        raise ValueError(f"{given}: one for each channel is wanted")
    pairs = zip(X, K, strict=True)
    return torch.stack([corr2d(x, k) for x, k in pairs]).sum(0)


def corr2d_multi_in_out(X: Tensor, K: Tensor) -> Tensor:
    """One output channel for each kernel of K (c_o, c_i, k_h, k_w)."""
    return torch.stack([corr2d_multi_in(X, k) for k in K])


def corr2d_1x1(X: Tensor, K: Tensor) -> Tensor:
    """One matrix product: X (c_i, n_h, n_w), K (c_o, c_i, 1, 1)."""
    c_o, c_i, k_h, k_w = K.shape
    if (k_h, k_w) != (1, 1):
        raise ValueError(f"K is {k_h}×{k_w} at each slice, not 1×1")
    if len(X) != c_i:
        given = f"X has {len(X)} channels, but K has {c_i} slices"
        raise ValueError(f"{given}: one for each channel is wanted")
    Y = K.reshape(c_o, c_i) @ X.flatten(1)  # (c_o, n_h * n_w)
    return Y.reshape(c_o, *X.shape[1:])


def conv_cost(
    n: int,
    c_i: int,
    c_o: int,
    k: int,
    p: int = 0,
    s: int = 1,
    groups: int = 1,
) -> tuple[int, int, int]:
    """Weights, multiply-adds, outputs: k×k on n×n pixels, no bias."""
    if groups < 1 or c_i % groups or c_o % groups:
        raise ValueError(f"{groups=} does not divide {c_i=} and {c_o=}")
    weights = c_o * (c_i // groups) * k * k
    places = out_size(n, k, p, s) ** 2
    return weights, weights * places, c_o * places


def corr2d_grouped(X: Tensor, K: Tensor, groups: int) -> Tensor:
    """Block by block: X (c_i, ...), K (c_o, c_i / groups, k_h, k_w)."""
    c_i, c_o = len(X), len(K)
    if groups < 1 or c_i % groups or c_o % groups:
        raise ValueError(f"{groups=} does not divide {c_i=} and {c_o=}")
    blocks = zip(X.chunk(groups), K.chunk(groups), strict=True)
    return torch.cat([corr2d_multi_in_out(x, k) for x, k in blocks])
