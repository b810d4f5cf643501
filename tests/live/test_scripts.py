"""The scripts' types and style, by TypeScript and ESLint; for development only."""

import subprocess

import pytest

from tools.pages import ROOT

FOLDER = ROOT / "tools" / "js"


@pytest.mark.slow
def test_types_and_style_of_the_scripts():
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("no Node packages: make test-all installs them where it finds npm")
    run = subprocess.run(
        ["npm", "run", "--silent", "check"], cwd=FOLDER, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
