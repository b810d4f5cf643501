"""AlexNet, dropout, augmentation and the filters' measures, lifted from section 8.1."""

import math

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torchvision.transforms import functional as TF

from helpers.data import read_digits, to_float
from helpers.history import History
from helpers.pages import lift
from helpers.summary import summary

page = lift("8-1-alexnet")


def small_digits(count=8, side=28):
    digits, _ = read_digits()
    return to_float(digits.images[:count], (side, side)), digits.labels[:count]


def stages(net, shape):
    rows = summary(net, shape).rows
    return [row.output for row in rows if row.kind in ("Conv2d", "MaxPool2d", "Linear")]


def test_shapes_parameters_and_costs_at_full_width():
    with torch.device("meta"):
        net = page.AlexNet()
    table = summary(net, (1, 224, 224))
    assert stages(net, (1, 224, 224)) == [
        (96, 54, 54), (96, 26, 26), (256, 26, 26), (256, 12, 12),
        (384, 12, 12), (384, 12, 12), (256, 12, 12), (256, 5, 5),
        (4096,), (4096,), (10,),
    ]  # fmt: skip
    params = [11_712, 614_656, 885_120, 1_327_488, 884_992, 26_218_496, 16_781_312, 40_970]
    assert [row.params for row in table.rows if row.params] == params
    macs = [33_872_256, 415_334_400, 127_401_984, 191_102_976, 127_401_984]
    macs += [26_214_400, 16_777_216, 40_960]
    assert [row.macs for row in table.rows if row.macs] == macs
    kinds = [row.kind for row in table.rows]
    assert kinds.count("ReLU") == 7 and kinds.count("Dropout") == 2
    assert kinds.index("Dropout") > kinds.index("Linear")
    costs = page.costs_by_kind(net, (1, 224, 224))
    assert costs.loc["convolutional"].tolist() == [3_723_968, 14_895_872, 895_113_600]
    assert costs.loc["dense"].tolist() == [43_040_778, 172_163_112, 43_032_576]


def test_arguments():
    net = page.AlexNet(lr=0.3, num_classes=7, width=page.narrow, dropout=0.2, activation=nn.Tanh)
    y = net(torch.zeros(2, 3, 65, 65))
    assert y.shape == (2, 7) and net.configure_optimizers().param_groups[0]["lr"] == 0.3
    assert page.AlexNet(width=page.narrow).lr == 0.01
    assert [m.p for m in net.net if isinstance(m, nn.Dropout)] == [0.2, 0.2]
    assert sum(isinstance(m, nn.Tanh) for m in net.net) == 7
    convs = [m for m in net.net if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convs] == [6, 16, 24, 24, 16]
    assert [c.in_channels for c in convs] == [3, 6, 16, 24, 24]
    assert page.narrow(4096) == 256


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("side", [65, 80])
def test_forward_and_gradients_equal_functions(side, dtype):
    torch.manual_seed(0)
    net = page.AlexNet(width=lambda c: c // 32, dropout=0).to(dtype)
    X = torch.randn(2, 1, side, side, dtype=dtype, requires_grad=True)
    net(X)
    W = list(net.parameters())
    Z = F.max_pool2d(F.relu(F.conv2d(X, W[0], W[1], stride=4, padding=1)), 3, 2)
    Z = F.max_pool2d(F.relu(F.conv2d(Z, W[2], W[3], padding=2)), 3, 2)
    Z = F.relu(F.conv2d(Z, W[4], W[5], padding=1))
    Z = F.relu(F.conv2d(Z, W[6], W[7], padding=1))
    Z = F.max_pool2d(F.relu(F.conv2d(Z, W[8], W[9], padding=1)), 3, 2).flatten(1)
    Z = F.relu(F.linear(F.relu(F.linear(Z, W[10], W[11])), W[12], W[13]))
    wanted, got = F.linear(Z, W[14], W[15]), net(X)
    assert got.dtype == dtype
    assert_close(got, wanted)
    both = [torch.autograd.grad(Y.square().sum(), [X, *W]) for Y in (got, wanted)]
    assert_close(both[0], both[1])


def test_torchvisions_variant_has_the_same_shapes_in_order():
    with torch.device("meta"):
        ours = page.AlexNet(num_classes=1000, channels=(64, 192, 384, 256, 256), padding=2)
        theirs = torchvision.models.alexnet(weights=None)
        ours(torch.zeros(1, 3, 224, 224))
    a, b = ours.state_dict().values(), theirs.state_dict().values()
    assert [tuple(p.shape) for p in a] == [tuple(p.shape) for p in b]
    assert sum(p.numel() for p in ours.parameters()) == 61_100_840


def test_smallest_side():
    for side in (65, 66):
        assert stages(page.AlexNet(width=page.narrow), (1, side, side))[7] == (16, 1, 1)
    for side in (11, 64):
        shape = rf"AlexNet cannot take an input of shape \(1, {side}, {side}\)"
        with pytest.raises(ValueError, match=shape):
            summary(page.AlexNet(width=page.narrow), (1, side, side))


def test_drawing():
    page.draw_columns({"A": [("image", (1, 4, 4)), ("conv 3×3", (2, 2, 2)), ("dense", (3,))]})
    page.show_rows({"a": torch.randn(2, 3, 3), "b": torch.randn(2, 3, 3)})
    page.plt.close("all")


@pytest.mark.parametrize(
    ("init", "std"),
    [
        ("init_xavier", lambda n_in, n_out: math.sqrt(2 / (n_in + n_out))),
        ("init_kaiming", lambda n_in, n_out: math.sqrt(2 / n_in)),
    ],
)
def test_initialisations(init, std):
    torch.manual_seed(0)
    dense, conv, norm = nn.Linear(300, 200), nn.Conv2d(16, 32, 5), nn.BatchNorm2d(3)
    for layer, fans in ((dense, (300, 200)), (conv, (400, 800))):
        getattr(page, init)(layer)
        assert float(layer.weight.detach().std()) == pytest.approx(std(*fans), rel=0.05)
        assert not layer.bias.any()
    bound = math.sqrt(6 / 500)
    uniform = bool(dense.weight.abs().max() <= bound)
    assert uniform == (init == "init_xavier")
    getattr(page, init)(norm)
    assert norm.weight.tolist() == [1, 1, 1]


def test_gradient_norms():
    X, y = small_digits(4, 65)
    torch.manual_seed(0)
    net = page.AlexNet(width=lambda c: c // 64, dropout=0)
    net.apply_init([X], page.init_xavier)
    F.cross_entropy(net(X), y).backward()
    wanted = [float(p.grad.norm()) for p in net.parameters() if p.dim() > 1]
    assert page.gradient_norms(net, X, y) == pytest.approx(wanted, rel=1e-4)
    assert len(wanted) == 8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 1.0])
