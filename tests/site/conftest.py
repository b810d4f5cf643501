"""The browser that looks at the compiled site, and the server that it asks."""

import functools
import http.server
import threading
from collections.abc import Iterator

import pytest

from tests.conftest import HTML
from tests.test_book import SOURCES
from tools.pages import ROOT

PATHS = ["index", "how-to-run", *(p.relative_to(ROOT).with_suffix("").as_posix() for p in SOURCES)]
of_every_path = pytest.mark.parametrize("path", PATHS)


@pytest.fixture(scope="session")
def address(log: str) -> Iterator[str]:
    """The site, served on loopback from a folder below the root, as on a project's pages."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def translate_path(self, path):
            return super().translate_path(path.removeprefix("/book"))

    handler = functools.partial(Quiet, directory=str(HTML))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/book"
    server.shutdown()


@pytest.fixture
def allow_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the driver of the browser back what the hermetic fixture took."""
    monkeypatch.undo()


@pytest.fixture
def page(allow_loopback, browser):
    """An empty page, 1280 pixels wide, in light mode; `page.faults` collects what goes wrong."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, color_scheme="light", reduced_motion="reduce"
    )
    page = context.new_page()
    page.faults = []
    page.on("console", lambda m: page.faults.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("response", lambda r: page.faults.append(r.url) if r.status >= 400 else None)
    yield page
    context.close()
