"""What the page Results over all models, builds; `make export` writes it."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.data import FashionMNIST
from helpers.sections.resnet import ResNet, conv_norm


class TunedResNet(ResNet):
    """Three stages for small images, and the recipe of later years.

    Momentum and a rate that rises and falls: Smith and Topin (2018).
    Smooth labels: Szegedy et al. (2016).
    """

    def __init__(
        self, lr: float = 0.2, decay: float = 5e-4,
        smoothing: float = 0.1, num_classes: int = 10,
    ):  # fmt: skip
        super().__init__(((2, 64), (2, 128), (2, 256)), lr, num_classes)
        self.save_hyperparameters()
        # no stride and no pooling before the blocks
        self.net[0] = nn.Sequential(conv_norm(64, 3), nn.ReLU())

    def loss(self, Y_hat: Tensor, Y: Tensor) -> Tensor:
        return F.cross_entropy(Y_hat, Y, label_smoothing=self.smoothing)

    def configure_optimizers(self) -> tuple[Any, Any]:
        optim = torch.optim.SGD(
            self.parameters(), self.lr, momentum=0.9,
            weight_decay=self.decay, nesterov=True,
        )  # fmt: skip
        batches = len(self.trainer.train_dataloader)
        return optim, torch.optim.lr_scheduler.OneCycleLR(
            optim, self.lr, total_steps=self.trainer.max_epochs * batches
        )


class VariedFashionMNIST(FashionMNIST):
    """Training images shift, half are mirrored, each loses a square.

    Source of the square: DeVries and Taylor (2017).
    """

    def __init__(
        self, batch_size: int = 256, *, shift: int = 2, hole: int = 8,
        validation: Literal["test", "train"] = "test", seed: int = 0,
    ):  # fmt: skip
        super().__init__(batch_size, validation=validation, seed=seed)
        self.shift, self.hole = shift, hole

    def augment(self, X: Tensor) -> Tensor:
        n, device = len(X), X.device
        (height, width), s = X.shape[-2:], self.shift
        down, right = torch.randint(2 * s + 1, (2, n, 1), device=device)
        rows = down + torch.arange(height, device=device)
        columns = right + torch.arange(width, device=device)
        mirrored = torch.rand(n, 1, device=device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
        image = torch.arange(n, device=device)[:, None, None]
        padded = F.pad(X, (s, s, s, s))[:, 0]
        X = padded[image, rows[:, :, None], columns[:, None]][:, None]
        y, x = torch.rand(2, n, 1, 1, 1, device=device)
        i = torch.arange(height, device=device)[:, None]
        j = torch.arange(width, device=device)
        half = self.hole / 2
        inside = (i - y * height).abs() < half
        return X * ~(inside & ((j - x * width).abs() < half))
