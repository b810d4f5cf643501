"""One epoch of six networks of the book, trained in six ways on real Fashion-MNIST.

Needs the data: set BOOK_DATA to the folder that holds FashionMNIST/raw, or have a network.
All ways do the same work: the same images in shuffled minibatches of 128, then the validation
images. LeNet takes all of them; the large networks a fixed part, since one epoch on a CPU would
last half an hour. Each way has a process of its own, and they take turns:

- d2l: its Trainer and its loader, as in its notebooks, which render the curves again and again;
- the same with the curves switched off;
- a plain loop over a DataLoader with two workers, as PyTorch's tutorials write it;
- `helpers`: the Trainer and data of this book, with its history and checks, in the precision that
  it chooses; and in float32, as d2l trains, where that is another one;
- a bare loop, the limit: no loader, no history, no checks; tensors that lie ready on the device
  as float32 where the images keep their size, else as bytes that are enlarged batch by batch.
  It shares with `helpers` the memory format, the fused optimiser, and the precision.

All rounds are printed; they and their medians are written to benchmarks/results/<device>.json, for
the appendix.
"""

import contextlib
import datetime
import io
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torchvision
from d2l import torch as d2l
from IPython.core.interactiveshell import InteractiveShell
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset

from benchmarks.timing import alternate, isolated, report
from helpers.data import FashionMNIST
from helpers.device import best_device, data_root, describe_device, fast_dtype
from helpers.summary import summary
from helpers.training import Trainer
from tools.lift import lift

BATCH = 128
RESULTS = Path(__file__).resolve().parent / "results"
VGG_ARCH = ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128))
D2L, NO_CURVES = "d2l", "d2l without curves"
PLAIN, FLOAT32, HELPERS, BARE = "DataLoader", "helpers, float32", "helpers", "bare loop"
WAYS = D2L, NO_CURVES, PLAIN, FLOAT32, HELPERS, BARE


@dataclass(frozen=True)
class Case:
    """A network and the images of its epoch.

    Attributes:
        name: What the table calls it.
        page, model, args: The network: a class of a page, and what it is called with.
        side: Height and width of the images, in pixels.
        num_train, num_val: Number of images.
        rounds: How often every alternative is timed.
    """

    name: str
    page: str
    model: str
    args: tuple
    side: int
    num_train: int
    num_val: int
    rounds: int

    @property
    def size(self) -> tuple[int, int]:
        return self.side, self.side

    def make(self) -> d2l.Classifier:
        return getattr(lift(self.page), self.model)(*self.args)


def cases(device: torch.device) -> list[Case]:
    """The six networks; on a GPU the large ones take more images."""
    num_train, num_val = (12_800, 2_560) if device.type == "cuda" else (512, 128)
    large = {"num_train": num_train, "num_val": num_val, "rounds": 5}
    return [
        Case("LeNet", "7-6-lenet", "LeNet", (), 28, 60_000, 10_000, rounds=9),
        Case("AlexNet", "8-1-alexnet", "AlexNet", (), 224, **large),
        Case("VGG", "8-2-vgg", "VGG", (VGG_ARCH,), 224, **large),
        Case("NiN", "8-3-nin", "NiN", (), 224, **large),
        Case("GoogLeNet", "8-4-googlenet", "GoogLeNet", (), 96, **large),
        Case("ResNet-18", "8-6-resnet", "ResNet", (), 96, **large),
    ]


def dtype_of(case: Case, device: torch.device) -> torch.dtype:
    """The precision that `helpers` chooses."""
    return fast_dtype(device, summary(build(case), (1, *case.size)).macs)


def build(case: Case) -> d2l.Classifier:
    """A new network whose lazy layers have their shapes; the same weights every time."""
    torch.manual_seed(0)
    model = case.make()
    with torch.no_grad():
        model.eval()(torch.zeros(1, 1, *case.size))
    return model


@contextlib.contextmanager
def silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def d2l_epoch(model: d2l.Classifier, data: d2l.DataModule, curves: bool) -> None:
    model.board.display = curves
    trainer = d2l.Trainer(max_epochs=1, num_gpus=int(torch.cuda.is_available()))
    with silence():
        trainer.fit(model, data)
    plt.close("all")


