"""What section 8.2, Networks from blocks: VGG, builds; `make export` writes it."""

import torch
from d2l import torch as d2l
from torch import Tensor, nn


def vgg_block(num_convs: int, channels: int) -> nn.Sequential:
    """Layers of 3×3 with ReLU, then a pooling that halves."""
    layers: list[nn.Module] = []
    for _ in range(num_convs):
        layers += [
            nn.LazyConv2d(channels, kernel_size=3, padding=1), nn.ReLU()
        ]  # fmt: skip
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))


class VGG(d2l.Classifier):
    """A block for each (convolutions, channels), three dense layers.

    Source: Simonyan and Zisserman (2015).
    """

    def __init__(
        self,
        arch: tuple[tuple[int, int], ...],
        lr: float = 0.01,
        num_classes: int = 10,
        dense: int = 4096,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            *(vgg_block(n, channels) for n, channels in arch),
            nn.Flatten(),
            nn.LazyLinear(dense), nn.ReLU(), nn.Dropout(dropout),
            nn.LazyLinear(dense), nn.ReLU(), nn.Dropout(dropout),
            nn.LazyLinear(num_classes),
        )  # fmt: skip


def compose(K1: Tensor, K2: Tensor) -> Tensor:
    """One kernel for K1 (c_m, c_i, ., .), then K2 (c_o, c_m, ., .).

    Raises ValueError where K2 does not read the channels of K1.
    """
    if K1.shape[0] != K2.shape[1]:
        made, read = K1.shape[0], K2.shape[1]
        raise ValueError(f"K1 gives {made} channels, K2 reads {read}.")
    (h, w), (k_h, k_w) = K1.shape[2:], K2.shape[2:]
    shape = K2.shape[0], K1.shape[1], h + k_h - 1, w + k_w - 1
    K = K1.new_zeros(shape)
    for u in range(k_h):
        for v in range(k_w):
            copies = torch.einsum("om,mihw->oihw", K2[:, :, u, v], K1)
            K[:, :, u : u + h, v : v + w] += copies
    return K


def init_kaiming(module: nn.Module) -> None:
    """Normal weights that keep the mean square through a ReLU.

    Biases start at zero. Source: He, Zhang, Ren and Sun (2015).
    """
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
