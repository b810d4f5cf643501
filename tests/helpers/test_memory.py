import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.memory import keep_freed_memory

LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
glibc = pytest.mark.skipif(
    sys.platform != "linux" or not os.confstr("CS_GNU_LIBC_VERSION"),
    reason="only the GNU C Library, on Linux, can keep memory",
)

# One large tensor; then steps that allocate 80 MiB in eight tensors, and free them, as in training.
STEPS = """
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
print(per_mebibyte, (faults() - before) / 20)
"""


def page_faults(**environment: str) -> tuple[float, float]:
    """Page faults per MiB of a large tensor, and per step of one that is allocated again."""
    settings = ("BOOK_MEMORY", "THP_MEM_ALLOC_ENABLE", "MALLOC_", "GLIBC_TUNABLES")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(settings)}
    done = subprocess.run(
        [sys.executable, "-c", STEPS],
        env=inherited | environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    large, again = map(float, done.stdout.split())
    return large, again


@glibc
def test_a_step_finds_the_memory_that_the_step_before_has_freed():
    _, again = page_faults()
    assert (
        again < 100
    )  # of 20,480 pages; without the setting none or all, as the heap happens to lie


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
    monkeypatch.delenv("BOOK_MEMORY", raising=False)
    assert keep_freed_memory() is bool(answer)
    trim, mmap = (-1, 256 * 2**20), (-3, 32 * 2**20)  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    assert library.told == [trim, mmap][: 1 + answer]
    library.told.clear()
    monkeypatch.setenv("BOOK_MEMORY", "system")
    assert keep_freed_memory() is False and library.told == []


@glibc
@pytest.mark.skipif(
    "[never]" in (LARGE_PAGES.read_text() if LARGE_PAGES.exists() else "[never]"),
    reason="this system gives no large pages",
)
def test_a_large_tensor_lies_on_large_pages_unless_the_user_does_not_want_them():
    large, _ = page_faults()
    small, again = page_faults(THP_MEM_ALLOC_ENABLE="0")
    assert large < 64 < 200 < small  # a page for each 4 KiB is 256 a MiB
    assert again < 100  # kept all the same


def test_the_choice_of_large_pages_is_not_passed_on_to_other_programs():
    assert "THP_MEM_ALLOC_ENABLE" not in os.environ


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_nothing_is_set_where_there_is_no_glibc(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert keep_freed_memory() is False


def test_an_unknown_setting_is_named_with_the_cure(monkeypatch):
    monkeypatch.setenv("BOOK_MEMORY", "big")
    with pytest.raises(ValueError, match="BOOK_MEMORY='big' is unknown: it is 'keep' or 'system'"):
        keep_freed_memory()