def plain_epoch(model: d2l.Classifier, data: d2l.DataModule, device: torch.device) -> None:
    """The loop of PyTorch's tutorials, which reads the loss at every step."""
    model.to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=model.lr)
    for X, y in DataLoader(data.train, batch_size=BATCH, shuffle=True, num_workers=2):
        X, y = X.to(device), y.to(device)
        loss = F.cross_entropy(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
    model.eval()
    correct = 0
    with torch.no_grad():
        for X, y in DataLoader(data.val, batch_size=BATCH, num_workers=2):
            X, y = X.to(device), y.to(device)
            correct += (model(X).argmax(1) == y).sum().item()


def helpers_epoch(
    model: d2l.Classifier, data: FashionMNIST, dtype: torch.dtype | None = None
) -> None:
    with silence():
        Trainer(max_epochs=1, dtype=dtype).fit(model, data)


def bare_epoch(
    model: d2l.Classifier, train: tuple, val: tuple, size: tuple[int, int], dtype: torch.dtype
) -> None:
    """The least that can be written. `train`, `val`: images, uint8 or float32, and labels."""
    device = train[1].device
    model.to(device).to(memory_format=torch.channels_last).train()
    optim = torch.optim.SGD(model.parameters(), lr=model.lr, fused=True)
    order = torch.randperm(len(train[1])).to(device)
    for index in order.split(BATCH):
        X, y = prepare(train[0][index], size), train[1][index]
        with torch.autocast(device.type, torch.bfloat16, dtype == torch.bfloat16):
            y_hat = model(X)
        loss = F.cross_entropy(y_hat.float(), y)
        optim.zero_grad()
        loss.backward()
        optim.step()
    model.eval()
    correct = torch.zeros((), dtype=torch.long, device=device)
    with torch.no_grad():
        for images, y in zip(val[0].split(BATCH), val[1].split(BATCH), strict=True):
            correct += (model(prepare(images, size)).argmax(1) == y).sum()
    correct.item()


def prepare(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Float images as they are; bytes scaled and enlarged."""
    if images.dtype == torch.uint8:
        images = F.interpolate(images / 255, size, mode="bilinear", antialias=True)
    return images


def our_data(case: Case) -> FashionMNIST:
    """The images of a case, as this book holds them."""
    data = FashionMNIST(batch_size=BATCH, resize=case.size)
    if data.source != "Fashion-MNIST":
        sys.exit("benchmarks need the real data: set BOOK_DATA to the folder of FashionMNIST/raw")
    data.train = data.train[torch.arange(case.num_train)]
    data.val = data.val[torch.arange(case.num_val)]
    return data


def their_data(case: Case, root: str) -> d2l.DataModule:
    """The images of a case, as d2l holds them; `root` is a folder that it may write to."""
    d2l.DataModule.__init__.__defaults__ = (root, 4)
    data = d2l.FashionMNIST(batch_size=BATCH, resize=case.size)
    data.train = Subset(data.train, range(case.num_train))
    data.val = Subset(data.val, range(case.num_val))
    return data


def prepare_way(way: str, case: Case, root: str) -> Callable[[], Callable[[], None]]:
    """A function that builds a new network and returns the epoch to be timed."""
    device = best_device()
    if way in (D2L, NO_CURVES):
        InteractiveShell.instance()  # figures are rendered as in a notebook
        d2l.use_svg_display()
        epoch = partial(d2l_epoch, data=their_data(case, root), curves=way == D2L)
    elif way == PLAIN:
        epoch = partial(plain_epoch, data=their_data(case, root), device=device)
    elif way in (HELPERS, FLOAT32):
        dtype = torch.float32 if way == FLOAT32 else None
        epoch = partial(helpers_epoch, data=our_data(case), dtype=dtype)
    else:
        ours = our_data(case)
        train, val = (
            (part.images / 255 if part.images.shape[-2:] == case.size else part.images, part.labels)
            for part in (ours.train, ours.val)
        )
        dtype = dtype_of(case, device)
        epoch = partial(bare_epoch, train=train, val=val, size=case.size, dtype=dtype)
    return lambda: partial(epoch, build(case))


def measure(case: Case, root: str) -> dict[str, list[float]]:
    """Seconds of one epoch in each round, by the way of training."""
    with contextlib.ExitStack() as stack:
        ways = {
            way: stack.enter_context(isolated(prepare_way, way, case, root, environment={}))
            for way in WAYS
        }
        seconds = alternate(ways, case.rounds)
    images = f"{case.num_train:,} + {case.num_val:,} images of {case.side}×{case.side}"
    report(f"one epoch of {case.name}, {images}", seconds, BARE)
    of_d2l = statistics.median(seconds[D2L])
    for way in (FLOAT32, HELPERS):
        ratios = [theirs / ours for theirs, ours in zip(seconds[D2L], seconds[way], strict=True)]
        ratio, least, most = of_d2l / statistics.median(seconds[way]), min(ratios), max(ratios)
        print(f"  {way}: {ratio:.2f} times as fast as d2l, by round {least:.2f} to {most:.2f}")
    sys.stdout.flush()
    return seconds


def main(folder: Path = RESULTS, chosen: list[Case] | None = None) -> None:
    os.environ["BOOK_PROFILE"] = "full"
    device = best_device()
    chosen = chosen or cases(device)
    our_data(chosen[0])  # downloads what is missing
    networks = {}
    with tempfile.TemporaryDirectory() as root:
        # torchvision unpacks beside the archives, so that d2l gets a copy of its own
        if (data_root() / "FashionMNIST").is_dir():
            shutil.copytree(data_root() / "FashionMNIST", Path(root) / "FashionMNIST")
        torchvision.datasets.FashionMNIST(root, download=True)
        for case in chosen:
            rounds = measure(case, root)
            networks[case.name] = {
                "side": case.side, "num_train": case.num_train, "num_val": case.num_val,
                "dtype": str(dtype_of(case, device)).removeprefix("torch."), "rounds": case.rounds,
                "seconds": {way: statistics.median(each) for way, each in rounds.items()},
                "every": rounds,
            }  # fmt: skip
    name = describe_device(device)
    result = {
        "device": name,
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__.split("+")[0],
        "torchvision": torchvision.__version__.split("+")[0],
        "batch": BATCH,
        "networks": networks,
    }
    folder.mkdir(exist_ok=True)
    target = folder / f"{'-'.join(re.findall(r'[a-z0-9]+', name.lower()))}.json"
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten: {target}")


if __name__ == "__main__":
    main()
