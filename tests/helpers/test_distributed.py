"""Two processes on this machine, joined through Gloo, against one with the same minibatches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from helpers.data import BatchLoader, ImageSet
from tools.pages import ROOT

pytestmark = pytest.mark.slow

PAGE = '''
import json, os, signal, sys, warnings
import torch
from d2l import torch as d2l
from torch import nn
from helpers.data import FashionMNIST
from helpers.training import Trainer, evaluate

class Net(d2l.Classifier):
    """Convolutions without batch normalisation; keeps the loss of every step."""

    def __init__(self, layer=nn.Identity, poison=None, kill=None):
        super().__init__()
        self.lr, self.poison, self.kill, self.steps = 0.3, poison, kill, []
        self.net = nn.Sequential(
            nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(4), nn.Conv2d(6, 8, 3), layer(), nn.ReLU(),
            nn.Flatten(), nn.Linear(128, 10),
        )

    def loss(self, y_hat, y):
        rank = int(os.environ.get("RANK", 0))
        if torch.is_grad_enabled():
            self.steps.append(len(y))
            if len(self.steps) == self.kill and rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        bad = float("nan") if len(self.steps) == self.poison and rank == 0 else 1.0
        return super().loss(y_hat, y) * bad
'''

RUN = """
def run(name, epochs=2, **options):
    torch.manual_seed(0)
    model = Net()
    data = FashionMNIST(batch_size=90)  # 15 whole minibatches and one of 87 images
    trainer = Trainer(epochs, **options)
    history = trainer.fit(model, data)
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    return {
        "train_loss": history.train_loss, "train_acc": history.train_acc,
        "val_loss": history.val_loss, "val_acc": history.val_acc, "setting": history.setting,
        "evaluated": evaluate(model, data), "weights": weights.tolist(), "parts": model.steps,
        "random": torch.rand(3).tolist(), "files": os.listdir("."),
    }

def statistics():
    torch.manual_seed(0)
    model = Net(layer=lambda: nn.BatchNorm2d(8))
    model.lr = 0.0  # with equal weights, the mean over both parts is that over the minibatch
    Trainer(1).fit(model, FashionMNIST(batch_size=90))
    return model.net[4].running_mean.tolist()

def dropped():
    torch.manual_seed(0)
    model = Net(layer=lambda: nn.Dropout(0.5))
    kept = []
    model.net[4].register_forward_hook(lambda layer, X, y: kept.append(y[0, :, 0, 0].tolist()))
    Trainer(1).fit(model, FashionMNIST(batch_size=90))
    return [[value == 0 for value in values] for values in kept[1:17]]

def diverges():
    torch.manual_seed(0)
    try:
        Trainer(1).fit(Net(poison=3), FashionMNIST(batch_size=90))
    except FloatingPointError as error:
        return str(error)

found = {"plain": run("plain"), "clipped": run("clipped", gradient_clip_val=0.05)}
found["saved"] = run("saved", 1, checkpoint="run.pt")
found["resumed"] = run("resumed", 2, checkpoint="run.pt")
found["statistics"], found["dropped"] = statistics(), dropped()
found["error"] = diverges()
rank = os.environ.get("RANK", "alone")
with open(os.path.join(sys.argv[1], f"{rank}.json"), "w") as file:
    json.dump(found, file)
"""


def start(
    script: str, folder: Path, processes: int, *arguments: str
) -> subprocess.CompletedProcess:
    path = folder / f"page-{processes}.py"
    path.write_text(script)
    work = folder / f"work-{processes}"
    work.mkdir()
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment |= {"BOOK_PROFILE": "check", "BOOK_DEVICE": "cpu"}
    return subprocess.run(
        [sys.executable, *(launcher if processes > 1 else []), str(path), *arguments],
        cwd=work, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What one process, and each of two, have measured, and what the two have printed."""
    folder = tmp_path_factory.mktemp("team")
    alone = start(PAGE + RUN, folder, 1, str(folder))
    both = start(PAGE + RUN, folder, 2, str(folder))
    assert alone.returncode == both.returncode == 0, alone.stderr + both.stderr
    found = {
        name: json.loads((folder / f"{name}.json").read_text()) for name in ("alone", "0", "1")
    }
    return {**found, "printed": both.stdout}


