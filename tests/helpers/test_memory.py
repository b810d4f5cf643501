import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.memory import OTHERS, keep_freed_memory

LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
glibc = pytest.mark.skipif(
    sys.platform != "linux" or not os.confstr("CS_GNU_LIBC_VERSION"),
    reason="only the GNU C Library, on Linux, can keep memory",
)

# One large tensor; then steps that allocate 80 MiB in eight tensors, and free them, as in training.
STEPS = """
import os
import resource
import helpers, torch

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    return [torch.ones(5 * 2**19) for _ in range(8)]

before = faults()
large = torch.ones(2**26)
per_mebibyte = (faults() - before) / 256
del large
for _ in range(5):
    step()
before = faults()
for _ in range(20):
    step()
print(per_mebibyte, (faults() - before) / 20, os.environ.get("THP_MEM_ALLOC_ENABLE"))
"""


def page_faults(**environment: str) -> tuple[float, float, str]:
    """Page faults per MiB of a large tensor, and per step; what is left of the variable."""
    settings = ("BOOK_MEMORY", "THP_MEM_ALLOC_ENABLE", "MALLOC_", "GLIBC_TUNABLES")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(settings)}
    done = subprocess.run(
        [sys.executable, "-c", STEPS],
        env=inherited | environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    large, again, variable = done.stdout.split()
    return float(large), float(again), variable


@glibc
def test_a_step_finds_the_memory_that_the_step_before_has_freed():
    _, again, _ = page_faults()
    # Of 20,480 pages. Without the setting none or all, depending on where the heap lies.
    assert again < 100


class Library:
    """A C library whose mallopt notes what it is told."""

    def __init__(self, answer: int):
        self.answer, self.told = answer, []

    def mallopt(self, name: int, value: int) -> int:
        self.told.append((name, value))
        return self.answer


@pytest.mark.parametrize("answer", [1, 0])
def test_what_the_c_library_is_told(monkeypatch, answer):
    library = Library(answer)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    for name in ("BOOK_MEMORY", *OTHERS):
        monkeypatch.delenv(name, raising=False)
    assert keep_freed_memory() is bool(answer)
    trim, mmap = (-1, 256 * 2**20), (-3, 32 * 2**20)  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    assert library.told == [trim, mmap][: 1 + answer]
    library.told.clear()
    monkeypatch.setenv("BOOK_MEMORY", "system")
    assert keep_freed_memory() is False and library.told == []


@glibc
@pytest.mark.skipif(
    not LARGE_PAGES.exists() or "[madvise]" not in LARGE_PAGES.read_text(),
    reason="this system gives large pages to every program or to none",
)
def test_a_large_tensor_lies_on_large_pages_unless_the_user_does_not_want_them():
    large, _, left = page_faults()
    small, again, still = page_faults(THP_MEM_ALLOC_ENABLE="0")
    system, _, _ = page_faults(BOOK_MEMORY="system")
    assert large < small / 2 and large < system / 2
    assert again < 100  # kept all the same
    assert (left, still) == ("None", "0")  # not passed on to other programs; the user's stays


@pytest.mark.parametrize(
    "name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"]
)
def test_what_the_user_has_told_the_c_library_stands(monkeypatch, name):
    library = Library(1)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    monkeypatch.delenv("BOOK_MEMORY", raising=False)
    monkeypatch.setenv(name, "glibc.malloc.check=0")
    assert keep_freed_memory() is False and library.told == []


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_nothing_is_set_where_there_is_no_glibc(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert keep_freed_memory() is False


def test_an_unknown_setting_is_named_with_the_cure(monkeypatch):
    monkeypatch.setenv("BOOK_MEMORY", "big")
    with pytest.raises(ValueError, match="BOOK_MEMORY='big' is unknown: it is 'keep' or 'system'"):
        keep_freed_memory()
