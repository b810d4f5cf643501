"""The operators of section 7.5, lifted out of the page: pooling, its gradient, its relatives."""

import math
from itertools import product

import pytest
import torch
from torch.nn import functional as F

from helpers.pages import lift

page = lift("7-5-pooling")
DTYPES = (torch.float32, torch.float64)
ORACLE = {"max": F.max_pool2d, "avg": F.avg_pool2d}
X9 = torch.arange(9.0).reshape(3, 3)
X16 = torch.arange(16.0).reshape(1, 1, 4, 4)


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# Size


@pytest.mark.parametrize(
    ("n", "k", "p", "s", "size"),
    [
        (3, 2, 0, 1, 2),
        (4, 3, 1, 2, 2),
        (4, 3, 0, 3, 1),
        (5, 2, 0, 2, 2),
        (5, 2, 1, 2, 3),
        (1, 1, 0, 9, 1),
    ],
)
def test_size_by_hand(n, k, p, s, size):
    assert page.pooled_size(n, k, p, s) == size


@pytest.mark.parametrize(
    ("n", "k", "p", "s", "text"),
    [
        (3, 0, 0, 1, "window 0, stride 1 or padding 0 is too small"),
        (3, 2, 0, 0, "window 2, stride 0"),
        (3, 2, -1, 1, "stride 1 or padding -1 is too small"),
        (9, 3, 2, 1, "padding 2 is more than half of the window 3"),
        (9, 1, 1, 1, "padding 1 is more than half of the window 1"),
        (3, 4, 0, 1, r"window 4 is larger than the padded input, 3 \+ 2·0"),
        (2, 5, 1, 2, r"window 5 is larger than the padded input, 2 \+ 2·1"),
    ],
)
def test_size_refuses(n, k, p, s, text):
    with pytest.raises(ValueError, match=text):
        page.pooled_size(n, k, p, s)


def test_window_may_fill_the_padded_input():
    assert page.pooled_size(3, 5, 1, 1) == 1


# pool2d


def test_pool_by_hand():
    assert page.pool2d(X9, (2, 2)).tolist() == [[4, 5], [7, 8]]
    assert page.pool2d(X9, (2, 2), "avg").tolist() == [[2, 3], [5, 6]]
    assert page.pool2d(X16[0, 0], (3, 3), padding=(1, 1), stride=(2, 2)).tolist() == [
        [5, 7],
        [13, 15],
    ]
    oblong = page.pool2d(X16[0, 0], (2, 3), padding=(0, 1), stride=(2, 3))
    assert oblong.tolist() == [[5, 7], [13, 15]]


def test_padding_never_wins_a_maximum_and_counts_in_a_mean():
    assert page.pool2d(X9 - 9, (3, 3), padding=(1, 1))[0, 0] == -5
    corner = page.pool2d(X9, (3, 3), "avg", padding=(1, 1))[0, 0]
    torch.testing.assert_close(corner, torch.tensor(8 / 9))


