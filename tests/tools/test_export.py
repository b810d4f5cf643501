"""What pages export, and the modules that are made of it."""

import subprocess
import sys

import pytest

from tools.export import SECTIONS, module_name, module_source, modules
from tools.pages import ROOT

PAGE = """\
# A page

```{{code-cell}} ipython3
import math
from torch import Tensor, nn
```

```{{code-cell}} ipython3
:tags: [{tags}]

{code}
```
"""
AREA = 'def area(r: float) -> float:\n    """Of a disc."""\n    return math.pi * r**2'


@pytest.fixture
def page(tmp_path):
    def write(code=AREA, tags="export", name="7-9-round-things"):
        path = tmp_path / f"{name}.md"
        path.write_text(PAGE.format(tags=tags, code=code))
        return path

    return write


def test_the_modules_are_in_step_with_the_pages():
    expected = modules()
    written = {path for path in (ROOT / SECTIONS).glob("*.py") if path.stem != "__init__"}
    assert written == expected.keys(), "make export"
    for path, text in expected.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: make export"


def test_a_module_holds_the_cell_the_imports_it_needs_and_its_section(page):
    text = module_source(page())
    assert text == (
        '"""What section 7.9, A page, builds; `make export` writes it."""\n\n'
        f"import math\n\n\n{AREA}\n"
    )
    assert module_name(page()) == "round_things"


def test_a_page_that_exports_nothing_has_no_module(page):
    assert module_source(page(tags="lesson")) is None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def f(x):\n    return helper(x)", "use helper, which"),
        ("def f(x):\n    return x\n\n\ndef f(y):\n    return y", "exports f twice"),
        ("r = 1\nprint(r)", r"does more than define: 'print\(r\)'"),
    ],
)
def test_what_could_not_stand_alone_is_refused(page, code, message):
    with pytest.raises(ValueError, match=message):
        module_source(page(code))


@pytest.mark.slow
def test_exported_modules_import_without_the_rest_of_the_book():
    names = sorted(path.stem for path in (ROOT / SECTIONS).glob("[a-z]*.py"))
    code = "".join(f"import helpers.sections.{name}\n" for name in names)
    subprocess.run([sys.executable, "-c", code], check=True)
