"""Fashion-MNIST as one tensor of bytes on the device, in the form of d2l's data modules."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from http.client import HTTPException
from pathlib import Path
from typing import Literal
from urllib.request import urlopen

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.datasets import FashionMNIST as Source

from helpers.device import best_device, data_root
from helpers.profile import PROFILES, Profile, current_profile

try:
    from d2l import torch as d2l
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "d2l is missing, on which this book builds: pip install --no-deps d2l==1.0.3", name="d2l"
    ) from None

FASHION_CLASSES = (
    "t-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
DIGIT_CLASSES = tuple("0123456789")
md5_of = partial(hashlib.md5, usedforsecurity=False)
NETWORK_TIMEOUT = 20  # seconds without an answer after which the network counts as absent
FILES = {  # MD5 sums of what the files hold, unpacked
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


@dataclass(frozen=True)
class ImageSet:
    """Images, uint8 of shape (N, 1, H, W), and labels, int64 of shape (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor) -> "ImageSet":
        return ImageSet(self.images[index], self.labels[index])

    def to(self, device: torch.device) -> "ImageSet":
        return ImageSet(self.images.to(device), self.labels.to(device))


@dataclass
class BatchLoader:
    """Minibatches (X, y) of an image set, on the device where it lies.

    X is float32 in [0, 1] of shape (B, 1, height, width), y is int64 of shape (B,). Each pass over
    a shuffled loader is a new permutation, which depends on the seed alone. A single image that is
    left at the end joins the last minibatch: to normalise, it takes two.
    """

    data: ImageSet
    batch_size: int  # of all processes together
    size: tuple[int, int]  # height and width of the images in a minibatch, in pixels
    seed: int | None = None  # of the order; None for the order of the set
    augment: Callable[[Tensor], Tensor] | None = None  # what changes each X
    rank: int = 0  # of this process, among so many that share every minibatch:
    world_size: int = 1

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed or 0)

    @property
    def sizes(self) -> list[int]:
        """Number of images in each minibatch, of all processes together."""
        whole, left = divmod(len(self.data), self.batch_size)
        sizes = [self.batch_size] * whole + [left] * (left > 0)
        return [*sizes[:-2], sizes[-2] + 1] if left == 1 and whole else sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def part(self, index: Tensor) -> Tensor:
        """This process's part of a minibatch; all of it where that would be a single image."""
        parts = index.tensor_split(self.world_size)
        return parts[self.rank] if len(parts[-1]) > 1 else index

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.arange(len(self.data))
        if self.seed is not None:
            order = torch.randperm(len(self.data), generator=self.generator)
        for index in order.to(self.data.labels.device).split(self.sizes):
            batch = self.data[self.part(index)]
            X = to_float(batch.images, self.size)
            yield X if self.augment is None else self.augment(X), batch.labels


