import copy

import pytest
import torch
from d2l import torch as d2l
from torch import nn

from helpers.data import FashionMNIST
from helpers.training import Trainer


class Random(d2l.Classifier):
    """A network that draws random numbers while it trains, and keeps statistics."""

    def __init__(self, units=16):
        super().__init__()
        self.units = units
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, units), nn.BatchNorm1d(units), nn.ReLU(),
            nn.Dropout(0.5), nn.Linear(units, 10),
        )  # fmt: skip

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


def run(model, epochs, path=None, **options):
    torch.manual_seed(1)
    data = FashionMNIST(batch_size=256)
    return Trainer(epochs, checkpoint=path, **options).fit(model, data)


@pytest.fixture
def start():
    torch.manual_seed(0)
    return Random()


def test_a_resumed_run_equals_one_that_was_never_stopped(start, tmp_path):
    whole, first, second = (copy.deepcopy(start) for _ in range(3))
    expected = run(whole, 4)
    run(first, 2, tmp_path / "run.pt")
    torch.rand(7)  # a new process stands elsewhere in its random numbers
    resumed = run(second, 4, tmp_path / "run.pt")
    for name in ("train_loss", "train_acc", "val_loss", "val_acc"):
        assert getattr(resumed, name) == getattr(expected, name)
    for ours, theirs in zip(second.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_finished_run_is_loaded_and_not_trained_again(start, tmp_path):
    run(start, 2, tmp_path / "run.pt")
    again = Random()
    history = run(again, 2, tmp_path / "run.pt")
    assert len(history) == 2
    for ours, theirs in zip(again.state_dict().values(), start.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_folder_that_is_missing_is_refused_before_the_run(start, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.*run.pt' cannot be written: name a folder"):
        run(start, 1, tmp_path / "nowhere" / "run.pt")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("full")])
def test_a_full_disk_warns_and_keeps_the_run_and_the_old_file(start, tmp_path, monkeypatch, error):
    path = tmp_path / "run.pt"
    run(start, 1, path)
    before = path.read_bytes()

    def full(state, part):
        part.write_bytes(b"half")
        raise error

    monkeypatch.setattr(torch, "save", full)
    with pytest.warns(UserWarning, match="run.pt' could not be saved.*still there"):
        history = run(start, 3, path)
    assert len(history) == 3
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_damaged_file_is_refused_and_left_alone(start, tmp_path):
    path = tmp_path / "run.pt"
    run(start, 1, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"run.pt' is damaged \(.*Delete it"):
        run(Random(), 2, path)
    assert path.stat().st_size == 2000


def test_a_checkpoint_of_another_run_is_refused(start, tmp_path):
    path = tmp_path / "run.pt"
    run(start, 1, path)
    with pytest.raises(ValueError, match="another run: its params is 12,?762, here it is 6,?386"):
        run(Random(units=8), 2, path)


def test_a_checkpoint_holds_nothing_that_could_run_code(start, tmp_path):
    run(start, 1, tmp_path / "run.pt")
    state = torch.load(tmp_path / "run.pt", weights_only=True)
    assert set(state) >= {"run", "model", "optimizer", "history", "order", "random"}


def test_memory_that_is_exhausted_says_what_to_try(start, monkeypatch):
    def exhausted(self):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Trainer, "fit_epoch", exhausted)
    with pytest.raises(MemoryError, match=r"256 images of 28×28: try batch_size=128, or resize"):
        run(start, 1)


def test_other_errors_are_not_taken_for_memory(start, monkeypatch):
    def other(self):
        raise RuntimeError("something else")

    monkeypatch.setattr(Trainer, "fit_epoch", other)
    with pytest.raises(RuntimeError, match="something else"):
        run(start, 1)
