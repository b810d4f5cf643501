"""The runs that the pages show: each has a key, and is trained once and kept.

The key is made of all that determines a run's numbers, as asked for: the definitions of model, data
and initialisation, their arguments, epochs and seed. It does not depend on the profile.
"""

import contextlib
import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from d2l import torch as d2l
from IPython.display import display
from lightning_fabric import seed_everything
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from helpers import device as machine
from helpers.data import FashionMNIST, part
from helpers.definitions import describe
from helpers.fitting import materialise
from helpers.history import History
from helpers.profile import LARGE, current_profile
from helpers.summary import summary
from helpers.training import Trainer

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

DTYPES = (torch.bfloat16, torch.float32)
NOT_ASKED = {  # attributes that follow from the profile and the machine, not from the call
    "board", "trainer", "training", "root", "num_workers", "train", "val", "size", "batch_size",
    "profile", "source", "class_names", "hparams",
}  # fmt: skip


def train(
    model: d2l.Classifier,
    data: FashionMNIST,
    max_epochs: int = 10,
    *,
    init: Callable[[nn.Module], object] | None = None,
    seed: int = 0,
    dtype: torch.dtype | None = None,
) -> History:
    """Train a new model in place, or take the finished run from the store; show its history.

    Where the profile makes images smaller that have more than 32 pixels a side, the model is made
    thinner, and its learning rate is raised. In `quick` and `full` the run is kept in the folder
    BOOK_RUNS: after every epoch, so that the same call goes on where it was stopped, and when it
    is finished, with the weights in bfloat16, which the model then has.

    Args:
        model: A model whose lazy layers have no shapes yet.
        data: What to train on.
        max_epochs: Passes over the training images; the profile may lower it.
        init: Applied to every module before training. Default: PyTorch's own initialisation.
        seed: Of the initialisation, the order of the batches, and dropout.
        dtype: Precision of training; by default the fastest, or that in which the run began.

    Returns:
        What was measured, under the run's `key`.

    Raises:
        ValueError: model and data do not fit together, or the store cannot be used.
        FloatingPointError, MemoryError: as for `Trainer.fit`.
    """
    key = run_key(model, data, max_epochs, init, seed)
    prepare(model, data, init, seed)
    data = copy.copy(data)
    data.seed += seed
    macs = summary(model, (1, *data.size)).macs
    data.train = part(data.train, max(2, data.profile.max_epoch_macs // macs))
    epochs = data.profile.epochs(max_epochs, macs * len(data.train))
    trainer = Trainer(epochs, dtype=dtype)
    trainer.key = key
    folder = store(data)
    if folder is None:
        return trainer.fit(model, data)
    with reserved(folder / f"{type(model).__name__}-{key}.lock"):
        paths = run_files(folder, model, data, key, dtype)
        for finished, _ in paths.values():
            if state := load(finished):
                model.to(machine.best_device()).load_state_dict(state["model"])
                history = History.from_data(state["history"])
                display(history)
                return history
        fast = dtype or machine.fast_dtype(machine.best_device(), macs)
        trainer.dtype = next((each for each, (_, begun) in paths.items() if load(begun)), fast)
        finished, trainer.checkpoint = paths[trainer.dtype]
        history = trainer.fit(model, data)
        if len(history) == history.max_epochs:
            weights = {
                name: value.bfloat16() if value.is_floating_point() else value
                for name, value in model.state_dict().items()
            }
            model.load_state_dict(weights)  # as whoever takes them from the store will find them
            if machine.save(finished, {"model": weights, "history": asdict(history)}):
                trainer.checkpoint.unlink(missing_ok=True)
    return history


def seeds(wanted: int) -> range:
    """The seeds of a study, 0 and on; a single one at `check`, where only the code is tested."""
    return range(min(wanted, current_profile().max_seeds))


def prepare(
    model: d2l.Classifier, data: FashionMNIST, init: Callable[[nn.Module], object] | None, seed: int
) -> None:
    """Give a model its width, its shapes and its initial weights, which depend on the seed."""
    seed_everything(seed, verbose=False)
    if max(data.size) > LARGE:
        thin(model, data)
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    materialise(model, data)
    if init is not None:
        model.apply(init)


def thin(model: d2l.Classifier, data: FashionMNIST) -> None:
    """Scale the lazy layers, but those that count classes, and the learning rate."""
    profile, classes = data.profile, getattr(model, "num_classes", data.num_classes)
    layers: Iterator[Any] = (m for m in model.modules() if isinstance(m, LazyModuleMixin))
    for layer in layers:
        for name in ("out_channels", "out_features"):
            wanted = getattr(layer, name, classes)
            if wanted == classes:
                continue
            width = profile.channels(wanted)
            setattr(layer, name, width)
            if getattr(layer, "groups", 1) > 1:  # as many channels in a group as before, or fewer
                most = max(1, layer.groups * width // wanted)
                layer.groups = next(n for n in range(most, 0, -1) if width % n == 0)
    if hasattr(model, "lr"):
        model.lr = profile.lr(model.lr)


def run_key(
    model: d2l.Classifier,
    data: FashionMNIST,
    max_epochs: int = 10,
    init: Callable[[nn.Module], object] | None = None,
    seed: int = 0,
) -> str:
    """The name of a run, which changes with all that determines its numbers but the machine.

    Call it with what `train` is called with, before the model has seen an image.
    """
    own = [  # weights that no layer draws anew when the seed is set
        value
        for module in model.modules()
        if not hasattr(module, "reset_parameters")
        for value in [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    ]
    seen: dict[int, str] = {}
    asked = [
        describe(type(model), seen), attributes(model, seen), repr(model), describe(own),
        describe(type(data), seen), attributes(data, seen), describe(init, seen), max_epochs, seed,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def attributes(thing: object, seen: dict[int, str]) -> dict[str, Any]:
    """What was set on an object, its hyperparameters among them."""
    found = {**getattr(thing, "hparams", {}), **vars(thing)}
    asked = {k: v for k, v in found.items() if not k.startswith("_") and k not in NOT_ASKED}
    return {name: describe(value, seen) for name, value in sorted(asked.items())}


def store(data: FashionMNIST) -> Path | None:
    """Folder of the runs; None in `check`, on a substitute, and for one of several processes.

    Raises:
        ValueError: it cannot be made.
    """
    several = int(os.environ.get("WORLD_SIZE", 1)) > 1
    if data.profile.name == "check" or data.source != "Fashion-MNIST" or several:
        return None
    named = os.environ.get("BOOK_RUNS", "").strip()
    folder = Path(named).expanduser() if named else machine.cache_folder() / "runs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"the store of runs {str(folder)!r} cannot be made: {error.strerror}. "
        raise ValueError(f"{text}Set BOOK_RUNS to a folder that you may write to.") from error
    return folder


def run_files(
    folder: Path, model: nn.Module, data: FashionMNIST, key: str, dtype: torch.dtype | None
) -> dict[torch.dtype, tuple[Path, Path]]:
    """For each precision, or the one that is asked for, the files of the finished and begun run."""
    images = "x".join(map(str, (len(data.train), *data.size)))
    version = torch.__version__.split("+")[0]
    found = {}
    for each in DTYPES if dtype is None else (dtype,):
        precision = str(each).removeprefix("torch.")
        made_on = f"{data.profile.name}-{images}-{precision}-torch{version}"
        path = folder / f"{type(model).__name__}-{key}-{made_on}.pt"
        found[each] = path, path.with_suffix(".part.pt")
    return found


@contextlib.contextmanager
def reserved(path: Path) -> Iterator[None]:
    """Keep other processes from the same run; wait while another has it. A kill frees it."""
    with path.open("w") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(
                    f"Another process is training {path.stem}: waiting for it to end.", flush=True
                )
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def load(path: Path) -> dict[str, Any] | None:
    """What a file of the store holds; None if it is not there, or damaged: then it is deleted."""
    try:
        return machine.load(path)
    except ValueError:
        print(f"Notice: {path.name} in the store of runs is damaged: the run is trained again.")
        path.unlink()
        return None
