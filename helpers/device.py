"""Where the computation runs, and the seeds that it starts from."""

import os
import random

import numpy as np
import torch


def best_device() -> torch.device:
    """The device that BOOK_DEVICE names, else an accelerator (CUDA, MPS, XPU), else the CPU.

    Raises:
        ValueError: BOOK_DEVICE names a device that PyTorch does not know or does not find here.
    """
    wanted = os.environ.get("BOOK_DEVICE", "").strip()
    found = torch.accelerator.current_accelerator(check_available=True)
    if not wanted:
        return found or torch.device("cpu")
    here = sorted({"cpu", *([found.type] if found else [])})
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or device.type not in here:
        raise ValueError(
            f"BOOK_DEVICE={wanted!r} is not a device of this machine; it has {', '.join(here)}. "
            "Unset BOOK_DEVICE to take the best one."
        )
    return device


def describe_device(device: torch.device) -> str:
    """The device in words: a GPU's name, or the CPU with its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"CPU, {threads} thread{'s' if threads != 1 else ''}"
    return device.type.upper()


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all devices) with one number."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
