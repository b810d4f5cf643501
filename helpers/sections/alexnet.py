"""What section 8.1, AlexNet, builds; `make export` writes it."""

import math

import torch
from d2l import torch as d2l
from torch import Tensor, nn
from torch.nn import functional as F


class AlexNet(d2l.Classifier):
    """Five convolutions and three dense layers, as one tower.

    Source: Krizhevsky, Sutskever and Hinton (2012).
    """

    def __init__(self, lr: float = 0.01, num_classes: int = 10):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.LazyConv2d(96, kernel_size=11, stride=4, padding=1),
            nn.ReLU(), nn.MaxPool2d(kernel_size=3, stride=2),
            nn.LazyConv2d(256, kernel_size=5, padding=2),
            nn.ReLU(), nn.MaxPool2d(kernel_size=3, stride=2),
            nn.LazyConv2d(384, kernel_size=3, padding=1), nn.ReLU(),
            nn.LazyConv2d(384, kernel_size=3, padding=1), nn.ReLU(),
            nn.LazyConv2d(256, kernel_size=3, padding=1), nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2), nn.Flatten(),
            nn.LazyLinear(4096), nn.ReLU(), nn.Dropout(0.5),
            nn.LazyLinear(4096), nn.ReLU(), nn.Dropout(0.5),
            nn.LazyLinear(num_classes),
        )  # fmt: skip


def gabor_pair(wave: float, width: float, angle: float, k: int = 11) -> Tensor:
    """Cosine and sine under a window, without their means: (2, k, k).

    `wave` and `width` in pixels, `angle` in degrees.
    """
    r = torch.arange(k, dtype=torch.float64) - (k - 1) / 2
    y, x = torch.meshgrid(r, r, indexing="ij")
    theta = math.radians(angle)
    u = x * math.cos(theta) + y * math.sin(theta)
    phase = 2 * math.pi * u / wave
    window = torch.exp(-(x**2 + y**2) / (2 * width**2))
    pair = torch.stack([window * phase.cos(), window * phase.sin()])
    return pair - pair.mean((1, 2), keepdim=True)


def explained(K: Tensor, pair: Tensor) -> Tensor:
    """Share of each kernel (N, k, k), without mean, that fits."""
    K = (K - K.mean((1, 2), keepdim=True)).flatten(1).double()
    pair = F.normalize(pair.flatten(1), dim=1)  # orthogonal: even, odd
    return (K @ pair.T).square().sum(1) / K.square().sum(1)
