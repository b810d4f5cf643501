"""Whether a network and the data fit together; if not, which layer does not, and what to change."""

from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from helpers.data import FashionMNIST

TOO_SMALL = ("Kernel size can't be greater", "Output size is too small", "smaller than kernel")


@torch.no_grad()
def materialise(model: nn.Module, data: FashionMNIST) -> None:
    """Give lazy layers their shapes and check what the model makes of two images.

    Raises:
        ValueError: the model cannot take the images, or its outputs do not fit the labels.
    """
    X = next(iter(data.val_dataloader()))[0][:2]
    X = X.to(next(model.parameters(), X).device)
    name = type(model).__name__
    inside: list[tuple[nn.Module, Any]] = []  # the modules that have been entered and not left
    enter = register_module_forward_pre_hook(lambda layer, args: inside.append((layer, args)))
    leave = register_module_forward_hook(lambda *_: inside.pop() and None)
    with enter, leave:
        try:
            y_hat = model.eval()(X)
        except (RuntimeError, ValueError) as error:
            where = next((path for path, m in model.named_modules() if m is inside[-1][0]), "")
            raise ValueError(
                f"{name} cannot take images of shape {tuple(X.shape[1:])}: {error} "
                f"(in {f'layer {where}, ' if where else ''}{type(inside[-1][0]).__name__})."
                f"{cure(*inside[-1], str(error))}"
            ) from error
    check_outputs(name, y_hat, len(X), data)


def cure(layer: nn.Module, args: tuple[Any, ...], error: str) -> str:
    """What to change if `layer` has failed on `args`; nothing where that is not clear."""
    X = next((value for value in args if isinstance(value, Tensor)), torch.zeros(0))
    wanted = getattr(layer, "in_channels", getattr(layer, "num_features", None))
    if any(words in error for words in TOO_SMALL):
        return " The images are too small for it: give the data module a larger `resize`."
    if wanted is not None and X.dim() > 1 and X.shape[1] != wanted:
        return (
            f" The layer is made for {wanted} channels and gets {X.shape[1]}: make it for "
            f"{X.shape[1]}, or take a lazy one, such as nn.LazyConv2d."
        )
    if isinstance(layer, nn.Linear) and X.dim() > 2:
        return " A dense layer takes vectors: put nn.Flatten() before it."
    if isinstance(layer, nn.Linear) and X.dim() == 2 and X.shape[1] != layer.in_features:
        return (
            f" The layer is made for {layer.in_features:,} inputs and gets {X.shape[1]:,}: give "
            "the data module the `resize` that the model is made for, or take nn.LazyLinear."
        )
    if X.is_floating_point() and any(p.dtype != X.dtype for p in layer.parameters()):
        return f" Images are {X.dtype}: call model.float()."
    return ""


def check_outputs(name: str, y_hat: Tensor, images: int, data: FashionMNIST) -> None:
    """See that there is one score for each image and class.

    Raises:
        ValueError: the outputs have another shape, or are too few for the labels.
    """
    labels = torch.cat([part.labels.cpu() for part in (data.train, data.val)])
    smallest, largest = int(labels.min()), int(labels.max())
    classes = largest + 1
    if not isinstance(y_hat, Tensor):
        raise ValueError(
            f"{name} puts out a {type(y_hat).__name__}: return one tensor, (N, {classes})."
        )
    if y_hat.dim() != 2 or len(y_hat) != images:
        batch = "N" if len(y_hat) == images else f"{len(y_hat)} for {images} images"
        came = ", ".join([batch, *map(str, y_hat.shape[1:])])
        raise ValueError(
            f"{name} puts out scores of shape ({came}); (N, {classes}) is expected, one score "
            "for each image and class. End the network with nn.Flatten(), or with a dense layer."
        )
    if not 0 <= smallest <= largest < y_hat.shape[1]:
        raise ValueError(
            f"labels run from {smallest} to {largest}, but {name} has {y_hat.shape[1]} outputs, "
            f"for labels 0 to {y_hat.shape[1] - 1}. Give the model as many outputs as there are "
            "classes, and labels that count from 0."
        )


@torch.no_grad()
def check_last_batch(model: nn.Module, data: FashionMNIST) -> None:
    """Find out before the first epoch that a batch of one image cannot be normalised.

    Raises:
        ValueError: it cannot; the text names a batch size that leaves none.
    """
    images, size = len(data.train), data.batch_size
    if size > 1 and images % size != 1:
        return
    X = next(iter(data.val_dataloader()))[0][:1]
    X = X.to(next(model.parameters(), X).device)
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with torch.random.fork_rng():
            model.train()(X)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        other = next(n for n in count(size + 1) if images % n != 1)
        raise ValueError(
            f"batches of batch_size={size} leave one of a single image of {images:,}, and batch "
            f"normalisation needs several values in each channel: try batch_size={other}."
        ) from error
    finally:
        for buffer, before in kept:
            buffer.copy_(before)
