"""Sphinx extension: a page takes its outputs from the recording beside it.

Every page is a MyST Markdown file whose recording (the same cells, with outputs) is the notebook of
the same name. Before the sources are read, each recording is put into jupyter-cache, where MyST-NB
looks for a page's outputs by the hash of its code. So an ordinary build executes nothing, and a
page whose code has changed since it was recorded is executed again, by itself.
"""

import hashlib
from pathlib import Path
from typing import cast

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.sphinx_ import SphinxEnvType
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from tools.pages import read_recording, recording_of

logger = logging.getLogger(__name__)


def fill_cache(app: Sphinx) -> None:
    """Put the recording of every page into jupyter-cache, in place of an older one."""
    config = cast(SphinxEnvType, app.env).mystnb_config
    cache = get_cache(config.execution_cache_path)
    cache.change_cache_limit(10_000)
    recorded = 0
    for docname in sorted(app.project.docnames or app.project.discover()):
        recording = recording_of(Path(app.env.doc2path(docname)))
        if not recording.is_file():
            continue
        notebook = read_recording(recording)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        if code and all(cell.execution_count for cell in code):
            bundle = CacheBundleIn(notebook, str(recording), data={"execution_seconds": 0})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            recorded += 1
    logger.info("recordings: %d pages take their outputs from the notebooks beside them", recorded)


def depend_on_recording(app: Sphinx, docname: str, content: list[str]) -> None:
    """Read a page again when its recording has changed, although its source has not."""
    recording = recording_of(Path(app.env.doc2path(docname)))
    if recording.is_file():
        app.env.note_dependency(str(recording))


def before_reading(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    fill_cache(app)


def version_of_the_extensions() -> str:
    """Another one whenever their code has changed: Sphinx then makes every page anew."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def setup(app: Sphinx) -> dict[str, bool | str]:
    app.connect("env-before-read-docs", before_reading)
    app.connect("source-read", depend_on_recording)
    return {
        "env_version": version_of_the_extensions(),
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
