"""The operators of section 7.4, lifted from the page."""

from fractions import Fraction

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from helpers.pages import lift

page = lift("7-4-channels")

X = torch.stack([torch.arange(9.0), torch.arange(1.0, 10.0)]).reshape(2, 3, 3)
K = torch.stack([torch.arange(4.0), torch.arange(1.0, 5.0)]).reshape(2, 2, 2)


def normal(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


# ---- corr2d, corr2d_multi_in, corr2d_multi_in_out


def test_one_channel_by_hand():
    assert page.corr2d(X[0], K[0]).tolist() == [[19, 25], [37, 43]]
    assert page.corr2d(torch.arange(6.0).reshape(2, 3), torch.tensor([[1.0, 10]])).tolist() == [
        [10, 21],
        [43, 54],
    ]


def test_several_channels_by_hand():
    assert page.corr2d_multi_in(X, K).tolist() == [[56, 72], [104, 120]]
    Y = page.corr2d_multi_in_out(X, torch.stack([K, K + 1, K + 2]))
    assert Y.shape == (3, 2, 2)
    assert Y[1].tolist() == [[76, 100], [148, 172]]
    assert Y[2].tolist() == [[96, 128], [192, 224]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 1), (4, 5)])
@pytest.mark.parametrize("c_i, c_o", [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_several_channels_against_torch(c_i, c_o, kernel, dtype):
    image, weight = normal(c_i, 4, 5, dtype=dtype), normal(c_o, c_i, *kernel, dtype=dtype, seed=1)
    Y = page.corr2d_multi_in_out(image, weight)
    assert Y.dtype == dtype
    assert_close(Y, F.conv2d(image[None], weight)[0])


def test_integers_stay_integers():
    Y = page.corr2d_multi_in_out(X.long(), K.long()[None])
    assert Y.dtype == torch.int64 and Y[0].tolist() == [[56, 72], [104, 120]]


def test_gradients():
    image, weight = normal(2, 4, 3).requires_grad_(), normal(3, 2, 2, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(page.corr2d_multi_in_out, (image, weight))


@pytest.mark.parametrize("channels", [1, 3])
def test_channel_counts_must_match(channels):
    with pytest.raises(ValueError, match=f"X has 2 channels, but K is made for {channels}"):
        page.corr2d_multi_in(X, torch.ones(channels, 2, 2))
    with pytest.raises(ValueError, match=f"X has 2 channels, but K is made for {channels}"):
        page.corr2d_multi_in_out(X, torch.ones(4, channels, 2, 2))


@pytest.mark.parametrize("shape", [(4, 1), (1, 4), (2,), (1, 2, 2)])
def test_kernel_must_fit(shape):
    with pytest.raises(ValueError, match=rf"kernel \({shape[0]},.* does not fit in \(3, 3\)"):
        page.corr2d(X[0], torch.ones(shape))


def test_whole_layer():
    image, weight, bias = normal(2, 6, 5), normal(3, 2, 3, 2, seed=1), normal(3, seed=2)
    for stride in (1, 2, 3):
        for padding in (0, 1, 2):
            Y = page.corr2d_layer(image, weight, bias, stride, padding)
            wanted = F.conv2d(image[None], weight, bias, stride=stride, padding=padding)[0]
            assert_close(Y, wanted)
            assert_close(page.conv2d(image, weight, bias, stride=stride, padding=padding), wanted)


# ---- the page's check


def test_check_accepts_the_same_function():
    page.assert_agree(lambda x, k: x * k, lambda x, k: k * x, normal(3), normal(3, seed=1))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, k: x * k + 1e-3,
        lambda x, k: (x * k).flip(0),
        lambda x, k: x * k.detach() + 0 * k,  # values right, gradient lost
        lambda x, k: (x * k)[:, None],
    ],
)
def test_check_rejects_a_wrong_function(wrong):
    with pytest.raises(AssertionError):
        page.assert_agree(lambda x, k: x * k, wrong, normal(3), normal(3, seed=1))


def test_check_hands_options_on():
    page.assert_agree(
        page.corr2d_grouped, page.conv2d, normal(4, 3, 3), normal(4, 2, 2, 2), groups=2
    )


# ---- 1×1


def test_1x1_by_hand():
    weight = torch.tensor([[1.0, 0], [0, 2], [1, -1]])[:, :, None, None]
    Y = page.corr2d_1x1(X, weight)
    assert Y[0].equal(X[0]) and Y[1].equal(2 * X[1]) and Y[2].equal(-torch.ones(3, 3))


@pytest.mark.parametrize(
    "c_i, c_o, n_h, n_w", [(1, 1, 1, 1), (3, 5, 2, 4), (4, 4, 3, 3), (6, 2, 1, 5)]
)
def test_1x1_three_ways(c_i, c_o, n_h, n_w):
    image, weight = normal(c_i, n_h, n_w), normal(c_o, c_i, 1, 1, seed=1)
    Y = page.corr2d_1x1(image, weight)
    assert Y.shape == (c_o, n_h, n_w)
    assert_close(Y, F.conv2d(image[None], weight)[0])
    assert_close(Y, page.corr2d_multi_in_out(image, weight))
    assert_close(Y, page.dense_at_pixels(image, weight))


def test_1x1_errors():
    with pytest.raises(ValueError, match="kernel is 2×1, not 1×1"):
        page.corr2d_1x1(X, torch.ones(4, 2, 2, 1))
    with pytest.raises(ValueError, match="X has 2 channels, but K is made for 3"):
        page.corr2d_1x1(X, torch.ones(4, 3, 1, 1))


def test_the_wrong_version_is_wrong():
    weight = normal(2, 2, 1, 1, dtype=torch.float32)
    assert not torch.allclose(page.swapped(X, weight), page.corr2d_1x1(X, weight))


def test_hidden_channels_may_be_shuffled():
    image, K1, b1, K2 = normal(3, 7, 7), normal(5, 3, 3, 3), normal(5), normal(2, 5, 3, 3)
    order = torch.tensor([4, 2, 0, 1, 3])
    Y = page.two_layers(image, K1, b1, K2)
    assert_close(Y, F.conv2d(F.relu(F.conv2d(image[None], K1, b1)), K2)[0])
    assert_close(page.two_layers(image, K1[order], b1[order], K2[:, order]), Y)


# ---- cost


@pytest.mark.parametrize(
    "setting, cost",
    [
        (dict(n=5, c_i=1, c_o=1, k=3), (9, 81, 9)),
        (dict(n=5, c_i=2, c_o=3, k=3, p=1), (54, 54 * 25, 75)),
        (dict(n=7, c_i=4, c_o=8, k=3, p=1, s=2, groups=4), (72, 72 * 16, 128)),
        (dict(n=28, c_i=1, c_o=6, k=5, p=2), (150, 150 * 784, 6 * 784)),
        (dict(n=6, c_i=1, c_o=2, k=3, s=2), (18, 18 * 4, 8)),  # the last column is never reached
    ],
)
def test_cost_by_hand(setting, cost):
    assert page.conv_cost(**setting) == cost


@pytest.mark.parametrize("groups", [0, -1, 3, 8])
def test_groups_must_divide(groups):
    text = f"groups={groups} does not divide c_i=4 and c_o=8"
    with pytest.raises(ValueError, match=text):
        page.conv_cost(8, 4, 8, 3, groups=groups)
    with pytest.raises(ValueError, match=text):
        page.corr2d_grouped(torch.ones(4, 3, 3), torch.ones(8, 1, 1, 1), groups)


def test_groups_must_divide_the_outputs_too():
    with pytest.raises(ValueError, match="groups=2 does not divide c_i=4 and c_o=3"):
        page.corr2d_grouped(torch.ones(4, 3, 3), torch.ones(3, 2, 1, 1), 2)


def test_cost_of_a_kernel_that_does_not_fit():
    assert page.conv_cost(3, 1, 1, 5, p=1) == (25, 25, 1)
    with pytest.raises(ValueError, match="kernel 6 does not fit in 3 pixels with padding 1"):
        page.conv_cost(3, 1, 1, 6, p=1)


def test_chain_of_layers():
    layers = [(8, 4, 1, 1), (4, 4, 3, 2), (4, 6, 5, 1)]
    net = page.build(layers)
    assert [tuple(layer.weight.shape) for layer in net] == [
        (4, 8, 1, 1),
        (4, 2, 3, 3),
        (6, 4, 5, 5),
    ]
    assert all(layer.bias is None for layer in net)
    assert net(torch.zeros(1, 8, 7, 7)).shape == (1, 6, 7, 7)
    weights = 32 + 72 + 600
    assert page.design_cost(layers, 7) == (weights, weights * 49, (4 + 4 + 6) * 49)


# ---- groups, depthwise


@pytest.mark.parametrize("kernel", [(1, 1), (2, 3)])
@pytest.mark.parametrize("i, o", [(1, 1), (1, 3), (2, 1), (3, 2)])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups_against_torch(groups, i, o, kernel):
    image, weight = normal(groups * i, 3, 4), normal(groups * o, i, *kernel, seed=1)
    Y = page.corr2d_grouped(image, weight, groups)
    assert_close(Y, F.conv2d(image[None], weight, groups=groups)[0])
    dense = page.block_diagonal(weight, groups)
    assert dense.shape == (groups * o, groups * i, *kernel)
    assert_close(page.corr2d_multi_in_out(image, dense), Y)
    assert_close(page.plain_form(image, weight, groups), Y)


def test_grouped_kernel_with_the_wrong_width():
    with pytest.raises(ValueError, match="X has 2 channels, but K is made for 3"):
        page.corr2d_grouped(torch.ones(4, 3, 3), torch.ones(4, 3, 1, 1), 2)


def test_depthwise_separable():
    image, D, P = normal(3, 5, 4), normal(3, 1, 2, 3, seed=1), normal(5, 3, 1, 1, seed=2)
    Y = page.depthwise_separable(image, D, P)
    layers = F.conv2d(F.conv2d(image[None], D, groups=3), P)[0]
    assert_close(Y, layers)
    assert_close(page.separable_as_plain(image, D, P), layers)


# ---- exercises


@pytest.mark.parametrize("k_1, k_2", [((1, 1), (3, 3)), ((3, 2), (2, 3)), ((2, 4), (3, 1))])
def test_two_kernels_as_one(k_1, k_2):
    image, K1, K2 = normal(2, 8, 9), normal(4, 2, *k_1, seed=1), normal(3, 4, *k_2, seed=2)
    one = page.compose(K1, K2)
    assert one.shape == (3, 2, k_1[0] + k_2[0] - 1, k_1[1] + k_2[1] - 1)
    assert_close(F.conv2d(image[None], one), F.conv2d(F.conv2d(image[None], K1), K2))


def test_compose_by_hand():
    one = page.compose(torch.tensor([[[[1.0, 2]]]]), torch.tensor([[[[3.0, 5]]]]))
    assert one.tolist() == [[[[3, 11, 10]]]]


def test_growth():
    assert page.growth((2, 3), (4, 1)) == [2, Fraction(1, 3)]


def test_im2col():
    assert page.im2col(X[:1], 2, 2).T.tolist() == [
        [0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8],
    ]  # fmt: skip
    image = normal(3, 4, 6)
    for kernel in ((1, 1), (2, 3), (4, 1)):
        assert page.im2col(image, *kernel).equal(F.unfold(image[None], kernel)[0])


@pytest.mark.parametrize("height", [1, 3, 4, 7, 20])
def test_strips(height):
    image, weight = normal(2, 10, 6), normal(3, 2, 4, 3, seed=1)
    Y, loaded = page.conv_by_strips(image, weight, height)
    assert_close(Y, F.conv2d(image[None], weight)[0])
    assert loaded == 2 * 6 * (7 + -(-7 // height) * 3)


def test_strips_need_a_height():
    with pytest.raises(ValueError, match="height=0"):
        page.conv_by_strips(X, torch.ones(1, 2, 2, 2), 0)


def test_shuffle():
    channels = torch.arange(6).reshape(6, 1, 1)
    assert page.shuffle(channels, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]
    assert page.shuffle(channels, 3).flatten().tolist() == [0, 2, 4, 1, 3, 5]
    image = normal(12, 2, 3)
    assert page.shuffle(image, 4).equal(nn.ChannelShuffle(4)(image[None])[0])
    with pytest.raises(ValueError, match="groups=4 does not divide 6 channels"):
        page.shuffle(channels, 4)
