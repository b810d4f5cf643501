"""The training loop: d2l's `Trainer`, on any device, without a wait inside an epoch."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from d2l import torch as d2l
from IPython.display import display
from torch import Tensor, nn
from tqdm.auto import tqdm

from helpers.data import FashionMNIST, to_float
from helpers.device import best_device, describe_device, fast_dtype, launch, load, save
from helpers.fitting import materialise
from helpers.history import RESULTS, History
from helpers.profile import current_profile
from helpers.summary import Summary, summary

EVALUATION_PIXELS = 256 * 28 * 28  # at a time where no gradient is kept: they stay in the cache
EVALUATION_IMAGES = 32  # at least, however large
IDENTITY = ("model", "data", "num_train", "params", "dtype")  # of a run, whatever the device


class Trainer(d2l.Trainer):
    """Train a `d2l.Classifier` on a data module; `fit` returns the history.

    `history` is that of the last run, also after an interrupt or an error, known by its `key`.
    Several processes that `torchrun` has started share every minibatch: their losses are those of
    one process. Batch normalisation takes its statistics from a process's own part; its running
    statistics are averaged at the end of an epoch.

    Args:
        max_epochs: Passes over the training images; the profile may lower it.
        gradient_clip_val: Largest norm of the gradient, 0 for no limit.
        checkpoint: File to save the run to after every epoch. If it is there already, `fit` goes
            on where it ends, bit for bit on the CPU.
        dtype: Of convolutions and matrix products in training: float32, or bfloat16 by autocast,
            the default where it is faster. Weights, the loss and validation stay in float32.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        max_epochs: int = 10,
        gradient_clip_val: float = 0,
        *,
        checkpoint: str | Path | None = None,
        dtype: torch.dtype | None = None,
    ):
        if max_epochs < 1:
            raise ValueError(f"max_epochs={max_epochs} is below 1.")
        if dtype not in (None, torch.float32, torch.bfloat16):
            raise ValueError(f"dtype={dtype} is unknown: it is torch.float32 or torch.bfloat16.")
        super().__init__(current_profile().epochs(max_epochs), 0, gradient_clip_val)
        self.device, self.dtype, self.key = best_device(), dtype, ""
        self.cost: Summary | None = None  # of the next model, where it is known
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.history: History

    def prepare_model(self, model: d2l.Classifier) -> None:
        """Check that model and data fit, move the model, and say what is going to be trained."""
        data = self.data
        materialise(model.to(self.device), data)
        # Convolutions are faster with the channels last in memory, on CPUs and GPUs alike.
        self.model = model.to(memory_format=torch.channels_last)
        model.trainer = self
        found = model.configure_optimizers()  # an optimiser, or it and a schedule of its batches
        self.optim, self.schedule = found if isinstance(found, tuple) else (found, None)
        for group in self.optim.param_groups:
            if group.get("fused", False) is None:  # the optimiser can fuse, and nobody has chosen
                group["fused"] = True
        shape = next(iter(self.val_dataloader))[0].shape[1:]
        cost = self.cost or summary(model, shape, fields=False)
        self.cost = None
        dtype = self.dtype or fast_dtype(self.device, cost.macs)
        self.fabric = launch(self.device, dtype)
        device, precision = describe_device(self.device), str(dtype).removeprefix("torch.")
        team = f", {n} processes" if (n := self.fabric.world_size) > 1 else ""
        self.history = History(
            type(model).__name__,
            f"{data.describe()}, batches of {data.batch_size}, {device}{team}, {precision}",
            data.source, device, len(data.train), data.size, cost.params, cost.macs, cost.memory,
            max_epochs=self.max_epochs, dtype=precision, key=self.key,
        )  # fmt: skip

    def fit(self, model: d2l.Classifier, data: FashionMNIST) -> History:
        """Train `model` on `data` and validate it after every epoch.

        An interrupt (Ctrl-C, or the stop button of Jupyter) ends the run and keeps the model and
        the history of the epochs that were completed.

        Raises:
            ValueError: model and data do not fit together, or the checkpoint cannot be used.
            FloatingPointError: a loss is not a finite number; the text says where.
            MemoryError: the device's memory is too small; the text says what to try.
        """
        self.data = data
        self.prepare_data(data)
        self.prepare_model(model)
        fabric, history, loader = self.fabric, self.history, self.train_dataloader
        loader.rank, loader.world_size = fabric.global_rank, fabric.world_size
        begun = load(self.checkpoint) if self.checkpoint and fabric.is_global_zero else None
        if (state := fabric.broadcast(begun)) is not None:  # process 0 reads it for all
            self.load_state_dict(state)
        self.net, self.stepper = fabric.setup(model, self.optim)
        if fabric.global_rank > 0:  # dropout differs from process to process
            torch.manual_seed(torch.initial_seed() + fabric.global_rank)
        steps: dict[str, Any] = {
            "initial": len(history) * len(loader),
            "total": self.max_epochs * len(loader),
        }
        steps["disable"] = None if fabric.is_global_zero else True
        with tqdm(**steps, unit="batch", leave=False, mininterval=0.5) as self.bar:
            try:
                while len(history) < self.max_epochs:
                    self.fit_epoch()
                    self.end_epoch()
            except KeyboardInterrupt:
                history.interrupted = True
                if fabric.world_size > 1:  # the others would wait for this process
                    raise
            except (RuntimeError, ValueError) as error:
                self.explain(error)
                raise
            finally:
                del self.net, self.stepper
        if fabric.world_size > 1:  # the processes draw the same random numbers again
            torch.set_rng_state(fabric.broadcast(torch.get_rng_state()))
        model.eval()
        if fabric.is_global_zero:
            display(history)
        return history

    def fit_epoch(self) -> None:
        """One pass over the training images, then one over the validation images."""
        start = time.perf_counter()
        self.model.train()
        fabric, sizes, shares = self.fabric, self.train_dataloader.sizes, []
        measured = torch.zeros(2, len(sizes), device=self.device)  # loss, accuracy of each batch
        for i, (X, y) in enumerate(self.train_dataloader):
            X, y = X.to(self.device), y.to(self.device)
            y_hat = self.net(X)
            loss = self.model.loss(y_hat, y)
            self.stepper.zero_grad()
            # what this process's mean weighs in that of the minibatch
            shares.append(len(y) / sizes[i] if len(y) < sizes[i] else 1 / fabric.world_size)
            fabric.backward(loss * (shares[i] * fabric.world_size))
            if self.gradient_clip_val > 0:  # d2l's clip_gradients waits for the device
                nn.utils.clip_grad_norm_(self.model.parameters(), self.gradient_clip_val)
            self.stepper.step()
            if self.schedule is not None:
                self.schedule.step()
            measured[0, i] = loss.detach()
            measured[1, i] = (y_hat.detach().argmax(1) == y).float().mean()
            self.bar.update()
        measured *= torch.tensor(shares, device=self.device)
        measured = torch.as_tensor(fabric.all_reduce(measured, reduce_op="sum"))
        measured = measured.double().cpu()
        self.check_finite(measured[0])
        seconds = time.perf_counter() - start
        for buffer in self.model.buffers():
            if buffer.is_floating_point():  # running statistics
                buffer.copy_(fabric.all_reduce(buffer.clone(), reduce_op="mean"))
        training = measured @ (torch.tensor(sizes).double() / len(self.data.train))
        results = *training.tolist(), *evaluate(self.model, self.data), seconds
        for name, value in zip(RESULTS, results, strict=True):
            getattr(self.history, name).append(value)

    def end_epoch(self) -> None:
        """Show how far the run is, and save it if it is to be saved."""
        self.bar.set_postfix(accuracy=f"{self.history.val_acc[-1]:.3f}")
        if self.checkpoint is not None and self.fabric.is_global_zero:
            save(self.checkpoint, self.state_dict())

    @property
    def parts(self) -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]:
        """How to get, and how to set, the state of whatever has one."""
        own = {"model": self.model, "optimizer": self.optim, "schedule": self.schedule}
        own = {name: part for name, part in own.items() if part is not None}
        found: Any = {name: (part.state_dict, part.load_state_dict) for name, part in own.items()}
        order = self.train_dataloader.generator
        found["order"] = order.get_state, order.set_state
        found["random"] = torch.get_rng_state, torch.set_rng_state
        if self.device.type != "cpu":
            module = torch.get_device_module(self.device)
            found["device"] = module.get_rng_state, module.set_rng_state
        return found

    @property
    def identity(self) -> dict[str, Any]:
        """What two runs must share for one to continue the other; the device may differ."""
        run = {name: getattr(self.history, name) for name in IDENTITY}
        return run | {"size": list(self.data.size), "batch size": self.data.batch_size}

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on, after a whole epoch."""
        history = {name: list(getattr(self.history, name)) for name in RESULTS}
        state = {name: get() for name, (get, _) in self.parts.items()}
        return {"run": self.identity, "history": history, **state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put a prepared run into the state that was saved; ValueError if it is another run's."""
        for name, is_now in self.identity.items():
            if (was := state["run"][name]) != is_now:
                raise ValueError(
                    f"checkpoint {str(self.checkpoint)!r} belongs to another run: its {name} is "
                    f"{was!r}, here it is {is_now!r}. Delete it, or name another, to start again."
                )
        vars(self.history).update(state["history"])
        for name, (_, put) in self.parts.items():
            if state.get(name) is not None:
                put(state[name])

    def check_finite(self, losses: Tensor) -> None:
        """Stop a run that has diverged: FloatingPointError."""
        for batch in (~losses.isfinite()).nonzero().flatten().tolist():
            raise FloatingPointError(
                f"loss is {float(losses[batch])} in epoch {len(self.history) + 1}, batch "
                f"{batch + 1} of {len(losses)}: training stops. Try a learning rate below "
                f"{self.optim.param_groups[0]['lr']}, or check the inputs for NaN."
            )

    def explain(self, error: Exception) -> None:
        """Raise a clearer error if the memory was exhausted, or one image had to be normalised."""
        count, (height, width) = self.data.batch_size, self.data.size
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise MemoryError(
                f"no memory is left for batches of {count} images of {height}×{width}: try "
                f"batch_size={max(1, count // 2)}, or resize=({height // 2}, {width // 2})."
            ) from error
        if "more than 1 value per channel" in str(error):
            text = f"batch_size={count} gives batch normalisation a single value in each channel"
            raise ValueError(f"{text}: try batch_size=2.") from error


@torch.no_grad()
def predict(model: nn.Module, data: FashionMNIST, train: bool = False) -> Tensor:
    """Outputs, of shape (N, classes), for every image of a set, in the set's order.

    Args:
        model: Takes (B, 1, height, width). It predicts in evaluation mode and is left in its own.
        data: The data module.
        train: Whether to take its training images; else its validation images.
    """
    images, mode = (data.train if train else data.val).images, model.training
    device = next(model.parameters()).device
    model.eval()
    try:
        batches = images.split(max(EVALUATION_IMAGES, EVALUATION_PIXELS // math.prod(data.size)))
        return torch.cat([model(to_float(batch.to(device), data.size)) for batch in batches])
    finally:
        model.train(mode)


def evaluate(
    model: nn.Module,
    data: FashionMNIST,
    train: bool = False,
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
) -> tuple[float, float]:
    """Mean loss in nats and fraction of images classified correctly, every image weighted alike."""
    y_hat = predict(model, data, train)
    y = (data.train if train else data.val).labels.to(y_hat.device)
    return float(loss(y_hat, y)), float((y_hat.argmax(1) == y).double().mean())
