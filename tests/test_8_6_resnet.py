"""Residual and grouped blocks, and the networks of them, lifted from section 8.6."""

import itertools
from functools import partial

import pytest
import torch
from d2l import torch as d2l
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torchvision import models
from torchvision.models.resnet import BasicBlock
from torchvision.models.resnet import Bottleneck as TorchvisionBottleneck

from helpers.pages import lift
from helpers.summary import summary

page = lift("8-6-resnet")
BLOCKS = [(3, False, 1), (5, True, 1), (5, True, 2)]  # channels, 1×1 convolution, strides
BOTTLENECK = partial(page.ResNeXtBlock, groups=1, bot_mul=1 / 4)
RESNEXT = partial(page.ResNeXtBlock, groups=32, bot_mul=1 / 2)
ARCH_50 = ((3, 256), (4, 512), (6, 1024), (3, 2048))


def downsample(c_i: int, c_o: int, strides: int) -> nn.Sequential:
    """Torchvision's projection shortcut."""
    return nn.Sequential(nn.Conv2d(c_i, c_o, 1, strides, bias=False), nn.BatchNorm2d(c_o))


def zero_convolutions(net: nn.Module) -> None:
    for p in net.parameters():
        if p.dim() == 4:
            nn.init.zeros_(p)


def images(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


def test_shapes_of_the_two_blocks():
    X = images(4, 3, 6, 6)
    assert page.Residual(3)(X).shape == (4, 3, 6, 6)
    assert page.Residual(6, use_1x1conv=True, strides=2)(X).shape == (4, 6, 3, 3)
    assert page.Residual(6, True, 2)(images(4, 3, 7, 5)).shape == (4, 6, 4, 3)


def test_only_the_first_convolution_and_the_shortcut_stride():
    block = page.Residual(6, use_1x1conv=True, strides=2)
    block(images(4, 3, 6, 6))
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.kernel_size, m.stride) for m in convs] == [
        ((3, 3), (2, 2)), ((3, 3), (1, 1)), ((1, 1), (2, 2)),
    ]  # fmt: skip


def test_a_block_by_hand():
    block = page.Residual(1, norm=False)
    block(torch.ones(1, 1, 3, 3))
    with torch.no_grad():
        for p in block.parameters():
            p.fill_(1.0 if p.dim() == 4 else 0.5)
    # all ones: the first convolution counts neighbours, 4 6 4 / 6 9 6 / 4 6 4, plus 0.5
    first = torch.tensor([[4.0, 6, 4], [6, 9, 6], [4, 6, 4]]) + 0.5
    middle = first.sum() + 0.5 + 1
    corner = 4.5 + 6.5 + 6.5 + 9.5 + 0.5 + 1
    Y = block(torch.ones(1, 1, 3, 3))[0, 0]
    assert Y[1, 1] == middle == 55 and Y[0, 0] == corner == 28.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("c", "conv", "strides"), BLOCKS)
