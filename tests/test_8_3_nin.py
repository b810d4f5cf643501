"""Section 8.3: blocks, means of maps, and what the page measures of class maps."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torchvision import models

from helpers.data import ImageSet
from helpers.live.occlusion import covered
from helpers.sections.lenet import init_xavier
from helpers.sections.nin import NiN, nin_block
from helpers.sections.vgg import init_kaiming
from helpers.summary import summary
from tools.lift import lift

page = lift("8-3-nin")
DTYPES = [torch.float32, torch.float64]
KINDS = [(11, 4, 0), (5, 1, 2), (3, 1, 1), (2, 3, 1), (1, 1, 0)]
HEADS = ["mean", "mean, ReLU", "three 1×1", "one dense", "three dense"]


def images(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


def small(head: str = "mean") -> nn.Module:
    torch.manual_seed(0)
    net = page.SmallNiN(head).eval()
    net.apply_init([images(2, 1, 28, 28)], init_kaiming)
    return net


def narrow(divisor: int = 8) -> nn.Module:
    """NiN with fewer channels, and its class maps."""
    torch.manual_seed(0)
    net = NiN().eval()
    for layer in net.modules():
        if isinstance(layer, nn.LazyConv2d) and layer.out_channels > 10:
            layer.out_channels //= divisor
    net.apply_init([images(2, 1, 99, 99)], init_kaiming)
    return net


# Blocks and means


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_block_is_a_perceptron_at_patches(kind, dtype):
    block = nin_block(5, *kind).to(dtype)
    X = images(2, 3, 12, 17, dtype=dtype)
    wanted = block(X)
    got = page.mlp_at_patches(block, X)
    assert got.shape == wanted.shape and got.dtype == dtype
    assert_close(got, wanted)
    # the last place by hand
    kernel, stride, padding = kind
    i, j = wanted.shape[2] - 1, wanted.shape[3] - 1
    Z = F.pad(X, (padding,) * 4)
    rows, columns = slice(i * stride, i * stride + kernel), slice(j * stride, j * stride + kernel)
    H = Z[:, :, rows, columns].flatten(1)
    for conv in block[::2]:
        H = torch.relu(H @ conv.weight.flatten(1).T + conv.bias)
    assert_close(wanted[:, :, i, j], H)


def test_layers_of_a_block():
    table = summary(nin_block(8, 5, 2, 1), (3, 11, 9))
    assert [row.kind for row in table.rows] == ["Conv2d", "ReLU"] * 3
    assert {row.output for row in table.rows} == {(8, 5, 4)}
    assert table.params == 8 * (3 * 25 + 1) + 2 * 8 * 9


def test_global_avg_pool_by_hand():
    X = torch.tensor([[[[1.0, 2, 3], [4, 5, 9]], [[0, 0, 0], [0, 0, -6]]]])
    assert page.global_avg_pool(X).tolist() == [[4, -1]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 1, 4), (2, 3, 5, 1), (3, 2, 4, 7)])
def test_global_avg_pool_against_adaptive(shape, dtype):
    X = images(*shape, dtype=dtype).requires_grad_()
    got, wanted = page.global_avg_pool(X), F.adaptive_avg_pool2d(X, 1).flatten(1)
    assert got.dtype == dtype and got.shape == shape[:2]
    assert_close(got, wanted)
    grads = [torch.autograd.grad(Y.square().sum(), X)[0] for Y in (got, wanted)]
    assert_close(grads[0], grads[1])


# The network


def test_parameters_macs_and_fields():
    table = summary(NiN(), (1, 224, 224))
    blocks = [
        96 * 122 + 2 * 96 * 97,
        256 * (96 * 25 + 1) + 2 * 256 * 257,
        384 * (256 * 9 + 1) + 2 * 384 * 385,
        10 * (384 * 9 + 1) + 2 * 10 * 11,
    ]
    assert table.params == sum(blocks) == 1_992_166 and table.macs == 762_297_352
    ends = [row for row in table.rows if row.kind == "Conv2d"][2::3]
    assert [row.output for row in ends] == [(96, 54, 54), (256, 26, 26), (384, 12, 12), (10, 5, 5)]
    assert [row.field[0] for row in ends] == [11, 51, 99, 195]
    kinds = [row.kind for row in table.rows]
    assert kinds.count("Linear") == 0 and kinds.count("Conv2d") == kinds.count("ReLU") == 12
    assert kinds[-8:] == ["Conv2d", "ReLU"] * 3 + ["AdaptiveAvgPool2d", "Flatten"]


def test_dense_layers_of_torchvisions_networks():
    with torch.device("meta"):
        (conv, dense), (conv_work, dense_work) = page.split_costs(models.vgg16())
    assert (conv + dense, dense) == (138_357_544, 123_642_856)
    assert dense_work == 25_088 * 4096 + 4096**2 + 4096 * 1000
    assert conv_work > 100 * dense_work


def test_the_bar_of_nin_is_the_network_of_the_page():
    with torch.device("meta"):
        costs = page.split_costs(page.FinishedNiN(num_classes=1000))
        table = summary(NiN(num_classes=1000), (3, 224, 224))
    assert costs == [(table.params, 0), (table.macs, 0)]


def test_arguments_of_the_network():
    net = NiN(lr=0.2, num_classes=7)
    assert net.configure_optimizers().param_groups[0]["lr"] == 0.2
    assert net.net[7][0].out_channels == 7 and net.net[6].p == 0.5


def test_nin_equals_functions():
    net, X = narrow(), images(2, 1, 131, 131)
    Z, weights = X, iter(net.parameters())
    for block, (stride, padding) in enumerate(((4, 0), (1, 2), (1, 1), (1, 1))):
        for k in range(3):
            look = {"stride": stride, "padding": padding} if k == 0 else {}
            Z = torch.relu(F.conv2d(Z, next(weights), next(weights), **look))
        if block < 3:
            Z = F.max_pool2d(Z, 3, 2)
    assert Z.shape == (2, 10, 3, 3)
    assert_close(net(X), Z.mean((2, 3)))


@pytest.mark.parametrize(
    ("size", "maps"), [((67, 67), (1, 1)), ((99, 98), (2, 1)), ((131, 224), (3, 5))]
)
def test_other_sizes(size, maps):
    net = narrow()
    assert page.class_maps(net.net, images(2, 1, *size)).shape == (2, 10, *maps)
    assert net(images(2, 1, *size)).shape == (2, 10)


@pytest.mark.parametrize("size", [(66, 67), (67, 66)])
def test_too_small(size):
    with pytest.raises(ValueError, match="Output size is too small"):
        summary(narrow(), (1, *size))


@pytest.mark.parametrize(("init", "kept"), [(init_xavier, False), (init_kaiming, True)])
def test_the_formula_of_the_two_starts(init, kept):
    """The mean square before the ReLU is multiplied by c_i / (c_i + c_o), or by 1."""
    torch.manual_seed(0)
    Z = torch.randn(64, 300, 6, 6)
    for c_i, c_o, k in ((300, 100, 1), (300, 300, 1), (300, 100, 3)):
        conv = nn.Conv2d(c_i, c_o, k)
        init(conv)
        ratio = conv(Z.relu()).square().mean() / Z.square().mean()
        assert ratio.item() == pytest.approx(1 if kept else c_i / (c_i + c_o), rel=0.06)


def test_the_middle_place_sees_195_pixels_and_a_corner_131():
    net = nn.Sequential(*narrow().net[:-2])
    for k in (1, 3, 5):  # a mean passes a gradient to all of its window
        net[k] = nn.AvgPool2d(3, 2)
    for P in net.parameters():
        P.data = P.data.abs() + 0.01
    X = torch.ones(1, 1, 224, 224, requires_grad=True)
    Y = net(X)[0, 0]
    seen = [torch.autograd.grad(Y[k, k], X, retain_graph=True)[0][0, 0] > 0 for k in range(5)]
    assert [int(part.any(1).sum()) for part in seen] == [131, 163, 195, 187, 155]
    assert max(int(part.any(1).nonzero().max()) for part in seen) == 218  # the last is 223


# The small network


@pytest.mark.parametrize("head", HEADS)
def test_heads(head):
    table = summary(small(head), (1, 28, 28))
    body = 32 * 26 + 2 * 32 * 33 + 64 * (32 * 9 + 1) + 2 * 64 * 65
    behind = 128 * 129 + 1290
    own = {
        "mean": 650, "mean, ReLU": 650, "three 1×1": 65 * 128 + behind,
        "one dense": 23_050, "three dense": 2305 * 128 + behind,
    }  # fmt: skip
    assert table.params == body + own[head]
    assert small(head)(images(3, 1, 28, 28)).shape == (3, 10)
    assert [row.output for row in table.rows if row.kind == "MaxPool2d"] == [(32, 6, 6)]


def test_a_relu_on_the_maps_leaves_no_negative_score():
    X = images(8, 1, 28, 28)
    bare, cut = (page.class_maps(small(head).net, X) for head in ("mean", "mean, ReLU"))
    assert (bare < 0).any()
    assert_close(cut, bare.relu())


def test_the_small_network_learns_with_adam():
    net = page.AdamNiN("mean", 0.003)
    net(images(2, 1, 28, 28))
    net.trainer = SimpleNamespace(train_dataloader=range(5), max_epochs=4)
    optimiser, schedule = net.configure_optimizers()
    assert isinstance(optimiser, torch.optim.Adam)
    rates = []
    for _ in range(20):
        rates += schedule.get_last_lr()
        optimiser.step()
        schedule.step()
    assert rates == pytest.approx([0.003 * (1 - k / 20) for k in range(20)])
    assert schedule.get_last_lr() == [0]


def test_accuracy_of_moved_images():
    class Corner(nn.Module):
        def forward(self, X):  # class 1 where the pixel on the left is bright
            return torch.stack([0.5 - X[:, 0, 0, 0], X[:, 0, 0, 0] - 0.5], 1)

    class Model:
        net = Corner()

        def eval(self):
            return self

    bright = torch.full((4, 1, 28, 28), 255, dtype=torch.uint8)
    part = ImageSet(bright, torch.tensor([1, 1, 1, 0]))
    assert page.accuracy(Model(), part) == 0.75
    assert page.accuracy(Model(), part, shift=1) == 0.25  # black has come in
    assert page.accuracy(Model(), part, shift=1, still=True) == 0.75  # on the other side


# Class maps and covers


def test_the_mean_of_a_map_is_the_score():
    for net, side in ((small(), 36), (narrow(), 131)):
        X = images(3, 1, side, side)
        maps = page.class_maps(net.net.train(), X)
        assert not maps.requires_grad and not net.net.training
        assert_close(maps.mean((2, 3)), net.eval()(X).detach())


def test_maps_of_all_covers():
    net, X = small(), images(2, 1, 28, 28)
    got = page.covered_maps(net.net, X)
    assert got.shape == (2, 37, 10, 6, 6)
    assert_close(got[:, 0], page.class_maps(net.net, X))
    assert_close(got[1, 15], page.class_maps(net.net, covered(X[1])[15:16])[0])
    black = X[1].clone()
    black[:, 7:14, 7:14] = 0
    assert_close(
        page.covered_maps(net.net, X, 0.0)[1, 15], page.class_maps(net.net, black[None])[0]
    )


def test_a_place_of_the_map_lies_where_its_square_lies():
    net, X = small(), images(1, 1, 28, 28).requires_grad_()
    for i, j in ((2, 3), (3, 2)):
        reached = torch.autograd.grad(net.net[:-2](X)[0, :, i, j].sum(), X)[0][0, 0] != 0
        for seen, k in ((reached.any(1).nonzero(), i), (reached.any(0).nonzero(), j)):
            low, high = int(seen.min()), int(seen.max())
            assert 4 * k + 2 - 8 <= low <= 4 * k + 2 - 4 and 4 * k + 6 <= high <= 4 * k + 10


def test_falls_and_map_of_the_label():
    net = small()
    part = ImageSet((255 * images(3, 1, 28, 28)).byte(), torch.tensor([4, 0, 9]))
    falls, maps = page.falls_and_map(net.net, part)
    assert falls.shape == maps.shape == (3, 36)
    X = part.images / 255
    for k, label in enumerate(part.labels):
        scores = net(covered(X[k]))[:, label].detach()
        assert_close(falls[k], scores[0] - scores[1:])
        assert_close(maps[k], page.class_maps(net.net, X)[k, label].flatten())


def test_what_a_network_says_of_other_images_by_hand():
    maps = torch.tensor([1.0, 3, 8, 5, 7])[:, None] * torch.ones(36)
    mean = page.of_others(maps, torch.tensor([2, 2, 2, 9, 9]))
    assert mean.shape == (5, 36)
    assert mean[:, 0].tolist() == [5.5, 4.5, 2, 7, 5]


def scoring(tail: nn.Module) -> nn.Sequential:
    """A network whose first six parts change nothing; then dropout and a tail, as in NiN."""
    return nn.Sequential(*(nn.Identity() for _ in range(6)), nn.Dropout(0.5), tail)


def test_classes_whose_own_images_score_nothing():
    scores = torch.zeros(8, 10)
    scores[0, 3] = scores[3, 4] = scores[4, 7] = 1
    scores[6, 5] = -1
    y = torch.tensor([0, 0, 3, 4, 4, 7, 5, 5])
    silent, recall, _ = page.judge(scoring(nn.Identity()), scores, y)
    assert silent == [0, 3, 7] and recall == 0  # one of two images of 4 scores, and one of 5
    scores[0] = scores[1]  # class 0 is silent, and yet the answer of a tie
    scores[2, 3] = scores[5, 7] = scores[6, 5] = scores[7, 5] = 2
    assert page.judge(scoring(nn.Identity()), scores, y)[:2] == ([0], 0.5)


def test_dropout_wakes_a_class_whose_score_it_can_lift():
    """Score 3 is max(0, h0 − h1): 0, but not if h1 is dropped; score 5 is 0 whatever is dropped."""
    tail = nn.Sequential(nn.Linear(10, 10, bias=False), nn.ReLU())
    with torch.no_grad():
        tail[0].weight.zero_()[3, :2] = torch.tensor([1.0, -1.0])
        tail[0].weight[4, 4] = 1
    y = torch.tensor([3, 4, 5])
    silent, _, woken = page.judge(scoring(tail), torch.ones(3, 10), y)
    assert silent == [3, 5] and woken == [3]


def test_open_and_thin_networks():
    """Without the last ReLU; without the 1×1 layers, too, which hold less than a quarter."""
    tables = [summary(kind(), (1, 224, 224)) for kind in (NiN, page.OpenNiN, page.ThinNiN)]
    assert [sum(row.kind == "Conv2d" for row in table.rows) for table in tables] == [12, 12, 4]
    assert [sum(row.kind == "ReLU" for row in table.rows) for table in tables] == [12, 11, 3]
    whole, opened, thin = tables
    assert opened.params == whole.params and opened.macs == whole.macs
    assert 0.2 < 1 - thin.params / whole.params < 0.25 > 1 - thin.macs / whole.macs > 0.2


def test_correlation_by_hand():
    A = torch.tensor([[1.0, 2, 3], [0, 1, 0]])
    assert page.correlation(A, 5 * A - 7) == pytest.approx(1)
    assert page.correlation(A, -A) == pytest.approx(-1)
    B = torch.tensor([[3.0, 2, 1], [0, 1, 0]])
    assert page.correlation(A, B) == pytest.approx(0, abs=1e-6)
    C = torch.tensor([[1.0, 0, 0], [1, 0, 0]])  # by hand: -√3/2, -1/2
    assert page.correlation(A, C) == pytest.approx(-(math.sqrt(3) / 2 + 0.5) / 2, abs=1e-6)
