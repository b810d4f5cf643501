"""What section 8.4, GoogLeNet, builds; `make export` writes it."""

from functools import partial

import torch
from d2l import torch as d2l
from torch import Tensor, nn


def conv(channels: int, kernel_size: int, norm: bool = False, **options: int) -> nn.Sequential:
    """A convolution, batch normalisation if it is wanted, ReLU."""
    layer = nn.LazyConv2d(channels, kernel_size, bias=not norm, **options)
    return nn.Sequential(layer, *([nn.LazyBatchNorm2d()] if norm else []), nn.ReLU())


class Inception(nn.Module):
    """Four branches on one input, stacked; height and width stay.

    `c2` and `c3` are pairs: the 1×1 reduction, the kernel behind it.
    """

    def __init__(
        self, c1: int, c2: tuple[int, int], c3: tuple[int, int],
        c4: int, norm: bool = False,
    ):  # fmt: skip
        super().__init__()
        pool = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
        self.b1 = conv(c1, 1, norm)
        self.b2 = nn.Sequential(conv(c2[0], 1, norm), conv(c2[1], 3, norm, padding=1))
        self.b3 = nn.Sequential(conv(c3[0], 1, norm), conv(c3[1], 5, norm, padding=2))
        self.b4 = nn.Sequential(pool, conv(c4, 1, norm))

    def forward(self, X: Tensor) -> Tensor:
        return torch.cat([self.b1(X), self.b2(X), self.b3(X), self.b4(X)], dim=1)


class GoogLeNet(d2l.Classifier):
    """A stem of three convolutions, nine Inception blocks, a head.

    Source: Szegedy et al. (2015), without its auxiliary heads.
    """

    def __init__(
        self, lr: float = 0.01, num_classes: int = 10,
        norm: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.save_hyperparameters()
        halve = partial(nn.MaxPool2d, kernel_size=3, stride=2, padding=1)
        block = partial(Inception, norm=norm)
        self.net = nn.Sequential(
            conv(64, 7, norm, stride=2, padding=3), halve(),
            conv(64, 1, norm), conv(192, 3, norm, padding=1), halve(),
            block(64, (96, 128), (16, 32), 32),
            block(128, (128, 192), (32, 96), 64), halve(),
            block(192, (96, 208), (16, 48), 64),
            block(160, (112, 224), (24, 64), 64),
            block(128, (128, 256), (24, 64), 64),
            block(112, (144, 288), (32, 64), 64),
            block(256, (160, 320), (32, 128), 128), halve(),
            block(256, (160, 320), (32, 128), 128),
            block(384, (192, 384), (48, 128), 128),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.LazyLinear(num_classes),
        )  # fmt: skip
