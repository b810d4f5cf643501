"""How much a training cell does: the setting of the syllabus, or a documented part of it.

A page always states the full setting. The profile, and nothing else, shrinks it, here.
"""

import os
import sys
from dataclasses import dataclass
from typing import Literal

import torch

LARGE = 32  # pixels: an image with a longer side costs so much that the limits are tighter
NO_LIMIT = sys.maxsize


@dataclass(frozen=True)
class Profile:
    """A budget for training cells: the largest numbers that are used where a page asks for more."""

    name: str  # what BOOK_PROFILE calls it
    data: Literal["fashion-mnist", "digits"]  # complete, or the digits that scikit-learn carries
    num_train: int = NO_LIMIT  # images to train on, taken evenly from all classes
    num_val: int = NO_LIMIT  # images to validate on, likewise
    max_epochs: int = NO_LIMIT
    max_side: int = NO_LIMIT  # height and width of an image, in pixels
    num_train_large: int = NO_LIMIT  # images to train on where a side is above `LARGE`,
    num_val_large: int = NO_LIMIT  # to validate on,
    max_batch_large: int = NO_LIMIT  # and in a minibatch: few need small ones for their steps
    width: float = 1.0  # factor on the numbers of channels of a network for large images
    speedup: float = 1.0  # factor on its learning rate, to leave its start within the few steps
    max_macs: int = NO_LIMIT  # multiply-adds forward in a run, above which its epochs are fewer
    max_epoch_macs: int = NO_LIMIT  # and in an epoch, above which it has fewer images
    max_epoch_steps: int = NO_LIMIT  # minibatches in an epoch, likewise
    max_seeds: int = NO_LIMIT  # of a study; a run of a further seed has one epoch
    max_study_steps: int = NO_LIMIT  # minibatches of a study that a page trains by its own loop

    def epochs(self, wanted: int, macs: int = 1) -> int:
        """Epochs that this profile runs for `wanted`, where one takes `macs` multiply-adds."""
        return min(wanted, self.max_epochs, max(1, self.max_macs // macs))

    def size(self, wanted: tuple[int, int]) -> tuple[int, int]:
        """Image size (height, width) that this profile uses where the page asks for `wanted`."""
        return min(wanted[0], self.max_side), min(wanted[1], self.max_side)

    def images(self, size: tuple[int, int]) -> int:
        """Largest number of training images of that size."""
        return self.num_train_large if max(size) > LARGE else self.num_train

    def validation_images(self, size: tuple[int, int]) -> int:
        """Largest number of images of that size to validate on."""
        return self.num_val_large if max(size) > LARGE else self.num_val

    def batch(self, wanted: int, size: tuple[int, int]) -> int:
        """Minibatch that this profile uses for images of that size where `wanted` is asked for."""
        return min(wanted, self.max_batch_large) if max(size) > LARGE else wanted


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "check", "digits", num_train=1_437, num_val=360, max_epochs=10, max_side=72,
            num_train_large=1_437, num_val_large=90, max_batch_large=16, width=0.25, speedup=5,
            max_macs=10**9, max_epoch_macs=3 * 10**9, max_epoch_steps=6, max_seeds=1,
            max_study_steps=20,
        ),
        Profile(
            "quick", "fashion-mnist", num_val=2_000, max_epochs=10, max_side=72,
            num_train_large=6_000, max_batch_large=32, width=0.25, speedup=3,
            max_epoch_macs=3 * 10**12,
        ),
        Profile("full", "fashion-mnist"),
    )
}  # fmt: skip


def current_profile() -> Profile:
    """The profile that BOOK_PROFILE names; without it `full` on a CUDA device, else `quick`.

    Raises:
        ValueError: BOOK_PROFILE names no profile.
    """
    best = "full" if torch.cuda.is_available() else "quick"
    name = os.environ.get("BOOK_PROFILE", "").strip() or best
    if name not in PROFILES:
        raise ValueError(f"BOOK_PROFILE={name!r} is unknown: set it to {', '.join(PROFILES)}.")
    return PROFILES[name]


def seeds(wanted: int) -> range:
    """The seeds of a study, 0 and on; a single one at `check`, where only the code is tested."""
    return range(min(wanted, current_profile().max_seeds))


def study_steps(wanted: int) -> int:
    """The steps of a study that a page trains by its own loop; few at `check`, as above."""
    return min(wanted, current_profile().max_study_steps)
