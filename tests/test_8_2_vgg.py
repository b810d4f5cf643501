"""VGG and what its page builds around it, lifted from section 8.2."""

import math

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from helpers.pages import lift
from helpers.summary import summary

page = lift("8-2-vgg")
VGG_11 = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
VGG_16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
ARCHS = [((1, 3),), ((2, 3),), ((1, 2), (2, 4)), ((3, 2), (1, 3), (2, 4))]


def made(arch, shape, dtype=torch.float32, init=None, **options):
    """A VGG in evaluation mode whose shapes are known."""
    torch.manual_seed(0)
    net = page.VGG(arch, **options).to(dtype).eval()
    net.apply_init([torch.rand(2, *shape, dtype=dtype)], init or page.init_kaiming)
    return net


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


def test_compose_by_hand():
    K1 = torch.tensor([[1.0, 2.0]])[None, None]
    K2 = torch.tensor([[3.0], [5.0]])[None, None]
    assert page.compose(K1, K2)[0, 0].tolist() == [[3, 6], [5, 10]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("c_i", "c_m", "c_o"), [(1, 1, 1), (2, 3, 4), (4, 1, 2)])
@pytest.mark.parametrize(("k", "k_2"), [((3, 3), (3, 3)), ((1, 4), (5, 2)), ((2, 3), (1, 1))])
def test_compose_against_two_convolutions(dtype, c_i, c_m, c_o, k, k_2):
    torch.manual_seed(0)
    X = torch.randn(2, c_i, 9, 10, dtype=dtype)
    K1, K2 = torch.randn(c_m, c_i, *k, dtype=dtype), torch.randn(c_o, c_m, *k_2, dtype=dtype)
    K = page.compose(K1, K2)
    assert K.dtype == dtype
    assert_close(F.conv2d(X, K), F.conv2d(F.conv2d(X, K1), K2), rtol=1e-4, atol=1e-4)


def test_compose_error():
    with pytest.raises(ValueError, match="K1 gives 4 channels, K2 reads 3"):
        page.compose(torch.zeros(4, 1, 3, 3), torch.zeros(2, 3, 3, 3))


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 5), (2, 3), (3, 3), (1, 7)])
def test_stack(n, k):
    table = summary(page.stack(n, 8, k), (8, 10, 12))
    assert table.rows[-1].output == (8, 10, 12) and table.rows[-1].field == (1 + n * (k - 1),) * 2
    assert table.params == n * (8 * 8 * k * k + 8)
    assert [row.kind for row in table.rows] == ["Conv2d", "ReLU"] * n


@pytest.mark.parametrize(("n", "k", "params"), [(1, 5, 14_442), (2, 3, 10_890)])
def test_stage_net(n, k, params):
    table = summary(page.StageNet(n, k), (1, 28, 28))
    assert table.params == params
    assert [r.output for r in table.rows if r.kind == "MaxPool2d"] == [
        (16, 14, 14), (16, 7, 7), (16, 3, 3),
    ]  # fmt: skip


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
    net = made(
        ((1, 64), (2, 32)), (1, 8, 8), lr=0.3, num_classes=7, dense=100, dropout=0.25,
        width=lambda n: n // 4,
    )  # fmt: skip
    assert net.lr == 0.3 and net.arch == ((1, 64), (2, 32))
    kinds = [type(layer).__name__ for layer in net.net]
    hidden = ["Linear", "ReLU", "Dropout"]
    assert kinds == ["Sequential", "Sequential", "Flatten", *hidden, *hidden, "Linear"]
    assert [len(block) for block in net.net[:2]] == [3, 5]
    widths = [m.weight.shape[0] for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert widths == [16, 8, 8, 25, 25, 7]
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.25, 0.25]
    plain = page.VGG(((1, 4),))
    assert plain.lr == 0.01
    assert [m.p for m in plain.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]


@pytest.mark.parametrize("arch", [(), ((0, 3),), ((1, 3), (2, 0))])
def test_vgg_errors(arch):
    with pytest.raises(ValueError, match="is no tuple of"):
        page.VGG(arch)


@pytest.mark.parametrize("side", [31, 16])
def test_too_small_an_image(side):
    with torch.device("meta"):
        net = page.VGG(VGG_11)
        assert summary(net, (1, 32, 32)).params == 28_142_858
        with pytest.raises(ValueError, match="Output size is too small"):
            summary(net, (1, side, side))


@pytest.mark.parametrize(("name", "arch"), [("vgg11", VGG_11), ("vgg16", VGG_16)])
def test_totals_of_torchvision(name, arch):
    with torch.device("meta"):
        ours = summary(page.VGG(arch, num_classes=1000), (3, 224, 224))
        theirs = summary(getattr(torchvision.models, name)(), (3, 224, 224))
    assert (ours.params, ours.macs) == (theirs.params, theirs.macs)


def test_features_of_torchvision():
    torch.manual_seed(0)
    features = torchvision.models.vgg.make_layers([4, "M", 8, 8, "M"])
    ours = nn.Sequential(page.vgg_block(1, 4), page.vgg_block(2, 8))
    X = torch.rand(2, 3, 9, 12)
    ours(X)
    names, values = ours.state_dict(), features.state_dict().values()
    ours.load_state_dict(dict(zip(names, values, strict=True)))
    assert_close(ours(X), features(X))


