"""Record pages: execute each Markdown source and write the notebook beside it.

    python -m tools.record                         every page that has code
    python -m tools.record chapters/…/7-5-pooling  these pages
    python -m tools.record --text …                take over changed prose and metadata only

The profile comes from BOOK_PROFILE; without it pages are recorded at `full`.
"""

import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from helpers.live.view import emptied
from tools.pages import KERNELSPEC, ROOT, find_pages, read_source, recording_of, resolve

WIDGET = "application/vnd.jupyter.widget-view+json"


def clean(notebook: NotebookNode, root: Path = ROOT) -> NotebookNode:
    """Take out of the outputs what differs from run to run or names this machine.

    Closed progress bars go with their state, live views lose their scripts, which the site and the
    notebooks fill in, a traceback keeps its last line, and paths lose the
    part above the repository or the user's home.
    """
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = hide_paths(output.text, root)
                if not output.text.strip():
                    continue
            elif output.output_type == "error":
                output.evalue = hide_paths(output.evalue, root)
                output.traceback = [f"{output.ename}: {output.evalue}"]
            elif WIDGET in output.get("data", {}):
                continue
            elif "text/html" in output.get("data", {}):
                output.data["text/html"] = emptied(output.data["text/html"])
            kept.append(output)
        cell.outputs = kept
    return notebook


def hide_paths(text: str, root: Path) -> str:
    text = text.replace(f"{root}{os.sep}", "").replace(str(Path.home()), "~")
    return re.sub(r"\S*/site-packages/", "", text)


def environment() -> dict[str, str]:
    """Variables of the kernel, the profile among them."""
    return {**os.environ, "BOOK_PROFILE": os.environ.get("BOOK_PROFILE") or "full"}


def record(page: Path) -> Path:
    """Execute one page and write its recording, with what it was made on; return its path.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed; the old recording stays.
        RuntimeError: the real data were out of reach; the old recording stays.
    """
    notebook = read_source(page)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=3600,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(page.parent)}},
    )
    client.execute(env=environment())
    refuse_substitute(notebook)
    notebook.metadata.pop("language_info", None)
    notebook.metadata["kernelspec"] = dict(KERNELSPEC)
    notebook.metadata["book"] = conditions()
    target = recording_of(page)
    nbformat.write(clean(notebook), target)
    return target


def take_over_text(page: Path) -> Path:
    """Bring a recording into step with a page whose prose has changed, and whose code has not.

    Raises:
        ValueError: there is no recording, or the code differs: the page has to be executed.
    """
    notebook, target = read_source(page), recording_of(page)
    old = nbformat.read(target, as_version=4) if target.is_file() else nbformat.v4.new_notebook()
    recorded = [cell for cell in old.cells if cell.cell_type == "code"]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.source for cell in code] != [cell.source for cell in recorded]:
        raise ValueError(f"the code of {page.stem} differs from its recording: record it")
    for new, was in zip(code, recorded, strict=True):
        new.outputs, new.execution_count = was.outputs, was.execution_count
    notebook.metadata = old.metadata
    notebook.metadata.pop("widgets", None)
    nbformat.write(notebook, target)
    return target


def refuse_substitute(notebook: NotebookNode) -> None:
    """Keep a recording from being made on the digits because the real data were out of reach.

    Raises:
        RuntimeError: a cell has announced the substitute.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "Notice: no Fashion-MNIST" in output.get("text", ""):
                raise RuntimeError(f"not recorded: {output.text.strip()}")


def conditions() -> dict[str, str]:
    """What a recording is made on: profile, device, and versions of Python and PyTorch."""
    import platform

    import torch

    from helpers.device import best_device, describe_device

    return {
        "profile": environment()["BOOK_PROFILE"],
        "device": describe_device(best_device()),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
    }


def main(names: list[str]) -> int:
    write = record
    if names[:1] == ["--text"]:
        write, names = take_over_text, names[1:]
    try:
        pages = [resolve(name) for name in names] or find_pages()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for page in pages:
        print(f"{page.relative_to(ROOT)} …", end=" ", flush=True)
        start = time.perf_counter()
        try:
            write(page)
        except (ValueError, RuntimeError) as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{time.perf_counter() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
