"""Receptive fields: which part of an image each value sees that a network computes from it."""

import re
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

# Of each value the first row and column that it sees, −the last row and column, all − FAR, so that
# 0 sees nothing and a minimum joins; first four as if maps had no border, then four within it.
Field = list[Tensor]
FAR = 2**20


class ReceptiveFields(TorchDispatchMode):
    """Follow the receptive field of every value through every function that is called.

    Where values meet, a field reaches from the first to the last pixel that one of them sees.
    Windows look beyond the border of a regular map as if the map went on, so a field can be larger
    than the image; what joins all of a map sees what the map sees of the image. After a function
    that has no rule here fields are unknown, unless all values that it takes see the same.

    Source: Araujo, Norris and Sim (2019), for convolutions and pooling.
    """

    MOVES = {
        "view", "_unsafe_view", "expand", "permute", "transpose", "t", "squeeze", "unsqueeze",
        "slice", "select", "split", "unbind", "split_with_sizes", "unsafe_split", "cat",
        "stack", "flip", "roll", "repeat", "unfold", "im2col", "index", "index_select",
        "gather", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "diagonal", "tril",
        "triu", "alias", "detach", "reflection_pad1d", "reflection_pad2d", "replication_pad1d",
        "replication_pad2d", "upsample_nearest1d", "upsample_nearest2d",
        "_upsample_nearest_exact2d",
    }  # fmt: skip
    EACH = {
        "_prelu_kernel", "hardswish", "_to_copy", "log_sigmoid_forward", "native_batch_norm",
        "cudnn_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
    }  # fmt: skip
    REDUCTIONS = {
        "mean", "sum", "prod", "amax", "amin", "max", "min", "argmax", "argmin", "var", "std",
        "var_mean", "std_mean", "median", "logsumexp", "linalg_vector_norm", "norm", "_softmax",
        "_log_softmax", "_safe_softmax", "native_layer_norm", "native_batch_norm",
        "_native_batch_norm_legit",
    }  # fmt: skip

    def __init__(self, X: Tensor):
        """Start from images `X`, shape (N, C, H, W); of any other input the fields are unknown."""
        super().__init__()
        self.known: dict[int, tuple[Tensor, Field | None]] = {}  # with tensors, so ids stay theirs
        self.rank, self.raised, self.lost = X.dim(), 0, False
        height, width = X.shape[2:] if X.dim() == 4 else (1, 1)
        rows, columns = torch.arange(height).float()[:, None], torch.arange(width).float()
        field = [(t - FAR).expand(X.shape) for t in (rows, columns, -rows, -columns) * 2]
        self.known[id(X)] = X, field if X.dim() == 4 else None

    def get(self, X: Tensor) -> Field | None:
        """The fields of the values of `X`; None where they are unknown."""
        constant = [torch.zeros(()).expand(X.shape)] * 8
        return None if self.lost else self.known.get(id(X), (X, constant))[1]

    def size(self, field: Field | None) -> tuple[int, int] | None:
        """Height and width of the largest field; a vector has no places and counts as a whole."""
        if field is None or not field[0].numel():
            return None
        top, left, bottom, right = (field if field[0].dim() > 2 else join(field, ()))[:4]
        height, width = ((1 - 2 * FAR - a - b).max() for a, b in ((top, bottom), (left, right)))
        return (int(height), int(width)) if height > 0 and width > 0 else None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__.rstrip("_")
        if name == "unsqueeze" and args[1] == 0:  # what PyTorch does to an image without a batch
            self.raised = id(output)
        elif name == "convolution" and id(args[0]) == self.raised and args[1].dim() > self.rank:
            axes = ("length", "height, width", "depth, height, width")[args[1].dim() - 3]
            raise ValueError(f"its convolutions want (channels, {axes}).")
        inputs = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        new = name.endswith("_like") or name.startswith("new_")
        if new or not inputs or not (self.lost or any(id(t) in self.known for t in inputs)):
            return output
        call = {a.name: a.default_value for a in func._schema.arguments}
        call |= dict(zip(call, args, strict=False)) | (kwargs or {})
        before = [self.get(t) for t in inputs]
        for k, t in enumerate(t for t in tree_leaves(output) if isinstance(t, Tensor)):
            try:
                known = all(field is not None for field in before)
                with _disable_current_modes():
                    field = self.follow(func, name, call, inputs, t.shape, k) if known else None
            except (RuntimeError, NotImplementedError):  # a use of the function without a rule
                field = None
            if func._schema.is_mutable and not same(field, before[0]):
                alone = [x for x, _ in self.known.values() if shares(x, t)] == [t]
                self.lost |= not alone  # other views of it see more now
            self.known[id(t)] = t, field
        return output

    def follow(
        self, func: Any, name: str, call: dict[str, Any], inputs: list[Tensor], shape: Any, k: int
    ) -> Field | None:
        """The fields of the k-th output of a function, of the given shape."""
        seen: Any = [self.get(t) for t in inputs if id(t) in self.known]
        field: Any = self.get(inputs[0])
        if name == "copy":
            field = self.get(inputs[1])
        elif torch.Tag.pointwise in func.tags or (name in self.EACH and not call.get("training")):
            field = list(map(first, *seen)) if len(seen) > 1 else seen[0]
        elif name in self.MOVES:
            field = [tree_leaves(func(**self.part(call, side)))[k] for side in range(8)]
        elif name == "constant_pad_nd":
            for axis, (before, after) in enumerate(
                zip(call["pad"][::2], call["pad"][1::2], strict=True), 1
            ):
                field = [extend(t, -axis, before, after, i < 4) for i, t in enumerate(field)]
        elif name in self.REDUCTIONS:
            rank, axes = inputs[0].dim(), call.get("dim")
            if name == "native_layer_norm":
                axes = range(-len(call["normalized_shape"]), 0)
            elif "training" in call:  # batch or instance normalisation by statistics of the map
                axes = [0, *range(2, rank)]
            axes = [axes] if isinstance(axes, int) else axes or range(rank)
            field = join(field, axes)
            if len(shape) < rank:
                field = [t.squeeze(tuple(axes)) for t in field]
        elif name == "native_group_norm":
            parts = [t.reshape(len(t), call["group"], -1) for t in field]
            joined = zip(join(parts, [2]), parts, strict=True)
            field = [t.expand_as(part).reshape(shape) for t, part in joined]
        elif name == "glu":
            field = [first(*t.chunk(2, call["dim"])) for t in field]
        elif name in ("mm", "bmm", "addmm", "baddbmm"):
            left, right = (self.get(t) or [] for t in inputs[-2:])
            field = map(first, join(left, [-1]), join(right, [-2]))
        elif name == "convolution" and id(call["weight"]) not in self.known:
            groups = call["groups"]
            field = [least(t.unflatten(1, (groups, -1)), [2]).squeeze(2) for t in field]
            field = windows(field, call["weight"].shape[2:], call, shape)
            repeats = shape[1] // groups
            field = [t.repeat_interleave(repeats, 1) if t.shape[1] > 1 else t for t in field]
        elif re.fullmatch("(max|avg)_pool[123]d(_with_indices)?", name):
            field = windows(field, call["kernel_size"], call, shape)
        elif re.fullmatch("_?adaptive_(max|avg)_pool[123]d", name):
            for axis in range(-len(call["output_size"]), 0):
                n, m = inputs[0].shape[axis], shape[axis]
                start, end = torch.arange(m) * n // m, (torch.arange(1, m + 1) * n - 1) // m
                field = [between(t, axis, start, end) for t in field]
        elif re.fullmatch("_?upsample_bi(linear|cubic)2d(_aa)?", name):
            for axis, scale in ((-2, "scales_h"), (-1, "scales_w")):
                n, m = inputs[0].shape[axis], shape[axis]
                columns = torch.eye(n).view(1, n, n, 1)
                weights = func(columns, [m, 1], call["align_corners"], call[scale], None)
                used = weights[0, :, :, 0].ne(0).int()  # (n, m)
                start, end = used.argmax(0), n - 1 - used.flip(0).argmax(0)
                field = [between(t, axis, start, end) for t in field]
        elif all(t.amin() == t.amax() for known in seen for t in known):
            field = [first(*(t.amin() for t in side)) for side in zip(*seen, strict=True)]
        else:
            return None
        return [t if t.shape == shape else t.expand(shape) for t in field]

    def part(self, call: dict[str, Any], side: int) -> Any:
        """The arguments of a function that moves values, with one side of the fields for each."""

        def swap(value: Any) -> Any:
            if not isinstance(value, Tensor) or not value.is_floating_point():
                return value
            return (self.get(value) or [])[side].contiguous()

        return tree_map(swap, call)


