"""Run notebooks where nothing of the book is: in an empty folder and a fresh environment.

    python -m tools.fresh python3.12            all notebooks of the last build
    python -m tools.fresh python3.12 7-5 8-3    those whose names begin so

If the Python that is named has no torch, an environment with torch, torchvision, numpy and
ipykernel is made once, inside `.venv`. Each notebook gets a copy of it, so that all of them find
the same bare runtime. Whatever else they need they install themselves, from the network.
BOOK_PROFILE is `check` unless it is set; BOOK_DATA is kept.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from tools.pages import ROOT

NOTEBOOKS = ROOT / "_build" / "html" / "notebooks"
PURELIB = "import sysconfig; print(sysconfig.get_path('purelib'))"


class FreshKernels(KernelSpecManager):
    """Knows one kernel: that of one interpreter."""

    def __init__(self, python: Path) -> None:
        super().__init__()
        self.python = python

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="fresh", language="python")


def site_packages(python: Path) -> Path:
    run = subprocess.run([python, "-c", PURELIB], check=True, capture_output=True, text=True)
    return Path(run.stdout.strip())


def copy_environment(python: Path, folder: Path, without: str = "") -> Path:
    """Make an environment with the packages of another; return its interpreter.

    Args:
        python: Interpreter of the environment to copy.
        folder: Where to make the new one; the packages are linked, not copied.
        without: What is left out: names of packages that begin so.
    """
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    made = folder / "bin" / "python"
    target = site_packages(made)
    for entry in site_packages(python).iterdir():
        if not (without and entry.name.startswith(without)):
            (target / entry.name).symlink_to(entry.resolve())
    return made


def run(notebook: NotebookNode, python: Path, folder: Path, **variables: str) -> NotebookNode:
    """Execute a notebook in place, in a folder of its own that is also its home.

    Args:
        notebook: The notebook; its outputs are replaced.
        python: Interpreter of the environment that has its kernel.
        folder: Empty folder to run in.
        variables: Environment variables for the kernel.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    hidden = ("PYTHON", "VIRTUAL_ENV", "JUPYTER", "BOOK_", "XDG_", "MPL", "IPYTHON")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_name="fresh", kernel_spec_manager=FreshKernels(python)),
        timeout=1800,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(cleanup_kc=True, env={**environment, "HOME": str(folder), **variables})
    return notebook


def bare_environment(python: str) -> Path:
    """An interpreter with the packages of a bare runtime: the one named, or one made of it."""
    probe = [python, "-c", "import ipykernel, torch, torchvision"]
    if subprocess.run(probe, capture_output=True).returncode == 0:
        return Path(python)
    folder = Path(sys.prefix, "bare", Path(python).name)
    made, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.is_file():
        requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
        pair = re.findall(r"^(?:torch|torchvision)==\S+$", requirements, flags=re.M)
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [made, "-m", "pip", "install", "--quiet", *pair, "numpy", "ipykernel"]
        subprocess.run(pip, check=True)
        ready.touch()
    return made


def main(python: str, *names: str) -> int:
    """Run the notebooks, print what each took; return how many failed."""
    bare, failed = bare_environment(python), 0
    variables = {"BOOK_PROFILE": "check"}
    variables |= {k: v for k, v in os.environ.items() if k.startswith("BOOK_")}
    for path in sorted((NOTEBOOKS / "chapters").rglob("*.ipynb")):
        if names and not path.stem.startswith(names):
            continue
        start, fault = time.perf_counter(), ""
        with tempfile.TemporaryDirectory() as folder:
            fresh = copy_environment(bare, Path(folder, "environment"))
            Path(folder, "home").mkdir()
            try:
                run(nbformat.read(path, 4), fresh, Path(folder, "home"), **variables)
            except CellExecutionError as error:
                failed, fault = failed + 1, f": {error.ename}: {error.evalue}"
        print(f"{path.stem}: {time.perf_counter() - start:.0f} s{fault or ', runs'}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
