"""The training loop: d2l's `Trainer`, on any device, without a wait inside an epoch."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from d2l import torch as d2l
from IPython.display import display
from torch import Tensor, nn
from tqdm.auto import tqdm

from helpers.checkpoint import resume, save_checkpoint
from helpers.data import FashionMNIST, to_float
from helpers.device import best_device, describe_device, has_bfloat16
from helpers.distributed import current_team, join, lost_another
from helpers.history import History
from helpers.profile import current_profile
from helpers.summary import summary

EVALUATION_PIXELS = 256 * 28 * 28  # at a time where no gradient is kept: they stay in the cache
EVALUATION_IMAGES = 32  # at least, however large


class Trainer(d2l.Trainer):
    """Train a `d2l.Classifier` on a data module; `fit` returns the history.

    Args:
        max_epochs: Passes over the training images; the profile may lower it.
        gradient_clip_val: Largest norm of the gradient, 0 for no limit.
        device: Where to train. Default: the best device.
        plot: Draw the curves when training has ended.
        checkpoint: File to save the run to after every epoch. If it is there already, `fit` goes
            on where it ends, bit for bit on the CPU.
        dtype: Of convolutions and matrix products in training: float32, or bfloat16 by autocast,
            the default on a GPU that has it. Weights, the loss, the statistics of nn.BatchNorm2d
            and all of validation stay in float32.

    Attributes:
        history: `History` of the last run, also after an interrupt or an error.
        team: The processes that share the run; `torchrun` starts several.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        max_epochs: int = 10,
        gradient_clip_val: float = 0,
        *,
        device: torch.device | None = None,
        plot: bool = True,
        checkpoint: str | Path | None = None,
        dtype: torch.dtype | None = None,
    ):
        if max_epochs < 1:
            raise ValueError(f"max_epochs={max_epochs} is below 1.")
        if dtype not in (None, torch.float32, torch.bfloat16):
            raise ValueError(f"dtype={dtype} is unknown: it is torch.float32 or torch.bfloat16.")
        super().__init__(current_profile().epochs(max_epochs), 0, gradient_clip_val)
        self.device = best_device() if device is None else device
        self.team = join(self.device)
        fast = torch.bfloat16 if has_bfloat16(self.device) else torch.float32
        self.dtype = fast if dtype is None else dtype
        self.draw_curves = plot
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.history: History | None = None

    def prepare_data(self, data: FashionMNIST) -> None:
        """Take the batches of `data`; each process of a team gets its part of every batch."""
        super().prepare_data(data)
        self.data = data
        self.train_dataloader.team = self.team

    def prepare_model(self, model: d2l.Classifier) -> None:
        """Move the model to the device, give lazy layers their shapes, check what it puts out.

        Raises:
            ValueError: the model cannot take the images, or has too few outputs for the labels.
        """
        model.trainer = self
        self.model = model.to(self.device)
        X, _ = next(iter(self.val_dataloader))
        name = type(model).__name__
        try:
            with torch.no_grad():
                y_hat = model.eval()(X[:2].to(self.device))
        except RuntimeError as error:
            raise ValueError(
                f"{name} cannot take images of shape {tuple(X.shape[1:])}: {error}. "
                "Give the data module the `resize` that the model is made for."
            ) from error
        largest = max(int(data.labels.max()) for data in (self.data.train, self.data.val))
        smallest = min(int(data.labels.min()) for data in (self.data.train, self.data.val))
        if not 0 <= smallest <= largest < y_hat.shape[1]:
            raise ValueError(
                f"labels run from {smallest} to {largest}, but {name} has {y_hat.shape[1]} "
                f"outputs, for labels 0 to {y_hat.shape[1] - 1}. Give the model as many outputs "
                "as there are classes, and labels that count from 0."
            )
        # Convolutions are faster with the channels last in memory, on CPUs and GPUs alike.
        model.to(memory_format=torch.channels_last)

    def fit(self, model: d2l.Classifier, data: FashionMNIST) -> History:
        """Train `model` on `data` and validate it after every epoch.

        An interrupt (Ctrl-C, or the stop button of Jupyter) ends the run and keeps the model and
        the history of the epochs that were completed.

        Raises:
            ValueError: model and data do not fit together, or the checkpoint cannot be used.
            FloatingPointError: a loss is not a finite number; the text says where.
            MemoryError: the device's memory is too small; the text says what to try.
            ConnectionError: another process of the team has ended.
        """
        self.prepare_data(data)
        self.prepare_model(model)
        self.optim = model.configure_optimizers()
        for group in self.optim.param_groups:
            if group.get("fused", False) is None:  # the optimiser can fuse, and nobody has chosen
                group["fused"] = True
        self.history = history = self.new_history()
        done = resume(self.checkpoint, self) if self.checkpoint is not None else 0
        self.parallel = self.team.wrap(model)
        self.team.draw_apart()
        batches = self.num_train_batches
        progress = {"initial": done * batches, "total": self.max_epochs * batches}
        quiet = None if self.team.leads else True
        with tqdm(**progress, unit="batch", leave=False, mininterval=0.5, disable=quiet) as bar:
            self.bar = bar
            try:
                for epoch in range(done, self.max_epochs):
                    self.epoch = epoch
                    self.fit_epoch()
                    bar.set_postfix(accuracy=f"{history.val_acc[-1]:.3f}")
                    if self.checkpoint is not None and self.team.leads:
                        save_checkpoint(self.checkpoint, self)
            except KeyboardInterrupt:
                history.interrupted = True
                if self.team.size > 1:  # the others wait for this process in vain
                    raise
            except RuntimeError as error:
                self.explain(error)
                raise
            finally:
                del self.parallel
        self.team.draw_together(self.device)
        model.eval()
        if self.team.leads:
            self.show(history)
        return history

    def new_history(self) -> History:
        """An empty history that says what is going to be trained, on what, and where."""
        data, device = self.data, describe_device(self.device)
        cost = summary(self.model, next(iter(self.val_dataloader))[0].shape[1:])
        where = device if self.team.size == 1 else f"{device}, {self.team.size} processes"
        how = ", bfloat16" if self.dtype == torch.bfloat16 else ""
        return History(
            model=type(self.model).__name__,
            setting=f"{data.describe()}, batches of {data.batch_size}, {where}{how}",
            data=data.source, device=device, num_train=len(data.train), size=data.size,
            params=cost.params, macs=cost.macs, memory=cost.memory,
        )  # fmt: skip

    def show(self, history: History) -> None:
        """The history as text and, if it is wanted and there is one, as curves."""
        display(history)
        if self.draw_curves and len(history):
            from helpers.plotting import plot_history

            plot_history(history)

    def fit_epoch(self) -> None:
        """One pass over the training images, then one over the validation images."""
        start = time.perf_counter()
        self.model.train()
        shares = torch.tensor(self.train_dataloader.shares, device=self.device)
        scales = shares * self.team.size  # the team takes the mean of its gradients
        measured = torch.zeros(2, len(shares), device=self.device)  # loss, accuracy of each batch
        for i, (X, y) in enumerate(self.train_dataloader):
            X, y = X.to(self.device), y.to(self.device)
            with torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
                y_hat = self.parallel(X)
            y_hat = y_hat.float()
            loss = self.model.loss(y_hat, y)
            self.optim.zero_grad()
            loss.backward(scales[i])  # 1 where the process is alone
            if self.gradient_clip_val > 0:
                self.clip_gradients(self.gradient_clip_val, self.model)
            self.optim.step()
            measured[0, i] = loss.detach()
            measured[1, i] = (y_hat.detach().argmax(1) == y).float().mean()
            self.bar.update()
        losses, accuracies = self.team.add(measured * shares).double()
        self.check_finite(losses)
        seconds = time.perf_counter() - start
        self.team.average_statistics(self.model)
        val_loss, val_acc = evaluate(self.model, self.data)
        weights = torch.tensor(self.train_dataloader.sizes).double() / len(self.data.train)
        self.history.train_loss.append(float(losses @ weights))
        self.history.train_acc.append(float(accuracies @ weights))
        self.history.val_loss.append(val_loss)
        self.history.val_acc.append(val_acc)
        self.history.seconds.append(seconds)

    def clip_gradients(self, grad_clip_val: float, model: nn.Module) -> None:
        """Scale the gradient down to the norm `grad_clip_val`; d2l's waits for the device."""
        nn.utils.clip_grad_norm_(model.parameters(), grad_clip_val)

    def check_finite(self, losses: Tensor) -> None:
        """Stop a run that has diverged.

        Raises:
            FloatingPointError: with the epoch and the batch of the first loss that is not finite.
        """
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            batch = int(bad[0])
            raise FloatingPointError(
                f"loss is {float(losses[batch])} in epoch {self.epoch + 1}, batch {batch + 1} of "
                f"{len(losses)}: training stops. Try a learning rate below "
                f"{self.optim.param_groups[0]['lr']}, or check the inputs for NaN."
            )

    def explain(self, error: RuntimeError) -> None:
        """Raise a clearer error for one that the machine, not the program, has caused.

        Raises:
            MemoryError: the memory is exhausted.
            ConnectionError: another process of the team has ended.
        """
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            count, (height, width) = self.data.batch_size, self.data.size
            raise MemoryError(
                f"no memory is left for batches of {count} images of {height}×{width}: try "
                f"batch_size={max(1, count // 2)}, or resize=({height // 2}, {width // 2})."
            ) from error
        if self.team.size > 1 and lost_another(error):
            raise ConnectionError(
                f"process {self.team.rank} of {self.team.size} has lost another one, which has "
                "ended or no longer answers: training stops. Look for the other's error; a run "
                "with a `checkpoint` goes on from its last whole epoch when it is started again."
            ) from error


