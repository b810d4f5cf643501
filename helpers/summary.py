"""A table of a network's layers: output shape, parameters, multiply-adds, memory, receptive field.

The network is copied, and the copy is run once in evaluation mode on a batch of one, so the
network that was passed in keeps its mode, its statistics and its lazy layers.
"""

import copy
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import UninitializedBuffer
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Row:
    """One layer of the table.

    Attributes:
        name: The path of the module in the network.
        kind: Its class.
        output: Shape of its output, without the batch.
        params: Number of its parameters.
        macs: Multiply-adds for one example: products of convolutions and dense layers.
        memory: Bytes of its output for one example.
        field: Height and width of the receptive field of one output value, in input pixels;
            None where it is unknown.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    macs: int
    memory: int
    field: tuple[int, int] | None


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

    HEAD = ("layer", "output shape", "parameters", "multiply-adds", "activations", "sees")

    def cells(self) -> list[tuple[str, ...]]:
        """The table as text, row by row, the total last."""
        lines = [
            (
                f"{row.name} {row.kind}",
                "×".join(map(str, row.output)),
                f"{row.params:,}",
                f"{row.macs:,}",
                in_bytes(row.memory),
                "?" if row.field is None else "{}×{}".format(*row.field),
            )
            for row in self.rows
        ]
        total = f"{self.params:,}", f"{self.macs:,}", in_bytes(self.memory)
        return [*lines, ("total", "", *total, "")]

    def __str__(self) -> str:
        table = [self.HEAD, *self.cells()]
        widths = [max(len(line[k]) for line in table) for k in range(len(self.HEAD))]
        lines = [
            "  ".join(
                text.ljust(width) if k == 0 else text.rjust(width)
                for k, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in table
        ]
        return "\n".join([f"{self.model}, input {self.shape_text()}", *lines])

    __repr__ = __str__

    def shape_text(self) -> str:
        return "×".join(map(str, self.input_shape))

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in self.HEAD)
        body = "".join(
            f'<tr><th scope="row">{html.escape(line[0])}</th>'
            + "".join(f"<td>{html.escape(text)}</td>" for text in line[1:])
            + "</tr>"
            for line in self.cells()
        )
        caption = f"{html.escape(self.model)}, input {self.shape_text()}"
        return (
            f'<table class="dataframe layers"><caption>{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def in_bytes(count: int) -> str:
    """A number of bytes in the largest binary unit that leaves at least 1."""
    for unit, size in (("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} B"


def summary(net: nn.Module, input_shape: Sequence[int]) -> Summary:
    """Tabulate the layers of `net` in the order in which they compute.

    Args:
        net: Any module that takes one tensor. It is left as it was.
        input_shape: Shape of one example, without the batch, for example (1, 28, 28).

    Returns:
        `Summary`, one row for each call of a module that has no children.

    Raises:
        ValueError: `input_shape` is not made of positive numbers, or the network cannot take it.
    """
    shape = tuple(input_shape)
    if not shape or not all(isinstance(n, int) and n > 0 for n in shape):
        raise ValueError(f"input_shape={input_shape!r} is no shape of one example, as (1, 28, 28).")
    with torch.random.fork_rng():
        twin = duplicate(net).eval()
        for module in twin.modules():
            module._forward_hooks.clear()
        device = next((p.device for p in twin.parameters()), torch.device("cpu"))
        X = torch.zeros(1, *shape, device=device)
        try:
            with torch.no_grad():
                twin(X)  # gives lazy layers their shapes
        except RuntimeError as error:
            raise ValueError(
                f"{type(net).__name__} cannot take an input of shape {shape}: {error}"
            ) from error
        rows = trace(twin, X)
    params = sum(p.numel() for p in twin.parameters())
    return Summary(type(net).__name__, shape, tuple(rows), params)


def duplicate(net: nn.Module) -> nn.Module:
    """A deep copy of the network, without its trainer; lazy layers stay lazy."""
    memo: dict[int, object] = {id(getattr(net, "trainer", None)): None}
    for buffer in net.buffers():  # PyTorch copies lazy parameters, but no lazy buffers
        if isinstance(buffer, UninitializedBuffer):
            memo[id(buffer)] = UninitializedBuffer(device=buffer.device, dtype=buffer.dtype)
    return copy.deepcopy(net, memo)


def trace(net: nn.Module, X: Tensor) -> list[Row]:
    """Run `net` once on `X`, of shape (1, …), and list the calls of its leaves."""
    rows: list[Row] = []
    fields = ReceptiveFields(X)
    flops = FlopCounterMode(display=False)

    def row_of(name: str) -> Callable[[nn.Module, tuple, Tensor], None]:
        before = 0

        def enter(module: nn.Module, inputs: tuple) -> None:
            nonlocal before
            before = flops.get_total_flops()

        def leave(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            rows.append(
                Row(
                    name,
                    type(module).__name__,
                    tuple(output.shape[1:]),
                    sum(p.numel() for p in module.parameters()),
                    (flops.get_total_flops() - before) // 2,
                    output.numel() * output.element_size(),
                    fields.size(output),
                )
            )

        return enter, leave

    for name, module in net.named_modules():
        if next(module.children(), None) is None:
            enter, leave = row_of(name)
            module.register_forward_pre_hook(enter)
            module.register_forward_hook(leave)
    with torch.no_grad(), flops, fields:
        net(X)
    return rows


@dataclass(frozen=True)
class Field:
    """What one value of a feature map sees along one axis.

    Attributes:
        size: Width of the receptive field in input pixels.
        step: Distance in input pixels between the fields of neighbouring values.
    """

    size: int
    step: int


class ReceptiveFields(TorchFunctionMode):
    """Follow the receptive field through every function that a network calls.

    A window of k values, at dilation d, of a map whose values see r pixels in steps of s sees
    r + (k − 1)·d·s pixels. Elementwise functions keep the field; where branches meet, the larger
    counts; a flattened map, and a global pool, sees what all of the map's values together see,
    which here is the whole input. The border is not cut off, so a field can be larger than the
    image.

    Source: Araujo, Norris and Sim (2019).
    """

    WINDOWS = {F.conv2d, torch.conv2d}
    POOLS = {
        F.max_pool2d, F.avg_pool2d, torch.max_pool2d, torch._C._nn.avg_pool2d,
        torch.nn.functional._max_pool2d,
    }  # fmt: skip
    WHOLE = {F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.linear, torch.flatten, Tensor.flatten}

    def __init__(self, X: Tensor):
        super().__init__()
        self.shape = tuple(X.shape[2:])
        self.known: dict[int, tuple[Tensor, tuple[Field, Field] | None]] = {}
        if len(self.shape) == 2:
            self.note(X, (Field(1, 1), Field(1, 1)))

    def note(self, X: Tensor, fields: tuple[Field, Field] | None) -> None:
        self.known[id(X)] = (X, fields)  # the tensor is kept, so its id stays its own

    def get(self, X: Tensor) -> tuple[Field, Field] | None:
        return self.known.get(id(X), (X, None))[1]

    def size(self, X: Tensor) -> tuple[int, int] | None:
        fields = self.get(X)
        return None if fields is None else (fields[0].size, fields[1].size)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        flat = [a for arg in args for a in (arg if isinstance(arg, list | tuple) else (arg,))]
        inputs = [self.get(a) for a in flat if isinstance(a, Tensor) and id(a) in self.known]
        inputs = [fields for fields in inputs if fields is not None]
        if inputs and isinstance(output, Tensor) and output.dim() > 0:
            self.note(output, self.follow(func, args, kwargs, inputs, output))
        return output

    def follow(self, func, args, kwargs, inputs, output):
        joined = tuple(
            Field(max(f[axis].size for f in inputs), max(f[axis].step for f in inputs))
            for axis in (0, 1)
        )
        if func in self.WHOLE:
            whole = zip(self.shape, joined, strict=True)
            return tuple(Field(max(side, f.size), f.step) for side, f in whole)
        if func in self.WINDOWS:
            names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
            call = dict(zip(names, args, strict=False)) | kwargs
            kernel = call["weight"].shape[-2:]
            return widen(joined, kernel, call.get("stride", 1), call.get("dilation", 1))
        if func in self.POOLS:
            names = ("input", "kernel_size", "stride", "padding", "dilation")
            call = dict(zip(names, args, strict=False)) | kwargs
            kernel = call["kernel_size"]
            dilation = call.get("dilation", 1) if "max" in func.__name__ else 1
            return widen(joined, kernel, call.get("stride") or kernel, dilation)
        return joined


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def widen(fields, kernel, stride, dilation) -> tuple[Field, Field]:
    """The fields behind one more window along both axes."""
    steps = zip(fields, pair(kernel), pair(stride), pair(dilation), strict=True)
    return tuple(Field(f.size + (k - 1) * d * f.step, f.step * s) for f, k, s, d in steps)
