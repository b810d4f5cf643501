"""Section 8.6: residual and grouped blocks, the networks of them, and what the page measures."""

import copy
import itertools
import math
import statistics

import pytest
import torch
from d2l import torch as d2l
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close
from torchvision import models
from torchvision.models.resnet import BasicBlock, Bottleneck

from helpers.data import read_digits, to_float
from helpers.sections.lenet import init_xavier
from helpers.sections.resnet import Residual, ResNet, ResNeXt, ResNeXtBlock, conv_norm
from helpers.sections.vgg import init_kaiming
from helpers.summary import summary
from tools.lift import lift

page = lift("8-6-resnet")
BLOCKS = [(3, False, 1), (5, True, 1), (5, True, 2)]  # channels, 1×1 convolution, strides
yes_no = True, False


def images(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


def downsample(c_i: int, c_o: int, strides: int) -> nn.Sequential:
    """Torchvision's 1×1 shortcut."""
    return nn.Sequential(nn.Conv2d(c_i, c_o, 1, strides, bias=False), nn.BatchNorm2d(c_o))


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Give `target` the state of `source`, in order; the shapes must agree."""
    pairs = zip(target.state_dict(), source.state_dict().values(), strict=True)
    target.load_state_dict(dict(pairs))


# Blocks


def chain(P: dict[str, Tensor], X: Tensor, strides: int, identity: bool) -> Tensor:
    """What Residual computes, from its parameters by name."""

    def unit(name: str, Y: Tensor, stride: int = 1) -> Tensor:
        W = P[f"{name}.0.weight"]
        Y = F.conv2d(Y, W, P.get(f"{name}.0.bias"), stride, W.shape[-1] // 2)
        if f"{name}.1.weight" in P:
            norm = P[f"{name}.1.weight"], P[f"{name}.1.bias"]
            Y = F.batch_norm(Y, None, None, *norm, training=True)
        return Y

    Y = unit("body.2", unit("body.0", X, strides).relu())
    if "shortcut.0.weight" in P:
        return (Y + unit("shortcut", X, strides)).relu()
    return (Y + X if identity else Y).relu()


def test_shapes_of_the_two_blocks():
    X = images(4, 3, 6, 6)
    assert Residual(3)(X).shape == (4, 3, 6, 6)
    assert Residual(6, use_1x1conv=True, strides=2)(X).shape == (4, 6, 3, 3)
    assert Residual(6, True, 2)(images(4, 3, 7, 5)).shape == (4, 6, 4, 3)


@pytest.mark.parametrize(("kernel_size", "groups", "norm"), [(1, 1, True), (3, 2, False)])
def test_a_unit_is_a_convolution_with_normalisation_or_bias(kernel_size, groups, norm):
    unit = conv_norm(4, kernel_size, 2, groups, norm)
    assert unit(images(2, 6, 7, 5)).shape == (2, 4, 4, 3)
    conv = unit[0]
    assert (conv.groups, conv.bias is None, len(unit)) == (groups, norm, 1 + norm)


def test_at_zero_a_block_is_the_identity_or_nothing():
    X = images(4, 3, 6, 6)
    for norm, shortcut in itertools.product(yes_no, yes_no):
        block = Residual(3, norm=norm, shortcut=shortcut)
        block(X)
        for p in block.parameters():
            nn.init.zeros_(p)
        assert torch.equal(block(X), X if shortcut else torch.zeros_like(X))


def test_a_block_by_hand():
    block = Residual(1, norm=False)
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
    block = Residual(c, conv, strides).to(dtype)
    oracle = BasicBlock(3, c, strides, downsample(3, c, strides) if conv else None).to(dtype)
    X = images(4, 3, 7, 6, dtype=dtype).requires_grad_()
    block(X)
    copy_weights(block, oracle)
    for mode in yes_no:
        got, wanted = block.train(mode)(X), oracle.train(mode)(X)
        assert got.dtype == dtype
        assert_close(got, wanted)
        grads = [torch.autograd.grad(Y.square().mean(), X)[0] for Y in (got, wanted)]
        assert_close(grads[0], grads[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("c", "conv", "strides"), BLOCKS)
@pytest.mark.parametrize(("norm", "shortcut"), list(itertools.product(yes_no, repeat=2)))
def test_what_is_ablated_is_gone(c, conv, strides, norm, shortcut):
    block = Residual(c, conv, strides, norm=norm, shortcut=shortcut).double()
    X = images(4, 3, 6, 6, dtype=torch.float64)
    Y = block(X)
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(convs) == 2 + (conv and shortcut)
    assert len(norms) == (len(convs) if norm else 0)
    assert all((m.bias is None) == norm for m in convs)
    P = dict(block.named_parameters())
    assert_close(Y, chain(P, X, strides, identity=shortcut and not conv))
    grads = torch.autograd.grad(Y.square().sum(), list(block.parameters()))
    assert len(grads) == len(P)  # every parameter takes part


@pytest.mark.parametrize(("groups", "width"), [(1, 64), (32, 4)])
@pytest.mark.parametrize(("conv", "strides"), [(False, 1), (True, 1), (True, 2)])
def test_bottleneck_and_grouped_block_equal_torchvision(groups, width, conv, strides):
    c_i = 128 if conv else 256
    block = ResNeXtBlock(256, groups, groups * width / 256, conv, strides).double()
    shortcut = downsample(c_i, 256, strides) if conv else None
    oracle = Bottleneck(c_i, 64, strides, shortcut, groups, width).double()
    X = images(2, c_i, 5, 4, dtype=torch.float64)
    block(X)
    copy_weights(block, oracle)
    assert_close(block(X), oracle(X))


def three_forms(block: ResNeXtBlock, X: Tensor, g: int, strides: int) -> list[Tensor]:
    """The body of a block as added paths, as joined paths, and with groups."""

    def norm(layer: nn.Module, Y: Tensor, own: slice = slice(None)) -> Tensor:
        return F.batch_norm(Y, None, None, layer.weight[own], layer.bias[own], training=True)

    (down, one), (inside, two), (up, three) = (block.body[k] for k in (0, 2, 4))
    d, paths = len(down.weight) // g, []
    for i in range(g):
        own = slice(i * d, (i + 1) * d)
        Y = norm(one, F.conv2d(X, down.weight[own]), own).relu()
        Y = F.conv2d(Y, inside.weight[own], stride=strides, padding=1)
        paths.append(norm(two, Y, own).relu())
    parts = up.weight.split(d, dim=1)
    added = sum(F.conv2d(Y, W) for Y, W in zip(paths, parts, strict=True))
    joined = F.conv2d(torch.cat(paths, 1), up.weight)
    return [norm(three, added), norm(three, joined), block.body(X)]


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
@pytest.mark.parametrize("strides", [1, 2])
def test_three_forms_of_a_block(groups, strides):
    block = ResNeXtBlock(8, groups, 2, strides > 1, strides).double()
    X = images(4, 8, 7, 6, dtype=torch.float64).requires_grad_()
    block(X)
    for p in block.parameters():  # no scale that is 1, no shift that is 0
        nn.init.uniform_(p, -1, 1)
    conv = block.body[2][0]
    assert (conv.groups, conv.weight.shape) == (groups, (16, 16 // groups, 3, 3))
    *forms, grouped = three_forms(block, X, groups, strides)
    wanted = [X, *block.body.parameters()]
    grads = torch.autograd.grad(grouped.square().mean(), wanted, retain_graph=True)
    for form in forms:
        assert_close(form, grouped)
        found = torch.autograd.grad(form.square().mean(), wanted, retain_graph=True)
        assert_close(found, grads)


def test_d2l_turns_the_number_of_groups_upside_down():
    weights = []
    for make in (ResNeXtBlock, d2l.ResNeXtBlock):
        block = make(32, 16, 1)
        block(images(2, 32, 6, 6))
        weights.append([m for m in block.modules() if isinstance(m, nn.Conv2d)][1])
    assert [conv.groups for conv in weights] == [16, 2]
    assert weights[1].weight.numel() == 8 * weights[0].weight.numel()


# Networks


def test_resnet_18_at_the_size_of_the_syllabus():
    table = summary(ResNet(), (1, 96, 96))
    assert (table.params, table.macs) == (11_175_370, 318_657_536)
    frame = page.stages(table)
    assert frame["output"].tolist() == [
        "64×24×24", "64×24×24", "128×12×12", "256×6×6", "512×3×3", "10", "",
    ]  # fmt: skip
    parts = [int(text.replace(",", "")) for text in frame["parameters"]]
    assert sum(parts[:-1]) == parts[-1] == table.params


def test_the_stages_cost_alike_and_the_last_has_most_parameters():
    frame = page.stages(summary(ResNet(), (1, 96, 96)))
    params = [int(text.replace(",", "")) for text in frame["parameters"]]
    macs = frame["MACs"].tolist()
    assert abs(sum(macs[:-1]) - macs[-1]) < 0.3
    assert max(macs[1:5]) < 1.2 * min(macs[1:5]) and 0.7 < params[4] / params[-1] < 0.8


def test_arguments_of_the_network():
    net = ResNet(((1, 64), (2, 8)), lr=0.3, num_classes=7)
    assert net(images(2, 3, 40, 48)).shape == (2, 7)
    assert net.configure_optimizers().param_groups[0]["lr"] == 0.3
    assert [len(stage) for stage in net.net[1:-1]] == [1, 2]
    assert isinstance(net.net[1][0].shortcut, nn.Identity)
    assert isinstance(net.net[2][0].shortcut, nn.Sequential)
    bare = ResNet(((1, 64), (1, 8)), norm=False, shortcut=False)
    kinds = {type(m).__name__ for m in bare.modules()}
    assert not any("BatchNorm" in kind or kind == "Identity" for kind in kinds)


def test_parameters_are_torchvisions_one_for_one():
    with torch.device("meta"):
        for name, blocks in (("resnet18", (2, 2, 2, 2)), ("resnet34", (3, 4, 6, 3))):
            arch = tuple(zip(blocks, (64, 128, 256, 512), strict=True))
            ours, theirs = ResNet(arch, num_classes=1000), getattr(models, name)()
            ours(torch.zeros(2, 3, 64, 64))
            shapes = [[tuple(v.shape) for v in n.state_dict().values()] for n in (ours, theirs)]
            assert shapes[0] == shapes[1]


def test_resnet_18_computes_what_torchvision_computes():
    torch.manual_seed(0)
    ours, theirs, X = ResNet(num_classes=1000), models.resnet18(), images(2, 3, 33, 33)
    ours(X)  # shapes, and statistics that are not those of the start
    copy_weights(ours, theirs)
    assert_close(ours.eval()(X), theirs.eval()(X), rtol=1e-3, atol=1e-3)


def test_resnext_has_sixteen_groups_of_four_channels_and_more():
    net = ResNeXt()
    net(images(2, 1, 40, 40))
    grouped = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert len(grouped) == 8 and {m.groups for m in grouped} == {16}
    assert [m.weight.shape[1] for m in grouped] == [4, 4, 8, 8, 16, 16, 32, 32]


@pytest.mark.parametrize(("depth", "blocks"), [(8, 1), (20, 3), (44, 7)])
def test_small_resnet_has_as_many_layers_as_it_says(depth, blocks):
    net = page.small_resnet(depth, norm=False, shortcut=False)
    net(images(2, 1, 28, 28))
    assert sum(p.dim() > 1 for p in net.parameters()) == depth
    assert len(net.net[3]) == blocks


def test_the_spread_of_a_study_as_text():
    studies = [[[3, 2], [3, 1.25], [3, 4]], [[3, math.inf]] * 2, [[3]]]
    assert page.spread(studies, 2) == ["1.25–4.00", "diverged", ""]


@pytest.mark.parametrize("norm", yes_no)
@pytest.mark.parametrize("shortcut", yes_no)
def test_small_resnet_has_the_parts_that_are_asked_for(norm, shortcut):
    net = page.small_resnet(8, norm, shortcut)
    blocks = [m for m in net.modules() if isinstance(m, Residual)]
    assert any("BatchNorm" in type(m).__name__ for m in net.modules()) == norm
    assert all((block.shortcut is not None) == shortcut for block in blocks)


def test_gradients_at_the_start_of_44_layers():
    digits = read_digits()[0]
    X, y = to_float(digits.images[:64], (28, 28)), digits.labels[:64]
    spread, first = {}, {}
    for *variant, seed in itertools.product(yes_no, yes_no, range(5)):
        torch.manual_seed(seed)
        net = page.small_resnet(44, *variant).eval()
        net.apply_init([X[:2]], init_kaiming)
        weights = [p for p in net.train().parameters() if p.shape[2:] == (3, 3)]
        norms = [float(g.norm()) for g in torch.autograd.grad(net.loss(net(X), y), weights)]
        spread.setdefault(tuple(variant), []).append(max(norms) / min(norms))
        first.setdefault(tuple(variant), []).append(norms[0])
    mean = statistics.geometric_mean  # one start in five does not upset it
    assert mean(spread[True, False]) > 60 and mean(spread[True, True]) < 40
    assert mean(first[False, True]) > 50 and mean(first[False, False]) < 0.03


def test_copies_keep_the_signal_and_the_gradient_without_either_part():
    X = to_float(read_digits()[0].images[:64], (28, 28))
    fade = {}
    for init in (init_kaiming, page.init_copy):
        torch.manual_seed(0)
        net = page.small_resnet(44, norm=False, shortcut=False).eval()
        net.apply_init([X[:2]], init)
        stage = net.net[1]
        start = net.net[0](X).detach().requires_grad_()
        end = stage(start)
        (grad,) = torch.autograd.grad(end.sum(), start)
        fade[init.__name__] = float((end.norm() / start.norm()).detach()), float(grad.max())
        if init is page.init_copy:
            assert_close(end, start)
    assert fade["init_copy"] == (1, 1) and fade["init_kaiming"][0] < 0.7


# Blocks that are off


def made(**options) -> ResNet:
    torch.manual_seed(0)
    net = ResNet(**options)
    net.eval().apply_init([images(2, 1, 40, 40)], init_xavier)
    return net


@torch.no_grad()
def by_replacement(net: nn.Sequential, on: int, X: torch.Tensor) -> torch.Tensor:
    """The same network with identities, or bare shortcuts, in place of blocks that are off."""
    Z, blocks = net[0](X), [block for stage in net[1:-1] for block in stage]
    for k, block in enumerate(blocks):
        if on >> k & 1:
            Z = block(Z)
        elif isinstance(block.shortcut, nn.Sequential):
            Z = F.relu(block.shortcut(Z))
    return net[-1](Z)


@pytest.mark.slow
@pytest.mark.parametrize("shortcut", [True, False])
def test_right_answers_for_sets_of_blocks(shortcut):
    net, X = made(shortcut=shortcut).net, images(6, 1, 40, 40)
    sets = [255, 0b11111101, 0b10111111, 0b01011010, 0]
    for on in sets:
        cut = not shortcut and any(not on >> k & 1 for k in (2, 4, 6))
        y = torch.zeros(6, dtype=torch.long) if cut else by_replacement(net, on, X).argmax(1)
        counts = page.count_right(net, X, y, X[:1])
        assert len(counts) == 256 and counts[on] == (None if cut else 6)


def test_cut_networks_are_counted_as_none():
    counts = page.count_right(
        made(shortcut=False).net, (Z := images(2, 1, 40, 40)), torch.zeros(2), Z[:1]
    )
    assert sum(count is not None for count in counts) == 2**5


@pytest.mark.slow
@pytest.mark.parametrize("shortcut", [True, False])
def test_statistics_may_be_fresh(shortcut):
    """As in a copy of the network, without the blocks, that meets `seen` in training mode."""
    net, X, seen = made(shortcut=shortcut).net, images(6, 1, 40, 40), 1 - images(8, 1, 40, 40)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):  # stored statistics that fit badly
            nn.init.normal_(norm.running_mean, std=20)
    for on in (255, 0b11010111):
        other = copy.deepcopy(net)
        for norm in other.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.reset_running_stats()
                norm.momentum = None
        by_replacement(other.train(), on, seen)
        scores = by_replacement(other.eval(), on, X)
        probe = copy.deepcopy(net)
        probe[-1][-1].bias.data -= scores.mean(0)  # so that answers differ
        y = (scores - scores.mean(0)).argmax(1)
        before = copy.deepcopy(probe.state_dict())
        assert page.count_right(probe, X, y, seen)[on] == 6
        assert page.count_right(probe, X, y, X[:1])[on] < 6
        for name, value in probe.state_dict().items():
            assert torch.equal(value, before[name]), "the network itself keeps its statistics"
