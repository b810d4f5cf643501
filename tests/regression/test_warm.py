"""A kernel that is a fork is a kernel like any other: its settings, its interrupt, its end."""

import os
import threading
import time
from pathlib import Path

import pytest
from nbval.kernel import CURRENT_ENV_KERNEL_NAME

from tests.regression import warm
from tests.regression.kernel import Kernel

if not warm.possible():
    pytest.skip("only on Linux and with one thread (make test-all) is a kernel a fork",
                allow_module_level=True)  # fmt: skip
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    server = warm.Warm({**os.environ, "WHO": "the server"})
    yield server
    server.close()


@pytest.fixture
def kernel(server, tmp_path):
    env = {**os.environ, "WHO": "a page"}
    kernel = Kernel(CURRENT_ENV_KERNEL_NAME, server.command, tmp_path, env, 120)
    yield kernel
    kernel.stop()


def printed(kernel: Kernel, source: str) -> str:
    return "".join(event.get("text", "") for event in kernel.run(source, 60, 10)[1])


def test_it_has_pytorch_and_settings_of_its_own(kernel, tmp_path):
    facts = "os.environ['WHO'], os.getcwd(), 'torch' in sys.modules, 'matplotlib' in sys.modules"
    found = printed(kernel, f"import os, sys; print(*({facts}), sep='|', end='')").split("|")
    # Matplotlib reads its settings when it is imported: not before the page has set them
    assert found == ["a page", str(tmp_path), "True", "False"]


def test_two_kernels_draw_other_random_numbers(server, kernel, tmp_path):
    other = Kernel(CURRENT_ENV_KERNEL_NAME, server.command, tmp_path, dict(os.environ), 120)
    draw = "import numpy, random; print(numpy.random.random(), random.random())"
    assert not {*printed(kernel, draw).split()} & {*printed(other, draw).split()}
    other.stop()


def test_it_can_be_interrupted_and_goes_on(kernel):
    threading.Timer(2, kernel.km.interrupt_kernel).start()
    reply, _ = kernel.run("import time; time.sleep(50)", 60, 10)
    assert reply["ename"] == "KeyboardInterrupt"
    assert printed(kernel, "print(6 * 7)") == "42\n"


def test_it_ends_with_what_stands_for_it(kernel):
    process = Path("/proc", printed(kernel, "import os; print(os.getpid(), end='')"))
    assert process.exists()
    kernel.km.shutdown_kernel(now=True)
    deadline = time.monotonic() + 10
    while process.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not process.exists()
