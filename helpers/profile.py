"""How much a training cell does: the setting of the syllabus, or a documented part of it.

A page always states the full setting. The profile, and nothing else, shrinks it, here.
"""

import os
from dataclasses import dataclass
from typing import Literal

import torch

LARGE = 32  # pixels: an image with a longer side costs so much that the limits are tighter


@dataclass(frozen=True)
class Profile:
    """A budget for training cells. `None` means: no limit.

    Attributes:
        name: What BOOK_PROFILE calls it.
        data: The data set: complete Fashion-MNIST, or the digits that scikit-learn carries.
        num_train: Largest number of training images, taken evenly from all classes.
        num_val: Largest number of images to validate on, taken likewise.
        max_epochs: Largest number of passes over the training images.
        max_side: Largest height and width of an image, in pixels.
        num_train_large: Largest number of training images where a side is above `LARGE`.
        max_batch_large: Largest minibatch there: few images need small batches for enough steps.
        width: Factor on the numbers of channels of the networks of chapter 8.
        speedup: Factor on the learning rates of networks that would not leave their start
            within the few steps that are left.
    """

    name: str
    data: Literal["fashion-mnist", "digits"]
    num_train: int | None = None
    num_val: int | None = None
    max_epochs: int | None = None
    max_side: int | None = None
    num_train_large: int | None = None
    max_batch_large: int | None = None
    width: float = 1.0
    speedup: float = 1.0

    def epochs(self, wanted: int) -> int:
        """Number of epochs that this profile runs where the page asks for `wanted`."""
        return wanted if self.max_epochs is None else min(wanted, self.max_epochs)

    def size(self, wanted: tuple[int, int]) -> tuple[int, int]:
        """Image size (height, width) that this profile uses where the page asks for `wanted`."""
        if self.max_side is None:
            return wanted
        return min(wanted[0], self.max_side), min(wanted[1], self.max_side)

    def images(self, size: tuple[int, int]) -> int | None:
        """Largest number of training images of that size; None for all."""
        return self.num_train_large if max(size) > LARGE else self.num_train

    def batch(self, wanted: int, size: tuple[int, int]) -> int:
        """Minibatch that this profile uses for images of that size where `wanted` is asked for."""
        limited = self.max_batch_large is not None and max(size) > LARGE
        return min(wanted, self.max_batch_large) if limited else wanted

    def channels(self, wanted: int) -> int:
        """Channels, or units of a dense layer, where the page asks for `wanted`: 8 or more."""
        return max(min(wanted, 8), round(wanted * self.width))

    def lr(self, wanted: float) -> float:
        """Learning rate where the page asks for `wanted` and the run has few steps."""
        return wanted * self.speedup


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "check", "digits", num_train=1_437, num_val=360, max_epochs=10, max_side=72,
            num_train_large=1_437, max_batch_large=16, width=0.25, speedup=5,
        ),
        Profile(
            "quick", "fashion-mnist", num_train=12_000, num_val=2_000, max_epochs=10, max_side=72,
            num_train_large=6_000, max_batch_large=32, width=0.25, speedup=3,
        ),
        Profile("full", "fashion-mnist"),
    )
}  # fmt: skip


def current_profile() -> Profile:
    """The profile that BOOK_PROFILE names; without it `full` on a CUDA device, else `quick`.

    Raises:
        ValueError: BOOK_PROFILE names no profile.
    """
    name = os.environ.get("BOOK_PROFILE", "").strip()
    if not name:
        name = "full" if torch.cuda.is_available() else "quick"
    if name not in PROFILES:
        raise ValueError(f"BOOK_PROFILE={name!r} is unknown: set it to {', '.join(PROFILES)}.")
    return PROFILES[name]
