"""The store of runs: what a key depends on, and what is found, resumed, refused."""

import contextlib
import functools
import importlib
import linecache
import os
import random
import subprocess
import sys
import threading
import time
import types
from dataclasses import replace

import pytest
import torch
from d2l import torch as d2l
from torch import nn

import helpers.data
import helpers.profile
import helpers.training
from helpers import device, runs
from helpers.data import FashionMNIST, read_digits
from helpers.fitting import thin
from helpers.runs import from_book, holds_packages, run_key, train
from tools.pages import ROOT

SOURCE = '''
import torch
from d2l import torch as d2l
from torch import nn

WIDTH = 4

def init_small(layer: nn.Module) -> None:
    """Small weights."""
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, std=0.01)

class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.LazyConv2d(channels, 3)

    def forward(self, X):
        return activate(self.conv(X))

def activate(X: torch.Tensor) -> torch.Tensor:
    return X.relu()

class Net(d2l.Classifier):
    """A small network."""

    def __init__(self, lr: float = 0.1, num_classes: int = 10):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(Block(WIDTH), nn.Flatten(), nn.LazyLinear(num_classes))
'''


def cell(source=SOURCE, module="__main__", name=None):
    """The definitions of a cell, as IPython keeps them, or of a module."""
    name = name or f"<cell {abs(hash((source, module)))}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace = {"__name__": module}
    exec(compile(source, name, "exec"), namespace)
    return types.SimpleNamespace(**namespace)


def key(source=SOURCE, data=None, module="__main__", init=None, **options):
    found = cell(source, module)
    init = getattr(found, init) if isinstance(init, str) else init
    return run_key(found.Net(), data or FashionMNIST(), init=init, **options)


def test_a_key_is_the_same_in_a_cell_and_in_a_module_of_sections():
    assert key() == key(module="helpers.sections.lenet")
    assert key(init="init_small") == key(init="init_small", module="helpers.sections.lenet")
    assert len(key()) == 16


def test_a_key_outlives_words_places_and_annotations():
    other = SOURCE.replace('"""A small network."""', '"""Other words."""  # and a remark')
    other = other.replace("lr: float = 0.1", "lr=0.1").replace("-> torch.Tensor", "")
    other = other.replace("WIDTH = 4", "WIDTH: int = 4\n\nUNUSED = 5\n")
    assert other != SOURCE and key(other, init="init_small") == key(init="init_small")


def test_a_key_outlives_annotations_inside_a_function_and_the_order_of_what_has_none():
    plain = SOURCE.replace("return X.relu()", "Y = X.relu()\n    return Y")
    other = SOURCE.replace(
        "return X.relu()", "Y: torch.Tensor\n    Y: int = X.relu()\n    return Y"
    )
    assert key(plain) == key(other) != key()

    class Chosen(d2l.Classifier):
        def __init__(self, chosen):
            super().__init__()
            self.chosen = chosen

    one, two, three = ({0, 8}, {8, 0}, {0, 16})  # the first two hold their numbers in two orders
    keys = [run_key(Chosen(each), FashionMNIST()) for each in (one, two, three)]
    assert list(one) != list(two) and keys[0] == keys[1] != keys[2]
    ways = {"pad": 1, "crop": 2}, {"crop": 2, "pad": 1}
    assert len({run_key(Chosen(each), FashionMNIST()) for each in ways}) == 1


@pytest.mark.parametrize(
    "old, new",
    [
        ("WIDTH = 4", "WIDTH = 5"),
        ("X.relu()", "X.tanh()"),
        ("activate(self.conv(X))", "activate(self.conv(X)) + 1"),
        ("lr: float = 0.1", "lr: float = 0.2"),
        ("LazyConv2d(channels, 3)", "LazyConv2d(channels, 3, stride=2)"),
        ("std=0.01", "std=0.02"),
        ("class Net(d2l.Classifier):", "class Net(d2l.Module):"),
        ("        self.save_hyper", "        self.note = 1\n        self.save_hyper"),
        (
            "    def __init__(self, lr",
            "    def configure_optimizers(self):\n        return torch.optim.Adam(self.net"
            ".parameters())\n\n    def __init__(self, lr",
        ),
    ],
)
def test_a_key_changes_with_every_definition_that_is_used(old, new):
    assert old in SOURCE
    assert key(SOURCE.replace(old, new, 1), init="init_small") != key(init="init_small")