def test_dropout_with_a_given_mask(p, dtype):
    torch.manual_seed(0)
    X = torch.randn(4, 5, dtype=dtype, requires_grad=True)
    keep = torch.rand(4, 5) >= p
    got = page.dropout(X, p, keep)
    wanted = X * 0 if p == 1 else torch.where(keep, X / (1 - p), 0.0)
    assert got.dtype == dtype
    assert_close(got, wanted)
    grads = [torch.autograd.grad(Y.square().sum(), X)[0] for Y in (got, wanted)]
    assert_close(grads[0], grads[1])


def test_dropout_draws_a_new_mask_for_each_value():
    torch.manual_seed(0)
    X = torch.ones(200, 50)
    for p in (0.2, 0.7):
        Y, again = page.dropout(X, p), page.dropout(X, p)
        assert Y.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)])
        assert float((Y == 0).float().mean()) == pytest.approx(p, abs=0.03)
        assert not Y.equal(again)
        assert (Y == 0).any(0).all() and (Y != 0).any(0).all()


def test_dropout_layer_has_two_modes():
    layer, X = page.Dropout(0.5), torch.ones(100)
    assert layer.eval()(X) is X
    assert set(layer.train()(X).unique().tolist()) == {0, 2}
    assert page.Dropout().p == 0.5


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_dropout_errors(p):
    with pytest.raises(ValueError, match=f"p={p} is no probability"):
        page.dropout(torch.ones(3), p)


def test_dropout_refuses_a_mask_of_another_shape():
    with pytest.raises(ValueError, match=r"keep has shape \(1,\), X \(3,\)"):
        page.dropout(torch.ones(3), 0.5, torch.tensor([True]))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (6, 5)])
def test_crop_and_mirror_against_torchvision(size):
    torch.manual_seed(0)
    X = torch.rand(5, 2, 6, 5)
    top, left = torch.randint(7 - size[0], (5,)), torch.randint(6 - size[1], (5,))
    Y = page.crop(X, top, left, size)
    for x, y, i, j in zip(X, Y, top.tolist(), left.tolist(), strict=True):
        assert y.equal(TF.crop(x, i, j, *size))
    flip = torch.tensor([True, False, False, True, True])
    for x, y, f in zip(X, page.mirror(X, flip), flip, strict=True):
        assert y.equal(TF.hflip(x) if f else x)


@pytest.mark.parametrize(("top", "left"), [(-1, 0), (0, -1), (3, 0), (0, 2)])
def test_crop_outside(top, left):
    with pytest.raises(ValueError, match="a window of 4×4 leaves the image of 6×5"):
        page.crop(torch.zeros(1, 1, 6, 5), torch.tensor([top]), torch.tensor([left]), (4, 4))


