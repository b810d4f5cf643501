"""The live view of LeNet: all maps of a network at once, for an image that a hand changes."""

import io
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

from helpers.data import DIGIT_CLASSES, ImageSet, read_digits, to_float
from helpers.live.view import View
from helpers.sections.lenet import LeNet, record_outputs

SIDE = 28
IDLE = 0.05  # of the places: a filter that is above 0 at fewer counts as idle
RELUS = 1, 4  # places of the convolutions' ReLUs in the network
TINT = np.array([178, 24, 43]) - 247


def lenet_live(
    net: nn.Sequential | None = None,
    images: ImageSet | None = None,
    names: Sequence[str] = DIGIT_CLASSES,
    item: int = 4,
) -> View:
    """What every filter of a LeNet with ReLUs sees, and its answer, for items and drawings.

    Args:
        net: The layers of a `LeNet`; default: an untrained one.
        images: Images, uint8 of shape (N, 1, h, w), of ten classes; default: digits. The first of
            each class can be chosen; the first thousand tell which filters are idle.
        names: The ten classes.
        item: The class that is shown first.

    Raises:
        ValueError: The network is no LeNet with ReLUs, or a class has no image.
    """
    if net is None or images is None:
        torch.manual_seed(0)
        net, images = LeNet(activation=nn.ReLU).net, read_digits()[1]
        net(torch.zeros(1, 1, SIDE, SIDE))
        for weight in net.parameters():
            weight.data *= 2  # else it gives all images the same answer
    X = to_float(images.images[:1000], (SIDE, SIDE))
    outputs = record_outputs(net, X)
    found = [tuple(p.shape) for p in net.parameters()]
    if len(net) != 12 or len(found) != 10 or not isinstance(net[1], nn.ReLU):
        raise ValueError(f"{len(net)} layers, parameters {found}: a LeNet with ReLUs is wanted.")
    if missing := {*range(10)} - {*images.labels.tolist()}:
        raise ValueError(f"no image of the classes {sorted(missing)}: each of the ten needs one.")
    first = [int((images.labels == c).nonzero()[0]) for c in range(10)]
    items = (to_float(images.images[first], (SIDE, SIDE)) * 255).round().byte().cpu()
    state = quantised(net) | {
        "names": list(names),
        "items": b64encode(items.numpy().tobytes()).decode(),
        "active": [
            (outputs[k] > 0).float().mean((0, 2, 3)).cpu().numpy().round(4).tolist() for k in RELUS
        ],
        "high": [round(float(outputs[k].flatten()[::7].quantile(0.995)), 3) for k in RELUS],
        "item": item, "image": items[item].flatten().tolist(),
        "right": 0, "down": 0, "drawn": False, "cleared": False,
    }  # fmt: skip
    twin, X = dequantised(state), items[item : item + 1] / 255
    outputs = record_outputs(twin, X)
    p = outputs[-1].softmax(1)[0]
    maps = [outputs[k][0].numpy() for k in RELUS]
    sums = next(twin.parameters()).detach().sum((1, 2, 3)).tolist()
    picture = draw(X[0, 0].numpy(), maps, p.numpy(), state, sums)
    return View("lenet", "LeNet at work", state=state, picture=picture, says=say(p, names))


def quantised(net: nn.Sequential) -> dict[str, Any]:
    """Weights as signed bytes with one scale a layer, base64, and biases as numbers."""
    tensors = [p.detach().float().cpu() for p in net.parameters()]
    scales = [float(W.abs().max()) / 127 for W in tensors[::2]]
    whole = [
        (W / scale).round().to(torch.int8) for W, scale in zip(tensors[::2], scales, strict=True)
    ]
    text = b"".join(W.contiguous().numpy().tobytes() for W in whole)
    return {
        "weights": b64encode(text).decode(),
        "scales": scales,
        "biases": [b.numpy().astype(float).round(5).tolist() for b in tensors[1::2]],
    }


def dequantised(state: dict[str, Any]) -> nn.Sequential:
    """The network that the script computes, in PyTorch."""
    net = LeNet(activation=nn.ReLU).net
    net(torch.zeros(1, 1, SIDE, SIDE))
    values = np.frombuffer(b64decode(state["weights"]), np.int8)
    at = 0
    parameters = list(net.parameters())
    with torch.no_grad():
        for k, scale in enumerate(state["scales"]):
            W, b = parameters[2 * k : 2 * k + 2]
            part = torch.tensor(values[at : at + W.numel()].astype(np.float32) * scale)
            W.copy_(part.reshape(W.shape))
            b.copy_(torch.tensor(state["biases"][k]))
            at += W.numel()
    return net


def say(p: Tensor, names: Sequence[str]) -> str:
    """The answer in one sentence, as the script says it."""
    order = sorted(range(10), key=lambda c: -float(p[c]))[:3]
    shares = [f"{names[c]} {int(100 * float(p[c]) + 0.5)} %" for c in order]
    return f"The answer: {shares[0]}; then {shares[1]} and {shares[2]}."


def draw(
    image: Any, maps: list[Any], p: Any, state: dict[str, Any], sums: Sequence[float]
) -> bytes:
    """Image, maps, sums of the first kernels and probabilities side by side, as PNG."""
    fig = plt.figure(figsize=(6.8, 3.0), dpi=100)
    grid = fig.add_gridspec(3, 13, left=0.01, right=0.88, top=0.97, bottom=0.03, wspace=0.15)
    ax = fig.add_subplot(grid[:2, :3])
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set_axis_off()
    places = [grid[0, 3 + c] for c in range(6)]
    places += [grid[1 + c // 8, 3 + c % 8] for c in range(16)]
    for k, (place, Z) in enumerate(zip(places, [*maps[0], *maps[1]], strict=True)):
        layer, c = (0, k) if k < 6 else (1, k - 6)
        ax = fig.add_subplot(place)
        share = np.clip(Z / state["high"][layer], 0, 1)[..., None]
        ax.imshow((247 + TINT * share).astype(np.uint8))
        idle = state["active"][layer][c] < IDLE
        ax.set(xticks=[], yticks=[])
        if layer == 0:
            ax.set_xlabel(f"{sums[c]:+.1f}".replace("-", "−"), fontsize=7, labelpad=2)
        ax.grid(False)
        for side in ax.spines.values():
            side.set(visible=True, lw=1.5 if idle else 0.5, ls=":" if idle else "-")
    ax = fig.add_subplot(grid[:, 11:])
    ax.barh(range(10), p, color="#0969da")
    ax.set(xlim=(0, 1), ylim=(9.6, -0.6), xticks=[])
    ax.set_yticks(range(10), state["names"], fontsize=7)
    ax.yaxis.tick_right()
    ax.grid(False)
    file = io.BytesIO()
    fig.savefig(file, format="png")
    plt.close(fig)
    return file.getvalue()
