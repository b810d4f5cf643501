"""Section 8.4: the Inception block, GoogLeNet, and what the page measures."""

import math
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torchvision import models

from helpers.sections.googlenet import GoogLeNet, Inception, conv
from helpers.sections.vgg import init_kaiming
from helpers.summary import summary
from tools.lift import lift

page = lift("8-4-googlenet")
# The paper's table 1, in its order: 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool projection.
TABLE = [
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
]
SIZES = (16, (16, 32), (8, 16), 16), *[(32, (24, 48), (12, 24), 24)] * 2
BUDGETS = 8_704, 24_928, 29_344
yes_no = True, False


def images(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


def blocks_of(net: nn.Module) -> list[nn.Module]:
    """Its Inception blocks, whether the page's own class or the exported one made them."""
    return [module for module in net.modules() if type(module).__name__ == "Inception"]


def thin(net: GoogLeNet) -> GoogLeNet:
    """The same network with a sixteenth of the channels, and two at least."""
    for layer in net.modules():
        if isinstance(layer, nn.LazyConv2d):
            layer.out_channels = max(2, layer.out_channels // 16)
    return net


@pytest.fixture
def on_page(monkeypatch):
    """Give the page's functions the values that its cells have made."""

    def give(**values):
        for name, value in values.items():
            monkeypatch.setitem(page.walk.__globals__, name, value)

    return give


# The block


def test_impulse_by_hand():
    block, X = Inception(1, (1, 1), (1, 1), 1), torch.zeros(1, 1, 7, 7)
    X[0, 0, 3, 3], X[0, 0, 3, 4] = 2, 1
    block(X)
    for p in block.parameters():
        nn.init.constant_(p, float(p.dim() > 1))
    Y = block(X)[0].detach()
    assert torch.equal(Y[0], X[0, 0])
    assert Y[1, 2].tolist() == Y[1, 3].tolist() == Y[1, 4].tolist() == [0, 0, 2, 3, 3, 1, 0]
    assert Y[2, 1].tolist() == Y[2, 5].tolist() == [0, 2, 3, 3, 3, 3, 1]
    assert Y[3, 2].tolist() == [0, 0, 2, 2, 2, 1, 0] and not Y[3, 1].any()


@pytest.mark.parametrize("norm", yes_no)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("c_i", "h", "w"), [(1, 3, 1), (3, 6, 4), (4, 2, 7)])
def test_a_block_equals_functions(c_i, h, w, dtype, norm):
    torch.manual_seed(0)
    block = Inception(3, (2, 4), (1, 5), 2, norm=norm).to(dtype)
    X = torch.randn(2, c_i, h, w, dtype=dtype, requires_grad=True)
    Y, P = block(X), dict(block.named_parameters())

    def unit(name, X, padding=0):
        Z = F.conv2d(X, P[f"{name}.0.weight"], P.get(f"{name}.0.bias"), padding=padding)
        if norm:
            affine = P[f"{name}.1.weight"], P[f"{name}.1.bias"]
            Z = F.batch_norm(Z, None, None, *affine, training=True)
        return F.relu(Z)

    pooled = F.max_pool2d(X, 3, stride=1, padding=1)
    second, third = unit("b2.1", unit("b2.0", X), 1), unit("b3.1", unit("b3.0", X), 2)
    Z = torch.cat([unit("b1", X), second, third, unit("b4.1", pooled)], 1)
    assert Y.shape == (2, 14, h, w) and Y.dtype == dtype
    assert_close(Y, Z)
    weights = torch.linspace(-1, 1, Z.numel(), dtype=dtype).reshape(Z.shape)
    grads = [torch.autograd.grad((V * weights).sum(), [X, *P.values()]) for V in (Y, Z)]
    tight = {"rtol": 1e-3, "atol": 1e-4} if dtype == torch.float32 else {}
    assert_close(grads[0], grads[1], **tight)
    if not norm:
        assert_close(page.by_hand(X, [*P.values()]), Z)


@pytest.mark.parametrize("norm", yes_no)
def test_a_unit_is_a_convolution_with_normalisation_or_bias(norm):
    unit = conv(4, 3, norm, stride=2, padding=1)
    assert unit(images(2, 3, 6, 6)).shape == (2, 4, 3, 3)
    kinds = [nn.Conv2d, *[nn.BatchNorm2d] * norm, nn.ReLU]
    assert [type(layer) for layer in unit] == kinds
    assert (unit[0].bias is None) == norm


def test_block_weights():
    assert page.block_weights(192, 64, (96, 128), (16, 32), 32) == (163_328, 393_216)
    c_i, block = 5, Inception(2, (3, 4), (6, 7), 8)
    block(torch.zeros(1, c_i, 3, 3))
    weights = sum(p.numel() for p in block.parameters() if p.dim() > 1)
    direct = sum(c_i * c * k * k for c, k in ((2, 1), (4, 3), (7, 5), (8, 1)))
    assert page.block_weights(c_i, 2, (3, 4), (6, 7), 8) == (weights, direct)


# The network


def test_the_widths_are_those_of_the_paper():
    net = GoogLeNet()
    net(torch.zeros(1, 1, 32, 32))
    found = [[m.out_channels for m in b.modules() if hasattr(m, "kernel_size")
              and isinstance(m, nn.Conv2d)] for b in blocks_of(net)]  # fmt: skip
    assert [tuple(each) for each in found] == TABLE
    stem = [m for m in net.net[:5].modules() if isinstance(m, nn.Conv2d)]
    assert [(m.out_channels, m.kernel_size, m.stride) for m in stem] == [
        (64, (7, 7), (2, 2)), (64, (1, 1), (1, 1)), (192, (3, 3), (1, 1)),
    ]  # fmt: skip


def test_stages_at_the_size_of_the_syllabus(on_page):
    stages = {"stem": (0, 5), "stage 3": (5, 8), "stage 4": (8, 14), "stage 5": (14, 16)}
    on_page(STAGES=stages | {"head": (16, 19)})
    frame = page.stage_costs(GoogLeNet().net, 96)
    table = summary(GoogLeNet(), (1, 96, 96))
    assert (table.params, table.macs) == (5_977_530, 276_066_304)
    parts = [int(text.replace(",", "")) for text in frame["parameters"]]
    assert sum(parts[:-1]) == parts[-1] == table.params
    parts = [float(text.removesuffix(" M")) for text in frame["products"]]
    assert sum(parts[:-1]) == pytest.approx(table.macs / 1e6, abs=0.2) and parts[-1] == 276.1
    assert [n for n, layer in enumerate(GoogLeNet().net) if isinstance(layer, Inception)] == [
        5, 6, 8, 9, 10, 11, 12, 14, 15,
    ]  # fmt: skip


def test_multiply_adds_at_224_are_a_little_above_the_papers_budget():
    macs = summary(GoogLeNet(num_classes=1000), (3, 224, 224)).macs
    assert macs - summary(GoogLeNet(), (1, 224, 224)).macs == 2 * 49 * 64 * 112**2 + 990 * 1024
    assert macs == 1_582_671_872


@pytest.mark.parametrize("norm", yes_no)
def test_normalisation_stands_behind_every_convolution(norm):
    net = thin(GoogLeNet(norm=norm))
    assert net.eval()(images(2, 1, 40, 40)).shape == (2, 10)
    counts = [sum(isinstance(m, kind) for m in net.modules()) for kind in
              (nn.Conv2d, nn.BatchNorm2d)]  # fmt: skip
    assert counts == [57, 57 * norm]
    assert all((m.bias is None) == norm for m in net.modules() if isinstance(m, nn.Conv2d))


def test_arguments_of_the_network():
    net = thin(GoogLeNet(lr=0.3, num_classes=7))
    assert net(images(2, 3, 40, 48)).shape == (2, 7)
    assert net.configure_optimizers().param_groups[0]["lr"] == 0.3
    assert GoogLeNet().lr == 0.01


def test_forward_is_the_chain_of_its_parts():
    net, X = thin(GoogLeNet()).double(), images(2, 1, 40, 40, dtype=torch.float64)
    Y, W = net(X), list(net.parameters())
    Z = F.max_pool2d(F.relu(F.conv2d(X, W[0], W[1], stride=2, padding=3)), 3, 2, 1)
    Z = F.relu(F.conv2d(Z, W[2], W[3]))
    Z = F.max_pool2d(F.relu(F.conv2d(Z, W[4], W[5], padding=1)), 3, 2, 1)
    for k in range(9):
        Z = page.by_hand(Z, W[6 + 12 * k : 18 + 12 * k])
        if k in (1, 6):
            Z = F.max_pool2d(Z, 3, 2, 1)
    assert_close(Y, F.linear(Z.mean((2, 3)), W[-2], W[-1]))


@pytest.mark.parametrize("n", [1, 5, 33, 40])
def test_five_halvings_round_up_and_a_pixel_is_enough(n):
    net, Z, size = thin(GoogLeNet()).net, torch.zeros(1, 1, n, n), n
    for k, layer in enumerate(net[:16]):
        Z = layer(Z)
        size = math.ceil(size / 2) if k in (0, 1, 4, 7, 13) else size
        assert Z.shape[2:] == (size, size)


def test_it_is_torchvisions_with_its_differences_taken_away():
    torch.manual_seed(0)
    theirs = models.googlenet(aux_logits=False, init_weights=False)
    ours = GoogLeNet(num_classes=1000, norm=True)
    for block in blocks_of(ours):  # a third branch of 3×3
        third = block.b3[1][0]
        third.kernel_size, third.padding = (3, 3), (1, 1)
    for module in ours.modules():
        if isinstance(module, nn.LazyBatchNorm2d):
            module.eps = 0.001
    X = images(2, 3, 64, 64)
    ours(X)  # shapes, and statistics that are not those of the start
    ours.apply(init_kaiming)
    pairs = zip(theirs.state_dict(), ours.state_dict().values(), strict=True)
    theirs.load_state_dict(dict(pairs))
    for k in (1, 2, 3, 4):  # padding of the pooling between stages
        setattr(theirs, f"maxpool{k}", nn.MaxPool2d(3, 2, padding=1))
    with torch.no_grad():
        Y, Z = ours.eval()(X), theirs.eval()(X)
    assert float((Y[0] - Y[1]).abs().max()) > 1e-3 * float(Y.abs().max())
    assert_close(Y, Z, rtol=1e-3, atol=1e-3 * float(Z.std()))
    assert sum(p.numel() for p in ours.parameters()) == 6_624_904


def test_a_narrow_copy_has_a_quarter_of_the_channels():
    net = page.NarrowGoogLeNet()
    assert net(images(2, 1, 40, 40)).shape == (2, 10)
    widths = [m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert widths[:3] == [16, 16, 48] and widths[3:9] == [c // 4 for c in TABLE[0]]


# What the page measures


def test_silence_is_the_mean_of_a_channel():
    Y = images(3, 4, 2, 5)
    Z = page.without(Y, torch.tensor([1, 3]))
    assert torch.equal(Z[:, [0, 2]], Y[:, [0, 2]])
    for c in (1, 3):
        assert_close(Z[:, c], Y[:, c].mean().expand(3, 2, 5))
    assert torch.equal(Y, images(3, 4, 2, 5))  # which is left as it was


def test_walk_meets_every_block_with_its_input_and_the_rest(on_page):
    net = thin(page.GoogLeNet(norm=True)).eval()
    X = torch.randint(256, (3, 1, 40, 40), dtype=torch.uint8)
    on_page(IMAGES=X, data=type("Data", (), {"size": (40, 40)}))
    with torch.no_grad():
        wanted = net(X / 255)
        met = list(page.walk(net.net))
        assert [block for block, _, _ in met] == blocks_of(net)
        for block, Z, rest in met:
            assert_close(rest(block(Z)), wanted)


def test_kernels_are_those_of_the_network_in_their_order():
    net = thin(GoogLeNet(norm=True))
    net(images(2, 1, 40, 40))
    kernels = page.kernels_of(net)
    sides = [7, 1, 3, *[1, 1, 3, 1, 5, 1] * 9]
    assert [W.shape[-1] for W in kernels] == sides
    kernels[3] += 1  # in the network itself
    assert torch.equal(net.net[5].b1[0].weight, kernels[3])


def test_settling_takes_the_statistics_of_the_images_and_moves_no_weight(on_page):
    torch.manual_seed(0)
    net = nn.Sequential(conv(3, 3, True), conv(2, 3, True))
    X = torch.randint(256, (6, 1, 8, 8), dtype=torch.uint8)
    for _ in range(3):
        net(torch.rand(4, 1, 8, 8))  # statistics of other images
    on_page(data=type("Data", (), {"size": (8, 8)}))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    twin = page.settle(net, X)
    assert not twin.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), twin.parameters(), strict=True))
    Z = net[0][0](X / 255)
    assert_close(twin[0][1].running_mean, Z.mean((0, 2, 3)))
    assert_close(twin[0][1].running_var, Z.var((0, 2, 3)))


