"""The command that trains headline runs, on a small page and on digits that pass for the data."""

import pytest
import torch

import helpers.data
from helpers import runs
from helpers.data import read_digits
from tools import train

PAGE = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
---

# A page

```{code-cell} ipython3
:tags: [hide-cell]

from d2l import torch as d2l
from torch import nn
from helpers.data import FashionMNIST
from helpers.runs import train
```

```{code-cell} ipython3
raise AssertionError("a lesson is not executed")
```

```{code-cell} ipython3
:tags: [export]

class Net(d2l.Classifier):
    def __init__(self, units=8, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(units), nn.LazyLinear(10))
```

```{code-cell} ipython3
:tags: [headline]

history = train(Net(), FashionMNIST(), 2)
wide = {"wide": train(Net(16), FashionMNIST(), 3)}
assert len(history.val_acc) == 2
```
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    path = tmp_path / "9-1-page.md"
    path.write_text(PAGE)

    def load(profile, root):
        return *read_digits(), "Fashion-MNIST", helpers.data.FASHION_CLASSES

    monkeypatch.setattr(helpers.data, "load", load)
    monkeypatch.setattr(runs, "Trainer", runs.Trainer)
    monkeypatch.setenv("BOOK_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(train, "resolve", lambda name: path)
    threads = torch.get_num_threads()
    yield path
    torch.set_num_threads(threads)


def files(page):
    return sorted(p.name for p in (page.parent / "runs").iterdir() if p.suffix == ".pt")


def test_a_page_is_trained_once_with_a_line_for_every_epoch(page, capsys, monkeypatch):
    original = runs.train
    assert train.main(["9-1"]) == 0
    printed = capsys.readouterr().out
    assert "0 of 2 runs are finished; 0.0" in printed
    assert printed.count("9-1-page: Net ") == 2 and "0 of 3 epochs, 0.0" in printed
    for epoch, epochs in ((1, 2), (2, 2), (1, 3), (3, 3)):
        assert printed.count(f"Net, epoch {epoch} of {epochs}: loss ") == 1
    assert len(files(page)) == 2 and all("-full-" in name for name in files(page))
    assert runs.train is original and torch.get_num_threads() == train.THREADS
    assert train.main(["9-1"]) == 0
    printed = capsys.readouterr().out
    assert "2 of 2 runs are finished" in printed and "epoch 1" not in printed


def test_a_page_finds_what_the_command_has_trained(page, capsys):
    train.main(["9-1"])
    before = files(page)
    capsys.readouterr()
    train.execute(page, runs.train)
    assert files(page) == before and "epoch 1 of" not in capsys.readouterr().out


def test_a_stop_by_hand_ends_the_command_which_goes_on_later(page, capsys, monkeypatch):
    def end_epoch(self):
        end(self)
        raise KeyboardInterrupt

    end = train.Reporter.end_epoch
    with monkeypatch.context() as patch:
        patch.setattr(train.Reporter, "end_epoch", end_epoch)
        assert train.main(["9-1"]) == 130
    assert "goes on after the last whole epoch" in capsys.readouterr().err
    (name,) = files(page)
    assert name.endswith(".part.pt")
    assert train.main(["9-1"]) == 0
    printed = capsys.readouterr().out
    assert "1 of 2 epochs, 0.0" in printed
    assert "epoch 1 of 2" not in printed and "epoch 2 of 2" in printed


def test_a_run_that_fails_is_told_and_ends_with_a_status(page, capsys):
    page.write_text(PAGE.replace("Net(16)", "Net(16, lr=1e30)"))
    assert train.main(["9-1"]) == 1
    error = capsys.readouterr().err
    assert "9-1-page: FloatingPointError: loss is" in error
    assert len(files(page)) == 1


def test_hours_are_those_of_the_missing_epochs(page, monkeypatch):
    monkeypatch.setenv("BOOK_PROFILE", "full")
    monkeypatch.setattr(train, "epoch_seconds", lambda *args: 1800.0)
    assert [run.hours for run in train.plan(page)] == [1.0, 1.5]


def test_an_epoch_is_estimated_from_a_few_batches(monkeypatch):
    seen = []

    class Counted(train.Trainer):
        def fit(self, model, data):
            seen.append((len(data.train), len(data.val), self.max_epochs))
            super().fit(model, data).seconds[:] = [9.0, 0.6]

    monkeypatch.setattr(train, "Trainer", Counted)
    model = train.runs.d2l.Classifier()
    model.lr, model.net = 0.1, torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    data = helpers.data.FashionMNIST(batch_size=100)
    assert train.epoch_seconds(model, data, None) == pytest.approx(0.1 * 15 * (1 + 360 / 1437 / 3))
    assert seen == [(600, 100, 2)] and len(data.train) == 1437


def test_without_the_data_nothing_is_trained(page, monkeypatch, capsys):
    monkeypatch.setattr(
        helpers.data, "load", lambda *args: (*read_digits(), "handwritten digits", ("0",) * 10)
    )
    assert train.main(["9-1"]) == 2
    assert "no Fashion-MNIST: set BOOK_DATA" in capsys.readouterr().err


def test_pages_without_headline_runs_are_left_alone(capsys, monkeypatch):
    monkeypatch.setattr(train, "has_headline", lambda page: False)
    assert train.main([]) == 0
    assert "0 of 0 runs are finished" in capsys.readouterr().out


def test_an_unknown_page_is_named(capsys):
    assert train.main(["7-66-nothing"]) == 2
    assert "7-66-nothing" in capsys.readouterr().err