def test_residual_equals_torchvision(c, conv, strides, dtype):
    block = page.Residual(c, conv, strides).to(dtype)
    oracle = BasicBlock(3, c, strides, downsample(3, c, strides) if conv else None).to(dtype)
    X = images(4, 3, 7, 6, dtype=dtype).requires_grad_()
    block(X)
    page.copy_weights(block, oracle)
    for mode in (True, False):
        got, wanted = block.train(mode)(X), oracle.train(mode)(X)
        assert got.dtype == dtype
        assert_close(got, wanted)
        grads = [torch.autograd.grad(Y.square().mean(), X)[0] for Y in (got, wanted)]
        assert_close(grads[0], grads[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("c", "conv", "strides"), BLOCKS)
@pytest.mark.parametrize(("norm", "shortcut"), list(itertools.product((True, False), repeat=2)))
def test_what_is_ablated_is_gone(c, conv, strides, norm, shortcut):
    block = page.Residual(c, conv, strides, norm=norm, shortcut=shortcut).double()
    X = images(4, 3, 6, 6, dtype=torch.float64)
    Y = block(X)
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(convs) == 2 + (conv and shortcut)
    assert len(norms) == (len(convs) if norm else 0)
    assert all((m.bias is None) == norm for m in convs)
    P = dict(block.named_parameters())
    assert_close(Y, page.residual_by_hand(P, X, strides, identity=shortcut and not conv))
    grads = torch.autograd.grad(Y.square().sum(), list(block.parameters()))
    assert len(grads) == len(P)  # every parameter takes part


@pytest.mark.parametrize("norm", [True, False])
def test_identity_at_zero(norm):
    X = images(4, 3, 6, 6)
    for shortcut in (True, False):
        block = page.Residual(3, norm=norm, shortcut=shortcut)
        block(X)
        zero_convolutions(block)
        for name, p in block.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(p)
        assert torch.equal(block(X), X if shortcut else torch.zeros_like(X))


@pytest.mark.parametrize("make", [page.Residual, page.PreActResidual, partial(BOTTLENECK)])
def test_a_shortcut_that_does_not_fit_is_refused(make):
    block = make(4)
    with pytest.raises(ValueError, match=r"body gives shape \(4, 6, 6\), the shortcut \(1, 6, 6\)"):
        block(images(2, 1, 6, 6))  # addition alone would broadcast in silence
    with pytest.raises(ValueError, match="use_1x1conv=True"):
        make(4, strides=2)(images(2, 4, 6, 6))


def test_norm_by_hand_equals_functional():
    Y = images(4, 3, 5, 4, dtype=torch.float64)
    gamma, beta = torch.randn(2, 3, dtype=torch.float64)
    P = {"a.1.weight": gamma, "a.1.bias": beta}
    wanted = F.batch_norm(Y, None, None, gamma, beta, training=True)
    assert_close(page.norm_by_hand(P, "a", Y), wanted)
    assert torch.equal(page.norm_by_hand({}, "a", Y), Y)


@pytest.mark.parametrize(("groups", "width"), [(1, 64), (32, 4)])
@pytest.mark.parametrize(("conv", "strides"), [(False, 1), (True, 1), (True, 2)])
def test_bottleneck_and_grouped_block_equal_torchvision(groups, width, conv, strides):
    c_i = 128 if conv else 256
    mul = groups * width / 256
    block = page.ResNeXtBlock(256, groups, mul, conv, strides).double()
    shortcut = downsample(c_i, 256, strides) if conv else None
    oracle = TorchvisionBottleneck(c_i, 64, strides, shortcut, groups, width).double()
    X = images(2, c_i, 5, 4, dtype=torch.float64)
    block(X)
    page.copy_weights(block, oracle)
    assert_close(block(X), oracle(X))


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
@pytest.mark.parametrize(("conv", "strides"), [(False, 1), (True, 1), (True, 2)])
def test_grouped_block_is_a_sum_of_paths(groups, conv, strides):
    block = page.ResNeXtBlock(8, groups, 1, conv, strides).double()
    X = images(4, 8, 7, 6, dtype=torch.float64)
    Y = block(X)
    assert block.body[2][0].groups == groups
    assert block.body[2][0].weight.shape == (8, 8 // groups, 3, 3)
    assert_close(page.sum_of_paths(block, X, groups, strides), Y)


@pytest.mark.parametrize("groups", [0, 3, 16])
def test_groups_that_do_not_divide_are_refused(groups):
    with pytest.raises(ValueError, match=f"8 channels do not split into groups={groups}"):
        page.ResNeXtBlock(8, groups, 1)


def test_stages_of_resnet_18():
    table = summary(page.ResNet(), (1, 96, 96))
    assert (table.params, table.macs) == (11_175_370, 318_657_536)
    frame = page.stages(table)
    assert frame["output"].tolist() == [
        "64×24×24", "64×24×24", "128×12×12", "256×6×6", "512×3×3", "10", "",
    ]  # fmt: skip
    parts = [int(text.replace(",", "")) for text in frame["parameters"]]
    assert sum(parts[:-1]) == parts[-1] == table.params


def test_arguments_of_the_network():
    net = page.ResNet(lr=0.3, num_classes=7, width=lambda c: c // 8)
    assert net(images(2, 3, 40, 48)).shape == (2, 7)
    assert net.configure_optimizers().param_groups[0]["lr"] == 0.3
    assert net.net.stem[0][0].weight.shape == (8, 3, 7, 7)
    assert net.net.stage4[0].body[0][0].weight.shape == (64, 32, 3, 3)
    small = page.ResNet(((1, 4), (2, 8)), stem=4, small=True)
    assert summary(small, (1, 28, 28)).rows[0].output == (4, 14, 14)
    assert [len(stage) for stage in (small.net.stage1, small.net.stage2)] == [1, 2]
    assert isinstance(small.net.stage1[0].shortcut, nn.Identity)
    assert isinstance(small.net.stage2[0].shortcut, nn.Sequential)
    bare = page.ResNet(((1, 4), (1, 8)), stem=4, small=True, norm=False)
    assert not [m for m in bare.modules() if "BatchNorm" in type(m).__name__]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("resnet18", page.ResNet),
        ("resnet50", partial(page.ResNet, ARCH_50, block=BOTTLENECK)),
        ("resnet152", partial(page.resnet, 152, (3, 8, 36, 3))),
        ("resnext50_32x4d", partial(page.ResNet, ARCH_50, block=RESNEXT)),
    ],
)
def test_same_parameters_as_torchvision_one_for_one(name, make):
    with torch.device("meta"):
        ours, theirs = make(num_classes=1000), getattr(models, name)()
        ours(torch.zeros(2, 3, 64, 64))
    shapes = [[tuple(v.shape) for v in net.state_dict().values()] for net in (ours, theirs)]
    assert shapes[0] == shapes[1]


def test_d2l_variant_has_3008_parameters_more():
    make = partial(page.ResNet, num_classes=1000)
    paper = page.on_meta(make, side=64).params
    variant = page.on_meta(partial(make, block=d2l.Residual), side=64).params
    assert (paper, variant + 64) == (11_689_512, 11_692_520)  # 64 biases of the stem


def test_resnet_18_computes_what_torchvision_computes():
    net, oracle = page.ResNet(num_classes=10), models.resnet18(num_classes=10)
    X = images(2, 3, 33, 40)
    net(X)
    page.copy_weights(net, oracle)
    with torch.no_grad():
        assert_close(net.eval()(X), oracle.eval()(X))


def test_kaiming_keeps_the_variance_through_relus():
    torch.manual_seed(0)
    layers = [layer for _ in range(6) for layer in (nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())]
    net = nn.Sequential(*layers)
    net.apply(page.init_kaiming)
    assert all(torch.count_nonzero(layer.bias) == 0 for layer in net[::2])
    X = torch.randn(4, 64, 16, 16)
    with torch.no_grad():
        ratio = float(net(X).square().mean() / X.square().mean())
    assert 0.3 < ratio < 2  # wrong by a factor of two a layer: 1/64 or 64
    dense = nn.Linear(400, 100)
    page.init_kaiming(dense)
    assert abs(float(dense.weight.detach().std()) * 20 - 1) < 0.02


@pytest.mark.parametrize(("depth", "blocks"), [(8, 1), (20, 3), (32, 5)])
def test_small_resnet_has_as_many_layers_as_it_says(depth, blocks):
    net = page.small_resnet(depth, norm=False, shortcut=False)
    net(images(2, 1, 28, 28))
    assert sum(p.dim() > 1 for p in net.parameters()) == depth
    assert len(net.net.stage3) == blocks


@pytest.mark.parametrize("depth", [2, 7, 10])
def test_small_resnet_refuses_other_depths(depth):
    with pytest.raises(ValueError, match=f"depth={depth} is not 6n"):
        page.small_resnet(depth)


def test_preactivation_keeps_the_identity_path():
    X = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    block = page.PreActResidual(3)
    block(X)
    bn, conv_bn, last = block.first[0], block.body[0], block.body[2]
    Z = F.relu(F.batch_norm(X, None, None, bn.weight, bn.bias, training=True))
    Y = F.conv2d(Z, conv_bn[0].weight, padding=1)
    Y = F.relu(F.batch_norm(Y, None, None, conv_bn[1].weight, conv_bn[1].bias, training=True))
    assert_close(block(X), X + F.conv2d(Y, last.weight, padding=1))
    zero_convolutions(block)
    assert torch.equal(block(X), X)


def test_zero_last_makes_every_block_the_identity():
    X = images(4, 3, 6, 6)
    for norm in (True, False):
        block = page.Residual(3, norm=norm)
        block(X)
        block.apply(page.init_zero_last)  # the block comes after its parts
        assert torch.equal(block(X), X)
        assert torch.count_nonzero(block.body[0][0].weight) > 0


def test_figures_are_drawn():
    _, ax = page.plt.subplots()
    page.draw_block(ax, 0.3, "3×3 conv", "1×1", ("X", "Y"))
    texts = [text.get_text() for text in ax.texts]
    assert texts.count("BN") == 2 and "+" in texts and "1×1" in texts
    page.plt.close("all")