def test_augment_reaches_all_places_and_leaves_evaluation_alone():
    torch.manual_seed(0)
    X = torch.zeros(3_000, 1, 5, 6)
    X[:, :, 2, 2] = 1
    for flip, columns in ((0, {0, 1, 2, 3, 4}), (1, {1, 2, 3, 4, 5})):
        Y = page.Augment(pad=2, flip=flip)(X)
        assert Y.shape == X.shape
        _, _, i, j = Y.nonzero().T
        assert set(i.tolist()) == {0, 1, 2, 3, 4} and set(j.tolist()) == columns
        assert len(i) == 3_000
    assert page.Augment(2).eval()(X) is X


def test_gabor():
    line, edge = page.gabor(11, 0, 0), page.gabor(11, 0, math.pi / 2)
    assert line.shape == (11, 11) and line.dtype == torch.float32
    for g in (line, edge):
        assert float(g.norm()) == pytest.approx(1) and abs(float(g.sum())) < 1e-5
        assert_close(page.gabor(11, math.pi / 2, 0 if g is line else math.pi / 2), g.T)
    assert_close(line.flip(1), line)
    assert_close(edge.flip(1), -edge)
    assert line[5].argmax() == 5
    assert float((line * edge).sum()) == pytest.approx(0, abs=1e-6)
    # raw values by hand: a wavelength of 4 has its zero one pixel off the middle
    g = page.gabor(3, 0, 0, wavelength=4, sigma=1)
    assert_close(g[:, 0], g[:, 2])
    assert float((g[1, 1] - g[1, 0]) / (g[0, 1] - g[0, 0])) == pytest.approx(math.exp(0.5))


def test_smooth_share():
    k = torch.arange(11.0)
    for cycles, share in ((0, 1), (2, 1), (3, 0)):
        wave = torch.cos(2 * math.pi * cycles * k / 11).expand(1, 11, 11)
        assert page.smooth_share(wave) == pytest.approx(share, abs=1e-6)
    point = torch.zeros(2, 11, 11)
    point[:, 4, 5] = 1
    assert page.smooth_share(point) == pytest.approx(13 / 121)
    assert page.smooth_share(point, 1.0) == pytest.approx(1)


def test_span_share():
    basis = torch.zeros(2, 3, 3)
    basis[0, 0, 0], basis[1, 0, 1], basis[1, 0, 0] = 2, 1, 5  # not orthogonal
    K = torch.zeros(2, 3, 3)
    K[0, 0, 0], K[0, 0, 1], K[0, 2, 2], K[1, 1, 1] = 1, 2, 2, 1
    assert page.span_share(K, basis) == pytest.approx((1 + 4) / (1 + 4 + 4 + 1))


def test_intensities_by_hand():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 5))
    got = page.intensities(net, (1, 4, 4), 3)
    conv = 2 * 3 * (4 * 2 * 9) / (4 * (20 + 3 * (16 + 8)))
    dense = 2 * 3 * 40 / (4 * (45 + 3 * (8 + 5)))
    assert got == pytest.approx({"0 Conv2d": conv, "3 Linear": dense})


def test_small_alexnet_and_lenet():
    small = page.SmallAlexNet(channels=(2, 3, 4, 5, 6), units=7)
    assert stages(small, (1, 28, 28)) == [
        (2, 28, 28), (2, 13, 13), (3, 13, 13), (3, 6, 6), (4, 6, 6), (5, 6, 6), (6, 6, 6),
        (6, 2, 2), (7,), (7,), (10,),
    ]  # fmt: skip
    lenet = page.LeNet(activation=nn.Sigmoid, dropout=0.3, before=page.Augment(1))
    table = summary(lenet, (1, 28, 28))
    assert table.params == 61_706 and isinstance(lenet.net[0], page.Augment)
    kinds = [row.kind for row in table.rows]
    assert kinds.count("Sigmoid") == 4 and kinds.count("Dropout") == 2


def test_training_in_silence(capsys, monkeypatch):
    monkeypatch.setenv("BOOK_PROFILE", "check")
    data = page.FashionMNIST(batch_size=64)
    data.train, data.val = page.part(data.train, 120), page.part(data.val, 60)
    runs = page.train_all({"a": page.LeNet(0.0), "b": page.LeNet(0.0)}, data, 2)
    assert capsys.readouterr().out == "" and list(runs) == ["a", "b"]
    assert all(isinstance(run, History) and len(run) == 2 for run in runs.values())
    assert runs["a"].val_loss == runs["b"].val_loss  # one seed for all


def test_memorise_reaches_a_small_loss():
    first, last = page.memorise(*small_digits(4), steps=40)
    assert first > 1 > 0.2 > last
