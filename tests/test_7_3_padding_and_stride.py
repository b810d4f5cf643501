"""Operators of section 7.3, lifted out of the page."""

import math
from itertools import product

import pytest
import torch
from torch.nn import functional as F

from helpers.pages import lift

page = lift("7-3-padding-and-stride")
X = torch.arange(1.0, 17).reshape(4, 4)
NEIGHBOURS = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])
PADDINGS = [(0, 0), (1, 0), (0, 2), (3, 1)]
STRIDES = [(1, 1), (2, 1), (1, 3), (4, 2)]


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors: on a busy machine, threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def oracle(A, B, padding, stride):
    return F.conv2d(A[None, None], B[None, None], padding=padding, stride=stride)[0, 0]


# out_size


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ((8, 3, 1, 1), 8),
        ((8, 3, 1, 2), 4),
        ((8, 5, 2, 1), 8),
        ((8, 3, 0, 3), 2),
        ((8, 5, 1, 4), 2),
        ((8, 4, 1, 1), 7),
        ((8, 4, 2, 1), 9),
        ((240, 5, 0, 1), 236),
        ((5, 5, 0, 7), 1),
        ((3, 5, 1, 1), 1),
    ],
)
def test_out_size_by_hand(arguments, size):
    assert page.out_size(*arguments) == size


def test_out_size_defaults_to_no_padding_and_stride_1():
    assert page.out_size(9, 4) == 6


def test_out_size_equals_positions_counted_one_by_one():
    for n, k, p, s in product(range(1, 14), range(1, 7), range(4), range(1, 5)):
        if k <= n + 2 * p:
            assert page.out_size(n, k, p, s) == len(range(0, n + 2 * p - k + 1, s))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((4, 3, -1, 1), "padding -1 is negative"),
        ((4, 3, 0, 0), "stride 0 is below 1"),
        ((4, 3, 0, -2), "stride -2 is below 1"),
        ((4, 7, 1, 1), r"kernel of 7 does not fit in 4 \+ 2·1 = 6"),
        ((4, 0, 1, 1), "kernel of 0 does not fit"),
        ((0, 1, 1, 1), "an input of 0 cells is empty"),
    ],
)
def test_out_size_refuses(arguments, text):
    with pytest.raises(ValueError, match=text):
        page.out_size(*arguments)


def test_torch_size_is_one_direction_or_none():
    assert page.torch_size(8, 3, 1, 2) == 4
    assert page.torch_size(10, 3, 0, 1) == 8
    assert page.torch_size(2, 3, 0, 1) is None
    assert page.torch_size(2, 3, -1, 1) is None
    assert page.torch_size(2, 3, 1, 0) is None


# corr2d


def test_corr2d_by_hand():
    Y = page.corr2d(X, NEIGHBOURS, padding=1)
    assert Y[0].tolist() == [7, 10, 13, 11]
    assert Y[3].tolist() == [23, 38, 41, 27]
    assert page.corr2d(X, NEIGHBOURS).tolist() == [[24, 28], [40, 44]]
    assert page.corr2d(X, NEIGHBOURS, 1, 2).tolist() == [[7, 13], [28, 44]]
    assert page.corr2d(X, NEIGHBOURS, 1, (1, 3)).tolist() == [[7, 11], [16, 23], [28, 35], [23, 27]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("stride", STRIDES, ids=str)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_corr2d_and_its_gradients_equal_torch(padding, stride, dtype):
    torch.manual_seed(1)
    for k in [(1, 1), (2, 4), (3, 3)]:
        A = torch.randn(5, 8, dtype=dtype, requires_grad=True)
        B = torch.randn(k, dtype=dtype, requires_grad=True)
        ours, theirs = page.corr2d(A, B, padding, stride), oracle(A, B, padding, stride)
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, theirs)
        weights = torch.randn_like(theirs)
        torch.testing.assert_close(
            torch.autograd.grad(ours, (A, B), weights),
            torch.autograd.grad(theirs, (A, B), weights),
        )


def test_corr2d_of_whole_numbers_with_fractions_is_not_cut_off():
    Y = page.corr2d(X.long(), NEIGHBOURS / 4, padding=1)
    assert Y.dtype == torch.float32
    torch.testing.assert_close(Y, oracle(X, NEIGHBOURS / 4, 1, 1))


