"""The kernel of a page: nbval's, with the network refused and cells executed as Jupyter does."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.manager import KernelManager
from nbval.kernel import NbvalKernelspecManager, RunningKernel

OUTPUTS = (
    "stream",
    "display_data",
    "update_display_data",
    "execute_result",
    "error",
    "clear_output",
)
CLOSE_NETWORK = """
def _close_network():
    import ipaddress, socket
    real = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex", "sendto")}
    look_up = socket.getaddrinfo

    def allow(host):
        try:
            inside = host in (None, "", "localhost") or ipaddress.ip_address(host).is_loopback
        except ValueError:
            inside = False
        if not inside:
            raise OSError("network is closed in tests")

    def guarded(name):
        def method(self, *arguments):
            address = arguments[-1]
            if self.family != getattr(socket, "AF_UNIX", None):
                allow(address[0])
            return real[name](self, *arguments)
        return method

    def getaddrinfo(host, *arguments, **options):
        allow(host.decode() if isinstance(host, bytes) else host)
        return look_up(host, *arguments, **options)

    for name in real:
        setattr(socket.socket, name, guarded(name))
    socket.getaddrinfo = getaddrinfo

_close_network()
del _close_network
"""


class CellFailure(Exception):
    """What is wrong with a cell or a recording, one text for each problem."""


class Kernel(RunningKernel):
    """nbval's kernel with an environment of its own and the network refused.

    Args:
        name: The kernel specification.
        command: What starts the kernel, in place of the specification's command.
        cwd: The folder of the page.
        env: The variables of the kernel.
        startup_timeout: How long it may take to start, in seconds.
    """

    def __init__(
        self,
        name: str,
        command: list[str] | None,
        cwd: Path,
        env: dict[str, str],
        startup_timeout: float,
    ) -> None:
        self.km = KernelManager(kernel_name=name, kernel_spec_manager=NbvalKernelspecManager())
        if command:
            self.km.kernel_spec.argv = command
        self.km.start_kernel(stderr=subprocess.DEVNULL, cwd=str(cwd), env=env)
        self.kc = self.km.client()
        self.kc.start_channels()
        try:
            self.kc.wait_for_ready(timeout=startup_timeout)
        except RuntimeError:
            self.kc.stop_channels()
            self.km.shutdown_kernel(now=True)
            raise
        self._ensure_iopub_up()
        reply = self.kc.execute_interactive(
            CLOSE_NETWORK, silent=True, allow_stdin=False, timeout=startup_timeout
        )
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"the network was not closed: {reply['content']}")

    def run(
        self, source: str, timeout: float, output_timeout: float
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Execute a cell as Jupyter does, its history stored.

        Returns:
            The content of the kernel's reply, and the outputs in the order they were sent.

        Raises:
            CellFailure: The kernel died, or the time is over.
        """
        request = self.kc.execute(
            source, store_history=True, allow_stdin=False, stop_on_error=False
        )
        deadline, limit = time.monotonic() + timeout, timeout
        reply: dict[str, Any] | None = None
        events: list[dict[str, Any]] = []
        idle = False
        while reply is None or not idle:
            if reply is None and (message := self._poll("shell", request, 0)):
                reply = message["content"]
                deadline, limit = time.monotonic() + output_timeout, output_timeout
            message = self._poll("iopub", request, 0.05 if idle else 0.2)
            if message and message["msg_type"] == "status":
                idle = message["content"]["execution_state"] == "idle"
            elif message and message["msg_type"] in OUTPUTS:
                events.append({"output_type": message["msg_type"], **message["content"]})
            elif not message and not self.is_alive():
                raise CellFailure("the kernel died")
            elif time.monotonic() > deadline:
                state = "executing the cell" if reply is None else "waiting for its outputs"
                raise CellFailure(f"timeout of {limit:g} seconds exceeded {state}")
        return reply, events

    def _poll(self, channel: str, request: str, timeout: float) -> dict[str, Any] | None:
        try:
            message = self.get_message(channel, timeout=timeout)
        except Empty:
            return None
        ours = message["parent_header"].get("msg_id") == request
        # a thread that an earlier cell started can update its display while this cell runs
        return message if ours or message["msg_type"] == "update_display_data" else None
