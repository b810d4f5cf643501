"""What section 8.6, ResNet and ResNeXt, builds; `make export` writes it."""

from d2l import torch as d2l
from torch import Tensor, nn
from torch.nn import functional as F


def conv_norm(
    channels: int, kernel_size: int, strides: int = 1,
    groups: int = 1, norm: bool = True,
) -> nn.Sequential:  # fmt: skip
    """A convolution that keeps the size; then batch norm, or a bias."""
    conv = nn.LazyConv2d(
        channels, kernel_size, strides, kernel_size // 2,
        groups=groups, bias=not norm,
    )  # fmt: skip
    return (
        nn.Sequential(conv, nn.LazyBatchNorm2d())
        if norm else nn.Sequential(conv)
    )  # fmt: skip


class Residual(nn.Module):
    """Two 3×3 convolutions and a shortcut; options take parts away.

    Source: He, Zhang, Ren and Sun (2016).
    """

    def __init__(
        self, channels: int, use_1x1conv: bool = False,
        strides: int = 1, norm: bool = True, shortcut: bool = True,
    ):  # fmt: skip
        super().__init__()
        self.body = nn.Sequential(
            conv_norm(channels, 3, strides, norm=norm),
            nn.ReLU(),
            conv_norm(channels, 3, norm=norm),  # no strides here
        )
        self.shortcut: nn.Module | None = nn.Identity() if shortcut else None
        if shortcut and use_1x1conv:
            self.shortcut = conv_norm(channels, 1, strides, norm=norm)

    def forward(self, X: Tensor) -> Tensor:
        Y = self.body(X)
        return F.relu(Y if self.shortcut is None else Y + self.shortcut(X))


class ResNet(d2l.Classifier):
    """A stem, a stage for each (blocks, channels) of `arch`, a head."""

    def __init__(
        self,
        arch: tuple[tuple[int, int], ...] = (
            (2, 64), (2, 128), (2, 256), (2, 512)
        ),
        lr: float = 0.01, num_classes: int = 10,
        norm: bool = True, shortcut: bool = True,
    ):  # fmt: skip
        super().__init__()
        self.save_hyperparameters()
        stem = (
            conv_norm(64, 7, 2, norm=norm), nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),
        )  # fmt: skip
        stages = []
        for i, (num_blocks, channels) in enumerate(arch):
            first = (
                self.block(channels, True, 2)
                if i else self.block(channels)
            )  # fmt: skip
            rest = [self.block(channels) for _ in range(num_blocks - 1)]
            stages.append(nn.Sequential(first, *rest))
        head = (
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.LazyLinear(num_classes),
        )  # fmt: skip
        self.net = nn.Sequential(nn.Sequential(*stem), *stages, nn.Sequential(*head))

    def block(self, channels: int, use_1x1conv: bool = False, strides: int = 1) -> nn.Module:
        """One block; a subclass may build it otherwise."""
        return Residual(channels, use_1x1conv, strides, self.norm, self.shortcut)


class ResNeXtBlock(nn.Module):
    """A bottleneck whose 3×3 convolution has groups.

    Source: Xie, Girshick, Dollár, Tu and He (2017).
    """

    def __init__(
        self, channels: int, groups: int, bot_mul: float = 1,
        use_1x1conv: bool = False, strides: int = 1,
    ):  # fmt: skip
        super().__init__()
        middle = round(channels * bot_mul)
        self.body = nn.Sequential(
            conv_norm(middle, 1), nn.ReLU(),
            conv_norm(middle, 3, strides, groups), nn.ReLU(),
            conv_norm(channels, 1),
        )  # fmt: skip
        self.shortcut = (
            conv_norm(channels, 1, strides)
            if use_1x1conv else nn.Identity()
        )  # fmt: skip

    def forward(self, X: Tensor) -> Tensor:
        return F.relu(self.body(X) + self.shortcut(X))


class ResNeXt(ResNet):
    """ResNet with 16 groups a block: in stage 1 of 4 channels each."""

    def block(self, channels: int, use_1x1conv: bool = False, strides: int = 1) -> nn.Module:
        return ResNeXtBlock(channels, 16, 1, use_1x1conv, strides)
