"""What a training run has measured, as text for people and as data for recordings."""

import json
import textwrap
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HISTORY_TYPE = "application/vnd.convnets.history+json"  # of a history among a cell's outputs
CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
COLUMNS = 56  # of text, all that a phone shows
RESULTS = ("train_loss", "train_acc", "val_loss", "val_acc", "seconds")


@dataclass
class History:
    """What a training run has measured, one entry per completed epoch.

    Losses are means over the images, in nats, accuracies the fraction that is classified correctly.
    Those of training are taken while the weights change, those of validation after the epoch.
    """

    model: str  # class of the model
    setting: str  # data, image size, batch size, device and precision, in words
    data: str  # name of the data set
    device: str
    num_train: int  # training images in an epoch
    size: tuple[int, int]  # height and width of the images, in pixels
    params: int  # of the model
    macs: int  # multiply-adds for one image
    memory: int  # bytes of all layers' outputs for one image
    train_loss: list[float] = field(default_factory=list)
    train_acc: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_acc: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of the epoch's training part
    interrupted: bool = False  # whether the run was stopped by hand
    max_epochs: int = 0  # that the run was to have; 0 where that was not noted
    dtype: str = "float32"  # of convolutions and matrix products in training
    key: str = ""  # what `helpers.runs` calls the run, made of all that determines its numbers

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "History":
        """The history of which `data` is the data output."""
        return cls(**{**data, "size": tuple(data["size"])})

    def __len__(self) -> int:
        return len(self.seconds)

    def __str__(self) -> str:
        title = f"{self.model}, {self.params:,} parameters"
        setting = textwrap.fill(self.setting, COLUMNS)
        if not len(self):
            return f"{title}; stopped before the end of the first epoch\n{setting}"
        wanted = f" of {self.max_epochs}" if len(self) < self.max_epochs else ""
        stopped = " (interrupted)" if self.interrupted else ""
        seconds = sum(self.seconds)
        return (
            f"{title}\n{setting}\n"
            f"{len(self)}{wanted} epochs{stopped} in {seconds:.1f} s, "
            f"{self.num_train * len(self) / seconds:,.0f} images/s\n"
            f"loss {self.train_loss[-1]:.3f} (training), {self.val_loss[-1]:.3f} (validation)\n"
            f"accuracy {self.train_acc[-1]:.3f} (training), {self.val_acc[-1]:.3f} (validation)"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/plain": str(self), HISTORY_TYPE: asdict(self)}


def recorded_histories(stem: str, chapters: Path = CHAPTERS) -> list[History]:
    """The histories of all runs that the recording of a page shows ("7-6-lenet"), in order.

    Raises:
        FileNotFoundError: there is no recording of that name.
    """
    found = sorted(chapters.rglob(f"{stem}.ipynb"))
    if not found:
        raise FileNotFoundError(f"no recording {stem}.ipynb below {chapters.name}/")
    cells = json.loads(found[0].read_text(encoding="utf-8"))["cells"]
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return [History.from_data(data[HISTORY_TYPE]) for data in outputs if HISTORY_TYPE in data]
