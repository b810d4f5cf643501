"""Save a training run after every epoch, and go on where it was stopped."""

import os
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from helpers.training import Trainer

RESULTS = ("train_loss", "train_acc", "val_loss", "val_acc", "seconds")


def check_folder(path: Path) -> None:
    """Find out before a run, not after its first epoch, that nothing can be written.

    Raises:
        ValueError: the folder is missing, or not writable.
    """
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ValueError(
            f"checkpoint {str(path)!r} cannot be written: {error.strerror}. "
            "Name a file in a folder that exists and that you may write to."
        ) from error


def save_checkpoint(path: Path, trainer: "Trainer") -> None:
    """Write the state of a run. The file is replaced as a whole: it is the old one or the new one.

    When the disk is full, or the folder has gone, a warning says so and the run goes on.
    """
    state = {
        "run": identity(trainer),
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optim.state_dict(),
        "history": {name: list(getattr(trainer.history, name)) for name in RESULTS},
        "order": trainer.train_dataloader.generator.get_state(),
        "random": random_states(trainer.device),
    }
    part = path.with_name(path.name + ".part")
    try:
        torch.save(state, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # PyTorch's writer reports a full disk as the latter
        part.unlink(missing_ok=True)
        warnings.warn(
            f"epoch {len(trainer.history)} could not be saved to {str(path)!r}: {error}. "
            "Training goes on; what was saved before is still there.",
            stacklevel=2,
        )


def resume(path: Path, trainer: "Trainer") -> int:
    """Put a prepared run into the state that was saved; return the number of its epochs.

    Process 0 reads the file, if there is one, for all processes of a team.

    Raises:
        ValueError: the file is damaged, or was written by another run; or no file can be written.
    """
    state = None
    if trainer.team.leads:
        check_folder(path)
        state = read_checkpoint(path, identity(trainer)) if path.exists() else None
    state = trainer.team.tell(state)
    if state is None:
        return 0
    trainer.model.load_state_dict(state["model"])
    trainer.optim.load_state_dict(state["optimizer"])
    for name in RESULTS:
        setattr(trainer.history, name, list(state["history"][name]))
    trainer.train_dataloader.generator.set_state(state["order"])
    torch.set_rng_state(state["random"][0])
    if trainer.device.type != "cpu" and len(state["random"]) > 1:
        torch.get_device_module(trainer.device).set_rng_state(state["random"][1])
    return len(trainer.history)


def read_checkpoint(path: Path, expected: dict[str, str | int | list[int]]) -> dict:
    """The saved state of a run whose `identity` is as expected.

    Raises:
        ValueError: the file is damaged, or was written by another run.
    """
    cure = "Delete it, or name another file, to start anew."
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        run = state["run"]
    except Exception as error:  # pickle, zip and PyTorch each have errors of their own
        kind = type(error).__name__
        raise ValueError(f"checkpoint {str(path)!r} is damaged ({kind}). {cure}") from error
    for name, value in expected.items():
        if run.get(name) != value:
            raise ValueError(
                f"checkpoint {str(path)!r} belongs to another run: its {name} is "
                f"{run.get(name)!r}, here it is {value!r}. {cure}"
            )
    return state


def identity(trainer: "Trainer") -> dict[str, str | int | list[int]]:
    """What two runs must share for one to continue the other; the device may differ."""
    kept = ("model", "data", "num_train", "size", "params")
    run = {name: value for name, value in asdict(trainer.history).items() if name in kept}
    return run | {"size": list(run["size"]), "batch size": trainer.data.batch_size}


def random_states(device: torch.device) -> list[Tensor]:
    """State of the CPU's generator, and of the device's if it is another."""
    states = [torch.get_rng_state()]
    if device.type != "cpu":
        states.append(torch.get_device_module(device).get_rng_state())
    return states
