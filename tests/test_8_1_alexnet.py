"""Section 8.1: AlexNet, dropout, augmentation, patches, and the fit of Gabor filters."""

import math

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torchvision.transforms import functional as TF

from helpers.sections.alexnet import AlexNet, explained, gabor_pair
from helpers.sections.lenet import init_xavier
from helpers.summary import summary
from tools.lift import lift

page = lift("8-1-alexnet")


def images(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


def narrow(dense: int = 16) -> AlexNet:
    return page.with_widths(AlexNet(), (3, 8, 12, 12, 8), dense)


def stages(net: nn.Module, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    rows = summary(net, shape).rows
    return [row.output for row in rows if row.kind in ("Conv2d", "MaxPool2d", "Linear")]


# The network


def test_shapes_parameters_and_costs_at_full_width():
    with torch.device("meta"):
        net = AlexNet()
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
    for kind, counts in {
        "Conv2d": (3_723_968, 895_113_600),
        "Linear": (43_040_778, 43_032_576),
    }.items():
        rows = [row for row in table.rows if row.kind == kind]
        assert (sum(row.params for row in rows), sum(row.macs for row in rows)) == counts


def test_arguments_and_the_optimiser():
    net = page.with_widths(AlexNet(lr=0.3, num_classes=7), (3, 8, 12, 12, 8), 16)
    assert net(images(2, 3, 65, 65)).shape == (2, 7)
    assert [m.out_features for m in net.net if isinstance(m, nn.Linear)] == [16, 16, 7]
    (group,) = net.configure_optimizers().param_groups
    assert group["lr"] == 0.3 and not group["momentum"] and not group["weight_decay"]
    assert AlexNet().lr == 0.01 and [m.p for m in net.net if isinstance(m, nn.Dropout)] == [0.5] * 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("side", [65, 80])
def test_forward_and_gradients_equal_functions(side, dtype):
    torch.manual_seed(0)
    net = narrow().to(dtype).eval()
    X = images(2, 1, side, side, dtype=dtype).requires_grad_()
    got, W = net(X), list(net.parameters())
    Z = F.max_pool2d(F.relu(F.conv2d(X, W[0], W[1], stride=4, padding=1)), 3, 2)
    Z = F.max_pool2d(F.relu(F.conv2d(Z, W[2], W[3], padding=2)), 3, 2)
    Z = F.relu(F.conv2d(Z, W[4], W[5], padding=1))
    Z = F.relu(F.conv2d(Z, W[6], W[7], padding=1))
    Z = F.max_pool2d(F.relu(F.conv2d(Z, W[8], W[9], padding=1)), 3, 2).flatten(1)
    Z = F.relu(F.linear(F.relu(F.linear(Z, W[10], W[11])), W[12], W[13]))
    wanted = F.linear(Z, W[14], W[15])
    assert got.dtype == dtype
    assert_close(got, wanted)
    both = [torch.autograd.grad(Y.square().sum(), [X, *W]) for Y in (got, wanted)]
    assert_close(both[0], both[1])


def test_dropout_stands_behind_both_wide_dense_layers():
    torch.manual_seed(0)
    net = narrow(400)
    net(images(2, 1, 65, 65))
    kinds = [type(m) for m in net.net]
    assert kinds[14:21] == [nn.Linear, nn.ReLU, nn.Dropout] * 2 + [nn.Linear]
    X = images(1, 1, 65, 65)
    assert not torch.equal(net.train()(X), net(X))
    assert torch.equal(net.eval()(X), net(X))


def test_torchvisions_variant_has_the_same_shapes_in_order():
    with torch.device("meta"):
        ours = page.with_widths(AlexNet(num_classes=1000), (64, 192, 384, 256, 256), 4096)
        ours.net[0].padding = (2, 2)
        theirs = torchvision.models.alexnet(weights=None)
        ours(torch.zeros(1, 3, 224, 224))
    a, b = ours.state_dict().values(), theirs.state_dict().values()
    assert [tuple(p.shape) for p in a] == [tuple(p.shape) for p in b]
    assert sum(p.numel() for p in ours.parameters()) == 61_100_840


def test_smallest_side():
    assert stages(narrow(), (1, 65, 65))[7] == (8, 1, 1)
    for side in (11, 64):
        with pytest.raises(ValueError, match=rf"of shape \(1, {side}, {side}\)"):
            summary(narrow(), (1, side, side))


# Dropout and augmentation


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 0.9])
def test_dropout_with_a_given_mask(p, dtype):
    X = images(4, 5, dtype=dtype).requires_grad_()
    keep = images(4, 5, dtype=dtype).T.reshape(4, 5) >= p
    got, wanted = page.dropout(X, p, keep), torch.where(keep, X / (1 - p), 0.0)
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
        assert float(Y.mean()) == pytest.approx(1, abs=5 * math.sqrt(p / (1 - p) / Y.numel()))
        assert float(Y.var()) == pytest.approx(p / (1 - p), rel=0.1)
        assert not Y.equal(again)
        assert (Y == 0).any(0).all() and (Y != 0).any(0).all()