def test_corr2d_leaves_its_input_alone():
    A = X.clone()
    page.corr2d(A, NEIGHBOURS, 1, 2)
    assert torch.equal(A, X)


@pytest.mark.parametrize(
    ("A", "B", "padding", "stride", "text"),
    [
        (X, torch.ones(7, 7), 1, 1, "kernel of 7 does not fit"),
        (X, torch.ones(3, 7), (1, 1), 1, "kernel of 7 does not fit"),
        (X, NEIGHBOURS, (0, -1), 1, "padding -1 is negative"),
        (X, NEIGHBOURS, 0, (1, 0), "stride 0 is below 1"),
        (X[None], NEIGHBOURS, 0, 1, r"X \(1, 4, 4\) and K \(3, 3\) must be matrices"),
        (X, NEIGHBOURS[0], 0, 1, r"K \(3,\) must be matrices"),
    ],
)
def test_corr2d_refuses(A, B, padding, stride, text):
    with pytest.raises(ValueError, match=text):
        page.corr2d(A, B, padding, stride)


def test_pair():
    assert page.pair(3) == (3, 3)
    assert page.pair((1, 2)) == (1, 2)


# use counts


def test_use_counts_by_hand():
    assert page.use_count(6, 3)[0].tolist() == [1, 2, 3, 3, 2, 1]
    assert page.use_count(6, 3, 1)[0].tolist() == [4, 6, 6, 6, 6, 4]
    assert page.use_count(6, 3, 1, 2)[0].tolist() == [1, 2, 1, 2, 1, 1]
    assert (page.use_count(5, 3, 2) == 9).all()


@pytest.mark.parametrize(("n", "k", "p", "s"), [(6, 3, 1, 2), (7, 4, 0, 3), (5, 2, 1, 1)])
def test_use_counts_are_products_of_counts_in_one_direction(n, k, p, s):
    one = torch.zeros(n)
    for i in range(page.out_size(n, k, p, s)):
        for cell in range(i * s - p, i * s - p + k):
            if 0 <= cell < n:
                one[cell] += 1
    assert torch.equal(page.use_count(n, k, p, s), torch.outer(one, one))


# position


def test_position_net_keeps_the_size_and_has_1977_parameters():
    net = page.position_net("zeros")
    assert net(torch.ones(2, 1, 9, 12)).shape == (2, 1, 9, 12)
    assert sum(p.numel() for p in net.parameters()) == 8 * 26 + 8 * 201 + 201


@pytest.mark.parametrize("mode", ["replicate", "reflect", "circular"])
def test_without_zeros_a_constant_stays_constant(mode):
    torch.manual_seed(2)
    Y = page.position_net(mode)(torch.ones(1, 1, 12, 12))
    assert Y.max() - Y.min() < 1e-5


def test_zeros_leak_six_pixels_far():
    net = page.position_net("zeros")
    for parameter in net.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    Y = net(torch.ones(1, 1, 20, 20))[0, 0].detach()
    assert Y[6:-6, 6:-6].max() == Y[6:-6, 6:-6].min() == Y.max()
    assert Y[5, 6:-6].max() < 0.999 * Y.max()


def test_only_the_circular_net_commutes_with_cyclic_shifts():
    torch.manual_seed(2)
    A = torch.randn(1, 1, 12, 12)
    for mode in ("zeros", "replicate", "reflect", "circular"):
        net = page.position_net(mode)
        same = torch.allclose(net(A.roll(5, -1)), net(A).roll(5, -1), atol=1e-5)
        assert same == (mode == "circular")


def test_fit_position_moves_towards_the_target():
    torch.manual_seed(0)
    target = torch.linspace(-1, 1, 8).expand(8, 8)
    net = page.position_net("zeros")
    draw = lambda: torch.ones(1, 1, 8, 8)  # noqa: E731
    before = page.explained(net, draw(), target)
    page.fit_position(net, draw, target)
    assert before < 0.2 and page.explained(net, draw(), target) > 0.95


def test_explained_is_r_squared():
    target = torch.tensor([[-1.0, 1.0]])
    identity = torch.nn.Identity()
    assert page.explained(identity, target[None, None], target) == pytest.approx(1)
    assert page.explained(identity, torch.zeros(1, 1, 1, 2), target) == pytest.approx(0)
    assert page.explained(identity, -target[None, None], target) == pytest.approx(-3)


