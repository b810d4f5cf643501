"""Several processes that train one model: what `torchrun` starts, joined to a team.

Every process holds the model and all data. Of every minibatch each takes a part; the gradients
are averaged, and the measurements are added, so that the losses are those of one process with the
same minibatches. A process that was started alone is a team of one: nothing is divided or sent.

Batch normalisation takes its statistics from a process's own part of the minibatch, as
DistributedDataParallel has it; the running statistics are averaged at the end of an epoch. On CUDA,
`nn.SyncBatchNorm.convert_sync_batchnorm(model)` before `fit` takes them from the whole minibatch.
"""

import atexit
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

TIMEOUT = timedelta(minutes=10)  # of waiting for another process, after which the run ends
FEWEST = 2  # images of a process's part: with fewer, batch normalisation has no variance


@dataclass(frozen=True)
class Team:
    """The processes that share a run, seen from one of them.

    Attributes:
        rank: Number of this process, from 0; process 0 alone prints, draws and writes.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def part(self, values: Tensor) -> Tensor:
        """This process's part of `values`, along the first axis; the parts are all of them."""
        return values.tensor_split(self.size)[self.rank]

    def part_of_batch(self, index: Tensor) -> Tensor:
        """This process's part of a minibatch; a very small minibatch goes whole to everybody."""
        return self.part(index) if len(index) >= FEWEST * self.size else index

    def share(self, count: int) -> float:
        """What this process's mean weighs in the mean over a minibatch of `count` images.

        The shares of all processes add up to 1.
        """
        if count < FEWEST * self.size:
            return 1 / self.size
        return (count // self.size + (self.rank < count % self.size)) / count

    def add(self, values: Tensor) -> Tensor:
        """Sum over the processes, on the CPU; all must call it, with values of one shape."""
        values = values.cpu()
        if self.size > 1:
            values = values.to(group_device())
            dist.all_reduce(values)
        return values.cpu()

    def tell(self, value: object) -> object:
        """What process 0 passes in, for everybody."""
        box = [value]
        if self.size > 1:
            dist.broadcast_object_list(box, device=group_device())
        return box[0]

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model to call in training: its backward pass averages the gradients."""
        if self.size == 1:
            return model
        return DistributedDataParallel(model, broadcast_buffers=False)

    def average_statistics(self, model: nn.Module) -> None:
        """Give every process the mean of the running statistics."""
        if self.size > 1:
            for buffer in model.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(self.add(buffer) / self.size)

    def draw_apart(self) -> None:
        """Let each process draw random numbers of its own, as dropout must."""
        if not self.leads:
            torch.manual_seed(torch.initial_seed() + self.rank)

    def draw_together(self, device: torch.device) -> None:
        """Let all draw the random numbers of process 0 again."""
        if self.size > 1:
            torch.set_rng_state(self.tell(torch.get_rng_state()))
            if device.type == "cuda":
                torch.cuda.set_rng_state(self.tell(torch.cuda.get_rng_state(device)), device)


def join(device: torch.device) -> Team:
    """Join the processes that `torchrun` has started together with this one, if it has.

    Args:
        device: Where this process trains; CUDA communicates through NCCL, the rest through Gloo.
    """
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        return Team()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
        atexit.register(dist.destroy_process_group)
    return current_team()


def current_team() -> Team:
    """The team that this process has joined, or a team of one."""
    if not (dist.is_available() and dist.is_initialized()):
        return Team()
    return Team(dist.get_rank(), dist.get_world_size())


def group_device() -> torch.device:
    """Where tensors have to lie to be sent."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


def lost_another(error: RuntimeError) -> bool:
    """Whether an error says that another process of the team has ended, or no longer answers."""
    words = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Timed out")
    return isinstance(error, dist.DistBackendError) or any(word in str(error) for word in words)
