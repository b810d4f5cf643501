"""What every test starts from: profile `check`, no data, no network, no window for figures.

And the compiled site, which several files look at: it is compiled once, for all processes.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import matplotlib
import pytest
from filelock import FileLock

from tools.browser import FLAGS, find_chromium
from tools.pages import ROOT

matplotlib.use("Agg")
CHROMIUM = find_chromium()

TESTED = ROOT / "_build" / "tested"
HTML, INSTRUCTOR = TESTED / "_build" / "html", TESTED / "_build" / "instructor"
PUBLISHED = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "owner/name",
    "BOOK_URL": "https://owner.github.io/name/",
}


def pytest_collection_modifyitems(items):
    """Mark what asks for a browser or the compiled site: `make test-all` tests that.

    Pages come first, then the files with the most tests, so that the last ones are short.
    """
    many = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.suffix != ".ipynb", -many[item.path]))
    for item in items:
        if {"browser", "log"} & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(autouse=True)
def hermetic(monkeypatch, tmp_path):
    """Set the profile, point the data folder to nowhere, and refuse connections to other hosts."""
    monkeypatch.setenv("BOOK_PROFILE", "check")
    monkeypatch.setenv("BOOK_DATA", str(tmp_path / "no-data"))
    monkeypatch.delenv("BOOK_DEVICE", raising=False)
    connect = socket.socket.connect

    def refuse(self, address):
        if self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1", "localhost"):
            return connect(self, address)
        raise OSError("the network is closed in tests")

    def look_up(host, *args, **kwargs):
        raise OSError("the network is closed in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def compile_site() -> str:
    """Compile the site as it is published, from the beginning; return what was printed."""
    shutil.rmtree(TESTED, ignore_errors=True)
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", ".", "-W", "-n", "--keep-going", "--path-output", TESTED]
    environment = {**os.environ, "JUPYTER_PLATFORM_DIRS": "1", **PUBLISHED}
    environment["BOOK_INSTRUCTOR"] = str(INSTRUCTOR)
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return f"exit status {run.returncode}\n{run.stdout}{run.stderr}"


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What compiling the site printed; the first process that asks compiles it for all.

    `BOOK_TESTED=kept` takes the site that an earlier run has left, for quick work on the tests.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # the processes of this run have it in common
    kept = TESTED / "log.txt"
    with FileLock(folder / "site.lock"):
        done = folder / "site.txt"
        if os.environ.get("BOOK_TESTED") == "kept" and kept.is_file():
            shutil.copy(kept, done)
        if not done.is_file():
            done.write_text(compile_site(), encoding="utf-8")
            shutil.copy(done, kept)
        printed = done.read_text(encoding="utf-8")
    assert printed.startswith("exit status 0\n"), printed[-5000:]
    return printed


@pytest.fixture(scope="session")
def browser():
    """One for all tests of a process: two drivers of browsers do not go together."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: CI has to install it")
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