def to_float(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale uint8 images (N, 1, H, W) to float32 in [0, 1] and to `size`, antialiased."""
    X = images / 255
    if X.shape[-2:] == size:
        return X
    return F.interpolate(X, size, mode="bilinear", align_corners=False, antialias=True)


class FashionMNIST(d2l.DataModule):
    """Fashion-MNIST, or the part or substitute of it that the profile allows.

    `train` and `val` are image sets, `source` is the name of the data set that is really used,
    `class_names` has its classes by label. A subclass may define `augment(X)`, which changes the
    training minibatches.

    Args:
        batch_size: Images in a minibatch.
        resize: Height and width of the images in a batch, in pixels.
        num_train: Budget of a study: so many training images, taken evenly from all classes, in
            `quick` as in `full`; the other arguments hold there, too. None for all.
        validation: "test" validates on the test images, as the syllabus does; "train" holds a
            sixth of the training images back for it, so that nothing is chosen on test images.
        seed: Of the order of the batches.

    Raises:
        ValueError: an argument is out of range, or a data file is damaged.

    Source: Xiao, Rasul and Vollgraf (2017); the digits: Alpaydin and Kaynak (1998).
    """

    augment: Callable[[Tensor], Tensor] | None = None

    def __init__(
        self,
        batch_size: int = 128,
        resize: tuple[int, int] = (28, 28),
        *,
        num_train: int | None = None,
        validation: Literal["test", "train"] = "test",
        seed: int = 0,
    ):
        for name, value in (("batch_size", batch_size), ("num_train", num_train)):
            if value is not None and value < 1:
                raise ValueError(f"{name}={value} is below 1.")
        if not (isinstance(resize, tuple) and len(resize) == 2 and min(resize) >= 1):
            cure = "give (height, width) in pixels, for example resize=(28, 28)"
            raise ValueError(f"resize={resize!r} is no image size: {cure}.")
        if validation not in ("test", "train"):
            raise ValueError(f"validation={validation!r} is unknown: it is 'test' or 'train'.")
        super().__init__(root=str(data_root()), num_workers=0)
        profile = current_profile()
        if num_train is not None and profile.data != "digits":
            profile = PROFILES["full"]
        self.size = profile.size(resize)
        self.batch_size = profile.batch(batch_size, self.size)
        self.resize, self.validation, self.seed, self.profile = resize, validation, seed, profile
        self.asked = {"batch_size": batch_size, "num_train": num_train}  # besides what stands above
        train, test, self.source, self.class_names = load(profile, data_root())
        if validation == "train":
            test, train = split(train, len(train) // 6)
        allowed = part(train, profile.images(self.size))
        self.train = part(allowed, num_train or len(allowed)).to(best_device())
        self.val = part(test, profile.validation_images(self.size)).to(best_device())

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def get_dataloader(self, train: bool) -> BatchLoader:
        """Batches of the training images, shuffled, or of the validation images, in order."""
        if not train:
            return BatchLoader(self.val, self.batch_size, self.size)
        return BatchLoader(self.train, self.batch_size, self.size, self.seed, self.augment)

    def text_labels(self, indices: Tensor | list[int]) -> list[str]:
        """Class names of labels; ValueError for one that is out of range."""
        labels = [int(i) for i in indices]
        if wrong := [label for label in labels if not 0 <= label < self.num_classes]:
            has = f"{self.source} has classes 0 to {self.num_classes - 1}"
            raise ValueError(f"label {wrong[0]} is out of range: {has}.")
        return [self.class_names[label] for label in labels]

    def describe(self) -> str:
        """One line: data set, numbers of images, size in pixels."""
        height, width = self.size
        return f"{self.source}, {len(self.train):,} + {len(self.val):,} images of {height}×{width}"


def load(profile: Profile, root: Path) -> tuple[ImageSet, ImageSet, str, tuple[str, ...]]:
    """Training set, test set, name and class names of the data that the profile asks for.

    Without the data and without a network the digits take its place, and a line says so.
    """
    if profile.data != "digits":
        raw = root / "FashionMNIST" / "raw"
        try:
            download(raw)
            arrays = [read_idx(raw / name, md5) for name, md5 in FILES.items()]
            train, test = (ImageSet(arrays[i][:, None], arrays[i + 1].long()) for i in (0, 2))
            return train, test, "Fashion-MNIST", FASHION_CLASSES
        except OSError as error:
            print(
                f"Notice: no Fashion-MNIST in {root} and no network ({error}). "
                "The 1,797 handwritten digits of scikit-learn take its place; "
                "set BOOK_DATA to the folder that holds FashionMNIST/raw to change that."
            )
    return *read_digits(), "handwritten digits", DIGIT_CLASSES


def download(raw: Path) -> None:
    """Fetch those of the four files that are there neither packed nor unpacked, each as a whole.

    OSError: the network or the folder is out of reach, or what has arrived is damaged.
    """
    raw.mkdir(parents=True, exist_ok=True)
    for name, md5 in Source.resources:
        path, content = raw / name, b""
        if path.exists() or path.with_suffix("").exists():
            continue
        address = Source.mirrors[0] + name
        with suppress(HTTPException), urlopen(address, timeout=NETWORK_TIMEOUT) as answer:
            content = answer.read()  # whole, or not at all
        if md5_of(content).hexdigest() != md5:
            raise OSError(f"{name} has arrived damaged")
        part = path.with_suffix(".part")
        part.write_bytes(content)
        os.replace(part, path)


def read_idx(path: Path, md5: str) -> Tensor:
    """Read an IDX file of bytes, or the gzipped one: two zeros, a type, the number of axes, data.

    ValueError: what it holds has another MD5 sum.
    """
    path = path if path.exists() else path.with_name(path.name + ".gz")
    content = path.read_bytes()
    if path.suffix == ".gz":
        with suppress(EOFError, gzip.BadGzipFile, zlib.error):
            content = gzip.decompress(content)
    if md5_of(content).hexdigest() != md5:
        found = f"{path} is damaged or incomplete ({path.stat().st_size:,} bytes)"
        raise ValueError(f"{found}. Delete it; the next run downloads it again.")
    shape = np.frombuffer(content, dtype=">i4", count=content[3], offset=4)
    data = np.frombuffer(content, dtype=np.uint8, offset=4 + shape.nbytes)
    return torch.tensor(data.reshape(shape))


@cache
def stored_digits() -> ImageSet:
    """All of scikit-learn's digits; its file is text, which takes long to read."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.from_numpy((digits.images * (255 / 16)).round().astype(np.uint8))[:, None]
    return ImageSet(images, torch.from_numpy(digits.target).long())


def read_digits() -> tuple[ImageSet, ImageSet]:
    """The 1,797 digits of scikit-learn, 8×8 pixels, a fifth of each class as test set."""
    test, train = split(stored_digits(), 360)
    return train, test


def split(data: ImageSet, count: int) -> tuple[ImageSet, ImageSet]:
    """`count` images taken evenly from all classes, always the same ones, and the rest."""
    if not 0 < count < len(data):
        raise ValueError(f"cannot take {count:,} of {len(data):,} images.")
    rank = torch.empty(len(data), dtype=torch.long)  # an image's place in its own class
    for label in data.labels.unique():
        members = (data.labels == label).nonzero().flatten()
        shuffled = members[torch.randperm(len(members), generator=torch.Generator().manual_seed(0))]
        rank[shuffled] = torch.arange(len(members))
    order = torch.argsort(rank, stable=True)
    taken, rest = order[:count].sort().values, order[count:].sort().values
    return data[taken], data[rest]


def part(data: ImageSet, count: int) -> ImageSet:
    """The whole set, or `count` images of it taken evenly from all classes."""
    return data if count >= len(data) else split(data, count)[0]
