"""Section 8.2: VGG, kernels composed, a start for ReLUs, and what the page measures."""

import math
from types import SimpleNamespace

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from helpers.sections.lenet import init_xavier
from helpers.sections.vgg import VGG, compose, init_kaiming, vgg_block
from helpers.summary import summary
from tools.answers import execute, solution_of
from tools.lift import lift

page = lift("8-2-vgg")
VGG_11 = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
VGG_16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
ARCHS = [((1, 3),), ((2, 3),), ((1, 2), (2, 4)), ((3, 2), (1, 3), (2, 4))]


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors: on a busy machine, threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(arch, shape, dtype=torch.float32, **options):
    """A VGG in evaluation mode whose shapes are known, with Kaiming's weights."""
    torch.manual_seed(0)
    net = VGG(arch, **options).to(dtype).eval()
    net.apply_init([torch.rand(2, *shape, dtype=dtype)], init_kaiming)
    return net


def solution(label):
    """What the solution of an exercise defines."""
    return SimpleNamespace(**execute("8_2", solution_of("8_2", label)))


# Kernels, one after the other


def test_compose_by_hand():
    K1 = torch.tensor([[1.0, 2.0]])[None, None]
    K2 = torch.tensor([[3.0], [5.0]])[None, None]
    assert compose(K1, K2)[0, 0].tolist() == [[3, 6], [5, 10]]