@torch.no_grad()
def outputs(model: nn.Module, images: Tensor, size: tuple[int, int]) -> Tensor:
    """Outputs of the model in evaluation mode, of shape (N, classes), for uint8 images."""
    device = next(model.parameters()).device
    mode = model.training
    model.eval()
    try:
        batches = images.split(max(EVALUATION_IMAGES, EVALUATION_PIXELS // math.prod(size)))
        return torch.cat([model(to_float(batch.to(device), size)) for batch in batches])
    finally:
        model.train(mode)


def predict(model: nn.Module, data: FashionMNIST, train: bool = False) -> Tensor:
    """Outputs of the model, in evaluation mode, for every image of a set, in the set's order.

    Args:
        model: Takes (B, 1, height, width), gives (B, classes). Its mode is left as it was.
        data: The data module.
        train: Whether to take its training images; else its validation images.

    Returns:
        Shape (N, classes).
    """
    return outputs(model, (data.train if train else data.val).images, data.size)


def evaluate(
    model: nn.Module,
    data: FashionMNIST,
    train: bool = False,
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
) -> tuple[float, float]:
    """Mean loss in nats and fraction of images classified correctly, every image weighted alike.

    The processes of a team share the images; all of them must call it.
    """
    team, images = current_team(), data.train if train else data.val
    y = team.part(images.labels)
    y_hat = outputs(model, team.part(images.images), data.size)
    y = y.to(y_hat.device)
    sums = float(loss(y_hat, y)) * len(y), float((y_hat.argmax(1) == y).sum())
    mean_loss, accuracy = team.add(torch.tensor(sums, dtype=torch.float64)) / len(images)
    return float(mean_loss), float(accuracy)