def first(*sides: Tensor) -> Tensor:
    """The minimum of several sides of fields; what is repeated in all of them is read once."""
    shape = torch.broadcast_shapes(*(t.shape for t in sides))
    sides = tuple(t.expand(shape) for t in sides)
    for axis in range(len(shape)):
        if all(t.stride(axis) == 0 for t in sides):
            sides = tuple(t.narrow(axis, 0, 1) for t in sides)
    return reduce(torch.minimum, sides).expand(shape)


def least(t: Tensor, axes: Sequence[int]) -> Tensor:
    """The minimum along `axes` (none: along all), kept as axes of size 1."""
    axes = axes or range(t.dim())
    for axis in axes:
        if t.stride(axis) == 0:  # what is repeated is read once
            t = t.narrow(axis, 0, 1)
    return t.amin(tuple(axes), keepdim=True)


def join(field: Field, axes: Sequence[int]) -> Field:
    """What all values along `axes` (none: along all) see together, within the border."""
    return [least(t, axes) for t in field[4:]] * 2


def same(a: Field | None, b: Field | None) -> bool:
    pairs = zip(a or (), b or (), strict=False)
    return a is not None and b is not None and all(x is y or torch.equal(x, y) for x, y in pairs)


def shares(a: Tensor, b: Tensor) -> bool:
    """Do two tensors lie in the same memory?"""
    return bool(a.untyped_storage()._cdata == b.untyped_storage()._cdata)


