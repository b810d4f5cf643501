"""One epoch of LeNet on all of Fashion-MNIST: d2l as it comes, `helpers`, and a bare loop.

Needs the data: set BOOK_DATA to the folder that holds FashionMNIST/raw, or have a network.
All do the same work: 60,000 images in shuffled batches of 128, then 10,000 to validate.
d2l runs twice: as in its notebooks, where its Trainer renders the curves again and again, and with
the curves switched off. `helpers` show a progress bar; their one figure comes once a run, not once
an epoch, and is left out.
"""

import contextlib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from d2l import torch as d2l
from IPython.core.interactiveshell import InteractiveShell
from torch import nn

from benchmarks.timing import alternate, report
from helpers import FashionMNIST, Trainer, best_device, describe_device
from helpers.data import data_root

BATCH = 128


class LeNet(d2l.Classifier):
    def __init__(self, lr: float = 0.1, curves: bool = False):
        super().__init__()
        self.lr = lr
        self.board.display = curves
        self.net = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
        )  # fmt: skip


@contextlib.contextmanager
def silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def d2l_epoch(data: d2l.DataModule, curves: bool) -> None:
    trainer = d2l.Trainer(max_epochs=1, num_gpus=int(torch.cuda.is_available()))
    with silence():
        trainer.fit(LeNet(curves=curves), data)
    plt.close("all")


def helpers_epoch(data: FashionMNIST) -> None:
    with silence():
        Trainer(max_epochs=1, plot=False).fit(LeNet(), data)


def bare_epoch(data: FashionMNIST) -> None:
    """The least that can be written: no loader, no history, no checks."""
    device = data.train.labels.device
    model = LeNet().to(device)
    optim = torch.optim.SGD(model.parameters(), lr=model.lr)
    order = torch.randperm(len(data.train)).to(device)
    for index in order.split(BATCH):
        X, y = data.train.images[index].float().div_(255), data.train.labels[index]
        loss = nn.functional.cross_entropy(model.net(X), y)
        optim.zero_grad()
        loss.backward()
        optim.step()
    correct = 0
    with torch.no_grad():
        for X, y in zip(data.val.images.split(1024), data.val.labels.split(1024), strict=True):
            correct += (model.net(X.float().div_(255)).argmax(1) == y).sum()
    assert 0 < int(correct) < len(data.val)


def main(rounds: int = 5) -> None:
    os.environ["BOOK_PROFILE"] = "full"
    InteractiveShell.instance()  # figures are rendered as in a notebook
    d2l.use_svg_display()
    data = FashionMNIST(batch_size=BATCH)
    if data.source != "Fashion-MNIST":
        sys.exit("benchmarks need the real data: set BOOK_DATA to the folder of FashionMNIST/raw")
    with tempfile.TemporaryDirectory() as root:
        # torchvision unpacks beside the archives, so d2l gets a copy of its own
        shutil.copytree(data_root() / "FashionMNIST", Path(root) / "FashionMNIST")
        d2l.DataModule.__init__.__defaults__ = (root, 4)
        theirs = d2l.FashionMNIST(batch_size=BATCH)
        alternatives = {
            "d2l's Trainer and FashionMNIST": lambda: d2l_epoch(theirs, curves=True),
            "the same, curves switched off": lambda: d2l_epoch(theirs, curves=False),
            "helpers' Trainer and FashionMNIST": lambda: helpers_epoch(data),
            "bare loop over a resident tensor": lambda: bare_epoch(data),
        }
        medians = alternate(alternatives, rounds)
    device = describe_device(best_device())
    title = f"one epoch of LeNet, 60,000 + 10,000 images, {device}, median of {rounds}"
    report(title, medians, "bare loop over a resident tensor")
    ours = medians["helpers' Trainer and FashionMNIST"]
    with_curves, without = list(medians.values())[:2]
    print(
        f"  helpers are {with_curves / ours:.2f} times as fast as d2l, "
        f"{without / ours:.2f} times with its curves off"
    )


if __name__ == "__main__":
    main()