@pytest.mark.parametrize("mode", ["max", "avg"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [(1, 1), (2, 2), (3, 2), (2, 4)])
def test_pool_agrees_with_torch(k, dtype, mode):
    for p, s in product(((0, 0), (1, 0), (0, 1), (1, 1)), ((1, 1), (2, 3), (3, 1))):
        if p[0] > k[0] // 2 or p[1] > k[1] // 2:
            continue
        A = draw(6, 7, dtype=dtype).requires_grad_()
        B = A.detach().clone().requires_grad_()
        Y = page.pool2d(A, k, mode, p, s)
        Y_ref = ORACLE[mode](B[None], k, stride=s, padding=p)[0]
        torch.testing.assert_close(Y, Y_ref)
        assert Y.dtype == dtype
        G = draw(*Y.shape, seed=1, dtype=dtype)
        Y.backward(G)
        Y_ref.backward(G)
        torch.testing.assert_close(A.grad, B.grad)


def test_pool_leaves_its_input_alone():
    A = X9.clone()
    page.pool2d(A, (2, 2), padding=(1, 1))
    assert A.equal(X9)


@pytest.mark.parametrize(
    ("X", "arguments", "text"),
    [
        (X9, {"mode": "mean"}, "mode='mean' is unknown; known: max, avg"),
        (X9[None], {}, r"X \(1, 3, 3\), torch.float32, is not a matrix of floats"),
        (X9.long(), {}, "torch.int64, is not a matrix of floats"),
        (X9, {"pool_size": (4, 2)}, "window 4 is larger"),
        (X9, {"pool_size": (2, 4)}, "window 4 is larger"),
        (X9, {"padding": (2, 0)}, "padding 2 is more than half"),
        (X9, {"padding": (0, 2)}, "padding 2 is more than half"),
        (X9, {"stride": (1, 0)}, "stride 0"),
    ],
)
def test_pool_refuses(X, arguments, text):
    with pytest.raises(ValueError, match=text):
        page.pool2d(X, **({"pool_size": (2, 2)} | arguments))


# windows


def test_windows_by_hand():
    W = page.windows(X16, (2, 2))
    assert W.shape == (1, 1, 2, 2, 4)
    assert W[0, 0].tolist() == [
        [[0, 1, 4, 5], [2, 3, 6, 7]],
        [[8, 9, 12, 13], [10, 11, 14, 15]],
    ]


@pytest.mark.parametrize("k", [(2, 2), (3, 2), (1, 4)])
@pytest.mark.parametrize("s", [None, (1, 1), (2, 3)])
def test_windows_reduce_to_pooling(k, s):
    A = draw(2, 3, 6, 9, dtype=torch.float64)
    W = page.windows(A, k, s)
    torch.testing.assert_close(W.amax(-1), F.max_pool2d(A, k, s))
    torch.testing.assert_close(W.mean(-1), F.avg_pool2d(A, k, s))


# The gradient


@pytest.mark.parametrize(
    "options", [{}, {"stride": 1}, {"padding": 1}, {"dilation": 2, "stride": 1}]
)
def test_route_is_the_gradient(options):
    A = draw(2, 3, 6, 7).requires_grad_()
    Y, indices = F.max_pool2d(A, 2, **options, return_indices=True)
    G = draw(*Y.shape, seed=1)
    Y.backward(G)
    torch.testing.assert_close(page.route(G, indices, A.shape), A.grad)


def test_route_adds_where_one_pixel_wins_twice():
    A = torch.tensor([[[[0.0, 9.0, 0.0]]]])
    Y, indices = F.max_pool2d(A, (1, 2), 1, return_indices=True)
    assert page.route(torch.ones_like(Y), indices, A.shape).tolist() == [[[[0, 2, 0]]]]


# Shifts


def test_shift_moves_right():
    assert page.shift(torch.tensor([1, 2, 3, 0]), 1).tolist() == [0, 1, 2, 3]


def test_edges_by_hand():
    image = torch.zeros(1, 1, 5, 6)
    image[..., 3:] = 1  # dark to bright, from left to right
    E = page.edges(image)
    assert E.shape == (1, 4, 5, 6) and E.min() == 0
    assert E[0, 1, 2].tolist() == [0, 0, 1, 1, 0, 0]  # left edges
    assert E[0, 0, 2].tolist() == [0, 0, 0, 0, 0, 1]  # the zeros beyond the border
    assert not E[0, 2:, 1:-1, :].any()  # the interior has no horizontal edge
    turned = page.edges(image.mT)
    torch.testing.assert_close(turned[:, [2, 3]], E[:, [0, 1]].mT)


def test_blur_pool_by_hand():
    spike = torch.zeros(1, 2, 5, 5)
    spike[0, 0, 2, 2] = 16
    Y = page.blur_pool(spike)
    assert Y.shape == (1, 2, 3, 3) and not Y[0, 1].any()
    assert Y[0, 0].tolist() == [[0, 0, 0], [0, 4, 0], [0, 0, 0]]
    assert page.blur_pool(page.shift(spike, 1))[0, 0, 1].tolist() == [0, 2, 2]
    assert page.blur_pool(torch.ones(1, 1, 6, 6))[0, 0, 1, 1] == 1


def test_relative_change_is_a_mean_of_ratios():
    reference = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    changed = torch.tensor([[3.0, 4.0], [0.0, 3.0]])
    assert page.relative_change(changed, reference) == pytest.approx((0 + 2) / 2)
    assert page.relative_change(reference, reference) == 0


def test_best_match_finds_moves_to_the_right():
    A = draw(2, 1, 3, 8)
    for moved in (0, 1, 2):
        assert page.best_match(page.shift(A, moved), A) == 0
    assert page.best_match(page.shift(A, 3), A) > 0.5
    assert page.best_match(page.shift(A, -1), A) > 0.5


def test_max_pooling_is_equivariant_for_whole_strides_only():
    A = F.relu(draw(3, 2, 8, 8))
    Y = F.max_pool2d(A, 2)
    assert page.best_match(F.max_pool2d(page.shift(A, 2), 2), Y) == 0
    assert page.best_match(F.max_pool2d(page.shift(A, 1), 2), Y) > 0.1


# Stochastic pooling


def test_stochastic_expected_value_by_hand():
    pool = page.StochasticPool2d(2).eval()
    X = torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]])
    assert pool(X).item() == 3.75
    assert pool(torch.zeros(1, 1, 2, 2)).item() == 0
    assert pool(X.double()).dtype == torch.float64