def test_compose_adds_over_the_channels_between():
    K1 = torch.tensor([2.0, 3.0]).reshape(2, 1, 1, 1)
    K2 = torch.tensor([5.0, 7.0]).reshape(1, 2, 1, 1)
    assert compose(K1, K2).tolist() == [[[[31.0]]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("c_i", "c_m", "c_o"), [(1, 1, 1), (2, 3, 4), (4, 1, 2)])
@pytest.mark.parametrize(("k", "k_2"), [((3, 3), (3, 3)), ((1, 4), (5, 2)), ((2, 3), (1, 1))])
def test_compose_against_two_convolutions(dtype, c_i, c_m, c_o, k, k_2):
    torch.manual_seed(0)
    X = torch.randn(2, c_i, 9, 10, dtype=dtype)
    K1, K2 = torch.randn(c_m, c_i, *k, dtype=dtype), torch.randn(c_o, c_m, *k_2, dtype=dtype)
    K = compose(K1, K2)
    assert K.dtype == dtype
    assert_close(F.conv2d(X, K), F.conv2d(F.conv2d(X, K1), K2), rtol=1e-4, atol=1e-4)


def test_compose_is_associative():
    torch.manual_seed(0)
    K1, K2, K3 = torch.randn(3, 2, 2, 3, 3, dtype=torch.float64)
    assert_close(compose(compose(K1, K2), K3), compose(K1, compose(K2, K3)))
    assert compose(compose(K1, K2), K3).shape == (2, 2, 7, 7)


def test_compose_error():
    with pytest.raises(ValueError, match="K1 gives 4 channels, K2 reads 3"):
        compose(torch.zeros(4, 1, 3, 3), torch.zeros(2, 3, 3, 3))


# The network


def by_hand(weights, X, arch):
    """VGG as a chain of functions; weights and biases alternate."""
    pairs = iter(zip(weights[::2], weights[1::2], strict=True))
    for num_convs, _ in arch:
        for _ in range(num_convs):
            W, b = next(pairs)
            X = F.relu(F.conv2d(X, W, b, padding=1))
        X = F.max_pool2d(X, 2)
    (W1, b1), (W2, b2), (W3, b3) = pairs
    X = F.relu(X.flatten(1) @ W1.T + b1)
    return F.relu(X @ W2.T + b2) @ W3.T + b3


@pytest.mark.parametrize("size", [(8, 8), (13, 9)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("arch", ARCHS)
def test_vgg_by_hand(arch, dtype, channels, size):
    net = made(arch, (channels, *size), dtype, dense=6)
    X = torch.rand(2, channels, *size, dtype=dtype, requires_grad=True)
    weights = list(net.parameters())
    Y = net(X), by_hand(weights, X, arch)
    assert Y[0].shape == (2, 10) and Y[0].std() > 0
    grads = [torch.autograd.grad(y.square().sum(), [X, *weights]) for y in Y]
    assert_close(*Y)
    assert_close(*grads)


def test_vgg_arguments():
    net = made(((1, 6), (2, 8)), (1, 8, 8), lr=0.3, num_classes=7, dense=25, dropout=0.25)
    assert net.lr == 0.3 and net.arch == ((1, 6), (2, 8))
    kinds = [type(layer).__name__ for layer in net.net]
    hidden = ["Linear", "ReLU", "Dropout"]
    assert kinds == ["Sequential", "Sequential", "Flatten", *hidden, *hidden, "Linear"]
    assert [len(block) for block in net.net[:2]] == [3, 5]
    widths = [m.weight.shape[0] for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert widths == [6, 8, 8, 25, 25, 7]
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.25, 0.25]
    plain = VGG(((1, 4),))
    assert plain.lr == 0.01
    assert [m.p for m in plain.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]


@pytest.mark.parametrize("side", [31, 16])
def test_too_small_an_image(side):
    with torch.device("meta"):
        net = VGG(VGG_11)
        assert summary(net, (1, 32, 32)).params == 28_142_858
        with pytest.raises(ValueError, match="Output size is too small"):
            summary(net, (1, side, side))


@pytest.mark.parametrize(("name", "arch"), [("vgg11", VGG_11), ("vgg16", VGG_16)])
def test_totals_of_torchvision(name, arch):
    with torch.device("meta"):
        ours = summary(VGG(arch, num_classes=1000), (3, 224, 224))
        theirs = summary(getattr(torchvision.models, name)(), (3, 224, 224))
    assert (ours.params, ours.macs) == (theirs.params, theirs.macs)


def test_features_of_torchvision():
    torch.manual_seed(0)
    features = torchvision.models.vgg.make_layers([4, "M", 8, 8, "M"])
    ours = nn.Sequential(vgg_block(1, 4), vgg_block(2, 8))
    X = torch.rand(2, 3, 9, 12)
    ours(X)
    names, values = ours.state_dict(), features.state_dict().values()
    ours.load_state_dict(dict(zip(names, values, strict=True)))
    assert_close(ours(X), features(X))


@pytest.mark.parametrize(
    ("arch", "options", "side", "costs"),
    [
        (((1, 16), (1, 32), (2, 64), (2, 128)), {}, 56, (21_826_634, 47_277_056)),
        (
            ((2, 16), (2, 32), (2, 64), (2, 128)),
            {"dense": 2048, "dropout": 0.4},
            56,
            (6_871_418, 46_765_056),
        ),
        (((1, 16), (1, 32), (2, 64), (2, 128), (2, 128)), {}, 224, (43_093_322, 512_155_648)),
    ],
)
def test_costs_of_the_headline_networks(arch, options, side, costs):
    with torch.device("meta"):
        table = summary(VGG(arch, **options), (1, side, side))
    assert (table.params, table.macs) == costs


# Starts


@pytest.mark.parametrize("layer", [nn.Linear(400, 100), nn.Conv2d(128, 32, 3)], ids=str)
@pytest.mark.parametrize("start", ["Kaiming", "stretched"])
def test_a_start_of_kaimings_variance(start, layer):
    torch.manual_seed(0)
    layer.reset_parameters()
    init = {"Kaiming": init_kaiming, "stretched": page.init_stretched}[start]
    init(layer)
    weight = layer.weight.detach()
    assert float(weight.var()) * weight[0].numel() == pytest.approx(2, rel=0.05)
    assert abs(float(weight.mean())) < 0.1 * float(weight.std())
    assert not layer.bias.any()


def test_stretched_weights_are_pytorchs_own():
    layer = nn.Linear(4, 3)
    before = layer.weight.detach().clone()
    page.init_stretched(layer)
    assert_close(layer.weight.detach(), before * math.sqrt(6))


@pytest.mark.parametrize("start", [init_kaiming, init_xavier, page.init_stretched])
def test_a_start_leaves_other_layers_alone(start):
    start(nn.ReLU())


@pytest.mark.parametrize("start", [init_kaiming, init_xavier])
def test_a_layer_without_a_bias(start):
    start(nn.Conv2d(2, 3, 3, bias=False))


@pytest.mark.parametrize(
    ("init", "factor"), [(None, 1 / 6), (init_xavier, 1 / 2), (init_kaiming, 1)]
)
def test_the_factor_of_a_layer(init, factor):
    """The mean square behind a ReLU over that in front of the layer, without biases."""
    torch.manual_seed(0)
    layer = nn.Linear(2000, 2000)
    if init:
        init(layer)
    nn.init.zeros_(layer.bias)
    X = torch.randn(50, 2000).relu()
    with torch.no_grad():
        H = layer(X).relu()
    assert float(H.square().mean() / X.square().mean()) == pytest.approx(factor, rel=0.05)


def test_deviations():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    X = torch.rand(5, 1, 4, 4)
    with torch.no_grad():
        Z = net[0](X)
        wanted = [Z.flatten(1).std(0).mean(), net(X).std(0).mean()]
    assert page.deviations(net, X) == pytest.approx([float(v) for v in wanted], rel=1e-5)
    assert not net[0]._forward_hooks and not net[3]._forward_hooks
    assert page.deviations(net, X[:1].repeat(5, 1, 1, 1)) == pytest.approx([0, 0], abs=1e-6)


# What the page measures


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 5), (2, 3), (3, 3), (1, 7)])
def test_stack(n, k):
    table = summary(page.stack(n, 8, k), (8, 10, 12))
    assert table.rows[-1].output == (8, 10, 12) and table.rows[-1].field == (1 + n * (k - 1),) * 2
    assert table.params == n * (8 * 8 * k * k + 8)
    assert [row.kind for row in table.rows] == ["Conv2d", "ReLU"] * n


