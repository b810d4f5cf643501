"""Inception, GoogLeNet and what their page builds around them, lifted from section 8.4."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from helpers.pages import lift
from helpers.summary import summary
from helpers.training import evaluate

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


def tiny(**options):
    """A GoogLeNet with few channels and known shapes, in evaluation mode."""
    torch.manual_seed(0)
    net = page.GoogLeNet(width=lambda n: max(2, n // 32), **options)
    net.eval().apply_init([torch.zeros(1, 1, 40, 40)], page.init_kaiming)
    return net


def test_impulse_by_hand():
    block, X = page.Inception(1, (1, 1), (1, 1), 1), torch.zeros(1, 1, 7, 7)
    X[0, 0, 3, 3], X[0, 0, 3, 4] = 2, 1
    block(X)
    for p in block.parameters():
        nn.init.constant_(p, float(p.dim() > 1))
    Y = block(X)[0].detach()
    assert torch.equal(Y[0], X[0, 0])
    assert Y[1, 2].tolist() == Y[1, 3].tolist() == Y[1, 4].tolist() == [0, 0, 2, 3, 3, 1, 0]
    assert Y[2, 1].tolist() == Y[2, 5].tolist() == [0, 2, 3, 3, 3, 3, 1]
    assert Y[3, 2].tolist() == [0, 0, 2, 2, 2, 1, 0] and not Y[3, 1].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("large", [3, 5])
@pytest.mark.parametrize(("c_i", "h", "w"), [(1, 1, 1), (3, 6, 4), (4, 2, 7)])
def test_block_equals_functions(c_i, h, w, large, dtype):
    torch.manual_seed(0)
    block = page.Inception(3, (2, 4), (1, 5), 2, large=large).to(dtype)
    X = torch.randn(2, c_i, h, w, dtype=dtype, requires_grad=True)
    Y = block(X)
    W = list(block.parameters())

    def conv(X, k, padding=0):
        return F.relu(F.conv2d(X, W[2 * k], W[2 * k + 1], padding=padding))

    pooled = F.max_pool2d(X, 3, stride=1, padding=1)
    parts = [conv(X, 0), conv(conv(X, 1), 2, 1), conv(conv(X, 3), 4, large // 2), conv(pooled, 5)]
    wanted = torch.cat(parts, 1)
    assert Y.shape == (2, 14, h, w) and Y.dtype == dtype
    assert [tuple(p.shape) for p in W[::2]] == [
        (3, c_i, 1, 1), (2, c_i, 1, 1), (4, 2, 3, 3),
        (1, c_i, 1, 1), (5, 1, large, large), (2, c_i, 1, 1),
    ]  # fmt: skip
    by_hand = page.inception_by_hand(X, W)
    grads = []
    for Z in (Y, wanted, by_hand):
        assert_close(Z, wanted)
        loss = (Z * torch.linspace(-1, 1, Z.numel(), dtype=dtype).reshape(Z.shape)).sum()
        grads.append(torch.autograd.grad(loss, [X, *W], retain_graph=True))
    assert_close(grads[0], grads[1])
    assert_close(grads[2], grads[1])


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((1, (1, 1), (1, 1), 1), {"large": 4}, "large=4 is even"),
        ((1, 7, (1, 1), 1), {}, "7 is no pair"),
        ((1, (1, 1), (1, 2, 3), 1), {}, r"\(1, 2, 3\) is no pair"),
    ],
)
def test_block_errors(arguments, options, text):
    with pytest.raises(ValueError, match=text):
        page.Inception(*arguments, **options)


def test_block_weights():
    assert page.block_weights(192, 64, (96, 128), (16, 32), 32) == (163_328, 393_216)
    c_i = 5
    block = page.Inception(2, (3, 4), (6, 7), 8)
    block(torch.zeros(1, c_i, 3, 3))
    weights = sum(p.numel() for p in block.parameters() if p.dim() > 1)
    assert page.block_weights(c_i, 2, (3, 4), (6, 7), 8)[0] == weights
    convs = nn.ModuleList(nn.Conv2d(c_i, c, k, bias=False) for c, k in ((2, 1), (4, 3), (7, 5)))
    direct = sum(p.numel() for p in convs.parameters()) + c_i * 8
    assert page.block_weights(c_i, 2, (3, 4), (6, 7), 8)[1] == direct


def test_factories():
    X = torch.randn(2, 3, 6, 6)
    for make, kinds in (
        (page.conv_relu, [nn.Conv2d, nn.ReLU]),
        (page.conv_bn_relu, [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]),
    ):
        layer = make(4, 3, stride=2, padding=1)
        assert layer(X).shape == (2, 4, 3, 3)
        assert [type(m) for m in layer] == kinds
        assert (layer[0].bias is None) == (len(kinds) == 3)
    assert layer[1].eps == 0.001
    pair = page.conv_two_3x3(4, 5, padding=2)
    assert pair(X).shape == (2, 4, 6, 6)
    assert sum(p.numel() for p in pair.parameters()) == 9 * 3 * 4 + 4 + 9 * 4 * 4 + 4
    assert page.conv_two_3x3(4, 1)(X).shape == (2, 4, 6, 6)


def test_the_table_of_the_paper():
    blocks = [(c1, *c2, *c3, c4) for c1, c2, c3, c4 in page.GoogLeNet.BLOCKS.values()]
    assert blocks == TABLE
    assert list(page.GoogLeNet.BLOCKS) == ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]


def test_counts_and_shapes_at_full_width():
    net = page.GoogLeNet().net
    costs = page.stage_costs(net, (1, 96, 96))
    assert [shape for shape, _, _ in costs.values()] == [
        (64, 24, 24), (192, 12, 12), (480, 6, 6), (832, 3, 3), (1024, 3, 3), (10,),
    ]  # fmt: skip
    assert list(costs) == ["b1", "b2", "b3", "b4", "b5", "head"]
    assert sum(params for _, params, _ in costs.values()) == 5_977_530
    assert sum(macs for _, _, macs in costs.values()) == 276_066_304
    assert summary(net, (1, 96, 96)).rows[1].field == (7, 7)


def test_width_classes_and_factory():
    net = tiny(num_classes=7, conv=page.conv_bn_relu, large=3)
    assert net(torch.rand(2, 1, 40, 40)).shape == (2, 7)
    blocks = page.inception_blocks(net)
    assert len(blocks) == 9
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == 57 and max(m.out_channels for m in convs) == 12
    sizes = [m.kernel_size[0] for m in blocks[0].modules() if isinstance(m, nn.Conv2d)]
    assert sizes == [1, 1, 3, 1, 3, 1]
    assert net.lr == 0.01 and page.GoogLeNet(lr=0.3).configure_optimizers is not None


def test_every_stage_halves_rounding_up_and_a_pixel_is_enough():
    net = tiny()
    for n in (1, 5, 33, 40):
        Z, size = torch.zeros(1, 1, n, n), n
        with torch.no_grad():
            for stage, halvings in zip(net.net, (2, 1, 1, 1, 0), strict=False):
                Z = stage(Z)
                for _ in range(halvings):
                    size = math.ceil(size / 2)
                assert Z.shape[2:] == (size, size)


def test_forward_is_the_chain_of_its_parts():
    net, X = tiny().double(), torch.rand(2, 1, 40, 40, dtype=torch.float64)
    b1, b2, b3, b4, b5, head = net.net
    W = list(net.parameters())
    Z = F.max_pool2d(F.relu(F.conv2d(X, W[0], W[1], stride=2, padding=3)), 3, 2, 1)
    Z = F.relu(F.conv2d(Z, W[2], W[3]))
    Z = F.max_pool2d(F.relu(F.conv2d(Z, W[4], W[5], padding=1)), 3, 2, 1)
    for k in range(9):
        Z = page.inception_by_hand(Z, W[6 + 12 * k : 18 + 12 * k])
        if k in (1, 6):
            Z = F.max_pool2d(Z, 3, 2, 1)
    assert_close(net(X), F.linear(Z.mean((2, 3)), W[-2], W[-1]))


def test_googlenet_with_batch_normalisation():
    net = page.GoogLeNetBN(lambda n: max(2, n // 32))
    assert net.eval()(torch.zeros(1, 1, 40, 40)).shape == (1, 10)
    count = {kind: sum(isinstance(m, kind) for m in net.modules()) for kind in
             (nn.Conv2d, nn.BatchNorm2d)}  # fmt: skip
    assert count == {nn.Conv2d: 57, nn.BatchNorm2d: 57} and net.lr == 0.01


def test_kaiming_and_xavier():
    torch.manual_seed(0)
    conv, dense = nn.Conv2d(64, 96, 3), nn.Linear(900, 400)
    for layer in (conv, dense):
        page.init_kaiming(layer)
        assert not layer.bias.any()
    assert conv.weight.var().item() == pytest.approx(2 / 576, rel=0.03)
    assert dense.weight.var().item() == pytest.approx(1 / 900, rel=0.03)
    free = nn.Conv2d(2, 2, 1, bias=False)
    page.init_kaiming(free)
    page.init_xavier(conv)
    bound = math.sqrt(6 / (576 + 864))
    assert 0.99 * bound < conv.weight.detach().abs().max() <= bound and not conv.bias.any()


def test_signals():
    net, X = tiny(), torch.rand(6, 1, 40, 40)
    y = torch.arange(6)
    spread, norm = page.stage_signals(net, X, y)
    F.cross_entropy(net(X), y).backward()
    assert norm == pytest.approx(float(net.net.b1[0][0].weight.grad.norm()), rel=1e-4)
    assert len(spread) == 6
    assert spread[-1] == pytest.approx(float(net(X).detach().std(0).mean()), rel=1e-4)


def test_quarter():
    assert [page.quarter(n) for n in (1024, 64, 24, 4)] == [256, 16, 8, 8]


def test_replaced_ends_with_its_block():
    layer, X = nn.Linear(3, 2), torch.rand(4, 3)
    before = layer(X)
    with pytest.raises(RuntimeError), page.replaced(layer, torch.zeros_like):
        assert not layer(X).any()
        raise RuntimeError
    assert_close(layer(X), before)


def test_energy_and_silence():
    net, X, y = tiny(), torch.rand(6, 1, 40, 40), torch.arange(6)
    energy = page.branch_energy(net, X)
    blocks = page.inception_blocks(net)
    assert energy.shape == (9, 4) and not any(block._forward_hooks for block in blocks)
    assert_close(energy.sum(1), torch.ones(9))
    with torch.no_grad():
        Z = net.net.b2(net.net.b1(X))
        first = torch.stack([branch(Z).square().sum() for branch in blocks[0].branches])
    assert_close(energy[0], first / first.sum())
    branch = blocks[0].branches[1]
    loss, hits = page.loss_without(net, branch, X, y, torch.zeros_like)
    with torch.no_grad():
        for p in branch[1].parameters():
            p.zero_()
    scores = net(X).detach()
    assert loss == pytest.approx(float(F.cross_entropy(scores, y)), rel=1e-4)
    assert hits == pytest.approx(float((scores.argmax(1) == y).float().mean()))


def test_batch_mean():
    Y = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert page.batch_mean(Y).tolist() == [[2, 4], [2, 4]]


@pytest.mark.parametrize("epsilon", [0, 0.1, 0.5, 1])
@pytest.mark.parametrize("classes", [2, 10])
def test_smoothed_loss(classes, epsilon):
    torch.manual_seed(0)
    scores = torch.randn(9, classes, dtype=torch.float64)
    y = torch.randint(classes, (9,))
    wanted = F.cross_entropy(scores, y, label_smoothing=epsilon)
    assert_close(page.smoothed_loss(scores, y, epsilon), wanted)


def test_smoothed_loss_error():
    with pytest.raises(ValueError, match=r"epsilon=1.5 is outside"):
        page.smoothed_loss(torch.zeros(1, 2), torch.tensor([0]), 1.5)


@pytest.mark.parametrize(("n", "k"), [(1, 5), (3, 5), (7, 5), (4, 3), (2, 1)])
def test_kernel_use(n, k):
    ones = torch.ones(1, 1, n, n)
    wanted = F.conv2d(ones, torch.ones(1, 1, k, k), padding=k // 2).mean()
    assert page.kernel_use(n, k) == pytest.approx(float(wanted))


def test_chain():
    net = page.chain((4, 3, 2, 1), nn.Flatten(), 5)
    assert net(torch.zeros(1, 2, 6, 6)).shape == (1, 5)
    assert net[0].stride == (2, 2) and net[0].padding == (1, 1)
    assert sum(p.numel() for p in net.parameters()) == 4 * (18 + 1) + 5 * (36 + 1)


def test_small_network():
    cost = summary(page.SmallGoogLeNet(), (1, 28, 28))
    assert (cost.params, cost.macs) == (20_402, 1_850_880)
    assert cost.rows[-1].output == (10,)


def test_train_starts_from_the_given_weights(capsys):
    torch.manual_seed(0)
    images = SimpleNamespace(images=torch.randint(256, (20, 1, 28, 28), dtype=torch.uint8))
    images.labels = torch.arange(20) % 10
    data = page.FashionMNIST(batch_size=1_000)
    data.train = data.val = type(data.train)(images.images, images.labels)
    net = page.SmallGoogLeNet(lr=0.0)
    history = page.train(net, data, 1, init_and_mark)
    assert "SmallGoogLeNet" in capsys.readouterr().out and len(history) == 1
    assert float(net.net[0][0].weight.detach().mean()) == pytest.approx(0.5)
    assert evaluate(net, data)[1] == pytest.approx(history.val_acc[-1])


def init_and_mark(module):
    if isinstance(module, nn.Conv2d):
        nn.init.constant_(module.weight, 0.5)