def test_a_key_changes_with_every_argument():
    class Shifted(FashionMNIST):
        def __init__(self, shift=1, **options):
            super().__init__(**options)
            self.shift = shift

        def augment(self, X):
            return X.roll(self.shift, -1)

    def scaled(layer, gain):
        if isinstance(layer, nn.Linear):
            layer.weight.data *= gain

    keys = [
        key(), key(init="init_small"), key(seed=1), key(max_epochs=9),
        key(init=functools.partial(scaled, gain=2)), key(init=functools.partial(scaled, gain=3)),
        key(init=lambda layer: None),
        *(
            key(data=data)
            for data in (
                FashionMNIST(64), FashionMNIST(resize=(96, 96)), FashionMNIST(num_train=100),
                FashionMNIST(validation="train"), FashionMNIST(seed=1), Shifted(), Shifted(2),
            )
        ),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    found = cell()
    assert run_key(found.Net(lr=0.3), FashionMNIST()) != keys[0]
    changed = found.Net()
    changed.lr = 0.3
    assert run_key(changed, FashionMNIST()) != keys[0]
    wider = found.Net()
    wider.net[1] = nn.Identity()
    assert run_key(wider, FashionMNIST()) != keys[0]


def test_a_key_changes_with_weights_that_no_layer_draws_anew():
    class Scale(d2l.Classifier):
        def __init__(self, start):
            super().__init__()
            self.scale = nn.Parameter(torch.full((3,), start))

    assert run_key(Scale(1.0), FashionMNIST()) != run_key(Scale(2.0), FashionMNIST())
    assert run_key(Wide(), FashionMNIST()) == run_key(Wide(), FashionMNIST())  # all are drawn


def test_a_key_does_not_depend_on_the_profile(monkeypatch, fashion):
    found = cell()
    wide = [run_key(found.Net(), FashionMNIST(128, (96, 96)))]
    for name in ("quick", "check"):
        monkeypatch.setenv("BOOK_PROFILE", name)
        data = FashionMNIST(128, (96, 96))
        assert data.size == (72, 72)
        wide.append(run_key(found.Net(), data))
    assert len(set(wide)) == 1


def test_a_key_does_not_depend_on_globals_that_share_a_name_with_a_local():
    more = SOURCE + "\nX = torch.rand(3)\n"
    assert key(more) == key()


def test_a_key_follows_classes_inside_functions_and_objects_that_hold_each_other():
    more = (
        SOURCE.replace("activate(self.conv(X))", "make()().call(self.conv(X))")
        + """
class Holder:
    def __init__(self):
        self.me, self.value = self, 1

HOLDER = Holder()

def make():
    class Inner:
        factor = WIDTH

        def call(self, X):
            return HOLDER.value * X * self.factor

    return Inner
"""
    )
    keys = {
        key(more),
        key(more.replace("WIDTH = 4", "WIDTH = 6")),
        key(more.replace("self, 1", "self, 2")),
    }
    assert len(keys) == 3 and key(more) in keys


def test_a_definition_without_a_source_is_refused():
    namespace = {"__name__": "__main__"}
    exec(SOURCE, namespace)
    with pytest.raises(ValueError, match="the source of .* is out of reach: define it in a cell"):
        run_key(namespace["Net"](), FashionMNIST(), init=namespace["init_small"])


# What a run does.


class Wide(d2l.Classifier):
    """Grouped, depthwise and dense layers, to be made thinner."""

    def __init__(self, lr=0.1, num_classes=10):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.LazyConv2d(64, 3), nn.LazyConv2d(64, 3, groups=16), nn.LazyConv2d(4, 1),
            nn.LazyConv2d(4, 3, groups=4), nn.LazyBatchNorm2d(), nn.LazyConv2d(10, 1),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(40), nn.LazyLinear(num_classes),
        )  # fmt: skip


