"""Memory on Linux: what one training step frees, the next step finds again.

A step allocates and frees the same tensors as the step before. By default glibc gives the large
ones back to the system, and others too, depending on where they lie in the heap. The system then
clears every page anew when it is touched, in every step.
"""

import ctypes
import os
import sys

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of mallopt's parameters, by number
KEPT = 256 * 2**20  # bytes that may lie free at the top of the heap
LARGEST = 32 * 2**20  # bytes of the largest block that is kept; the most that glibc documents
LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"
OTHERS = "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"


def keep_freed_memory() -> bool:
    """Keep blocks of up to 32 MiB in this process, and let larger ones lie on pages of 2 MiB.

    The heap is given back only from 256 MiB on that lie free at its top. Larger blocks still go
    back at once; on large pages they cost fewer page faults when they come again.

    BOOK_MEMORY=system leaves all as the system has it, and so do the variables by which glibc
    itself is set. PyTorch decides on large pages when it allocates its first tensor.

    Returns:
        Whether the C library has accepted it: only glibc does, so not on macOS or Windows.

    Raises:
        ValueError: BOOK_MEMORY is unknown.

    Source: mallopt(3) and malloc.h of the GNU C Library; THP_MEM_ALLOC_ENABLE of PyTorch.
    """
    wanted = os.environ.get("BOOK_MEMORY", "").strip() or "keep"
    if wanted not in ("keep", "system"):
        raise ValueError(f"BOOK_MEMORY={wanted!r} is unknown: it is 'keep' or 'system'.")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if wanted == "system" or mallopt is None or any(name in os.environ for name in OTHERS):
        return False
    if LARGE_PAGES not in os.environ:
        os.environ[LARGE_PAGES] = "1"
        torch.empty(1)  # reads it, once and for all
        del os.environ[LARGE_PAGES]
    return bool(mallopt(TRIM_THRESHOLD, KEPT) and mallopt(MMAP_THRESHOLD, LARGEST))
