"""A table of a network's layers: output shape, parameters, multiply-adds, memory, receptive field.

A copy of the network runs once in evaluation mode on a batch of one, so the network that was
passed in keeps its mode, its statistics and its lazy layers.
"""

import copy
import html
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, is_lazy
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from helpers.fields import ReceptiveFields


@dataclass(frozen=True)
class Row:
    """One layer of the table."""

    name: str  # path of the module in the network
    kind: str  # its class
    output: tuple[int, ...]  # shape of its (first) output, without the batch
    params: int
    macs: int  # multiply-adds for one example: products of convolutions and dense layers
    memory: int  # bytes of its outputs for one example
    field: tuple[int, int] | None  # height and width that a value sees, in pixels; None: unknown


@dataclass(frozen=True)
class Summary:
    """The layers of a network and their totals; prints as a table, in a notebook as HTML."""

    model: str
    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]
    params: int

    @property
    def macs(self) -> int:
        """Multiply-adds for one example."""
        return sum(row.macs for row in self.rows)

    @property
    def memory(self) -> int:
        """Bytes of all layers' outputs for one example."""
        return sum(row.memory for row in self.rows)

    @property
    def title(self) -> str:
        return f"{self.model}, input {times(self.input_shape)}"

    @property
    def frame(self) -> pd.DataFrame:
        """The table as text: one line for each row, the total last."""
        every: list[Any] = [*self.rows, self]
        lines = {
            "output shape": [*(times(row.output) for row in self.rows), ""],
            "parameters": [f"{row.params:,}" for row in every],
            "multiply-adds": [f"{row.macs:,}" for row in every],
            "bytes": [f"{row.memory:,}" for row in every],
            "sees (pixels)": [*(times(row.field or "?") for row in self.rows), ""],
        }
        names = [*(f"{row.name} {row.kind}".strip() for row in self.rows), "total"]
        return pd.DataFrame(lines, names).rename_axis(columns="layer")

    def __repr__(self) -> str:
        return "\n".join([self.title, *map(str.rstrip, self.frame.to_string().splitlines())])

    def _repr_html_(self) -> str:
        caption = f"<caption>{html.escape(self.title)}</caption>\n  <thead>"
        table: str = self.frame.to_html(classes="layers")
        return table.replace("<thead>", caption, 1)


def times(sides: Iterable[object]) -> str:
    return "×".join(map(str, sides))


def in_bytes(count: int) -> str:
    """A number of bytes in the largest binary unit that leaves at least 1."""
    for unit, size in (("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} B"


def summary(net: nn.Module, input_shape: Sequence[int], *, fields: bool = True) -> Summary:
    """Tabulate the layers of `net` in the order in which they finish.

    Args:
        net: Any module that takes one tensor. It is left as it was.
        input_shape: Shape of one example, without the batch, for example (1, 28, 28).
        fields: Whether to follow the receptive fields, which takes most of the time.

    Returns:
        A row for each call of a module that has no children, or parameters or products of its own.

    Raises:
        ValueError: `input_shape` is not made of positive integers, or has no channels where
            the network wants them; the network cannot take it, or cannot be copied.
    """
    shape, name = tuple(input_shape), type(net).__name__
    if not shape or not all(isinstance(n, int) and n > 0 for n in shape):
        raise ValueError(
            f"input_shape={input_shape!r} is not the shape of one example, such as (1, 28, 28)."
        )
    state = [*net.parameters(), *net.buffers()]
    own = next((t for t in state if t.is_floating_point() or t.is_complex()), torch.zeros(()))
    X = torch.zeros(1, *shape, dtype=own.dtype, device=own.device)
    # The meta device computes no more than shapes, but not every network runs on it.
    devices = [*([] if any(map(is_lazy, state)) else [torch.device("meta")]), X.device]
    for device in devices:
        twin = duplicate(net).to(device).eval()
        try:
            with torch.device("cpu"), torch.random.fork_rng(), torch.no_grad():  # fields are real
                rows = trace(twin, X.to(device), fields)
            break
        except Exception as error:
            if device == devices[-1]:
                known = len(shape) == 3 or "(channels" in str(error)
                hint = "" if known else " (an image has a shape of (channels, height, width))"
                raise ValueError(
                    f"{name} cannot take an input of shape {shape}: {error}{hint}"
                ) from error
    return Summary(name, shape, tuple(rows), sum(p.numel() for p in twin.parameters()))


def duplicate(net: nn.Module) -> nn.Module:
    """A deep copy of the network, without its trainer and hooks on outputs; lazy layers stay lazy.

    ValueError: something that the network keeps cannot be copied.
    """
    memo: dict[int, object] = {id(getattr(net, "trainer", None)): None}
    for module in net.modules():
        memo[id(module._forward_hooks)] = type(module._forward_hooks)()
        for kept in tree_leaves(vars(module)):
            if isinstance(kept, UninitializedBuffer):  # PyTorch copies lazy parameters alone
                options: Any = {"device": kept.device, "dtype": kept.dtype}
                memo[id(kept)] = UninitializedBuffer(**options)
            elif isinstance(kept, Tensor) and not kept.is_leaf:  # a map, kept for its gradient
                memo[id(kept)] = kept.detach().clone()
    try:
        return copy.deepcopy(net, memo)
    except Exception as error:
        raise ValueError(f"{type(net).__name__} keeps what cannot be copied: {error}") from error


def trace(net: nn.Module, X: Tensor, follow: bool) -> list[Row]:
    """Run `net` once on `X`, of shape (1, …), and list what its modules do."""
    rows: list[tuple[Row, Tensor | None]] = []
    calls: list[list[int]] = []  # of the modules that are running: products before and in children
    listed: dict[int, Tensor] = {}
    flops, fields = FlopCounterMode(display=False), ReceptiveFields(X) if follow else None

    def enter(module: nn.Module, inputs: Any) -> None:
        calls.append([flops.get_total_flops(), 0])

    def leave(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        before, within = calls.pop()
        total = flops.get_total_flops() - before
        if calls:
            calls[-1][1] += total
        leaf = next(module.children(), None) is None
        params = sum(p.numel() for p in module.parameters(recurse=False))
        if not (leaf or params or total > within):
            return
        tensors = [t for t in tree_leaves(output) if isinstance(t, Tensor)]
        memory = sum(t.nbytes for t in tensors if leaf or id(t) not in listed)
        listed.update((id(t), t) for t in tensors)
        shape = list(tensors[0].shape) if tensors else []
        batch = 0 if getattr(module, "batch_first", True) else 1
        if shape[batch : batch + 1] == [1]:
            del shape[batch]
        kind, macs = type(module).__name__, (total - within) // 2
        row = Row(name, kind, tuple(shape), params, macs, memory, None)
        rows.append((row, fields.get(tensors[0]) if fields and tensors else None))

    for name, module in net.named_modules():
        module.register_forward_pre_hook(enter)
        module.register_forward_hook(partial(leave, name))
    with flops, fields or nullcontext():
        net(X)
    return [replace(row, field=fields.size(field)) if fields else row for row, field in rows]
