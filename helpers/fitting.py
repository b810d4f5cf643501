"""A model is made ready for the data; if they do not fit, which layer does not, and the cure."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from d2l import torch as d2l
from lightning_fabric import seed_everything
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.nn.modules.lazy import LazyModuleMixin

from helpers.data import FashionMNIST
from helpers.profile import LARGE

Init = Callable[[nn.Module], object] | None  # what is applied to every module of a new model
TOO_SMALL = ("Kernel size can't be greater", "Output size is too small", "smaller than kernel")


def prepare(model: d2l.Classifier, data: FashionMNIST, init: Init, seed: int) -> None:
    """Give a model its width, shapes and initial weights (by the seed), on the images' device."""
    seed_everything(seed, verbose=False)
    if max(data.size) > LARGE:
        thin(model, data)
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    materialise(model, data)
    if init is not None:
        model.apply(init)
    model.to(data.train.images.device)  # from here, so that the weights are the same everywhere


def thin(model: d2l.Classifier, data: FashionMNIST) -> None:
    """Scale lazy layers, but those that count classes, to 8 channels or more; and the rate."""
    profile, classes = data.profile, getattr(model, "num_classes", data.num_classes)
    layers: Iterator[Any] = (m for m in model.modules() if isinstance(m, LazyModuleMixin))
    for layer in layers:
        for name in ("out_channels", "out_features"):
            wanted = getattr(layer, name, classes)
            if wanted == classes:
                continue
            width = max(min(wanted, 8), round(wanted * profile.width))
            setattr(layer, name, width)
            if getattr(layer, "groups", 1) > 1:  # as many channels in a group as before, or fewer
                most = max(1, layer.groups * width // wanted)
                layer.groups = next(n for n in range(most, 0, -1) if width % n == 0)
    if hasattr(model, "lr"):
        model.lr *= profile.speedup


@torch.no_grad()
def materialise(model: nn.Module, data: FashionMNIST) -> None:
    """Give lazy layers their shapes and check what the model makes of two images.

    ValueError: the model cannot take the images, or its outputs do not fit the labels.
    """
    X = next(iter(data.val_dataloader()))[0][:2]
    X, name = X.to(next(model.parameters(), X).device), type(model).__name__
    inside: list[tuple[nn.Module, Any]] = []  # the modules that have been entered and not left
    enter = hooks.register_module_forward_pre_hook(lambda *call: inside.append(call))
    leave = hooks.register_module_forward_hook(lambda *_: inside.pop() and None)
    with enter, leave:
        try:
            y_hat = model.eval()(X)
        except (RuntimeError, ValueError) as error:
            layer, args = inside[-1]
            path = next((path for path, m in model.named_modules() if m is layer), "")
            where = f"layer {path}, " if path else ""
            raise ValueError(
                f"{name} cannot take images of shape {tuple(X.shape[1:])}: {error} "
                f"(in {where}{type(layer).__name__}).{cure(layer, args, str(error))}"
            ) from error
    labels = torch.cat([part.labels.cpu() for part in (data.train, data.val)])
    smallest, largest = int(labels.min()), int(labels.max())
    scores = f"(N, {largest + 1})"
    if not isinstance(y_hat, Tensor):
        raise ValueError(f"{name} puts out a {type(y_hat).__name__}: return one tensor, {scores}.")
    if y_hat.dim() != 2 or len(y_hat) != len(X):
        batch = "N" if len(y_hat) == len(X) else f"{len(y_hat)} for {len(X)} images"
        came = ", ".join([batch, *map(str, y_hat.shape[1:])])
        raise ValueError(
            f"{name} puts out scores of shape ({came}); {scores} is expected, one score "
            "for each image and class. End the network with nn.Flatten(), or with a dense layer."
        )
    outputs = y_hat.shape[1]
    if not 0 <= smallest <= largest < outputs:
        raise ValueError(
            f"labels run from {smallest} to {largest}, but {name} has {outputs} outputs, for "
            f"labels 0 to {outputs - 1}. Give the model as many outputs as there are classes, "
            "and labels that count from 0."
        )


def cure(layer: nn.Module, args: tuple[Any, ...], error: str) -> str:
    """What to change if `layer` has failed on `args`; nothing where that is not clear."""
    X = next((value for value in args if isinstance(value, Tensor)), torch.zeros(0))
    wanted = getattr(layer, "in_channels", getattr(layer, "num_features", None))
    came = X.shape[1] if X.dim() > 1 else None
    if any(words in error for words in TOO_SMALL):
        return " The images are too small for it: give the data module a larger `resize`."
    if wanted is not None and came not in (None, wanted):
        return (
            f" The layer is made for {wanted} channels and gets {came}: make it for "
            f"{came}, or take a lazy one, such as nn.LazyConv2d."
        )
    if isinstance(layer, nn.Linear) and X.dim() > 2:
        return " A dense layer takes vectors: put nn.Flatten() before it."
    if isinstance(layer, nn.Linear) and came not in (None, layer.in_features):
        return (
            f" The layer is made for {layer.in_features:,} inputs and gets {came:,}: give "
            "the data module the `resize` that the model is made for, or take nn.LazyLinear."
        )
    if X.is_floating_point() and any(p.dtype != X.dtype for p in layer.parameters()):
        return f" Images are {X.dtype}: call model.float()."
    return ""
