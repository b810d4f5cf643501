"""NiN, global average pooling and class maps, lifted from section 8.3."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from helpers.data import ImageSet
from helpers.pages import lift
from helpers.summary import summary

page = lift("8-3-nin")
DTYPES = [torch.float32, torch.float64]


def narrow(c: int) -> int:
    return c // 12


def started(net: nn.Module, size: int = 72, init=None) -> nn.Module:
    torch.manual_seed(0)
    net.apply_init([torch.rand(2, 1, size, size)], init or page.init_kaiming)
    return net


def small() -> nn.Module:
    return started(page.SmallNiN(num_channels=6), 28).eval()


def test_count_by_hand():
    assert page.count([(2, 3, 5, 4), (7, 2, 1, 1)]) == (2 * 76 + 7 * 3, 150 * 16 + 14)
    assert page.count([]) == (0, 0)


def test_global_avg_pool_by_hand():
    X = torch.tensor([[[[1.0, 2, 3], [4, 5, 9]], [[0, 0, 0], [0, 0, -6]]]])
    assert page.global_avg_pool(X).tolist() == [[4, -1]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 1, 4), (2, 3, 5, 1), (3, 2, 4, 7)])
def test_global_avg_pool_against_adaptive(shape, dtype):
    torch.manual_seed(0)
    X = torch.randn(shape, dtype=dtype, requires_grad=True)
    got, wanted = page.global_avg_pool(X), F.adaptive_avg_pool2d(X, 1).flatten(1)
    assert got.dtype == dtype and got.shape == shape[:2]
    assert_close(got, wanted)
    grads = [torch.autograd.grad(Y.square().sum(), X)[0] for Y in (got, wanted)]
    assert_close(grads[0], grads[1])


@pytest.mark.parametrize("shape", [(2, 10), (1, 2, 3), (1, 2, 0, 3), (1, 2, 3, 0)])
def test_global_avg_pool_errors(shape):
    with pytest.raises(ValueError, match=rf"X has shape \({', '.join(map(str, shape))}\)"):
        page.global_avg_pool(torch.zeros(shape))


@pytest.mark.parametrize("num_dense", [0, 1, 2, 3])
def test_nin_block_layers(num_dense):
    block = page.nin_block(8, 5, 2, 1, num_dense)
    table = summary(block, (3, 11, 9))
    assert [row.kind for row in table.rows] == ["Conv2d", "ReLU"] * (1 + num_dense)
    assert {row.output for row in table.rows} == {(8, 5, 4)}
    assert table.params == 8 * (3 * 25 + 1) + num_dense * 8 * 9


def test_nin_block_has_two_1x1_layers_and_refuses_fewer_than_none():
    assert len(page.nin_block(8, 3, 1, 1)) == 6
    with pytest.raises(ValueError, match="num_dense=-1 is below 0"):
        page.nin_block(8, 3, 1, 1, num_dense=-1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(11, 4, 0), (5, 1, 2), (3, 1, 1), (2, 3, 1), (1, 1, 0)])
def test_block_is_a_perceptron_at_patches(shape, dtype):
    torch.manual_seed(0)
    block = page.nin_block(5, *shape).to(dtype)
    X = torch.randn(2, 3, 12, 17, dtype=dtype)
    wanted = block(X)
    got = page.mlp_at_patches(block, X)
    assert got.shape == wanted.shape and got.dtype == dtype
    assert_close(got, wanted)
    # one place by hand, in the second row of places or the only one
    kernel, stride, padding = shape
    i, j = wanted.shape[2] - 1, wanted.shape[3] - 1
    Z = F.pad(X, (padding,) * 4)
    rows, columns = slice(i * stride, i * stride + kernel), slice(j * stride, j * stride + kernel)
    H = Z[:, :, rows, columns].flatten(1)
    for conv in block[::2]:
        H = torch.relu(H @ conv.weight.flatten(1).T + conv.bias)
    assert_close(wanted[:, :, i, j], H)


def test_nin_parameters_macs_and_shapes():
    table = summary(page.NiN(), (1, 224, 224))
    blocks = [
        96 * 122 + 2 * 96 * 97,
        256 * (96 * 25 + 1) + 2 * 256 * 257,
        384 * (256 * 9 + 1) + 2 * 384 * 385,
        10 * (384 * 9 + 1) + 2 * 10 * 11,
    ]
    assert table.params == sum(blocks) == 1_992_166
    assert table.macs == 762_297_352
    pools = [row.output for row in table.rows if row.kind == "MaxPool2d"]
    assert pools == [(96, 26, 26), (256, 12, 12), (384, 5, 5)]
    assert [row.kind for row in table.rows[-8:]] == ["Conv2d", "ReLU"] * 3 + [
        "AdaptiveAvgPool2d", "Flatten",
    ]  # fmt: skip
    frame = page.block_table(page.NiN(), (1, 224, 224))
    assert frame["parameters"].tolist() == [
        blocks[0], 0, blocks[1], 0, blocks[2], 0, 0, blocks[3], 0, 0,
    ]  # fmt: skip
    assert frame["output"].iloc[7] == "10×5×5" and frame["sees"].iloc[0] == "11×11"


def test_nin_arguments():
    net = page.NiN()
    assert net.lr == 0.05 and net.arch == page.NiN.__init__.__defaults__[3]
    assert net.net[6].p == 0.5 and isinstance(net.net[6], nn.Dropout)
    net = started(page.NiN(lr=0.2, num_classes=7, width=narrow))
    assert net(torch.rand(3, 1, 80, 90)).shape == (3, 7)
    assert net.configure_optimizers().param_groups[0]["lr"] == 0.2
    assert [net.net[k][0].out_channels for k in (0, 2, 4, 7)] == [8, 21, 32, 7]


def test_nin_equals_functions():
    net = started(page.NiN(width=narrow), 131).eval()
    X = Z = torch.rand(2, 1, 131, 131)
    weights = iter(net.parameters())
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
    net = started(page.NiN(width=narrow)).eval()
    assert page.class_maps(net, torch.rand(2, 1, *size)).shape == (2, 10, *maps)


@pytest.mark.parametrize("size", [(66, 67), (67, 66)])
def test_too_small(size):
    with pytest.raises(ValueError, match="Output size is too small"):
        summary(page.NiN(width=narrow), (1, *size))


def test_starts():
    torch.manual_seed(0)
    conv = nn.Conv2d(30, 60, 5)
    n_in, n_out = 30 * 25, 60 * 25
    for init, variance in ((page.init_kaiming, 2 / n_in), (page.init_xavier, 2 / (n_in + n_out))):
        init(conv)
        assert float(conv.weight.detach().var()) == pytest.approx(variance, rel=0.05)
        assert not conv.bias.any()
    norm = nn.BatchNorm2d(3)
    for init in (page.init_kaiming, page.init_xavier):
        init(norm)
    assert norm.weight.tolist() == [1, 1, 1]


def test_kaiming_keeps_the_second_moment_and_xavier_halves_it():
    torch.manual_seed(0)
    X = torch.randn(4, 256, 8, 8)
    for init, factor in ((page.init_kaiming, 1), (page.init_xavier, 1 / 2)):
        conv = nn.Conv2d(256, 256, 1)
        init(conv)
        Z = conv(X)
        ratio = conv(torch.relu(Z)).square().mean() / Z.square().mean()
        assert ratio.item() == pytest.approx(factor, rel=0.1)


def test_mean_of_map_is_score_and_mode_is_kept():
    for net, size in ((small(), 36), (started(page.NiN(width=narrow)), 131)):
        net.train()
        X = torch.rand(3, 1, size, size)
        maps = page.class_maps(net, X)
        assert net.training and not maps.requires_grad and maps.std() > 0
        net.eval()
        assert_close(maps.mean((2, 3)), net(X).detach())
        assert_close(maps, page.class_maps(net, X))  # without dropout in both modes
        assert not net.training


def test_small_nin():
    table = summary(page.SmallNiN(), (1, 28, 28))
    assert table.params == 32 * 26 + 32 * 33 + 32 * (32 * 9 + 1) + 32 * 33 + 10 * 33
    assert table.rows[-3].output == (10, 6, 6) and table.rows[-3].field == (17, 17)
    assert (page.class_maps(small(), torch.rand(4, 1, 28, 28)) < 0).any()


def test_cover_by_hand():
    X = torch.arange(2 * 784.0).reshape(2, 1, 28, 28)
    Y = page.cover(X, torch.tensor([0, 6 * 5 + 4]))
    wanted = X.clone()
    wanted[0, 0, 0:6, 0:6] = X[0].mean()  # place (0, 0): pixel (2, 2), cut at the border
    wanted[1, 0, 19:26, 15:22] = X[1].mean()  # place (5, 4): pixel (22, 18)
    assert_close(Y, wanted)
    with pytest.raises(ValueError, match="2 images have 1 places"):
        page.cover(X, torch.tensor([0]))


def test_place_of_a_map_lies_at_the_pixel_that_cover_takes():
    net = small()
    X = torch.rand(1, 1, 28, 28, requires_grad=True)
    for i, j in ((2, 3), (3, 2)):
        reached = torch.autograd.grad(net.net[:-2](X)[0, :, i, j].sum(), X)[0][0, 0] != 0
        rows, columns = reached.any(1).nonzero(), reached.any(0).nonzero()
        for seen, k in ((rows, i), (columns, j)):
            assert 4 * k + 2 - 8 <= int(seen.min()) and int(seen.max()) <= 4 * k + 2 + 8


def test_figure_draws():
    page.show_class_maps(torch.rand(2, 28, 28), torch.randn(2, 2, 6, 6), [["a", "b", "c"]] * 2)
    axes = page.plt.gcf().axes
    assert len(axes) == 6 and [len(ax.images) for ax in axes] == [1, 1, 2, 2, 2, 2]
    page.plt.close("all")


def test_3x3_in_place_of_1x1():
    net = page.with_3x3(page.NiN(width=narrow))
    table = summary(net, (1, 72, 72))
    plain = summary(page.NiN(width=narrow), (1, 72, 72))
    assert [row.output for row in table.rows] == [row.output for row in plain.rows]
    assert table.params - plain.params == 16 * sum(c * c for c in (8, 21, 32, 10))


def test_kept_for_backward_by_hand():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    X = torch.rand(3, 1, 6, 6)
    by_hand = 4 * (3 * 36) + 4 * (3 * 2 * 16) + 8 * (3 * 2 * 4)
    assert page.kept_for_backward(net, X) == by_hand
    with torch.no_grad():
        assert page.kept_for_backward(net, X) == 0


def test_peak_of_prediction():
    rows = summary(nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Flatten()), (1, 6, 6)).rows
    assert page.peak_of_prediction(rows) == 4 * (2 * 16 + 2 * 4)


def test_local_rank():
    torch.manual_seed(0)
    patches = torch.randn(3, 2, 3, 3, dtype=torch.float64)
    narrow_head = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 10, 1)).double()
    assert page.local_rank(narrow_head, patches) == 3
    assert page.local_rank(nn.Conv2d(2, 10, 3).double(), patches) == 10


@pytest.mark.parametrize(
    ("arch", "smallest"),
    [
        (((8, 11, 4, 0), (8, 5, 1, 2), (8, 3, 1, 1)), 67),
        (((8, 5, 1, 2), (8, 3, 1, 1)), 7),
        (((8, 5, 2, 2),), 5),
        (((8, 3, 1, 0),), 5),
    ],
)
def test_smallest_image(arch, smallest):
    assert page.smallest_by_formula(arch) == page.smallest_by_search(arch) == smallest


def few_digits():
    """Data for a run of two steps."""
    data = page.FashionMNIST(batch_size=16)
    part = ImageSet(data.train.images[:32], data.train.labels[:32])
    data.train = data.val = part
    return data


def test_train_starts_from_kaiming_unless_told(capsys):
    data = few_digits()
    for args, variance in (((), 2 / 25), ((page.init_xavier,), 2 / (25 + 64 * 25))):
        net = page.SmallNiN(lr=0.0, num_channels=64)
        history = page.train(net, data, 1, *args)
        assert len(history) == 1 and abs(history.val_loss[0] - math.log(10)) < 2
        assert float(net.net[0][0].weight.detach().var()) == pytest.approx(variance, rel=0.15)
    assert "SmallNiN" in capsys.readouterr().out