@pytest.mark.parametrize("position", range(4))
def test_stochastic_draws_the_only_value(position):
    A = torch.zeros(4)
    A[position] = 3
    pool = page.StochasticPool2d(2).train()
    X = A.reshape(1, 1, 2, 2).tile(20, 20)
    assert (pool(X) == 3).all()


def test_stochastic_draws_in_proportion():
    torch.manual_seed(1)
    values = torch.tensor([4.0, 1.0, 0.0, 3.0])
    drawn = page.StochasticPool2d(2)(values.reshape(1, 1, 2, 2).tile(100, 100))
    for value in values:
        share = (drawn == value).float().mean().item()
        p = value.item() / 8
        assert abs(share - p) <= 5 * math.sqrt(p * (1 - p) / drawn.numel())
    assert drawn.shape == (1, 1, 100, 100)


@pytest.mark.parametrize(("dart", "value"), [(0.0, 2.0), (1 - 2**-24, 3.0)])
def test_stochastic_dart_at_either_end_misses_the_zeros(monkeypatch, dart, value):
    monkeypatch.setattr(torch, "rand_like", lambda A: torch.full_like(A, dart))
    X = torch.tensor([[[[0.0, 2.0], [3.0, 0.0]]]])
    assert page.StochasticPool2d(2)(X).item() == value


def test_stochastic_draws_each_window_apart():
    torch.manual_seed(1)
    drawn = page.StochasticPool2d(2)(torch.tensor([[1.0, 2], [3, 4]]).tile(2, 3, 8, 8))
    assert not drawn[0, 0].equal(drawn[1, 0]) and not drawn[0, 0].equal(drawn[0, 1])


def test_stochastic_value_stands_in_its_window():
    A = draw(2, 3, 7, 9).abs()
    for pool in (page.StochasticPool2d(3, 2), page.StochasticPool2d(3)):
        Y, W = pool(A), page.windows(A, (3, 3), (pool.stride, pool.stride))
        assert Y.shape == W.shape[:-1] and (Y[..., None] == W).any(-1).all()


def test_stochastic_modes_and_error():
    pool = page.StochasticPool2d(2)
    A = draw(1, 1, 8, 8).abs()
    pool.eval()
    assert pool(A).equal(pool(A))
    pool.train()
    assert not pool(A).equal(pool(A))
    for mode in (True, False):
        with pytest.raises(ValueError, match="X holds -2; no value may be below 0"):
            pool.train(mode)(torch.tensor([[[[1.0, 1.0], [-2.0, 1.0]]]]))


# The exercises


@pytest.mark.parametrize("C", [1, 4])
@pytest.mark.parametrize("k", [(2, 2), (3, 1), (2, 5)])
def test_average_by_convolution(C, k):
    A = draw(2, C, 7, 10, dtype=torch.float64)
    torch.testing.assert_close(page.average_by_convolution(A, k), F.avg_pool2d(A, k))


@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (2, 3, 6, 4), (1, 2, 5, 7)])
def test_max_from_relu(shape):
    A = draw(*shape, dtype=torch.float64)
    torch.testing.assert_close(page.max_from_relu(A), F.max_pool2d(A, 2))


def test_count_comparisons_does_not_depend_on_the_values():
    for c, n_h, n_w, k in ((1, 2, 2, 2), (2, 6, 9, 3), (3, 5, 4, 2)):
        count = c * (n_h // k) * (n_w // k) * (k * k - 1)
        assert page.count_comparisons(torch.zeros(c, n_h, n_w), k) == count
        assert page.count_comparisons(draw(c, n_h, n_w), k) == count


def test_min_pooling():
    assert page.min_pool2d(X16, 2).tolist() == [[[[0, 2], [8, 10]]]]
    padded = page.min_pool2d(X16 + 1, 3, stride=2, padding=1)
    assert padded.tolist() == [[[[1, 2], [5, 6]]]]


def test_softmax_pooling():
    A = draw(2, 3, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(page.softmax_pool2d(A, 3, 0.0), F.avg_pool2d(A, 3))
    torch.testing.assert_close(page.softmax_pool2d(A, 3, 1e6), F.max_pool2d(A, 3))
    torch.testing.assert_close(page.softmax_pool2d(A, 3, -1e6), page.min_pool2d(A, 3))
    two = torch.tensor([[[[0.0, math.log(3)], [0.0, 0.0]]]], dtype=torch.float64)
    assert page.softmax_pool2d(two, 2, 1.0).item() == pytest.approx(3 / 6 * math.log(3))
