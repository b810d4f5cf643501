"""Memory on Linux: what one training step frees, the next step finds again.

A step allocates and frees the same tensors as the step before. Left alone, glibc gives large ones
back to the system, and small ones too, as the heap happens to lie; then every page is cleared anew
in every step.
"""

import ctypes
import os
import sys

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of mallopt's parameters, by number
KEPT = 256 * 2**20  # bytes that may lie free before some are given back
LARGEST = 32 * 2**20  # bytes of a tensor, above which it is given back at once; glibc's limit
LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"


def keep_freed_memory() -> bool:
    """Let this process keep up to 256 MiB that it has freed, and ask for pages of 2 MiB.

    Tensors above 32 MiB still go back at once, so that the peak does not grow by more than what is
    kept; large pages make them cheaper. PyTorch decides on large pages when it allocates its first
    tensor: what was asked for before stands. BOOK_MEMORY=system leaves all as the system has it.

    Returns:
        Whether memory is kept: only glibc can, so not on macOS or Windows.

    Raises:
        ValueError: BOOK_MEMORY is unknown.

    Source: mallopt(3) and malloc.h of the GNU C Library; THP_MEM_ALLOC_ENABLE of PyTorch.
    """
    wanted = os.environ.get("BOOK_MEMORY", "").strip() or "keep"
    if wanted not in ("keep", "system"):
        raise ValueError(f"BOOK_MEMORY={wanted!r} is unknown: it is 'keep' or 'system'.")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if wanted == "system" or mallopt is None:
        return False
    if LARGE_PAGES not in os.environ:
        os.environ[LARGE_PAGES] = "1"
        torch.empty(1)  # reads it, once and for all
        del os.environ[LARGE_PAGES]
    return bool(mallopt(TRIM_THRESHOLD, KEPT) and mallopt(MMAP_THRESHOLD, LARGEST))
