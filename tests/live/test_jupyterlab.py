"""A view in JupyterLab: a still figure in a notebook that was opened, alive in one that was run."""

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from extensions.notebooks.bundle import set_up_cells
from helpers.live import padding_stride

TOKEN = "token"
KERNEL = '{{"argv": ["{python}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"], '
KERNEL += '"display_name": "Python 3", "language": "python"}}'


def carried() -> nbformat.NotebookNode:
    """The view in a notebook that brings all it needs, as the site offers it."""
    code = "from helpers.live import padding_stride\n\npadding_stride()"
    cell = new_code_cell(code, execution_count=1)
    bundle = padding_stride()._repr_mimebundle_()
    cell.outputs = [new_output("execute_result", data=bundle, execution_count=1)]
    (unpack,) = (c for c in set_up_cells([cell]) if "FILES" in c.source)
    notebook = new_notebook(cells=[unpack, cell])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    return notebook


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on loopback, in a folder and with settings of its own; returns its address."""
    nbformat.write(carried(), tmp_path / "notebook.ipynb")
    kernel = tmp_path / "share" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(KERNEL.format(python=sys.executable))
    homes = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "IPYTHONDIR", "HOME")}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= homes | {"JUPYTER_PATH": str(tmp_path / "share")}
    port = 18_000 + os.getpid() % 10_000
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={tmp_path}"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while "is running at" not in (tmp_path / "log").read_text():
        assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.5)
    yield f"http://127.0.0.1:{port}/lab/tree/notebook.ipynb?token={TOKEN}"
    server.terminate()
    server.wait(timeout=20)


@pytest.mark.slow
def test_a_view_in_jupyterlab(browser, lab, monkeypatch):
    monkeypatch.undo()
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.goto(lab)
    still = page.locator(".jp-OutputArea-output .still img")
    still.wait_for(timeout=60_000)
    assert still.evaluate("image => image.naturalWidth") > 0  # an untrusted notebook
    assert page.locator(".alive").count() == 0
    for prompt in ("[2]:", "[4]:"):  # run again, the files that it has unpacked lie elsewhere
        page.locator("text=/Python 3 .* Idle/").first.wait_for(timeout=60_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.locator(".jp-OutputPrompt", has_text=prompt).wait_for(timeout=60_000)
        page.wait_for_selector(".alive", timeout=60_000)
    assert page.locator(".alive").count() == 1
    window = page.get_by_role("slider", name="Window along the row")
    window.scroll_into_view_if_needed()
    window.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("[aria-label='Window along the row'][aria-valuenow='2']")
    slider = page.get_by_role("slider", name="padding")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('.said').textContent.includes('padding 0')")
    assert slider.evaluate("slider => slider === document.activeElement")
    if folder := os.environ.get("BOOK_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / "jupyterlab.png"))
    page.close()