@pytest.mark.parametrize("side", [1, 2, 5])
def test_crop_and_mirror_against_torchvision(side):
    X, flip = images(5, 2, 6, 5), torch.tensor([True, False, False, True, True])
    torch.manual_seed(side)
    top, left = torch.randint(7 - side, (5,)), torch.randint(6 - side, (5,))
    Y = page.crop(X, top, left, side)
    for x, y, i, j in zip(X, Y, top.tolist(), left.tolist(), strict=True):
        assert y.equal(TF.crop(x, i, j, side, side))
    for x, y, f in zip(X, page.mirror(X, flip), flip, strict=True):
        assert y.equal(TF.hflip(x) if f else x)


@pytest.mark.parametrize("mirrored", [False, True])
def test_augmented_images_reach_all_places_and_held_back_images_stay(monkeypatch, mirrored):
    monkeypatch.setenv("BOOK_PROFILE", "check")
    data = (page.Mirrored if mirrored else page.Shifted)(batch_size=64)
    X = torch.zeros(4_000, 1, 7, 7)
    X[:, :, 3, 2] = 1
    torch.manual_seed(0)
    Y = data.augment(X)
    _, _, i, j = Y.nonzero().T
    assert Y.shape == X.shape and set(i.tolist()) == {1, 2, 3, 4, 5}
    across = {0, 1, 2, 3, 4} | ({5, 6} if mirrored else set())  # 2 ± 2, and 4 ± 2 in the mirror
    assert set(j.tolist()) == across
    share = torch.bincount(i, minlength=7) / len(i)
    assert_close(share[1:6], torch.full((5,), 0.2), rtol=0, atol=0.04)
    plain = page.FashionMNIST(batch_size=64)
    a, b = (next(iter(d.get_dataloader(train=False)))[0] for d in (data, plain))
    assert torch.equal(a, b)


@pytest.mark.parametrize(("units", "p"), [(512, 0.5), (32, 0.0)])
def test_wide_lenet(units, p):
    net = page.WideLeNet(units, p)
    kinds = [row.kind for row in summary(net, (1, 28, 28)).rows]
    assert kinds.count("Linear") == 3 and kinds.count("ReLU") == 4 and kinds.count("AvgPool2d") == 2
    net.apply_init([images(2, 1, 28, 28)], init_xavier)
    dense = [(m.in_features, m.out_features) for m in net.net if isinstance(m, nn.Linear)]
    assert dense == [(400, units), (units, units), (units, 10)]
    assert [m.p for m in net.net if isinstance(m, nn.Dropout)] == [p, p]
    assert net.configure_optimizers().param_groups[0]["momentum"] == 0.9


# Patches and Gabor filters


