"""A browser without a window, for what is drawn: the book on paper, pictures of its figures."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def find_chromium() -> str | None:
    """The browser's program: BOOK_CHROMIUM, else what the path has."""
    names = ("chromium", "google-chrome", "chromium-browser")
    return os.environ.get("BOOK_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, started for the block.

    Raises:
        ValueError: there is none.
    """
    program = find_chromium()
    if program is None:
        raise ValueError("no Chromium on the path (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()