@pytest.mark.parametrize(
    ("n", "k", "costs", "field"),
    [
        (1, 3, (25_034, 527_104), 22),
        (1, 5, (35_402, 1_430_272), 36),
        (2, 3, (37_186, 1_881_856), 36),
    ],
)
def test_stage_net(n, k, costs, field):
    table = summary(page.StageNet(n, k, 0.1, 10), (1, 28, 28))
    assert (table.params, table.macs) == costs
    pools = [row for row in table.rows if row.kind == "MaxPool2d"]
    assert [row.output for row in pools] == [(8, 14, 14), (16, 7, 7), (32, 3, 3)]
    assert pools[-1].field == (field, field)


def test_the_rate_falls_to_nothing():
    net = page.StageNet(1, 3, 0.4, 4)
    net(torch.rand(1, 1, 28, 28))
    sgd, schedule = net.configure_optimizers()
    rates = []
    for _ in range(4):
        rates.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    assert rates == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert sgd.param_groups[0]["lr"] == 0


def test_alexnet_counted():
    with torch.device("meta"):
        table = summary(page.alexnet(), (3, 224, 224))
    assert (table.params, table.macs) == (60_965_224, 724_406_816)
    assert page.count_by_kind(table, "Linear")[1] == 58_621_952


# Exercises


@pytest.mark.parametrize("shape", [(4, 6), (5, 2), (7, 7)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_dense_layer_slides_over_maps(shape, channels):
    n_h, n_w = shape
    torch.manual_seed(0)
    layer = nn.Linear(channels * n_h * n_w, 4)
    slide = solution("vgg-dense-as-conv").slide
    maps = torch.rand(2, channels, n_h + 2, n_w + 1)
    answers = slide(layer.weight, layer.bias, maps, n_h, n_w)
    assert answers.shape == (2, 4, 3, 2)
    window = maps[:, :, 2:, 1:].flatten(1)
    assert_close(answers[:, :, 2, 1], layer(window))


def test_sides_are_pytorchs():
    sides = solution("vgg-native").sides
    for side in range(4, 40):
        for blocks in (1, 2, 3):
            net = nn.Sequential(*(vgg_block(1, 2) for _ in range(blocks)))
            try:
                rows = summary(net, (1, side, side)).rows
            except ValueError:
                with pytest.raises(ValueError):
                    sides(side, ((1, 2),) * blocks)
                continue
            wanted = [row.output[1] for row in rows if row.kind == "MaxPool2d"]
            assert sides(side, ((1, 2),) * blocks) == wanted


def test_the_mean_of_the_maps_takes_every_size():
    head = solution("vgg-gap").pooled_head
    W, b = torch.rand(3, 5), torch.rand(3)
    for size in ((1, 1), (4, 7)):
        maps = torch.rand(2, 5, *size)
        means = F.adaptive_avg_pool2d(maps, 1).flatten(1)
        assert_close(head(maps, W, b), F.linear(means, W, b))


@pytest.mark.parametrize("shape", [(5, 7), (4, 2, 3, 5)])
@pytest.mark.parametrize("slope", [0, 0.2, 1])
def test_a_start_for_leaky_relus_is_pytorchs(shape, slope):
    gain = nn.init.calculate_gain("leaky_relu", slope)
    wanted = gain / math.sqrt(math.prod(shape[1:]))
    assert solution("vgg-leaky").start_for(shape, slope) == pytest.approx(wanted)


def test_a_weak_layer_and_sixteen_weak_ones_compute_the_same():
    torch.manual_seed(0)
    X = torch.rand(4, 1, 32, 32, dtype=torch.float64)
    scores = []
    for factor, chosen in ((1, []), (0.1, [8]), (0.1 ** (1 / 16), range(16))):
        net = made(((2, 4), (2, 4), (3, 6), (3, 6), (3, 6)), (1, 32, 32), torch.float64, dense=9)
        weights = [p for p in net.parameters() if p.dim() > 1]
        assert len(weights) == 16
        with torch.no_grad():
            for k in chosen:
                weights[k].mul_(factor)
            scores.append(net(X))
    assert_close(scores[1], scores[0] / 10)
    assert_close(scores[2], scores[1])