def test_patches_are_windows_of_the_images_minus_their_means():
    torch.manual_seed(0)
    X = torch.arange(2 * 19 * 23).reshape(2, 19, 23).float()
    P = page.patches(X, 60, k=11)
    assert P.shape == (60, 11, 11) and P.mean((1, 2)).abs().max() < 1e-3
    # a ramp of 23 down and 1 to the right, whatever the place
    assert_close(P.diff(dim=1), torch.full((60, 10, 11), 23.0))
    assert_close(P.diff(dim=2), torch.full((60, 11, 10), 1.0))
    point = torch.zeros(1, 15, 15)
    point[0, 6, 9] = 1
    Q = page.patches(point, 200, k=11)
    places = {tuple(divmod(int(q.flatten().argmax()), 11)) for q in Q}
    assert places == {(6, 9), (6, 5), (2, 9), (2, 5)}  # corners 0 and 4 in both directions


def test_directions_are_sorted_and_explain_the_variance():
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(9, 9, generator=generator)).Q
    scale = torch.tensor([1.0, 4, 2, 0, 0, 0, 0, 0, 0])
    P = (torch.randn(20_000, 9, generator=generator) * scale) @ basis.T
    shares, patterns = page.directions(P.reshape(-1, 3, 3) + 5)
    assert_close(shares[:3], torch.tensor([16.0, 4, 1]) / 21, rtol=0.1, atol=0)
    assert float(shares[3:].abs().max()) < 1e-5 and patterns.shape == (9, 3, 3)
    for k, of in enumerate((1, 2, 0)):
        assert abs(float(patterns[k].flatten() @ basis[:, of])) > 0.99


@pytest.mark.parametrize("k", [11, 8])
@pytest.mark.parametrize(("wave", "width"), [(4, 1.5), (11, 3.5), (32, 7)])
def test_a_pair_is_even_odd_and_without_mean(k, wave, width):
    for angle in (0, 25, 90, 165):
        c, s = gabor_pair(wave, width, angle, k)
        assert c.shape == (k, k) and max(abs(c.mean()), abs(s.mean())) < 1e-12
        assert_close(c.flip(0, 1), c)
        assert_close(s.flip(0, 1), -s)
        assert abs(float((c * s).sum())) < 1e-9
        turned = gabor_pair(wave, width, angle + 90, k)
        assert_close(turned[0], c.rot90(-1))


def test_a_pair_by_hand():
    c, s = gabor_pair(4, 1, 0, k=3)
    assert_close(float(s[1, 2]), math.exp(-0.5))  # a quarter of a wave off the middle
    assert_close(float(s[0, 2]), math.exp(-1))
    assert_close(float(c[1, 1] - c[1, 0]), 1.0)
    assert_close(float(c[0, 1] - c[0, 0]), math.exp(-0.5))
    c, s = gabor_pair(4, 2, 0, k=3)  # twice the width: a quarter of the exponent
    assert_close(float(s[1, 2]), math.exp(-1 / 8))
    c, s = gabor_pair(4, 1, 90, k=3)
    assert_close(float(s[2, 1]), math.exp(-0.5))  # the wave runs down now


def test_explained_is_least_squares():
    generator = torch.Generator().manual_seed(0)
    K, pair = torch.randn(20, 11, 11, generator=generator), gabor_pair(8, 3, 40)
    found = explained(K + 3, pair)  # a constant does not count
    y = (K - K.mean((1, 2), keepdim=True)).flatten(1).double().T
    fit = pair.flatten(1).T @ torch.linalg.lstsq(pair.flatten(1).T, y).solution
    assert_close(found, 1 - (y - fit).square().sum(0) / y.square().sum(0), rtol=0, atol=1e-6)
    assert_close(explained((2 * pair[:1] - 5 * pair[1:]), pair), torch.ones(1).double())
    assert float(explained(torch.randn(500, 11, 11, generator=generator), pair).mean()) < 0.03