@pytest.mark.parametrize("own", [[1], [0, 2]])
def test_an_exchange_takes_the_branch_of_the_image_before(own):
    Y = images(3, 4, 2, 5)
    Z = page.exchange(Y, torch.tensor(own))
    rest = [c for c in range(4) if c not in own]
    assert torch.equal(Z[:, rest], Y[:, rest])
    assert torch.equal(Z[1:, own], Y[:-1, own]) and torch.equal(Z[0, own], Y[-1, own])


def test_a_larger_start_has_kaimings_variance_and_xaviers_distribution():
    layer, other = (nn.Conv2d(40, 60, 3).requires_grad_(False) for _ in range(2))
    for one, init in ((layer, page.init_larger), (other, page.init_xavier)):
        torch.manual_seed(0)
        init(one)
    assert_close(layer.weight, other.weight * math.sqrt(100 / 40))
    bound = math.sqrt(6 / (9 * 40))
    assert float(layer.weight.abs().max()) == pytest.approx(bound, rel=0.01)
    assert float(layer.weight.square().mean()) == pytest.approx(2 / (9 * 40), rel=0.02)
    assert not layer.bias.any()


@pytest.mark.parametrize(("k", "c_i", "c"), list(product((1, 3, 5), (16, 80), (80, 128))))
def test_one_window_keeps_its_budget(k, c_i, c):
    block = page.one_window(c_i, k, c, 20_000)
    assert block(images(1, c_i, 7, 7)).shape == (1, c, 7, 7)
    weights = sum(p.numel() for p in block.parameters() if p.dim() > 1)
    assert abs(weights - 20_000) <= (c_i + k * k * c) / 2
    sizes = [m.kernel_size[0] for m in block.modules() if isinstance(m, nn.Conv2d)]
    assert sizes == [1, k]


