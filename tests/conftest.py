"""What every test starts from: profile `check`, no data, no network, no window for figures."""

import socket

import matplotlib
import pytest

matplotlib.use("Agg")


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
