"""Receptive fields: which part of an image each value sees that a network computes from it."""

import re
from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

# The last axis of a field has the first row and column that a value sees, −the last row and column,
# all − FAR, so that 0 sees nothing and a minimum joins; as if maps had no border, then within it.
FAR = 2**20


class ReceptiveFields(TorchDispatchMode):
    """Follow the receptive field of every value through every function that is called.

    Where values meet, a field reaches from the first to the last pixel that one of them sees.
    Windows look beyond the border of a regular map as if the map went on, so a field can be larger
    than the image; what joins all of a map sees what the map sees of the image. After a function
    that has no rule here fields are unknown, unless all values that it takes see the same.

    Source: Araujo, Norris and Sim (2019), for convolutions and pooling.
    """

    MOVES = {  # besides views
        "cat", "stack", "flip", "roll", "repeat", "im2col", "index", "index_select", "gather",
        "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "tril", "triu", "unsafe_split",
        "reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d",
        "upsample_nearest1d", "upsample_nearest2d", "_upsample_nearest_exact2d",
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
        self.rank, self.raised, self.lost = X.dim(), 0, False
        height, width = X.shape[2:] if X.dim() == 4 else (1, 1)
        places = torch.cartesian_prod(torch.arange(height), torch.arange(width)).float()
        field = torch.cat([places, -places] * 2, 1).view(height, width, 8) - FAR
        # by the tensors' ids, with the tensors, so that ids stay theirs
        self.known = {id(X): (X, field.expand(*X.shape, 8) if X.dim() == 4 else None)}

    def get(self, X: Tensor) -> Any:
        """The fields of the values of `X`, of shape (…, 8); None where they are unknown."""
        constant = torch.zeros(()).expand(*X.shape, 8)
        return None if self.lost else self.known.get(id(X), (X, constant))[1]

    def side(self, number: int, value: Any) -> Any:
        """One side of the fields in place of a tensor of floats; any other value as it is."""
        moved = isinstance(value, Tensor) and value.is_floating_point()
        return self.get(value)[..., number] if moved else value

    def size(self, field: Tensor | None) -> tuple[int, int] | None:
        """Height and width of the largest field; a vector has no places and counts as a whole."""
        if field is None or not field.numel():
            return None
        ends = (once(field) if field.dim() > 3 else join(field))[..., :4].reshape(-1, 4)
        height, width = (1 - 2 * FAR - ends[:, :2] - ends[:, 2:]).amax(0).int().tolist()
        return (height, width) if height > 0 and width > 0 else None

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
            was = before[0]
            if func._schema.is_mutable and (field is None or was is None or not field.equal(was)):
                memory = [x.untyped_storage()._cdata for x, _ in self.known.values()]
                alone = id(t) in self.known and memory.count(t.untyped_storage()._cdata) == 1
                self.lost |= not alone  # other views of it see more now
            self.known[id(t)] = t, field
        return output

    def follow(
        self, func: Any, name: str, call: dict[str, Any], inputs: list[Tensor], shape: Any, k: int
    ) -> Tensor | None:
        """The fields of the k-th output of a function, of the given shape."""
        seen: Any = [self.get(t) for t in inputs if id(t) in self.known]
        field = self.get(inputs[0])
        rank = inputs[0].dim()
        if name == "copy":
            field = self.get(inputs[1])
        elif torch.Tag.pointwise in func.tags or (name in self.EACH and not call.get("training")):
            field = first(*seen)
        elif name in ("view", "_unsafe_view"):
            field = field.reshape(*shape, 8)
        elif name in self.MOVES or (func.is_view and name != "as_strided"):
            calls = [tree_map(partial(self.side, i), call) for i in range(8)]
            field = torch.stack([tree_leaves(func(**each))[k] for each in calls]).movedim(0, -1)
        elif name == "constant_pad_nd":
            pads = zip(call["pad"][::2], call["pad"][1::2], strict=True)
            for axis, (before, after) in enumerate(pads, 1):
                field = extend(field, rank - axis, before, after)
        elif name in self.REDUCTIONS:
            axes = call.get("dim")
            if name == "native_layer_norm":
                axes = range(-len(call["normalized_shape"]), 0)
            elif "training" in call:  # batch or instance normalisation by statistics of the map
                axes = [0, *range(2, rank)]
            axes = [axes] if isinstance(axes, int) else axes or range(rank)
            axes = [axis % rank for axis in axes]
            field = join(field, axes)
            if len(shape) < rank:
                field = field.squeeze(axes)
        elif name == "native_group_norm":
            parts = field.reshape(len(field), call["group"], -1, 8)
            field = join(parts, [2]).expand_as(parts).reshape(*shape, 8)
        elif name == "glu":
            field = first(*field.chunk(2, call["dim"] % rank))
        elif name in ("mm", "bmm", "addmm", "baddbmm"):
            left, right = (self.get(t) for t in inputs[-2:])
            field = first(join(left, [left.dim() - 2]), join(right, [right.dim() - 3]))
        elif name == "convolution" and id(call["weight"]) not in self.known:
            groups = call["groups"]
            field = once(field.unflatten(1, (groups, -1)), [2]).amin(2)
            field = windows(field, call["weight"].shape[2:], call, shape)
            if field.shape[1] > 1:
                field = field.repeat_interleave(shape[1] // groups, 1)
        elif re.fullmatch("(max|avg)_pool[123]d(_with_indices)?", name):
            field = windows(field, call["kernel_size"], call, shape)
        elif re.match("_?(adaptive|upsample)_", name):  # which places each reads is measured
            axes = range(rank - len(call["output_size"]), rank)
            scales = [name for name in call if name.startswith("scales")]
            for i, axis in enumerate(axes):
                n, m, ones = field.shape[axis], shape[axis], [1] * (len(axes) - 1)
                pulses = call | dict.fromkeys(scales) | {k: call[scales[i]] for k in scales[:1]}
                pulses |= zip(call, (torch.eye(n).view(1, n, n, *ones), [m, *ones]), strict=False)
                weights, *_ = tree_leaves(func(**pulses))
                used = weights.view(n, m).ne(0).int()
                start, end = used.argmax(0), n - 1 - used.flip(0).argmax(0)
                reach = range(int((end - start).max()) + 1)
                field = first(*(field.index_select(axis, end.minimum(start + i)) for i in reach))
        elif all(torch.equal(*once(t).reshape(-1, 8).aminmax(dim=0)) for t in seen):
            field = first(*(once(t).reshape(-1, 8)[0] for t in seen))
        else:
            return None
        return field.expand(*shape, 8)


def first(*fields: Tensor) -> Tensor:
    """The minimum of several fields; what is repeated in all of them is read once."""
    shape = torch.broadcast_shapes(*(t.shape for t in fields))
    fields = tuple(t.expand(shape) for t in fields)
    for axis in range(len(shape)):
        if all(t.stride(axis) == 0 for t in fields):
            fields = tuple(t.narrow(axis, 0, 1) for t in fields)
    return reduce(torch.minimum, fields).expand(shape)


def once(field: Tensor, axes: Sequence[int] = ()) -> Tensor:
    """Of those `axes` (none: of all) along which a field is repeated, the first place."""
    for axis in axes or range(field.dim() - 1):
        if field.stride(axis) == 0:
            field = field.narrow(axis, 0, 1)
    return field


def join(field: Tensor, axes: Sequence[int] = ()) -> Tensor:
    """What all values along `axes` (none: along all) see together, within the border."""
    axes = axes or range(field.dim() - 1)
    within = once(field[..., 4:], axes)
    return torch.cat([within.amin(tuple(axes), keepdim=True) if axes else within] * 2, -1)


def extend(field: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Pad a field along an axis; where borders do not count, a regular map goes on."""
    n, left = field.shape[axis], field.dim() - 1 - axis
    padded = F.pad(field, [0, 0] * left + [before, after])
    steps = field[..., :4].diff(dim=axis)
    if n > 1 and torch.equal(steps.amin(axis), steps.amax(axis)):
        places = torch.arange(-before, n + after).view(-1, *[1] * left)
        start = field[..., :4].narrow(axis, 0, 1)
        padded[..., :4] = start + steps.narrow(axis, 0, 1) * places
    return padded


def windows(
    field: Tensor, kernel: Sequence[int], call: dict[str, Any], shape: Sequence[int]
) -> Tensor:
    """Join the windows of a convolution or a pooling whose output has that shape."""
    field = once(field, [1])
    options = (kernel, call["stride"] or kernel, call["padding"], call.get("dilation", [1]))
    for k in range(2, len(shape)):
        size, stride, padding, dilation = (v[k - 2] if len(v) > 1 else v[0] for v in options)
        reach = dilation * (size - 1) + 1
        if call.get("transposed"):  # zeros between the values, then a convolution of stride 1
            first_of_each = torch.arange(field.shape[k] * stride) % stride == 0
            first_of_each = first_of_each.view(-1, *[1] * (len(shape) - k))
            field = field.repeat_interleave(stride, k) * first_of_each
            padding, stride = reach - 1 - padding, 1
        after = (shape[k] - 1) * stride + reach - padding - field.shape[k]
        field = extend(field, k, padding, after)
        field = field.unfold(k, reach, stride)[..., ::dilation].amin(-1)
    return field
