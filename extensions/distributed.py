"""Run a page in several processes: turn it into a script and launch that with `torchrun`.

    python -m extensions.distributed 7-6-lenet 2          two processes on this machine
    python -m extensions.distributed 7-6-lenet 8 --nnodes=2 --rdzv-backend=c10d \
        --rdzv-endpoint=HOST:29500                        eight on each of two machines

What follows the number goes to torchrun in place of `--standalone`; start the same command on
every machine. On GPUs, start as many processes as there are GPUs. Process 0 alone prints, and saves
the figures that are open at the end below _build/distributed.
"""

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import jupytext

from tools.pages import ROOT, resolve

FIGURES = ROOT / "_build" / "distributed"
BEFORE = """\
import os, sys
from helpers.device import best_device
from helpers.distributed import join
TEAM = join(best_device())
if not TEAM.leads:
    sys.stdout = open(os.devnull, "w")
"""
AFTER = """\
if TEAM.leads:
    import matplotlib.pyplot as plt
    os.makedirs({folder!r}, exist_ok=True)
    for number in plt.get_fignums():
        plt.figure(number).savefig(os.path.join({folder!r}, f"figure-{{number}}.png"))
"""
EXPECTED = """\
try:
{cell}
except Exception as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""


def write_script(page: Path, folder: Path) -> str:
    """The page as a Python script, whose figures go into `folder`.

    A cell that is to fail, as its tag `raises-exception` says, prints its error.
    """
    notebook = jupytext.read(page)
    for cell in notebook.cells:
        if "raises-exception" in cell.metadata.get("tags", []):
            cell.source = EXPECTED.format(cell=textwrap.indent(cell.source, "    "))
    body = jupytext.writes(notebook, fmt="py:percent")
    return f"{BEFORE}\n{body}\n{AFTER.format(folder=str(folder))}"


def launch(page: Path, processes: int, options: list[str]) -> int:
    """Run the page in that many processes on this machine; return torchrun's exit status."""
    threads = max(1, (os.cpu_count() or 1) // processes)
    environment = {
        "OMP_NUM_THREADS": str(threads),
        **os.environ,
        "MPLBACKEND": "agg",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / f"{page.stem}.py"
        script.write_text(write_script(page, FIGURES / page.stem), encoding="utf-8")
        command = [sys.executable, "-m", "torch.distributed.run", *(options or ["--standalone"])]
        command += [f"--nproc-per-node={processes}", str(script)]
        return subprocess.run(command, cwd=page.parent, env=environment, check=False).returncode


def main(arguments: list[str]) -> int:
    if len(arguments) < 2 or not arguments[1].isdecimal() or int(arguments[1]) < 1:
        print("name a page and a number of processes: 7-6-lenet 2", file=sys.stderr)
        return 2
    try:
        page = resolve(arguments[0])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return launch(page, int(arguments[1]), arguments[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
