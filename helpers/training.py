"""The training loop: d2l's `Trainer`, on any device, without a wait inside an epoch."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from d2l import torch as d2l
from IPython.display import display
from torch import Tensor, nn
from tqdm.auto import tqdm

from helpers.checkpoint import check_folder, load_checkpoint, save_checkpoint
from helpers.data import FashionMNIST
from helpers.device import best_device, describe_device
from helpers.profile import current_profile
from helpers.summary import summary

HISTORY_TYPE = "application/vnd.convnets.history+json"  # of a history among a cell's outputs
EVALUATION_PIXELS = 1024 * 28 * 28  # at a time where no gradient is kept


@dataclass
class History:
    """What a training run has measured, one entry per completed epoch.

    Attributes:
        model: Class name of the model.
        setting: Data, batch size and device, in words.
        data: Name of the data set.
        device: Name of the device.
        num_train: Number of training images in an epoch.
        size: Height and width of the images, in pixels.
        params: Number of the model's parameters.
        macs: Its multiply-adds for one image.
        memory: Bytes of its layers' outputs for one image.
        train_loss, val_loss: Mean cross-entropy per image, in nats.
        train_acc, val_acc: Fraction of images classified correctly. The training figures are
            taken while the weights change; the validation figures after the epoch.
        seconds: Time of the epoch's training part.
        interrupted: Whether the run was stopped by hand.
    """

    model: str
    setting: str
    data: str
    device: str
    num_train: int
    size: tuple[int, int]
    params: int
    macs: int
    memory: int
    train_loss: list[float] = field(default_factory=list)
    train_acc: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_acc: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def images_per_second(self) -> float:
        """Training images per second, over all completed epochs."""
        return self.num_train * len(self) / sum(self.seconds) if len(self) else 0.0

    def __str__(self) -> str:
        title = f"{self.model}, {self.params:,} parameters: {self.setting}"
        if not len(self):
            return f"{title}; stopped before the end of the first epoch"
        stopped = " (interrupted)" if self.interrupted else ""
        return (
            f"{title}\n"
            f"{len(self)} epochs{stopped} in {sum(self.seconds):.1f} s, "
            f"{self.images_per_second:,.0f} images/s\n"
            f"loss {self.train_loss[-1]:.3f} (training), {self.val_loss[-1]:.3f} (validation); "
            f"accuracy {self.train_acc[-1]:.3f} (training), {self.val_acc[-1]:.3f} (validation)"
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """As text, and as data, so that a recording keeps all that was measured."""
        return {"text/plain": str(self), HISTORY_TYPE: asdict(self)}


class Trainer(d2l.Trainer):
    """Train a `d2l.Classifier` on a data module; `fit` returns the history.

    Args:
        max_epochs: Passes over the training images; the profile may lower it.
        gradient_clip_val: Largest norm of the gradient, 0 for no limit.
        device: Where to train. Default: the best device.
        plot: Draw the curves when training has ended.
        checkpoint: File to save the run to after every epoch. If it is there already, `fit` goes
            on where it ends, bit for bit on the CPU.

    Attributes:
        history: `History` of the last run, also after an interrupt or an error.
    """

    def __init__(
        self,
        max_epochs: int = 10,
        gradient_clip_val: float = 0,
        *,
        device: torch.device | None = None,
        plot: bool = True,
        checkpoint: str | Path | None = None,
    ):
        if max_epochs < 1:
            raise ValueError(f"max_epochs={max_epochs} is below 1.")
        super().__init__(current_profile().epochs(max_epochs), 0, gradient_clip_val)
        self.device = best_device() if device is None else device
        self.draw_curves = plot
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.history: History | None = None

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
        """
        self.data = data
        self.prepare_data(data)
        self.prepare_model(model)
        self.optim = model.configure_optimizers()
        for group in self.optim.param_groups:
            if group.get("fused", False) is None:  # the optimiser can fuse, and nobody has chosen
                group["fused"] = True
        device = describe_device(self.device)
        cost = summary(model, next(iter(self.val_dataloader))[0].shape[1:])
        history = History(
            model=type(model).__name__,
            setting=f"{data.describe()}, batches of {data.batch_size}, {device}",
            data=data.source, device=device, num_train=len(data.train), size=data.size,
            params=cost.params, macs=cost.macs, memory=cost.memory,
        )  # fmt: skip
        self.history = history
        done = 0
        if self.checkpoint is not None:
            check_folder(self.checkpoint)
            if self.checkpoint.exists():
                done = load_checkpoint(self.checkpoint, self)
        batches = self.num_train_batches
        progress = {"initial": done * batches, "total": self.max_epochs * batches}
        with tqdm(**progress, unit="batch", leave=False, mininterval=0.5) as bar:
            self.bar = bar
            try:
                for epoch in range(done, self.max_epochs):
                    self.epoch = epoch
                    self.fit_epoch()
                    bar.set_postfix(accuracy=f"{history.val_acc[-1]:.3f}")
                    if self.checkpoint is not None:
                        save_checkpoint(self.checkpoint, self)
            except KeyboardInterrupt:
                history.interrupted = True
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                raise MemoryError(smaller(data)) from error
        model.eval()
        display(history)
        if self.draw_curves and len(history):
            from helpers.plotting import plot_history

            plot_history(history)
        return history

    def fit_epoch(self) -> None:
        """One pass over the training images, then one over the validation images."""
        start = time.perf_counter()
        self.model.train()
        losses = torch.zeros(self.num_train_batches, device=self.device)
        sizes = torch.zeros_like(losses)
        correct = torch.zeros((), dtype=torch.long, device=self.device)
        for i, (X, y) in enumerate(self.train_dataloader):
            X, y = X.to(self.device), y.to(self.device)
            y_hat = self.model(X)
            loss = self.model.loss(y_hat, y)
            self.optim.zero_grad()
            loss.backward()
            if self.gradient_clip_val > 0:
                self.clip_gradients(self.gradient_clip_val, self.model)
            self.optim.step()
            losses[i], sizes[i] = loss.detach(), len(y)
            correct += (y_hat.detach().argmax(1) == y).sum()
            self.bar.update()
        self.check_finite(losses)
        seconds = time.perf_counter() - start
        val_loss, val_acc = evaluate(self.model, self.data)
        self.history.train_loss.append(float((losses * sizes).sum() / sizes.sum()))
        self.history.train_acc.append(float(correct / sizes.sum()))
        self.history.val_loss.append(val_loss)
        self.history.val_acc.append(val_acc)
        self.history.seconds.append(seconds)

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


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that a GPU's, or the CPU's, memory is exhausted."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def smaller(data: FashionMNIST) -> str:
    """What to try when the memory is too small for a batch."""
    height, width = data.size
    return (
        f"no memory is left for batches of {data.batch_size} images of {height}×{width}: try "
        f"batch_size={max(1, data.batch_size // 2)}, or resize=({height // 2}, {width // 2})."
    )


@torch.no_grad()
def predict(model: nn.Module, data: FashionMNIST, train: bool = False) -> Tensor:
    """Outputs of the model, in evaluation mode, for every image of a set, in the set's order.

    Args:
        model: Takes (B, 1, height, width), gives (B, classes). Its mode is left as it was.
        data: The data module.
        train: Whether to take its training images; else its validation images.

    Returns:
        Shape (N, classes).
    """
    from helpers.data import to_float

    images = (data.train if train else data.val).images
    device = next(model.parameters()).device
    mode = model.training
    model.eval()
    try:
        batches = images.split(max(1, EVALUATION_PIXELS // math.prod(data.size)))
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
    return float(loss(y_hat, y)), float((y_hat.argmax(1) == y).float().mean())
