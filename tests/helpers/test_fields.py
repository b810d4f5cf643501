import copy

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from helpers.fields import FAR, ReceptiveFields


class Apply(nn.Module):
    """A function in place of a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, X):
        return self.function(X)


class Branches(nn.Module):
    """Branches of one size that are added or concatenated."""

    def __init__(self, join, *branches):
        super().__init__()
        self.join, self.branches = join, nn.ModuleList(branches)

    def forward(self, X):
        parts = [branch(X) for branch in self.branches]
        if self.join == "cat":
            return torch.cat(parts, 1)[:, ::3]
        Y = parts[0].clone()
        for part in parts[1:]:
            Y += part
        return Y


C = 2  # channels of every map
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
strides = st.tuples(st.integers(1, 2), st.integers(1, 2))
padding = st.tuples(st.integers(0, 2), st.integers(0, 2))


@st.composite
def layers(draw):
    kind = draw(
        st.sampled_from(
            [
                "conv",
                "depthwise",
                "max",
                "avg",
                "adaptive",
                "transposed",
                "up",
                "branches",
                "shuffle",
                "mean",
                "norm",
                "pad",
            ]
        )
    )
    k, s, p, d = draw(pairs), draw(strides), draw(padding), draw(strides)
    half = tuple(min(a, b // 2) for a, b in zip(p, k, strict=True))
    if kind == "conv":
        return nn.Conv2d(C, C, k, s, p, d, padding_mode=draw(st.sampled_from(["zeros", "reflect"])))
    if kind == "depthwise":
        return nn.Conv2d(C, C, k, s, p, d, groups=C)
    if kind == "max":
        return nn.MaxPool2d(k, s, half)
    if kind == "avg":
        return nn.AvgPool2d(k, s, half, ceil_mode=draw(st.booleans()))
    if kind == "adaptive":
        pool = draw(st.sampled_from([nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d]))
        return pool(draw(st.tuples(st.integers(1, 5), st.integers(1, 5))))
    if kind == "transposed":
        return nn.ConvTranspose2d(C, C, k, s, half, dilation=d)
    if kind == "up":
        mode = draw(st.sampled_from(["nearest", "bilinear", "bicubic"]))
        size = draw(st.tuples(st.integers(5, 14), st.integers(5, 14)))
        return nn.Upsample(
            **draw(st.sampled_from([{"size": size}, {"scale_factor": 2}])), mode=mode
        )
    if kind == "branches":
        odd = nn.Conv2d(C, C, 3, padding=1), nn.Conv2d(C, C, 5, padding=4, dilation=2)
        return Branches(draw(st.sampled_from(["add", "cat"])), *odd, nn.Identity())
    if kind == "shuffle":
        return nn.Sequential(nn.Conv2d(C, 4 * C, k), nn.PixelShuffle(2))
    if kind == "mean":
        axis = draw(st.sampled_from([2, 3, (2, 3)]))
        return Apply(lambda X: X.mean(axis, keepdim=True))
    if kind == "norm":
        return Apply(lambda X: X / X.sum((1, 2), keepdim=True))
    return nn.ZeroPad2d((*p, *p))


def smooth(net):
    """The network with a gradient everywhere: positive weights, weighted sums for maxima."""
    net = copy.deepcopy(net).double()
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                conv = nn.Conv2d(C, C, child.kernel_size, child.stride, child.padding, groups=C)
                setattr(module, name, conv.double())
            elif isinstance(child, nn.AdaptiveMaxPool2d):
                setattr(module, name, nn.AdaptiveAvgPool2d(child.output_size))
    for p in net.parameters():
        nn.init.uniform_(p, 0.5, 1.5)
    return net


def seen_by_gradient(net, X, place):
    """First row and column, −last row and column that the output at a place depends on."""
    Y = net(X)
    Y[(0, slice(None), *place)].dot(torch.arange(1.0, Y.shape[1] + 1).double()).backward()
    rows, columns = X.grad[0].abs().sum(0).gt(1e-12).nonzero(as_tuple=True)
    X.grad = None
    if not len(rows):
        return None
    return [int(v) for v in (rows.min(), columns.min(), -rows.max(), -columns.max())]


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(layers(), min_size=1, max_size=4), st.integers(6, 12), st.integers(6, 12))
def test_every_value_sees_what_its_gradient_reaches(parts, height, width):
    net = smooth(nn.Sequential(*parts))
    X = torch.rand(1, C, height, width, dtype=torch.double, generator=torch.manual_seed(0)) + 1
    fields = ReceptiveFields(X)
    try:
        with torch.no_grad(), fields:
            Y = nn.Sequential(*parts).double()(X)
    except (RuntimeError, ValueError):  # the maps have become too small
        return
    field = fields.get(Y)
    assert field is not None, parts
    X.requires_grad_()
    for k in range(max(Y.shape[2:])):
        place = min(k, Y.shape[2] - 1), min(k, Y.shape[3] - 1)
        joined = field[(0, slice(None), *place)].amin(0).int().tolist()
        beyond, ours = joined[:4], joined[4:]
        theirs = seen_by_gradient(net, X, place)
        assert ours == ([0] * 4 if theirs is None else [v - FAR for v in theirs])
        assert all(a <= b for a, b in zip(beyond, ours, strict=True))
