"""Section 7.4: channels, the 1×1 convolution, groups, costs, and the experiment with plates."""

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from helpers.sections.channels import (
    conv_cost,
    corr2d_1x1,
    corr2d_grouped,
    corr2d_multi_in,
    corr2d_multi_in_out,
)
from tools.answers import execute, solution_of
from tools.lift import lift

page = lift("7-4-channels")

X = torch.stack([torch.arange(9.0), torch.arange(1.0, 10.0)]).reshape(2, 3, 3)
K = torch.stack([torch.arange(4.0), torch.arange(1.0, 5.0)]).reshape(2, 2, 2)
HUE = torch.tensor([0.08, -0.02, -0.12])


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors: on a busy machine, threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def normal(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


# several channels


def test_several_channels_by_hand():
    assert corr2d_multi_in(X, K).tolist() == [[56, 72], [104, 120]]
    Y = corr2d_multi_in_out(X, torch.stack([K, K + 1, K + 2]))
    assert Y.shape == (3, 2, 2)
    assert Y[1].tolist() == [[76, 100], [148, 172]]
    assert Y[2].tolist() == [[96, 128], [192, 224]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 1), (4, 5)])
@pytest.mark.parametrize("c_i, c_o", [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_several_channels_against_torch(c_i, c_o, kernel, dtype):
    image, weight = normal(c_i, 4, 5, dtype=dtype), normal(c_o, c_i, *kernel, dtype=dtype, seed=1)
    Y = corr2d_multi_in_out(image, weight)
    assert Y.dtype == dtype
    assert_close(Y, F.conv2d(image[None], weight)[0])


def test_integers_stay_integers():
    Y = corr2d_multi_in_out(X.long(), K.long()[None])
    assert Y.dtype == torch.int64 and Y[0].tolist() == [[56, 72], [104, 120]]


def test_gradients():
    image, weight = normal(2, 4, 3).requires_grad_(), normal(3, 2, 2, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(corr2d_multi_in_out, (image, weight))


@pytest.mark.parametrize("channels", [1, 3])
def test_channel_counts_must_match(channels):
    text = f"X has 2 channels, but K has {channels} slices: one for each channel"
    with pytest.raises(ValueError, match=text):
        corr2d_multi_in(X, torch.ones(channels, 2, 2))
    with pytest.raises(ValueError, match=text):
        corr2d_multi_in_out(X, torch.ones(4, channels, 2, 2))


def test_kernel_must_fit():
    with pytest.raises(ValueError, match=r"K \(4, 1\) does not fit in X \(3, 3\)"):
        corr2d_multi_in(X, torch.ones(2, 4, 1))


# 1×1


def test_1x1_by_hand():
    weight = torch.tensor([[1.0, 0], [0, 2], [1, -1]])[:, :, None, None]
    Y = corr2d_1x1(X, weight)
    assert Y[0].equal(X[0]) and Y[1].equal(2 * X[1]) and Y[2].equal(-torch.ones(3, 3))


@pytest.mark.parametrize(
    "c_i, c_o, n_h, n_w", [(1, 1, 1, 1), (3, 5, 2, 4), (4, 4, 3, 3), (6, 2, 1, 5)]
)
def test_1x1_three_ways(c_i, c_o, n_h, n_w):
    image, weight = normal(c_i, n_h, n_w), normal(c_o, c_i, 1, 1, seed=1)
    Y = corr2d_1x1(image, weight)
    assert Y.shape == (c_o, n_h, n_w)
    assert_close(Y, F.conv2d(image[None], weight)[0])
    assert_close(Y, corr2d_multi_in_out(image, weight))
    assert_close(Y, page.dense_at_pixels(image, weight))


def test_1x1_errors():
    with pytest.raises(ValueError, match="K is 2×1 at each slice, not 1×1"):
        corr2d_1x1(X, torch.ones(4, 2, 2, 1))
    with pytest.raises(ValueError, match="X has 2 channels, but K has 3 slices"):
        corr2d_1x1(X, torch.ones(4, 3, 1, 1))


# groups


@pytest.mark.parametrize("kernel", [(1, 1), (2, 3)])
@pytest.mark.parametrize("i, o", [(1, 1), (1, 3), (2, 1), (3, 2)])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups_against_torch(groups, i, o, kernel):
    image, weight = normal(groups * i, 3, 4), normal(groups * o, i, *kernel, seed=1)
    Y = corr2d_grouped(image, weight, groups)
    assert_close(Y, F.conv2d(image[None], weight, groups=groups)[0])


def test_grouped_kernel_with_the_wrong_width():
    with pytest.raises(ValueError, match="X has 2 channels, but K has 3 slices"):
        corr2d_grouped(torch.ones(4, 3, 3), torch.ones(4, 3, 1, 1), 2)


def test_depthwise_separable():
    image, D, P = normal(3, 5, 4), normal(3, 1, 2, 3, seed=1), normal(5, 3, 1, 1, seed=2)
    Y = page.depthwise_separable(image, D, P)
    layers = F.conv2d(F.conv2d(image[None], D, groups=3), P)[0]
    assert_close(Y, layers)
    assert_close(page.separable_as_plain(image, D, P), layers)


@pytest.mark.parametrize("c_o, groups", [(8, 0), (8, -1), (8, 3), (8, 8), (3, 2)])
def test_groups_must_divide(c_o, groups):
    text = f"groups={groups} does not divide c_i=4 and c_o={c_o}"
    with pytest.raises(ValueError, match=text):
        conv_cost(8, 4, c_o, 3, groups=groups)
    with pytest.raises(ValueError, match=text):
        corr2d_grouped(torch.ones(4, 3, 3), torch.ones(c_o, 1, 1, 1), groups)


# cost


@pytest.mark.parametrize(
    "setting, cost",
    [
        (dict(n=5, c_i=1, c_o=1, k=3), (9, 81, 9)),
        (dict(n=5, c_i=2, c_o=3, k=3, p=1), (54, 54 * 25, 75)),
        (dict(n=7, c_i=4, c_o=8, k=3, p=1, s=2, groups=4), (72, 72 * 16, 128)),
        (dict(n=28, c_i=1, c_o=6, k=5, p=2), (150, 150 * 784, 6 * 784)),
        (dict(n=6, c_i=1, c_o=2, k=3, s=2), (18, 18 * 4, 8)),  # the last column is never reached
        (dict(n=88, c_i=3, c_o=1, k=1), (3, 23_232, 7744)),
    ],
)
def test_cost_by_hand(setting, cost):
    assert conv_cost(**setting) == cost


def test_cost_of_a_kernel_that_does_not_fit():
    assert conv_cost(3, 1, 1, 5, p=1) == (25, 25, 1)
    with pytest.raises(ValueError, match="6 cells do not fit in 3"):
        conv_cost(3, 1, 1, 6, p=1)


def test_a_separable_layer_costs_what_the_formula_says():
    for c_i, c_o, k in product((8, 32), (16, 64), (3, 5)):
        plain = conv_cost(14, c_i, c_o, k, k // 2)[1]
        depthwise = conv_cost(14, c_i, c_i, k, k // 2, groups=c_i)[1]
        pointwise = conv_cost(14, c_i, c_o, 1)[1]
        assert (depthwise + pointwise) / plain == pytest.approx(1 / c_o + 1 / k**2)


def test_a_chain_of_layers_keeps_the_size():
    net = page.build([(8, 4, 1, 1), (4, 4, 3, 2), (4, 6, 5, 1)])
    shapes = [tuple(layer.weight.shape) for layer in net]
    assert shapes == [(4, 8, 1, 1), (4, 2, 3, 3), (6, 4, 5, 5)]
    assert all(layer.bias is None for layer in net)
    assert net(torch.zeros(1, 8, 7, 7)).shape == (1, 6, 7, 7)


# the plates


def test_plates_are_colours_and_keep_their_grey():
    torch.manual_seed(0)
    mask = torch.zeros(40, 20, 20, dtype=torch.bool)
    mask[:, 5:15, 8:12] = True
    P = page.plates(mask, HUE)
    assert P.shape == (40, 3, 20, 20) and P.min() >= 0 and P.max() <= 1
    inside, outside = (P.movedim(1, -1)[m].mean(0) for m in (mask, ~mask))
    assert_close(inside - outside, 2 * HUE, atol=0.02, rtol=0)
    grey = torch.tensor([0.3, 0.6, 0.1])
    assert abs(float((inside - outside) @ grey)) < 0.02
    assert abs(float(grey @ HUE)) < 1e-7


def test_red_minus_blue_shows_every_dot_and_each_channel_alone_does_not():
    torch.manual_seed(0)
    mask = torch.rand(20, 20, 20) < 0.3
    P = page.plates(mask, HUE)

    def wrong(seen: torch.Tensor) -> float:
        """Share of dots on the wrong side of the best threshold."""
        cuts = torch.linspace(float(seen.min()), float(seen.max()), 50)
        shares = [float(((seen > cut) != mask).float().mean()) for cut in cuts]
        return min(min(share, 1 - share) for share in shares)

    assert wrong(P[:, 0] - P[:, 2]) == 0
    assert all(wrong(P[:, c]) > 0.1 for c in range(3))


def test_plates_without_lightness_or_noise():
    mask = torch.rand(3, 20, 20) < 0.3
    P = page.plates(mask, HUE, light=0.0, noise=0.0).movedim(1, -1)
    assert_close(P[mask], (0.5 + HUE).expand_as(P[mask]))
    grey = page.plates(mask, 0 * HUE, noise=0.0)
    assert_close(grey, grey[:, :1].expand_as(grey))


def test_two_digits_keep_their_own_directions_and_share_lightness_and_noise():
    hues = torch.stack([HUE, torch.tensor([0.09, -0.06, 0.09])])
    M = torch.rand(2, 3, 20, 20) < 0.3
    torch.manual_seed(0)
    one = page.plates(M[0], HUE)
    torch.manual_seed(0)
    P = page.overlay(M, hues)
    assert_close(P - one, torch.where(M[1], 1.0, -1.0)[:, None] * hues[1, :, None, None])
    torch.manual_seed(0)
    assert_close(page.overlay(M[:1], hues[:1]), one)
    for k, w in enumerate(([1.0, 0, -1], [1.0, -2, 1])):
        seen = torch.einsum("c,nchw->nhw", torch.tensor(w), P)
        assert seen[M[k]].min() > seen[~M[k]].max() - 0.2  # apart, up to the noise
        other = seen[M[k] & M[1 - k]].mean() - seen[M[k] & ~M[1 - k]].mean()
        assert abs(float(other)) < 0.03


def test_a_fixed_mixture_is_not_learned_and_a_free_one_is():
    grey = torch.tensor([0.3, 0.6, 0.1])
    masks, labels = torch.rand(32, 20, 20) < 0.5, torch.arange(32) % 10
    for start, changes in (((grey,), False), ((grey, True), True), ((), True)):
        torch.manual_seed(0)
        net = page.reader(page.mixer(1, *start))
        before = [p.detach().clone() for p in net.parameters()]
        page.fit(net, masks, labels, HUE[None], steps=2)
        moved = [not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)]
        assert moved == [changes, *[True] * 6]
    assert page.mixer(1, grey).weight.shape == (1, 3, 1, 1)


def test_a_reader_of_two_digits_answers_for_each():
    net = page.reader(page.mixer(2), digits=2)
    assert page.answers(net, torch.rand(5, 3, 20, 20)).shape == (5, 10, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, k: x * k + 1e-3,
        lambda x, k: (x * k).flip(0),
        lambda x, k: x * k.detach() + 0 * k,  # values right, gradient lost
        lambda x, k: (x * k)[:, None],
    ],
)
def test_the_proofs_comparison_rejects_a_wrong_function(wrong):
    page.assert_agree(lambda x, k: x * k, lambda x, k: k * x, normal(3), normal(3, seed=1))
    with pytest.raises(AssertionError):
        page.assert_agree(lambda x, k: x * k, wrong, normal(3), normal(3, seed=1))


# exercises


def test_shuffle_is_pytorchs():
    solution = lift_solution("channel-shuffle")["shuffle"]
    image = normal(12, 2, 3)
    for groups in (1, 3, 4, 12):
        assert solution(image, groups).equal(nn.ChannelShuffle(groups)(image[None])[0])


@pytest.mark.parametrize("k_1, k_2", [((1, 1), (3, 3)), ((3, 2), (2, 3)), ((2, 4), (3, 1))])
def test_two_kernels_as_one(k_1, k_2):
    compose = lift_solution("two-kernels-as-one")["compose"]
    image, K1, K2 = normal(2, 8, 9), normal(4, 2, *k_1, seed=1), normal(3, 4, *k_2, seed=2)
    one = compose(K1, K2)
    assert one.shape == (3, 2, k_1[0] + k_2[0] - 1, k_1[1] + k_2[1] - 1)
    assert_close(F.conv2d(image[None], one), F.conv2d(F.conv2d(image[None], K1), K2))


def test_unmixed_channels_show_one_digit_each():
    unmix = lift_solution("one-channel-each")["unmix"]
    D = normal(2, 3, dtype=torch.float32)
    W = unmix(D)
    assert_close(W @ D.T, torch.eye(2), atol=1e-4, rtol=0)
    assert_close(W.sum(1), torch.zeros(2), atol=1e-4, rtol=0)


def test_narrow_is_no_worse_than_a_fitted_pair():
    narrow = lift_solution("low-rank")["narrow"]
    W = normal(6, 5)
    V, U = narrow(W, 2)
    error = (W - V @ U).square().sum()
    A, B = normal(6, 2, seed=1).requires_grad_(), normal(2, 5, seed=2).requires_grad_()
    optimiser = torch.optim.LBFGS([A, B], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = (W - A @ B).square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert_close(error, closure().detach(), rtol=1e-3, atol=0)


def lift_solution(label: str) -> dict:
    """The definitions of an exercise's solution."""
    return execute("7_4", solution_of("7_4", label))
