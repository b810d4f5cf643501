"""Fashion-MNIST as one tensor, on the device if it fits, in the form of d2l's data modules."""

import gzip
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from d2l import torch as d2l
from torch import Tensor
from torch.nn import functional as F
from torchvision.datasets import FashionMNIST as Source
from torchvision.datasets.utils import check_integrity, download_url

from helpers.device import best_device, free_memory
from helpers.profile import Profile, current_profile

FASHION_CLASSES = (
    "t-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
DIGIT_CLASSES = tuple("0123456789")
RESIDENT_SHARE = 0.5  # of a device's free memory that a set may take; a larger one is streamed
NETWORK_TIMEOUT = 20  # seconds without an answer after which the network counts as absent


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

    def send(self, device: torch.device) -> "ImageSet":
        """To the device, without waiting for it: a GPU fetches from pinned memory by itself."""
        if self.labels.device.type == device.type:
            return self
        tensors = self.images, self.labels
        if device.type == "cuda":
            tensors = (tensor.pin_memory() for tensor in tensors)
        return ImageSet(*(tensor.to(device, non_blocking=True) for tensor in tensors))


class BatchLoader:
    """Minibatches of an image set, as (X, y), on a device.

    X is float32 in [0, 1] of shape (B, 1, height, width), y is int64 of shape (B,). Each pass over
    a shuffled loader is a new permutation; the sequence of permutations depends on the seed alone,
    not on the device.

    Args:
        data: The images, on the device, or in the CPU's memory if the device's is too small: then
            the bytes of each minibatch are sent while the one before is computed.
        batch_size: Images in a minibatch, of all processes together.
        size: Height and width of the images in a minibatch, in pixels.
        seed: Seed of the order; None for the order of the set.
        device: Where the minibatches are wanted. Default: where the images lie.

    Attributes:
        rank, world_size: Number of this process and of all that share every minibatch.
        sizes: Number of images in each minibatch, of all processes together.
        shares: What this process's mean weighs in the mean over each minibatch; the shares of all
            processes add up to 1.
    """

    def __init__(
        self,
        data: ImageSet,
        batch_size: int,
        size: tuple[int, int],
        seed: int | None = None,
        device: torch.device | None = None,
    ):
        self.data, self.batch_size, self.size = data, batch_size, size
        self.generator = None if seed is None else torch.Generator().manual_seed(seed)
        self.device = data.labels.device if device is None else device
        self.rank, self.world_size = 0, 1

    def __len__(self) -> int:
        return -(-len(self.data) // self.batch_size)

    @property
    def sizes(self) -> list[int]:
        starts = range(0, len(self.data), self.batch_size)
        return [min(self.batch_size, len(self.data) - start) for start in starts]

    @property
    def shares(self) -> list[float]:
        return [
            len(self.part(torch.arange(size)))
            / (size if size >= 2 * self.world_size else size * self.world_size)
            for size in self.sizes
        ]

    def part(self, index: Tensor) -> Tensor:
        """This process's part of a minibatch; all of it where that would be a single image."""
        if len(index) < 2 * self.world_size:  # batch normalisation needs two
            return index
        return index.tensor_split(self.world_size)[self.rank]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count, home = len(self.data), self.data.labels.device
        if self.generator is None:
            order = torch.arange(count)
        else:
            order = torch.randperm(count, generator=self.generator)
        for index in order.to(home).split(self.batch_size):
            batch = self.data[self.part(index)].send(self.device)
            yield to_float(batch.images, self.size), batch.labels


def to_float(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale uint8 images (N, 1, H, W) to float32 in [0, 1] and to `size`, antialiased."""
    X = images / 255
    if X.shape[-2:] != size:
        X = F.interpolate(X, size, mode="bilinear", align_corners=False, antialias=True)
    return X


def place(data: ImageSet, device: torch.device) -> ImageSet:
    """Move a set to the device, unless it would fill too much of the memory that is free there."""
    fits = data.images.nbytes + data.labels.nbytes <= RESIDENT_SHARE * free_memory(device)
    return data.to(device) if fits else data


class FashionMNIST(d2l.DataModule):
    """Fashion-MNIST, or the part or substitute of it that the profile allows.

    Args:
        batch_size: Images in a minibatch.
        resize: Height and width of the images that a batch holds, in pixels.
        validation: "test" validates on the test images, as the syllabus does; "train" holds a
            sixth of the training images back for it, so that nothing is chosen on test images.
        root: Folder that holds `FashionMNIST/raw`. Default: BOOK_DATA, else a cache folder.
        device: Where the batches lie, and the images if its memory holds them. Default: the best
            device.
        seed: Seed of the order of the batches.

    Attributes:
        train, val: `ImageSet`.
        source: Name of the data set that is really used.
        class_names: Its class names, by label.

    Raises:
        ValueError: an argument is out of range, or a data file is damaged; the text says how to
            mend it.

    Source: Xiao, Rasul and Vollgraf (2017); the digits: Alpaydin and Kaynak (1998).
    """

    def __init__(
        self,
        batch_size: int = 128,
        resize: tuple[int, int] = (28, 28),
        *,
        validation: Literal["test", "train"] = "test",
        root: str | Path | None = None,
        device: torch.device | None = None,
        seed: int = 0,
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} is below 1.")
        if not (isinstance(resize, tuple) and len(resize) == 2 and min(resize) >= 1):
            raise ValueError(
                f"resize={resize!r} is no image size: give (height, width) in pixels, "
                "for example resize=(28, 28)."
            )
        if validation not in ("test", "train"):
            raise ValueError(f"validation={validation!r} is unknown: it is 'test' or 'train'.")
        profile = current_profile()
        root = data_root() if root is None else Path(root)
        super().__init__(root=str(root), num_workers=0)
        self.size = profile.size(resize)
        self.batch_size = profile.batch(batch_size, self.size)
        self.resize, self.validation, self.seed, self.profile = resize, validation, seed, profile
        train, test, self.source, self.class_names = load(profile, root)
        if validation == "train":
            test, train = split(train, len(train) // 6)
        self.device = best_device() if device is None else device
        self.train = place(part(train, profile.images(self.size)), self.device)
        self.val = place(part(test, profile.num_val), self.device)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def get_dataloader(self, train: bool) -> BatchLoader:
        """Batches of the training images, shuffled, or of the validation images, in order."""
        data = self.train if train else self.val
        seed = self.seed if train else None
        return BatchLoader(data, self.batch_size, self.size, seed, self.device)

    def text_labels(self, indices: Tensor | list[int]) -> list[str]:
        """Class names of labels.

        Raises:
            ValueError: a label is out of range.
        """
        labels = [int(i) for i in indices]
        for label in labels:
            if not 0 <= label < self.num_classes:
                raise ValueError(
                    f"label {label} is out of range: {self.source} has classes 0 to "
                    f"{self.num_classes - 1}."
                )
        return [self.class_names[label] for label in labels]

    def visualize(
        self,
        batch: tuple[Tensor, Tensor],
        nrows: int = 1,
        ncols: int = 8,
        labels: list[str] | None = None,
    ) -> None:
        """Draw the first `nrows * ncols` images of a batch with their class names."""
        from helpers.plotting import show_images

        X, y = batch
        count = min(nrows * ncols, len(X))
        titles = labels if labels else self.text_labels(y[:count])
        show_images(X[:count, 0], titles[:count], columns=ncols)

    def describe(self) -> str:
        """One line: data set, numbers of images, size in pixels."""
        height, width = self.size
        return f"{self.source}, {len(self.train):,} + {len(self.val):,} images of {height}×{width}"


def data_root() -> Path:
    """Folder of the data: BOOK_DATA, else one in the user's cache."""
    named = os.environ.get("BOOK_DATA", "").strip()
    if named:
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "").strip() or "~/.cache"
    return Path(cache).expanduser() / "convolutional-networks-executed"


def load(profile: Profile, root: Path) -> tuple[ImageSet, ImageSet, str, tuple[str, ...]]:
    """Training set, test set, name and class names of the data that the profile asks for.

    Without the data and without a network the digits take its place, and a line says so.
    """
    if profile.data == "digits":
        return *read_digits(), "handwritten digits", DIGIT_CLASSES
    try:
        fetch(root)
    except OSError as error:
        print(
            f"Notice: no Fashion-MNIST in {root} and no network ({error}). "
            "The 1,797 handwritten digits of scikit-learn take its place; "
            "set BOOK_DATA to the folder that holds FashionMNIST/raw to change that."
        )
        return *read_digits(), "handwritten digits", DIGIT_CLASSES
    return *read_fashion_mnist(root), "Fashion-MNIST", FASHION_CLASSES


def fetch(root: Path) -> None:
    """Download those of the four files that are missing, whole or not at all.

    Raises:
        OSError: the network or the folder is out of reach.
    """
    raw = root / "FashionMNIST" / "raw"
    for name, md5 in Source.resources:
        if (raw / name).exists():
            continue
        raw.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=raw) as folder, network_timeout(NETWORK_TIMEOUT):
            try:
                download_url(Source.mirrors[0] + name, folder, filename=name, md5=md5)
            except RuntimeError as error:  # what arrived fails its check
                raise OSError(str(error)) from error
            os.replace(Path(folder) / name, raw / name)


@contextmanager
def network_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def read_fashion_mnist(root: Path) -> tuple[ImageSet, ImageSet]:
    """Training and test set from the four files below `root`; nothing is unpacked on disk.

    Raises:
        ValueError: a file's MD5 sum is not the published one.
    """
    raw = root / "FashionMNIST" / "raw"
    arrays = []
    for name, md5 in Source.resources:
        if not check_integrity(raw / name, md5):
            raise ValueError(
                f"{raw / name} is damaged or incomplete ({(raw / name).stat().st_size:,} bytes, "
                f"MD5 is not {md5}). Delete it; the next run downloads it again."
            )
        arrays.append(read_idx(raw / name))
    train_images, train_labels, test_images, test_labels = arrays
    return (
        ImageSet(train_images[:, None], train_labels.long()),
        ImageSet(test_images[:, None], test_labels.long()),
    )


def read_idx(path: Path) -> Tensor:
    """Read a gzipped IDX file of bytes: two zeros, a type, the number of axes, sizes, data."""
    with gzip.open(path) as file:
        content = file.read()
    axes = content[3]
    shape = np.frombuffer(content, dtype=">i4", count=axes, offset=4)
    data = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes)
    return torch.from_numpy(data.reshape(tuple(shape)).copy())


def read_digits() -> tuple[ImageSet, ImageSet]:
    """The 1,797 digits of scikit-learn, 8×8 pixels, a fifth of each class as test set."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.from_numpy((digits.images * (255 / 16)).round().astype(np.uint8))[:, None]
    test, train = split(ImageSet(images, torch.from_numpy(digits.target).long()), 360)
    return train, test


def split(data: ImageSet, count: int) -> tuple[ImageSet, ImageSet]:
    """`count` images taken evenly from all classes, and the rest; always the same ones.

    Raises:
        ValueError: there are fewer images than `count`.
    """
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


def part(data: ImageSet, count: int | None) -> ImageSet:
    """The whole set, or `count` images of it taken evenly from all classes."""
    return data if count is None or count >= len(data) else split(data, count)[0]