@pytest.mark.parametrize("kind", ["four", "3×3 twice", "no 1×1", "plain 3×3", "3×3", "5×5", "1×1"])
def test_small_networks_cost_alike(on_page, kind):
    others = {"3×3 twice": page.TwiceNet, "plain 3×3": page.PlainNet}
    on_page(SIZES=SIZES, BUDGETS=BUDGETS, OTHERS=others)
    net = page.small_net(kind, 0.1)
    table = summary(net, (1, 28, 28))
    assert table.macs == pytest.approx(4_479_488, rel=0.02)
    assert net(images(2, 1, 28, 28)).shape == (2, 10)
    sizes = {m.kernel_size for m in net.net[2:-3].modules() if isinstance(m, nn.Conv2d)}
    if kind in ("four", "no 1×1"):
        assert sizes == {(1, 1), (3, 3), (5, 5)}
    elif kind == "3×3 twice":
        assert sizes == {(1, 1), (3, 3)} and table.params == 65_414
    elif kind == "plain 3×3":
        assert sizes == {(3, 3)} and table.params == 64_124
    else:
        assert sizes == {(1, 1), (int(kind[0]), int(kind[0]))}
    assert len(blocks_of(net)) == (3 if kind in ("four", "no 1×1", "3×3 twice") else 0)
    for block in blocks_of(net):
        reduced = isinstance(block.b3, nn.Sequential) and isinstance(block.b3[0], nn.Sequential)
        assert reduced == (kind != "no 1×1")


def test_budgets_are_those_of_the_inception_blocks():
    c_i = 16
    for size, budget in zip(SIZES, BUDGETS, strict=True):
        assert page.block_weights(c_i, *size)[0] == budget
        c_i = size[0] + size[1][1] + size[2][1] + size[3]
