"""What section 7.6, LeNet, builds; `make export` writes it."""

import torch
from d2l import torch as d2l
from torch import Tensor, nn


class LeNet(d2l.Classifier):
    """LeNet for 28×28 pixels: two convolutions, three dense layers."""

    def __init__(
        self,
        lr: float = 0.1,
        num_classes: int = 10,
        activation: type[nn.Module] = nn.Sigmoid,
        pool: type[nn.Module] = nn.AvgPool2d,
    ):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.LazyConv2d(6, kernel_size=5, padding=2),
            activation(), pool(2),
            nn.LazyConv2d(16, kernel_size=5), activation(), pool(2),
            nn.Flatten(),
            nn.LazyLinear(120), activation(),
            nn.LazyLinear(84), activation(),
            nn.LazyLinear(num_classes),
        )  # fmt: skip


def init_xavier(module: nn.Module) -> None:
    """Xavier's uniform weights, zero biases; for dense and conv layers.

    Source: Glorot and Bengio (2010).
    """
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def record_outputs(net: nn.Sequential, X: Tensor) -> list[Tensor]:
    """Outputs of every layer of `net` for the batch X, by hooks."""
    outputs: list[Tensor] = []

    def keep(layer: nn.Module, inputs: tuple, output: Tensor) -> None:
        outputs.append(output)

    hooks = [layer.register_forward_hook(keep) for layer in net]
    try:
        with torch.no_grad():
            net(X)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def gradient_norms(model: d2l.Classifier, X: Tensor, y: Tensor) -> list[float]:
    """Norm of the gradient of each layer's weight, in their order."""
    weights = [p for p in model.parameters() if p.dim() > 1]
    grads = torch.autograd.grad(model.loss(model(X), y), weights)
    return [float(grad.norm()) for grad in grads]


def spreads(model: d2l.Classifier, X: Tensor) -> list[float]:
    """Standard deviation over the images, mean over a layer's units."""
    pairs = zip(model.net, record_outputs(model.net, X), strict=True)
    maps = [Z for layer, Z in pairs if hasattr(layer, "weight")]
    return [float(Z.flatten(1).std(0).mean()) for Z in maps]
