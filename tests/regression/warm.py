"""Kernels that begin with PyTorch loaded: forks of one process, which imported it once.

A page's imports take 5 to 20 seconds of processor, mostly PyTorch's and torchvision's. Each
process of the tests has one server, `Warm`, and each kernel is a fork of it. Only what keeps no
settings is loaded beforehand: Matplotlib, d2l and the book's modules are imported by the page.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

LOADED = [
    "ipykernel.kernelapp",
    "torch",
    "torchvision",
    "pandas",
    "requests",
    "scipy.signal",
    "sklearn.datasets",
]
STREAMS = [0, 1, 2]
HERE = str(Path(__file__).resolve())


def possible() -> bool:
    """Whether a process that has imported PyTorch may fork: on Linux, and with one thread."""
    return sys.platform == "linux" and os.environ.get("OMP_NUM_THREADS") == "1"


class Warm:
    """The server, and the command that starts a kernel from it.

    Args:
        env: The variables of a kernel; each brings its own later.
    """

    def __init__(self, env: dict[str, str]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="book-")
        address = str(Path(self.folder.name) / "socket")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            listening.listen()
            self.server = subprocess.Popen(
                [sys.executable, HERE, str(listening.fileno())],
                stdin=subprocess.PIPE,
                env=env,
                pass_fds=[listening.fileno()],
            )
        self.command = [sys.executable, HERE, address, "{connection_file}"]

    def close(self) -> None:
        """End the server."""
        assert self.server.stdin
        self.server.stdin.close()
        self.server.wait()
        self.folder.cleanup()


def serve(descriptor: int) -> None:
    """Import, then fork a kernel for each connection, until standard input ends."""
    for name in LOADED:
        importlib.import_module(name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a process with several threads must not fork")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets kernels that have ended
    with socket.socket(fileno=descriptor) as listening:
        while listening in select.select([listening, sys.stdin], [], [])[0]:
            asking = listening.accept()[0]
            if os.fork() == 0:
                listening.close()
                run_kernel(asking)
            asking.close()


def run_kernel(asking: socket.socket) -> None:
    """Be the kernel that the other end describes, for as long as it is there."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    streams = socket.recv_fds(asking, 1, len(STREAMS))[1]
    for stream, given in zip(STREAMS, streams, strict=True):
        os.dup2(given, stream)
    with asking.makefile(encoding="utf-8") as lines:
        asked = json.loads(lines.readline())
    os.environ.clear()
    os.environ.update(asked["env"], JPY_PARENT_PID=str(os.getppid()))  # it ends with the server
    os.chdir(asked["cwd"])
    sys.path[:1] = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.argv = ["ipykernel_launcher.py", "-f", asked["connection_file"]]

    def obey() -> None:
        while asking.recv(1):
            os.kill(os.getpid(), signal.SIGINT)
        os._exit(1)

    threading.Thread(target=obey, daemon=True).start()
    import numpy as np
    from ipykernel.kernelapp import launch_new_instance

    np.random.seed()  # or all kernels would draw the same numbers; `random` sees to it itself
    launch_new_instance()
    os._exit(0)


def ask(address: str, connection_file: str) -> None:
    """Stand for a kernel before Jupyter: hand on what it is given, and end when it ends."""
    asked = {"env": {**os.environ}, "cwd": os.getcwd(), "connection_file": connection_file}
    with socket.socket(socket.AF_UNIX) as kernel, contextlib.suppress(ConnectionError):
        kernel.connect(address)
        socket.send_fds(kernel, [b" "], STREAMS)
        kernel.sendall(json.dumps(asked).encode() + b"\n")
        signal.signal(signal.SIGINT, lambda *_: kernel.send(b"!"))
        kernel.recv(1)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(int(sys.argv[1]))
    else:
        ask(*sys.argv[1:])
