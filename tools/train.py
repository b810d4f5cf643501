"""Train the headline runs of a page, or of all pages, and keep them in the store of runs.

    python -m tools.train              all pages
    python -m tools.train 7-6-lenet    one page, or a draft by its path

Nothing is trained that is in the store already; what was stopped goes on after its last whole
epoch. Of a page, the cells tagged `hide-cell` (imports), `export` (definitions) and `headline` are
executed, in this order of the page: a headline cell depends on nothing else.
"""

import contextlib
import copy
import io
import linecache
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from d2l import torch as d2l
from torch import nn
from tqdm.auto import tqdm

from helpers import runs
from helpers.data import FashionMNIST
from helpers.fitting import prepare
from helpers.history import RESULTS, History
from helpers.training import Trainer
from tools.pages import find_pages, read_source, resolve

TAGS = {"hide-cell", "export", "headline"}
THREADS = 2
STEPS = 6  # batches that are timed, after as many that are not


@dataclass
class Run:
    """A headline run: its name, the epochs that are there, those that it is to have, and hours."""

    name: str
    done: int
    epochs: int
    hours: float

    def __str__(self) -> str:
        if self.done == self.epochs:
            return f"{self.name}: finished"
        return f"{self.name}: {self.done} of {self.epochs} epochs, {self.hours:.2f} hours to go"


class Reporter(Trainer):
    """A trainer that prints a line after every epoch."""

    def end_epoch(self) -> None:
        super().end_epoch()
        h = self.history
        left = (self.max_epochs - len(h)) * sum(h.seconds) / len(h) / 3600
        tqdm.write(
            f"{h.model}, epoch {len(h)} of {self.max_epochs}: loss {h.train_loss[-1]:.3f} and "
            f"{h.val_loss[-1]:.3f}, accuracy {h.val_acc[-1]:.3f}, {h.seconds[-1]:.1f} s; "
            f"{left:.2f} hours to go",
            file=sys.stdout,
        )
        sys.stdout.flush()


def execute(page: Path, train: Callable[..., History]) -> None:
    """Execute the cells of a page that its headline runs need; they find `train` in the helpers."""
    cells = [cell for cell in read_source(page).cells if cell.cell_type == "code"]
    space: dict[str, Any] = {"__name__": "__main__"}
    before, runs.train = runs.train, train
    try:
        for number, cell in enumerate(cells, start=1):
            if TAGS & set(cell.metadata.get("tags", [])):
                name = f"<{page.stem}, cell {number}>"  # the key of a run needs the source
                lines = cell.source.splitlines(keepends=True)
                linecache.cache[name] = (len(cell.source), None, lines, name)
                exec(compile(cell.source, name, "exec"), space)
    finally:
        runs.train = before


def plan(page: Path) -> list[Run]:
    """The headline runs of a page, without training them.

    Raises:
        ValueError: Fashion-MNIST is not there.
    """
    found = []

    def train(
        model: d2l.Classifier,
        data: FashionMNIST,
        max_epochs: int = 10,
        *,
        init: Callable[[nn.Module], object] | None = None,
        seed: int = 0,
        dtype: torch.dtype | None = None,
    ) -> History:
        key = runs.run_key(model, data, max_epochs, init, seed)
        prepare(model, data, init, seed)
        folder = runs.store(data)
        if folder is None:
            raise ValueError("no Fashion-MNIST: set BOOK_DATA to the folder of FashionMNIST/raw")
        paths = runs.run_files(folder, model, data, key, dtype).values()
        begun = (runs.load(path) for _, path in paths)
        done = next((len(state["history"]["seconds"]) for state in begun if state), 0)
        done = max_epochs if any(path.exists() for path, _ in paths) else done
        name = f"{page.stem}: {type(model).__name__} {key}"
        left = max_epochs - done
        hours = left * epoch_seconds(model, data, dtype) / 3600 if left else 0.0
        found.append(Run(name, done, max_epochs, hours))
        stub = History("", "", "", "", 1, (1, 1), 0, 0, 0, max_epochs=max_epochs, key=key)
        for result in RESULTS:
            setattr(stub, result, max_epochs * [0.0])
        return stub

    execute(page, train)
    return found


def epoch_seconds(model: d2l.Classifier, data: FashionMNIST, dtype: torch.dtype | None) -> float:
    """Seconds of an epoch with validation, estimated from a few batches."""
    few, batches = copy.copy(data), len(data.get_dataloader(True))
    few.train = data.train[torch.arange(min(len(data.train), STEPS * data.batch_size))]
    few.val = data.val[torch.arange(min(len(data.val), data.batch_size))]
    trainer = Trainer(2, dtype=dtype)
    with silence(), contextlib.suppress(FloatingPointError):  # the real run will tell
        trainer.fit(model, few)
    seconds = sum(trainer.history.seconds[-1:]) / len(few.get_dataloader(True))
    return seconds * batches * (1 + len(data.val) / len(data.train) / 3)  # it has no backward pass


@contextlib.contextmanager
def silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def train_until_stopped(*args: Any, **options: Any) -> History:
    """`helpers.runs.train`, where a stop by hand ends the whole command.

    Raises:
        KeyboardInterrupt: it was stopped.
    """
    history = TRAIN(*args, **options)
    if history.interrupted:
        raise KeyboardInterrupt
    return history


TRAIN = runs.train


def has_headline(page: Path) -> bool:
    """Whether the page has a run to train."""
    cells = read_source(page).cells
    return any("headline" in cell.metadata.get("tags", []) for cell in cells)


def train_pages(pages: list[Path]) -> int:
    """Say what is there and what is missing, train that, and return the exit status."""
    planned = {page: plan(page) for page in pages}
    found = [run for each in planned.values() for run in each]
    print(*found, sep="\n")
    missing = [run for run in found if run.done < run.epochs]
    hours = sum(run.hours for run in missing)
    print(f"{len(found) - len(missing)} of {len(found)} runs are finished; {hours:.2f} hours to go")
    failed = False
    for page, each in planned.items():
        if any(run in missing for run in each):
            try:
                execute(page, train_until_stopped)
            except Exception as error:  # the other pages do not wait for this one
                failed = True
                print(f"{page.stem}: {type(error).__name__}: {error}", file=sys.stderr)
    return int(failed)


def main(names: list[str]) -> int:
    os.environ["BOOK_PROFILE"] = "full"
    torch.set_num_threads(THREADS)
    runs.Trainer = Reporter  # type: ignore[attr-defined]  # this one trains the runs
    try:
        pages = [Path(n) if Path(n).is_file() else resolve(n) for n in names] or find_pages()
        return train_pages([page for page in pages if has_headline(page)])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the same command goes on after the last whole epoch.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
