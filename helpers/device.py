"""Where the computation runs, and the seeds that it starts from."""

import os
import random

import numpy as np
import torch


def best_device() -> torch.device:
    """The device that BOOK_DEVICE names, else an accelerator (CUDA, MPS, XPU), else the CPU.

    Of several GPUs, a process that `torchrun` has started takes the one with its own number.

    Raises:
        ValueError: BOOK_DEVICE names a device that PyTorch does not know or does not find here, or
            there are fewer GPUs than processes.
    """
    wanted = os.environ.get("BOOK_DEVICE", "").strip()
    found = torch.accelerator.current_accelerator(check_available=True)
    if found and wanted in ("", found.type) and "LOCAL_RANK" in os.environ:
        return own_device(found.type, int(os.environ["LOCAL_RANK"]))
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


def own_device(kind: str, number: int) -> torch.device:
    """The accelerator for process `number` of this machine, made the current one.

    Raises:
        ValueError: there is none for it.
    """
    count = torch.accelerator.device_count()
    if number >= count:
        raise ValueError(
            f"process {number} of this machine finds no device of its own: there are {count}. "
            "Start as many processes as there are devices, or set BOOK_DEVICE=cpu."
        )
    torch.accelerator.set_device_index(number)
    return torch.device(kind, number)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 faster than in float32: GPUs since Ampere."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def free_memory(device: torch.device) -> float:
    """Bytes that are free on the device; infinite where it shares, or is, the CPU's memory."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else float("inf")


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
