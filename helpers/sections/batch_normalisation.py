"""What section 8.5, Batch normalisation, builds; `make export` writes it."""

import torch
from d2l import torch as d2l
from torch import Tensor, nn


def batch_norm(
    X: Tensor, gamma: Tensor, beta: Tensor,
    mean: Tensor, var: Tensor, eps: float,
) -> Tensor:  # fmt: skip
    """Normalise X (N, C) or (N, C, H, W); all else is of shape (C,)."""
    shape = (1, -1, *[1] * (X.dim() - 2))  # (C,) -> (1, C, 1, 1)
    X_hat = (X - mean.reshape(shape)) / (var.reshape(shape) + eps).sqrt()
    return gamma.reshape(shape) * X_hat + beta.reshape(shape)


class BatchNorm(nn.Module):
    """Batch normalisation of (N, C) or (N, C, H, W), as in PyTorch.

    Raises ValueError in training where a channel has a single value.
    """

    def __init__(
        self, num_features: int, eps: float = 1e-5,
        momentum: float = 0.1,
    ):  # fmt: skip
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))  # gamma
        self.bias = nn.Parameter(torch.zeros(num_features))  # beta
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, X: Tensor) -> Tensor:
        mean, var = self.running_mean, self.running_var
        if self.training:
            axes = [0, *range(2, X.dim())]  # all but the channels
            mean, var = X.mean(axes), X.var(axes, correction=0)
            self.remember(mean.detach(), var.detach(), X[:, 0].numel())
        return batch_norm(X, self.weight, self.bias, mean, var, self.eps)

    def remember(self, mean: Tensor, var: Tensor, m: int) -> None:
        if m < 2:
            raise ValueError("more than 1 value per channel is needed")
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * m / (m - 1), self.momentum)
        self.num_batches_tracked += 1


class BNLeNetScratch(d2l.Classifier):
    """LeNet with this page's normalisation before each activation."""

    def __init__(self, lr: float = 0.1, num_classes: int = 10):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.LazyConv2d(6, kernel_size=5, padding=2), BatchNorm(6),
            nn.Sigmoid(), nn.AvgPool2d(2),
            nn.LazyConv2d(16, kernel_size=5), BatchNorm(16),
            nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
            nn.LazyLinear(120), BatchNorm(120), nn.Sigmoid(),
            nn.LazyLinear(84), BatchNorm(84), nn.Sigmoid(),
            nn.LazyLinear(num_classes),
        )  # fmt: skip


class BNLeNet(d2l.Classifier):
    """LeNet with PyTorch's normalisation before each activation."""

    def __init__(self, lr: float = 0.1, num_classes: int = 10):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.LazyConv2d(6, kernel_size=5, padding=2), nn.LazyBatchNorm2d(),
            nn.Sigmoid(), nn.AvgPool2d(2),
            nn.LazyConv2d(16, kernel_size=5), nn.LazyBatchNorm2d(),
            nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
            nn.LazyLinear(120), nn.LazyBatchNorm1d(), nn.Sigmoid(),
            nn.LazyLinear(84), nn.LazyBatchNorm1d(), nn.Sigmoid(),
            nn.LazyLinear(num_classes),
        )  # fmt: skip