MEASURED = ("train_loss", "train_acc", "val_loss", "val_acc", "evaluated")


@pytest.mark.parametrize("run", ["plain", "clipped", "resumed"])
@pytest.mark.parametrize("name", MEASURED)
def test_two_processes_measure_what_one_does(runs, run, name):
    ours, alone = runs["0"][run][name], runs["alone"][run][name]
    assert len(ours) == 2
    assert ours == pytest.approx(alone, rel=1e-4 if name != "train_loss" else 1e-5)
    assert runs["1"][run][name] == ours  # both know the whole


def test_two_processes_train_one_model(runs):
    one, two = (torch.tensor(runs[rank]["plain"]["weights"]) for rank in "01")
    assert torch.equal(one, two)
    torch.testing.assert_close(
        one, torch.tensor(runs["alone"]["plain"]["weights"]), rtol=1e-3, atol=1e-5
    )


def test_each_takes_its_part_of_every_minibatch(runs):
    assert runs["0"]["plain"]["parts"] == 2 * (15 * [45] + [44])
    assert runs["1"]["plain"]["parts"] == 2 * (15 * [45] + [43])
    assert runs["alone"]["plain"]["parts"] == 2 * (15 * [90] + [87])


def test_process_0_alone_prints_and_writes(runs):
    assert runs["printed"].count("Net, ") == 6  # one for each run that ended well
    assert "2 processes" in runs["0"]["plain"]["setting"]
    assert runs["0"]["saved"]["files"] == ["run.pt"]


def test_random_numbers_are_the_same_again_after_a_run(runs):
    assert runs["0"]["plain"]["random"] == runs["1"]["plain"]["random"]


def test_running_statistics_are_averaged(runs):
    assert runs["0"]["statistics"] == runs["1"]["statistics"]
    assert runs["0"]["statistics"] == pytest.approx(runs["alone"]["statistics"], rel=1e-3)


def test_dropout_differs_from_process_to_process(runs):
    assert runs["0"]["dropped"] != runs["1"]["dropped"]


def test_a_loss_that_is_not_finite_in_one_process_stops_both_with_the_same_words(runs):
    assert "nan in epoch 1, batch 3 of 16" in runs["0"]["error"]
    assert runs["0"]["error"] == runs["1"]["error"] == runs["alone"]["error"]


def test_a_killed_process_ends_the_run_with_a_clear_error(tmp_path):
    script = PAGE + "Trainer(9).fit(Net(kill=20), FashionMNIST(batch_size=90))\n"
    ended = start(script, tmp_path, 2)  # a hang would reach the limit of time
    assert ended.returncode != 0
    assert "Signal 9 (SIGKILL)" in ended.stderr


def loaders(count, size, world_size):
    data = ImageSet(torch.zeros(count, 1, 2, 2, dtype=torch.uint8), torch.arange(count))
    found = [BatchLoader(data, size, (2, 2), seed=0) for _ in range(world_size)]
    for rank, loader in enumerate(found):
        loader.rank, loader.world_size = rank, world_size
    return found


def test_a_minibatch_is_parted_unless_a_part_would_be_a_single_image():
    for world_size in (1, 2, 3, 5):
        for count in range(1, 20):
            parts = [each.part(torch.arange(count)) for each in loaders(count, count, world_size)]
            if count < 2 * world_size:
                assert all(torch.equal(part, torch.arange(count)) for part in parts)
            else:
                assert torch.equal(torch.cat(parts), torch.arange(count))
                assert min(map(len, parts)) >= 2


def test_parts_of_a_shuffled_epoch_are_the_minibatches_of_one_process():
    (whole,) = loaders(50, 16, 1)
    for (_, y), *parts in zip(whole, *loaders(50, 16, 3), strict=True):
        ours = torch.cat([part for _, part in parts])
        assert torch.equal(ours, y) or all(torch.equal(part, y) for _, part in parts)
    assert whole.sizes == [16, 16, 16, 2]