# sound


def test_tone():
    x = page.tone(2, 8, 8)
    assert x.dtype == torch.float64
    torch.testing.assert_close(x, torch.tensor([0.0, 1, 0, -1] * 2, dtype=torch.float64))


def test_peaks_names_frequency_and_amplitude():
    x = 0.5 * page.tone(30, 1_000, 200) + 0.25 * page.tone(400, 1_000, 200)
    assert page.peaks(x, 1_000) == {30: 0.5, 400: 0.25}
    assert page.peaks(0.009 * page.tone(30, 1_000, 200), 1_000) == {}


@pytest.mark.parametrize(
    ("f", "s", "heard"),
    [(500, 2, 500), (3_000, 2, 1_000), (2_500, 2, 1_500), (2_900, 4, 900), (3_900, 5, 700)],
)
def test_alias(f, s, heard):
    assert page.alias(f, 8_000, s) == heard
    assert page.peaks(page.tone(f, 8_000, 800)[::s], 8_000 // s) == {heard: 1.0}


# exercises


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (5, 7), (6, 6)])
def test_mirror(shape):
    torch.manual_seed(0)
    A = torch.randn(shape, dtype=torch.float64)
    for p in range(min(shape)):
        expected = F.pad(A[None], (p,) * 4, mode="reflect")[0]
        torch.testing.assert_close(page.mirror(A, p), expected, rtol=0, atol=0)


def test_mirror_by_hand():
    assert page.mirror(X, 2)[2].tolist() == [3, 2, 1, 2, 3, 4, 3, 2]


@pytest.mark.parametrize("p", [4, -1])
def test_mirror_refuses(p):
    with pytest.raises(ValueError, match=rf"padding {p} is not in 0 … 3 for \(4, 9\)"):
        page.mirror(torch.ones(4, 9), p)


def test_cost_by_hand():
    macs = 16 * 16 * 9
    assert page.cost([1]) == (macs * 32 * 32, 16 * 32 * 32 * 10, 3)
    assert page.cost([2, 1]) == (2 * macs * 16 * 16, 16 * 16 * 16 * 10, 7)
    assert page.cost([2, 2, 2]) == (macs * (256 + 64 + 16), 16 * 16 * 10, 15)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
def test_transposed2d(padding, stride):
    torch.manual_seed(0)
    for k, dtype in product([(2, 3), (3, 3), (5, 3)], [torch.float32, torch.float64]):
        Y, B = torch.randn(3, 4, dtype=dtype), torch.randn(k, dtype=dtype)
        ours = page.transposed2d(Y, B, padding, stride)
        theirs = F.conv_transpose2d(Y[None, None], B[None, None], padding=padding, stride=stride)
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, theirs[0, 0])


def test_transposed2d_refuses():
    with pytest.raises(ValueError, match=r"padding 2 leaves nothing of \(4, 4\)"):
        page.transposed2d(torch.ones(2, 2), torch.ones(3, 3), padding=2)
    for padding, stride in ((-1, 1), (0, 0)):
        with pytest.raises(ValueError, match=f"padding {padding} or stride {stride}"):
            page.transposed2d(torch.ones(2, 2), torch.ones(3, 3), padding, stride)


def test_same_pad():
    A = torch.ones(1, 1, 8, 8)
    assert page.same_pad(A, 3, 2)[0, 0, 0].tolist() == [1] * 8 + [0]
    assert page.same_pad(A, 4, 1)[0, 0, 1].tolist() == [0] + [1] * 8 + [0, 0]
    assert page.same_pad(A, 1, 2).shape == A.shape
    for n, k, s in product(range(3, 12), range(1, 6), range(1, 4)):
        m = F.conv2d(page.same_pad(torch.ones(1, 1, n, n), k, s), torch.ones(1, 1, k, k), stride=s)
        assert m.shape[2:] == (math.ceil(n / s),) * 2


@pytest.mark.parametrize("k", [1, 3, 5])
def test_mean_inside(k):
    torch.manual_seed(0)
    A = torch.randn(6, 4, dtype=torch.float64)
    expected = F.avg_pool2d(A[None], k, 1, k // 2, count_include_pad=False)[0]
    torch.testing.assert_close(page.mean_inside(A, k), expected)
