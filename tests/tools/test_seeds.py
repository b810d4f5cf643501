"""`make seeds` sees what fails under other seeds, notes both sides of bounds, and goes on."""

import json

import jupytext
import nbformat
import pytest

from tools import seeds
from tools.seeds import Notes, Run, margin, report

IMPORTS = """
import random
import numpy as np
import torch
"""
DRAW = """
torch.manual_seed(3)
generator = torch.Generator().manual_seed(4)
drawn = [torch.initial_seed(), generator.initial_seed()]
np.random.seed(5)
by_numpy = np.random.rand()
random.seed(6)
by_python = random.random()
"""
CLAIM = """
x = drawn[0] / 1000
assert 0 < x < 2
assert abs(x - 1) < 0.25 and x != 7
assert [x, 2 * x, 9] == sorted([x, 2 * x, 9])
assert drawn == [3, 4]
after = True
for y in (x, 2 * x):
    assert (torch.tensor([y, 3.0]) < 3.5).all()
def checked():
    assert x < 0
try:
    checked()
except AssertionError:
    caught = True
"""
LAST = """
assert after and caught
torch.testing.assert_close(torch.tensor([1.0, x]), torch.tensor([1.0, 1.0]), rtol=0, atol=1)
print(nothing)
"""
RAISES = "1 / 0"


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """What the tool notes about a small page, seeds shifted by 900 and by 1100."""
    folder = tmp_path_factory.mktemp("book")
    page = folder / "page.md"
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in (IMPORTS, DRAW, CLAIM, LAST)]
    )
    expected = nbformat.v4.new_code_cell(RAISES, metadata={"tags": ["raises-exception"]})
    quiet = nbformat.v4.new_code_cell("1 / 1", metadata={"tags": ["raises-exception"]})
    notebook.cells += [expected, quiet]
    jupytext.write(notebook, page, fmt="md:myst")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds, "ROOT_OF_RESULTS", folder / "seeds")
        runs = [Run(page, 900), Run(page, 1100)]
        return {run: run.do() for run in runs}
