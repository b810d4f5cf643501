"""What depends on the machine: devices, precision, processes, and files that outlive a kill."""

import contextlib
import logging
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # the history tells the precision
LARGE_NETWORK = 10_000_000  # multiply-adds an image above which bfloat16 gains time


def best_device() -> torch.device:
    """The device that BOOK_DEVICE names, else an accelerator (CUDA or MPS), else the CPU.

    Each of several processes that `torchrun` has started takes the GPU with its own number.
    ValueError: BOOK_DEVICE names a device that is not here.
    """
    found = torch.accelerator.current_accelerator(check_available=True)
    here = ["cpu", *([found.type] if found and found.type in ("cuda", "mps") else [])]
    wanted = os.environ.get("BOOK_DEVICE", "").strip() or here[-1]
    if not re.fullmatch(rf"({'|'.join(here)})(:\d+)?", wanted):
        raise ValueError(
            f"BOOK_DEVICE={wanted!r} is not a device of this machine; it has {', '.join(here)}. "
            "Unset BOOK_DEVICE to take the best one."
        )
    number = os.environ.get("LOCAL_RANK") if wanted == "cuda" else None
    return torch.device(wanted if number is None else f"cuda:{number}")


def fast_dtype(device: torch.device, macs: int) -> torch.dtype:
    """The precision in which a network of `macs` multiply-adds an image trains fastest.

    bfloat16 for large networks, on GPUs since Ampere and on CPUs that have instructions for it
    (AMX, AVX-512 BF16); else float32.
    """
    fast = False
    if device.type == "cuda" and macs > LARGE_NETWORK:
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
    elif device.type == "cpu" and macs > LARGE_NETWORK:
        has = torch.cpu.get_capabilities()
        fast = bool(has.get("amx_bf16") or has.get("avx512_bf16"))
    return torch.bfloat16 if fast else torch.float32


def launch(device: torch.device, dtype: torch.dtype) -> Fabric:
    """Lightning's Fabric for this process, joined to the others that `torchrun` has started."""
    world_size = int(os.environ.get("WORLD_SIZE", 1))
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    index = [device.index] if device.index is not None else 1
    fabric = Fabric(
        accelerator=device.type,
        devices=index if world_size == 1 else local_size,
        num_nodes=world_size // local_size,
        strategy="auto" if world_size == 1 else DDPStrategy(broadcast_buffers=False),
        precision="bf16-mixed" if dtype == torch.bfloat16 else "32-true",
    )
    fabric.launch()
    return fabric


def describe_device(device: torch.device) -> str:
    """The device in words: a GPU's name, or the CPU with its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    cpu = f"CPU, {threads} thread{'s' if threads != 1 else ''}"
    return cpu if device.type == "cpu" else device.type.upper()


def folder(variable: str, *below: str) -> Path:
    """The folder that a variable of the environment names; else one in the user's cache."""
    if named := os.environ.get(variable, "").strip():
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "").strip() or "~/.cache"
    return Path(cache, "convolutional-networks-executed", *below).expanduser()


def data_root() -> Path:
    """Folder that holds, or will hold, `FashionMNIST/raw`: BOOK_DATA, else the cache folder."""
    return folder("BOOK_DATA")


def save(path: Path, state: dict[str, Any]) -> bool:
    """Replace the file as a whole by one that holds `state`; whether that succeeded.

    If the disk is full, or the folder has gone, a warning says so and the old file stays.
    """
    part = path.with_name(path.name + ".part")
    try:
        torch.save(state, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # PyTorch reports a full disk as a RuntimeError
        part.unlink(missing_ok=True)
        text = f"{str(path)!r} could not be saved: {error}. What was saved before is still there."
        warnings.warn(text, stacklevel=2)
        return False
    return True


def load(path: Path) -> dict[str, Any] | None:
    """What `save` has saved, on the CPU; None if there is no such file. It cannot run code.

    ValueError: the file is damaged, or its folder is missing or cannot be written to.
    """
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"{str(path)!r} cannot be written: name a folder that you may write to.")
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        return None
    except Exception as error:  # pickle, zip and PyTorch each have errors of their own
        raise ValueError(
            f"checkpoint {str(path)!r} is damaged ({type(error).__name__}). "
            "Delete it, or name another file, to start again."
        ) from error


@contextlib.contextmanager
def reserved(path: Path) -> Iterator[None]:
    """Keep other processes out by a lock; wait while another has it. A kill frees it."""
    lock = FileLock(path)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        print(f"Another process is training {path.stem}: waiting for it to end.", flush=True)
        held = lock.acquire()
    with held:
        yield
