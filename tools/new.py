"""Begin a section: a page, its recording, its test and its entries, which pass at once.

    python -m tools.new 8-7-densenet

The page is held to the rules for all pages from the start; the limits of what is drawn bind it when
its name leaves BEGUN in tools/style.py.
"""

import re
import sys
from pathlib import Path

from tests.regression import floor
from tools.export import main as export
from tools.pages import ROOT, find_pages, recording_of
from tools.record import record

PAGE = '''\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3 (ipykernel)
  language: python
  name: python3
---

(sec-{name})=
# {title}

% In a clone of the book, run this notebook with the kernel of its .venv (`make ready` installs it).

The scene: a question that a reader has, told in two short paragraphs.

*You will be able to*

- build something;
- predict something;
- explain something.

*Before you start*: what is needed, with links; minutes of reading, minutes of machine.

```{{code-cell}} ipython3
:tags: [hide-cell]

import torch
from torch import Tensor
```

## The operator

The idea in words, then the operator by plain loops.

```{{code-cell}} ipython3
:tags: [export]

def double(X: Tensor) -> Tensor:
    """Twice X, of any shape."""
    return X + X
```

```{{code-cell}} ipython3
:tags: [proof]

# @title double equals a multiplication
torch.manual_seed(0)
for shape in [(3,), (2, 3)]:
    X = torch.randn(shape)
    torch.testing.assert_close(double(X), 2 * X)
print("✓ double equals a multiplication on 2 shapes")
```

## Summary

- What holds, with a link to an equation, a figure or a run.

## Exercises

## Sources, and what is not reproduced

Whom this page follows, and what it leaves out.
'''
TEST = '''\
"""Section {number}: {title}."""

import torch

from helpers.sections.{module} import double


def test_double_by_hand():
    assert double(torch.tensor([1, -2])).tolist() == [2, -4]
'''


def begin(stem: str, root: Path = ROOT) -> list[Path]:
    """Write the files of a new section; return their paths.

    Raises:
        ValueError: the name is not of the form 8-7-densenet, is taken, or has no chapter.
    """
    match = re.fullmatch(r"(\d+)-(\d+)-([a-z0-9]+(?:-[a-z0-9]+)*)", stem)
    if not match:
        raise ValueError(f"{stem!r} is no name of a section: write it like 8-7-densenet")
    chapter, section, name = match.groups()
    others = [p for p in find_pages(root) if p.stem.startswith(f"{chapter}-")]
    if not others:
        raise ValueError(f"there is no chapter {chapter}: make its folder, index and entry first")
    if taken := [p.stem for p in others if p.stem.startswith(f"{chapter}-{section}-")]:
        raise ValueError(f"{chapter}.{section} is taken by {taken[0]}: choose another number")
    title, module = name.replace("-", " ").capitalize(), name.replace("-", "_")
    page = others[0].parent / f"{stem}.md"
    test = root / "tests" / f"test_{chapter}_{section}_{module}.py"
    page.write_text(PAGE.format(name=name, title=title), encoding="utf-8")
    test.write_text(
        TEST.format(number=f"{chapter}.{section}", title=title, module=module), encoding="utf-8"
    )
    entry = page.relative_to(root).with_suffix("").as_posix()
    last = others[-1].relative_to(root).with_suffix("").as_posix()
    changed = [
        (root / "_toc.yml", f"          - file: {last}\n", f"          - file: {entry}\n"),
        (root / "tools" / "style.py", "BEGUN: list[str] = [", f'"{chapter}-{section}", '),
        (
            page.parent / "index.md",
            r"^\|[^\n]*<sec-[^\n]*\|\n(?=\n)",
            f"| {{numref}}`%s <sec-{name}>` {{ref}}`sec-{name}` | the question | what you build | "
            "minutes |\n",
        ),
    ]
    for path, after, line in changed:
        text = path.read_text(encoding="utf-8")
        found = re.search(after if after[0] == "^" else re.escape(after), text, flags=re.M)
        if not found:
            raise ValueError(f"{path.name} has no place for the entry, below {after!r}")
        end = found.end()
        path.write_text(text[:end] + line + text[end:], encoding="utf-8")
    return [page, test, *(path for path, _, _ in changed)]


def main(stem: str) -> int:
    try:
        written = begin(stem)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    written.append(record(written[0]))
    export([stem])
    refused = floor.update(ROOT, [recording_of(written[0])])
    print(*(path.relative_to(ROOT) for path in written), *refused, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