def extend(t: Tensor, axis: int, before: int, after: int, beyond: bool) -> Tensor:
    """Pad one side of a field along an axis, a negative number.

    Args:
        beyond: A regular map goes on; otherwise what is added sees nothing.
    """
    n, steps = t.shape[axis], t.diff(dim=axis)
    if beyond and n > 1 and torch.equal(steps.amin(axis), steps.amax(axis)):
        places = torch.arange(-before, n + after).view(-1, *[1] * (-axis - 1))
        return t.narrow(axis, 0, 1) + steps.narrow(axis, 0, 1) * places
    return F.pad(t, [0, 0] * (-axis - 1) + [before, after])


def windows(
    field: Field, kernel: Sequence[int], call: dict[str, Any], shape: Sequence[int]
) -> Field:
    """Join the windows of a convolution or a pooling whose output has that shape."""
    field = [t.narrow(1, 0, 1) if t.stride(1) == 0 else t for t in field]
    options = (kernel, call["stride"] or kernel, call["padding"], call.get("dilation", [1]))
    for k in range(-len(shape) + 2, 0):
        size, stride, padding, dilation = (v[k] if len(v) > 1 else v[0] for v in options)
        reach = dilation * (size - 1) + 1
        if call.get("transposed"):  # zeros between the values, then a convolution of stride 1
            first_of_each = torch.arange(field[0].shape[k] * stride) % stride == 0
            first_of_each = first_of_each.view(-1, *[1] * (-k - 1))
            field = [t.repeat_interleave(stride, k) * first_of_each for t in field]
            padding, stride = reach - 1 - padding, 1
        after = (shape[k] - 1) * stride + reach - padding - field[0].shape[k]
        field = [extend(t, k, padding, after, i < 4) for i, t in enumerate(field)]
        field = [t.unfold(k, reach, stride)[..., ::dilation].amin(-1) for t in field]
    return field


def between(t: Tensor, axis: int, start: Tensor, end: Tensor) -> Tensor:
    """The minimum along an axis from the places `start` to the places `end`."""
    places = (torch.minimum(start + k, end) for k in range(int((end - start).max()) + 1))
    return first(*(t.index_select(axis, place) for place in places))