def shapes(model):
    return [p.shape[:2] for p in model.parameters() if p.dim() > 1]


def test_large_images_thin_the_network_and_raise_its_rate_at_check():
    model, data = Wide(), FashionMNIST(16, (96, 96))
    runs.prepare(model, data, None, 0)
    assert [layer.groups for layer in model.net[:4]] == [1, 4, 1, 4]
    assert shapes(model) == [(16, 1), (16, 4), (4, 16), (4, 1), (10, 4), (10, 10), (10, 10)]
    assert model.lr == 0.5


def test_no_layer_is_made_thinner_than_eight_channels():
    model = d2l.Classifier()
    model.net = nn.Sequential(*(nn.LazyConv2d(n, 1) for n in (6, 8, 16, 64, 4096)))
    thin(model, FashionMNIST(16, (96, 96)))
    assert [layer.out_channels for layer in model.net] == [6, 8, 8, 16, 1024]


def test_a_group_has_as_many_channels_as_before_or_fewer():
    model = d2l.Classifier()
    layers = [(64, 16, 4), (64, 2, 1), (60, 12, 3), (4096, 4096, 1024), (40, 20, 5)]
    model.net = nn.Sequential(*(nn.LazyConv2d(n, 1, groups=groups) for n, groups, _ in layers))
    thin(model, FashionMNIST(16, (96, 96)))
    assert [layer.groups for layer in model.net] == [thinned for *_, thinned in layers]


def test_small_images_leave_the_network_as_it_is():
    model = Wide()
    runs.prepare(model, FashionMNIST(resize=(32, 32)), None, 0)
    assert [layer.groups for layer in model.net[:4]] == [1, 16, 1, 4] and model.lr == 0.1
    assert shapes(model)[-2:] == [(40, 10), (10, 40)]


def test_a_prepared_network_lies_where_the_images_do():
    model, data = Wide(), FashionMNIST()
    images = data.train.images.to("meta")  # a place that every machine has
    data.train = replace(data.train, images=images)
    runs.prepare(model, data, None, 0)
    assert {p.device.type for p in model.parameters()} == {"meta"}


class Small(d2l.Classifier):
    """Lazy and other layers, and random numbers while it trains."""

    def __init__(self, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.LazyLinear(10)
        )

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)


def test_a_run_depends_on_its_seed_alone_and_says_its_key():
    torch.manual_seed(1)
    one = Small()
    first = train(one, FashionMNIST(), 1, seed=3)
    torch.manual_seed(2)
    two = Small()
    second = train(two, FashionMNIST(), 1, seed=3)
    assert first.train_loss == second.train_loss and first.key == second.key
    assert first.key == run_key(Small(), FashionMNIST(), 1, seed=3)
    third = train(Small(), FashionMNIST(), 1, seed=4)
    assert third.train_loss != first.train_loss and third.key != first.key


def test_the_initialisation_is_applied():
    def zero(layer):
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.weight)

    model, data = Small(lr=0.0), FashionMNIST()
    train(model, data, 1, init=zero)
    assert all(not layer.weight.any() for layer in model.net if isinstance(layer, nn.Linear))


def test_a_run_that_would_take_too_long_has_fewer_epochs_and_the_same_key():
    data = FashionMNIST()
    epoch = (784 * 16 + 16 * 10) * 6 * 128  # multiply-adds of the six steps
    data.profile = replace(data.profile, max_macs=2 * epoch)
    assert len(history := train(Small(), data, 5)) == 2
    assert history.key == run_key(Small(), FashionMNIST(), 5)


def test_a_further_seed_has_one_epoch_at_check():
    assert [len(train(Small(), FashionMNIST(), 3, seed=seed)) for seed in (0, 1)] == [3, 1]


def test_at_full_a_further_seed_has_all_epochs(folder):
    assert len(train(Small(), FashionMNIST(), 2, seed=1)) == 2


def test_an_expensive_network_sees_fewer_images():
    data = FashionMNIST()
    data.profile = replace(data.profile, max_epoch_macs=100 * (784 * 16 + 16 * 10))
    assert "100 + 50 images" in train(Small(), data, 1).setting
    assert len(data.train) > 100 and len(data.val) > 50