def test_stages():
    with torch.device("meta"):
        table = summary(page.VGG(VGG_11), (1, 224, 224))
    groups = page.stages(table)
    names = [f"block {i}" for i in range(1, 6)] + [f"dense {i}" for i in range(1, 4)]
    assert list(groups.index) == names
    assert groups["params"].tolist() == [
        640, 73_856, 885_248, 3_539_968, 4_719_616, 102_764_544, 16_781_312, 40_970,
    ]  # fmt: skip
    assert groups["macs"].sum() == table.macs and groups["memory"].sum() == table.memory
    assert groups["output"]["block 5"] == (512, 7, 7)
    assert groups["field"]["block 3"] == (30, 30)
    assert groups["memory"]["dense 1"] == 4 * (25_088 + 3 * 4_096)


@pytest.mark.parametrize("layer", [nn.Linear(400, 100), nn.Conv2d(128, 32, 3)], ids=str)
@pytest.mark.parametrize(
    ("init", "factor", "bias"),
    [("init_default", 1 / 6, True), ("init_xavier", 4 / 5, False), ("init_kaiming", 1, False)],
)
def test_starts(init, factor, bias, layer):
    torch.manual_seed(0)
    nn.init.constant_(layer.weight, 5)
    nn.init.constant_(layer.bias, 5)
    getattr(page, init)(layer)
    weight = layer.weight.detach()
    assert float(weight.var()) * weight[0].numel() / 2 == pytest.approx(factor, rel=0.05)
    assert abs(float(weight.mean())) < 0.1 * float(weight.std())
    assert bool(layer.bias.any()) is bias and layer.bias.abs().max() < 1


def test_a_start_leaves_other_layers_alone():
    for init in (page.init_default, page.init_xavier, page.init_kaiming):
        init(nn.ReLU())


def test_spreads():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    X = torch.rand(5, 1, 4, 4)
    with torch.no_grad():
        Z = net[0](X)
        wanted = [Z.flatten(1).std(0).mean(), net(X).std(0).mean()]
    assert page.spreads(net, X) == pytest.approx([float(v) for v in wanted], rel=1e-5)
    assert not net[0]._forward_hooks and not net[3]._forward_hooks
    assert page.spreads(net, X[:1].repeat(5, 1, 1, 1)) == pytest.approx([0, 0], abs=1e-6)


def test_count_by_hand():
    layers = [("conv", 4, 3, 2, 1), ("pool", 2, 2, 0), ("dense", 5), ("dense", 2)]
    assert page.count(layers, 9, 3) == {  # sides 9 -> 5 -> 2
        "conv params": 4 * 28, "conv macs": 25 * 4 * 27,
        "dense params": 5 * 17 + 2 * 6, "dense macs": 5 * 16 + 2 * 5,
    }  # fmt: skip


@pytest.mark.parametrize("arch", [VGG_11, VGG_16])
def test_count_against_torchvision(arch):
    name = f"vgg{sum(n for n, _ in arch) + 3}"
    with torch.device("meta"):
        theirs = summary(getattr(torchvision.models, name)(), (3, 224, 224))
    ours = page.count(page.vgg_layers(arch), 224, 3)
    assert ours["conv params"] + ours["dense params"] == theirs.params
    assert ours["conv macs"] == sum(r.macs for r in theirs.rows if r.kind == "Conv2d")
    assert ours["dense macs"] == 123_633_664


def test_pooled_vgg():
    net = page.pooled_vgg(((1, 4), (2, 6)), num_classes=3)
    X = torch.rand(2, 1, 9, 12)
    Y = net(X)
    assert Y.shape == (2, 3) and net(torch.rand(1, 1, 30, 4)).shape == (1, 3)
    maps = net[1](net[0](X))
    assert_close(Y, maps.mean((2, 3)) @ net[-1].weight.T + net[-1].bias)


@pytest.mark.parametrize("shape", [(16, 16), (16, 24), (20, 9)])
def test_dense_layers_as_convolutions(shape):
    net = made(((1, 3), (2, 5)), (1, *shape), dense=7)
    n_h, n_w = shape[0] // 4, shape[1] // 4
    sliding = page.as_convolutions(net, 5, n_h, n_w)
    X = torch.rand(3, 1, *shape)
    assert_close(sliding(X), net(X)[:, :, None, None])
    larger = sliding(torch.rand(1, 1, shape[0] + 8, shape[1] + 4))
    assert larger.shape == (1, 10, 3, 2)
    assert not any(isinstance(m, nn.Linear) for m in sliding.modules())


def test_training_starts_from_the_given_weights():
    data = page.FashionMNIST(batch_size=1_437)
    net = page.StageNet(1, 3, lr=0.0)
    with page.capture_output():
        history = page.train(net, data, 1, seed=3)
    assert len(history) == 1
    torch.manual_seed(3)
    again = page.StageNet(1, 3)
    again.apply_init([torch.zeros(1, 1, 28, 28)], page.init_kaiming)
    assert_close(net.net[0][0].weight.cpu(), again.net[0][0].weight)
    std = math.sqrt(2 / (16 * 9))
    assert float(net.net[-1].weight.detach().std()) == pytest.approx(std, rel=0.1)
