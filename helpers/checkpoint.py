"""Files that hold the state of a training run: always a whole one, never half of one."""

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch


def check_folder(path: Path) -> None:
    """Find out before a run, not after its first epoch, that its file cannot be written.

    Raises:
        ValueError: the folder is missing, or not writable.
    """
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ValueError(
            f"checkpoint {str(path)!r} cannot be written: {error.strerror}. "
            "Name a file in a folder that exists and that you may write to."
        ) from error


def save(path: Path, state: dict[str, Any]) -> bool:
    """Replace the file as a whole by one that holds `state`; return whether that succeeded.

    If the disk is full, or the folder has gone, a warning says so and the old file stays.
    """
    part = path.with_name(path.name + ".part")
    try:
        torch.save(state, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # PyTorch reports a full disk as a RuntimeError
        part.unlink(missing_ok=True)
        warnings.warn(
            f"{str(path)!r} could not be saved: {error}. The program goes on; what was saved "
            "before is still there.",
            stacklevel=2,
        )
        return False
    return True


def load(path: Path) -> dict[str, Any] | None:
    """The saved state, on the CPU; None if there is no such file. It cannot run code.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # pickle, zip and PyTorch each have errors of their own
        raise ValueError(
            f"checkpoint {str(path)!r} is damaged ({type(error).__name__}). "
            "Delete it, or name another file, to start again."
        ) from error