def test_an_epoch_of_small_minibatches_has_few_of_them_where_only_the_code_is_tested():
    assert train(Small(), FashionMNIST(batch_size=4), 1).num_train == 6 * 4


def test_the_cost_of_a_network_is_counted_once_and_anew_for_another(monkeypatch):
    counted = []
    for module in (runs, helpers.training):
        count = functools.partial(
            lambda f, *a, **k: counted.append(k) or f(*a, **k), module.summary
        )
        monkeypatch.setattr(module, "summary", count)
    train(model := Small(), data := FashionMNIST(), 1)
    assert counted == [{"fields": False}]  # they take most of the time
    other = Small()
    other.net.append(nn.Linear(10, 10))
    before = model.trainer.history.params
    assert model.trainer.fit(other, data).params == before + 110


def test_at_check_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_RUNS", str(tmp_path / "runs"))
    train(Small(), FashionMNIST(), 1)
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def fashion(monkeypatch):
    """Profile `full` on the digits, which pass for Fashion-MNIST."""

    def load(profile, root):
        return *read_digits(), "Fashion-MNIST", helpers.data.FASHION_CLASSES

    monkeypatch.setattr(helpers.data, "load", load)
    monkeypatch.setenv("BOOK_PROFILE", "full")


@pytest.fixture
def folder(fashion, monkeypatch, tmp_path):
    """A store that is empty."""
    monkeypatch.setenv("BOOK_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def refuse(monkeypatch):
    def fit(self, model, data):
        raise AssertionError("it is trained again")

    monkeypatch.setattr(runs.Trainer, "fit", fit)


def test_a_finished_run_is_taken_from_the_store_whatever_the_precision(folder, monkeypatch, capsys):
    model = Small()
    history = train(model, FashionMNIST(), 2, dtype=torch.bfloat16)
    (name,) = files(folder)
    version = torch.__version__.split("+")[0]
    assert name == f"Small-{history.key}-full-1437x28x28-bfloat16-torch{version}.pt"
    saved = torch.load(folder / name, weights_only=True)["model"]
    assert {value.dtype for value in saved.values()} == {torch.bfloat16, torch.int64}
    printed = capsys.readouterr().out
    refuse(monkeypatch)
    again = Small()
    assert train(again, FashionMNIST(), 2) == history
    assert capsys.readouterr().out == printed
    for ours, theirs in zip(again.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs) and ours.dtype in (torch.float32, torch.int64)
    with pytest.raises(AssertionError, match="trained again"):
        train(Small(), FashionMNIST(), 2, dtype=torch.float32)
    with pytest.raises(AssertionError, match="trained again"):
        train(Small(), FashionMNIST(), 3)


class Stopped(Exception):
    pass


def stop_after(monkeypatch, epochs):
    """Let a run end like a killed one, after so many epochs."""
    end = runs.Trainer.end_epoch

    def end_epoch(self):
        end(self)
        if len(self.history) == epochs:
            raise Stopped

    monkeypatch.setattr(runs.Trainer, "end_epoch", end_epoch)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_run_that_was_stopped_goes_on_bit_for_bit_in_its_precision(
    folder, monkeypatch, tmp_path, dtype
):
    whole = Small()
    expected = train(whole, FashionMNIST(), 4, dtype=dtype)
    monkeypatch.setenv("BOOK_RUNS", str(tmp_path / "others"))
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_after(patch, 2)
        train(Small(), FashionMNIST(), 4, dtype=dtype)
    (name,) = files(tmp_path / "others")
    assert name.endswith(".part.pt")
    state = torch.load(tmp_path / "others" / name, weights_only=True)
    assert {value.dtype for value in state["model"].values()} == {torch.float32, torch.int64}
    model = Small()
    history = train(model, FashionMNIST(), 4)  # in the precision in which it began
    assert history.dtype == expected.dtype
    for name in ("train_loss", "train_acc", "val_loss", "val_acc"):
        assert getattr(history, name) == getattr(expected, name)
    for ours, theirs in zip(model.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert len(files(tmp_path / "others")) == 1


def test_augmentation_and_a_schedule_are_trained_with_and_resumed(folder, monkeypatch, tmp_path):
    class Shifted(FashionMNIST):
        def augment(self, X):
            return X.roll(int(torch.randint(-2, 3, ())), -1)

    class Scheduled(Small):
        def configure_optimizers(self):
            optim = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
            steps = self.trainer.max_epochs * self.trainer.num_train_batches
            return optim, torch.optim.lr_scheduler.OneCycleLR(optim, 0.5, steps)

    expected = train(Scheduled(), Shifted(), 3)
    plain = train(Scheduled(), FashionMNIST(), 3)
    assert plain.train_loss != expected.train_loss
    monkeypatch.setenv("BOOK_RUNS", str(tmp_path / "others"))
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_after(patch, 1)
        train(Scheduled(), Shifted(), 3)
    assert train(Scheduled(), Shifted(), 3).val_loss == expected.val_loss


@pytest.mark.parametrize("stage", ["begun", "finished"])
def test_a_damaged_file_is_told_and_the_run_trained_again(folder, monkeypatch, capsys, stage):
    with monkeypatch.context() as patch:
        if stage == "begun":
            stop_after(patch, 1)
        with contextlib.suppress(Stopped):
            train(Small(), FashionMNIST(), 2)
    (name,) = files(folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:3000])
    capsys.readouterr()
    assert len(train(Small(), FashionMNIST(), 2)) == 2
    assert f"{name} in the store of runs is damaged" in capsys.readouterr().out
    assert len(files(folder)) == 1


def test_a_full_disk_loses_no_run(folder, monkeypatch):
    def full(state, path):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(device.torch, "save", full)
        with pytest.warns(UserWarning, match="could not be saved"):
            history = train(Small(), FashionMNIST(), 2)
    assert len(history) == 2 and files(folder) == []


def test_a_run_is_finished_though_no_epoch_of_it_could_be_kept(folder, monkeypatch):
    save = torch.save

    def full(state, path):
        if ".part.pt" in path.name:
            raise OSError(28, "No space left on device")
        save(state, path)

    with monkeypatch.context() as patch:
        patch.setattr(device.torch, "save", full)
        with pytest.warns(UserWarning, match="could not be saved"):
            train(Small(), FashionMNIST(), 2)
    (name,) = files(folder)
    assert not name.endswith(".part.pt")


def test_a_run_that_was_stopped_by_hand_is_not_taken_for_a_finished_one(folder, monkeypatch):
    def end_epoch(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs.Trainer, "end_epoch", end_epoch)
        assert train(Small(), FashionMNIST(), 2).interrupted
    assert files(folder) == []
    assert not train(Small(), FashionMNIST(), 2).interrupted


def test_a_store_that_cannot_be_made_is_named(fashion, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BOOK_RUNS", str(tmp_path / "file" / "runs"))
    with pytest.raises(ValueError, match="the store of runs .* cannot be made.*Set BOOK_RUNS"):
        train(Small(), FashionMNIST(), 1)


def test_the_store_is_in_the_cache_folder_where_none_is_named(fashion, monkeypatch, tmp_path):
    monkeypatch.delenv("BOOK_RUNS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert runs.store(FashionMNIST()) == tmp_path / "convolutional-networks-executed" / "runs"


def test_one_of_several_processes_uses_no_store(folder, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert runs.store(FashionMNIST()) is None


def test_a_second_process_waits_for_the_first(folder, capsys):
    folder.mkdir()
    lock = folder / f"Small-{run_key(Small(), FashionMNIST(), 1)}.lock"
    with device.reserved(lock):
        second = threading.Thread(target=train, args=(Small(), FashionMNIST(), 1))
        second.start()
        printed, end = "", time.monotonic() + 60
        while f"Another process is training {lock.stem}: waiting" not in printed:
            assert time.monotonic() < end, f"the second does not wait: {printed}"
            time.sleep(0.02)
            printed += capsys.readouterr().out
        assert files(folder) == []
    second.join(60)
    assert len(files(folder)) == 1


KILLED = """
import json, os, random, signal, sys, time
import torch
from d2l import torch as d2l
from torch import nn
import helpers.data
from helpers.data import FashionMNIST, read_digits
from helpers.runs import train

torch.set_num_threads(1)
helpers.data.load = lambda *args: (*read_digits(), "Fashion-MNIST", helpers.data.FASHION_CLASSES)

class Net(d2l.Classifier):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.LazyLinear(10)
        )

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)

def start(store):
    process = os.fork()
    if process:
        return process
    os.environ["BOOK_RUNS"] = os.path.join(sys.argv[1], store)
    model = Net()
    history = train(model, FashionMNIST(), 30)
    found = [history.train_loss, history.val_acc, [v.tolist() for v in model.state_dict().values()]]
    with open(os.path.join(sys.argv[1], store + ".json"), "w") as file:
        json.dump(found, file)
    os._exit(0)

begin = time.perf_counter()
assert os.waitpid(start("whole"), 0)[1] == 0
lasted, kills = time.perf_counter() - begin, 0
choose = random.Random(int(sys.argv[2]))
for _ in range(10):
    process = start("killed")
    time.sleep(choose.uniform(0, lasted / 3))
    os.kill(process, signal.SIGKILL)
    kills += os.WIFSIGNALED(os.waitpid(process, 0)[1])
assert os.waitpid(start("killed"), 0)[1] == 0
print("killed", kills)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")
def test_a_run_killed_ten_times_at_random_moments_ends_with_the_same_numbers(tmp_path):
    (tmp_path / "page.py").write_text(KILLED)
    seed = str(random.randrange(1000))
    run = subprocess.run(
        [sys.executable, "page.py", str(tmp_path), seed], cwd=tmp_path, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "BOOK_PROFILE": "full", "BOOK_DEVICE": "cpu"},
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, f"seed {seed}: {run.stderr}"
    assert int(run.stdout.split("killed")[-1]) > 3, run.stdout
    whole, killed = ((tmp_path / f"{name}.json").read_text() for name in ("whole", "killed"))
    assert whole == killed, f"seed {seed}"
    assert len(files(tmp_path / "killed")) == 1
    assert "damaged" not in run.stdout


IN_A_NOTEBOOK = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
imports = "from helpers.runs import run_key; from helpers.data import FashionMNIST"
for cell in (sys.argv[1], imports):
    shell.run_cell(cell).raise_error()
shell.run_cell("print('key', run_key(Net(), FashionMNIST(), init=init_small))").raise_error()
"""


@pytest.mark.slow
def test_a_key_is_the_same_in_a_notebook():
    run = subprocess.run(
        [sys.executable, "-c", IN_A_NOTEBOOK, SOURCE], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "BOOK_PROFILE": "check"}, check=False,
    )  # fmt: skip
    assert run.stdout.split("key")[-1].strip() == key(init="init_small"), run.stderr


def test_the_key_does_not_know_where_the_data_lie(monkeypatch, tmp_path):
    keys = set()
    for folder in ("a", "b"):
        monkeypatch.setenv("BOOK_DATA", str(tmp_path / folder))
        keys.add(runs.run_key(d2l.Classifier(), FashionMNIST()))
    assert len(keys) == 1


def test_a_network_that_is_very_large_for_the_profile_sees_fewer_images(monkeypatch):
    found, data = cell(), FashionMNIST(64)
    macs = train(found.Net(), data, 1).macs
    data.profile = replace(data.profile, max_epoch_macs=100 * macs)
    assert train(found.Net(), data, 1).num_train == 100
    assert len(data.train) > 1_000, "the reader's data are left as they were"


def test_a_key_does_not_depend_on_where_pip_has_put_a_library(tmp_path, monkeypatch):
    before = key()
    (tmp_path / "library.py").write_text("def scale(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    library = importlib.import_module("library")
    assert from_book(library.scale), "a file beside the reader's notebook"
    (tmp_path / "library-1.0.dist-info").mkdir()
    holds_packages.cache_clear()
    assert not from_book(library.scale) and key() == before
