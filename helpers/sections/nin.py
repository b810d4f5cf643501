"""What section 8.3, Network in network, builds; `make export` writes it."""

from d2l import torch as d2l
from torch import nn


def nin_block(channels: int, kernel_size: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """A convolution, two dense layers at each pixel; all with ReLU."""
    return nn.Sequential(
        nn.LazyConv2d(channels, kernel_size, stride, padding),
        nn.ReLU(),
        nn.LazyConv2d(channels, kernel_size=1), nn.ReLU(),
        nn.LazyConv2d(channels, kernel_size=1), nn.ReLU(),
    )  # fmt: skip


class NiN(d2l.Classifier):
    """Four blocks, then the mean of each map: no dense layer.

    Source: Lin, Chen and Yan (2013).
    """

    def __init__(self, lr: float = 0.05, num_classes: int = 10):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nin_block(96, kernel_size=11, stride=4),
            nn.MaxPool2d(3, stride=2),
            nin_block(256, kernel_size=5, padding=2),
            nn.MaxPool2d(3, stride=2),
            nin_block(384, kernel_size=3, padding=1),
            nn.MaxPool2d(3, stride=2),
            nn.Dropout(0.5),
            nin_block(num_classes, kernel_size=3, padding=1),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
