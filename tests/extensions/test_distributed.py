"""The launcher: a page as a script, and the errors of the command."""

import os

import pytest

from extensions import distributed

PAGE = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
---

# A page

```{code-cell} ipython3
import matplotlib.pyplot as plt
from helpers.distributed import current_team

plt.plot([1, 2])
print(f"{current_team().size} processes")
```

```{code-cell} ipython3
:tags: [raises-exception]

raise ValueError(
    "as expected"
)
```

```{code-cell} ipython3
with open(f"rank-{current_team().rank}", "w") as file:
    file.write("here")
```
"""


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "9-9-page.md"
    path.write_text(PAGE)
    return path


def test_a_page_becomes_a_script_that_catches_the_errors_it_is_to_show(page):
    script = distributed.write_script(page, page.parent)
    compile(script, "page", "exec")
    assert "try:\n    raise ValueError(" in script
    assert "# # A page" in script


def test_a_page_runs_in_two_processes_of_which_one_prints_and_draws(page, monkeypatch, capfd):
    monkeypatch.setattr(distributed, "FIGURES", page.parent / "figures")
    monkeypatch.setenv("BOOK_DEVICE", "cpu")
    assert distributed.launch(page, 2, []) == 0
    printed = capfd.readouterr().out
    assert printed.count("2 processes") == printed.count("ValueError: as expected") == 1
    assert sorted(os.listdir(page.parent)) == ["9-9-page.md", "figures", "rank-0", "rank-1"]
    assert [path.name for path in (page.parent / "figures").rglob("*.png")] == ["figure-1.png"]


def test_a_page_that_fails_ends_with_a_status_that_says_so(page, capfd):
    page.write_text(PAGE.replace("plt.plot([1, 2])", "1 / 0"))
    assert distributed.launch(page, 2, []) != 0
    assert "ZeroDivisionError" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["7-6"], ["7-6", "two"], ["7-6", "0"]])
def test_the_command_says_what_it_needs(arguments, capsys):
    assert distributed.main(arguments) == 2
    assert "name a page and a number of processes" in capsys.readouterr().err


def test_an_unknown_page_is_named(capsys):
    assert distributed.main(["7-66-nothing", "2"]) == 2
    assert "7-66-nothing" in capsys.readouterr().err
