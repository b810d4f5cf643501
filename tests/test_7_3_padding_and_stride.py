"""Section 7.3: the size formula, the operator with padding, stride and dilation, experiments."""

from itertools import product

import pytest
import torch
from torch.nn import functional as F

from helpers.sections.padding_and_stride import (
    out_size,
    pair,
    strided_corr2d,
    window,
    zero_pad,
)
from tools.lift import lift

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


def oracle(A, B, stride, padding, dilation=1):
    return F.conv2d(A[None, None], B[None, None], None, stride, padding, dilation)[0, 0]


# out_size


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ((8, 3, 1, 1), 8),
        ((8, 3, 1, 2), 4),
        ((8, 5, 2, 1), 8),
        ((8, 3, 0, 3), 2),
        ((8, 5, 1, 4), 2),
        ((8, 4, 2, 1), 9),
        ((240, 5, 0, 1), 236),
        ((5, 5, 0, 7), 1),
        ((3, 5, 1, 1), 1),
        ((9, 3, 0, 2, 2), 3),
        ((7, 3, 0, 1, 3), 1),
        ((224, 11, 1, 4), 54),
        ((224, 11, 2, 4), 55),
    ],
)
def test_out_size_by_hand(arguments, size):
    assert out_size(*arguments) == size


def test_out_size_defaults_to_no_padding_stride_1_and_no_holes():
    assert out_size(9, 4) == 6


def test_out_size_equals_positions_counted_one_by_one():
    for n, k, p, s, d in product(range(1, 12), range(1, 6), range(4), range(1, 5), range(1, 4)):
        starts = [i for i in range(0, n + 2 * p, s) if i + d * (k - 1) < n + 2 * p]
        if starts:
            assert out_size(n, k, p, s, d) == len(starts)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((4, 3, -1, 1), "or p=-1 < 0"),
        ((4, 3, 0, 0), "n=4, k=3, s=0, d=1 < 1"),
        ((4, 3, 0, 1, 0), "d=0 < 1"),
        ((0, 1, 1, 1), "n=0"),
        ((4, 0, 1, 1), "k=0"),
        ((4, 7, 1, 1), r"7 cells do not fit in 4 \+ 2·1"),
        ((4, 4, 1, 1, 2), r"7 cells do not fit in 4 \+ 2·1"),
    ],
)
def test_out_size_refuses(arguments, text):
    with pytest.raises(ValueError, match=text):
        out_size(*arguments)


# strided_corr2d


def test_strided_corr2d_by_hand():
    Y = strided_corr2d(X, NEIGHBOURS, 1)
    assert Y[0].tolist() == [7, 10, 13, 11]
    assert Y[3].tolist() == [23, 38, 41, 27]
    assert strided_corr2d(X, NEIGHBOURS).tolist() == [[24, 28], [40, 44]]
    assert strided_corr2d(X, NEIGHBOURS, 1, 2).tolist() == [[7, 13], [28, 44]]
    assert strided_corr2d(X, NEIGHBOURS, 1, (1, 3))[0].tolist() == [7, 11]
    assert strided_corr2d(X, torch.ones(2, 2), 0, 1, 3).tolist() == [[1 + 4 + 13 + 16]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("stride", STRIDES, ids=str)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_strided_corr2d_and_its_gradients_equal_torch(padding, stride, dtype):
    torch.manual_seed(1)
    for k, d in [((1, 1), 1), ((2, 4), 1), ((3, 3), 1), ((3, 2), (2, 1)), ((2, 3), (1, 3))]:
        A = torch.randn(5, 8, dtype=dtype, requires_grad=True)
        B = torch.randn(k, dtype=dtype, requires_grad=True)
        ours, theirs = strided_corr2d(A, B, padding, stride, d), oracle(A, B, stride, padding, d)
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, theirs)
        weights = torch.randn_like(theirs)
        torch.testing.assert_close(
            torch.autograd.grad(ours, (A, B), weights),
            torch.autograd.grad(theirs, (A, B), weights),
        )


def test_whole_numbers_with_fractions_are_not_cut_off():
    Y = strided_corr2d(X.long(), NEIGHBOURS / 4, 1)
    assert Y.dtype == torch.float32
    torch.testing.assert_close(Y, oracle(X, NEIGHBOURS / 4, 1, 1))


def test_strided_corr2d_leaves_its_input_alone():
    A = X.clone()
    strided_corr2d(A, NEIGHBOURS, 1, 2)
    assert torch.equal(A, X)


@pytest.mark.parametrize(
    ("B", "options", "text"),
    [
        (torch.ones(7, 7), (1,), "7 cells do not fit"),
        (torch.ones(3, 7), ((1, 1),), "7 cells do not fit"),
        (NEIGHBOURS, ((0, -1),), "p=-1 < 0"),
        (NEIGHBOURS, (0, (1, 0)), "s=0"),
    ],
)
def test_strided_corr2d_refuses(B, options, text):
    with pytest.raises(ValueError, match=text):
        strided_corr2d(X, B, *options)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64], ids=str)
def test_zero_pad_puts_rows_above_and_below_and_columns_beside(dtype):
    A = X.to(dtype)[:, :3]
    padded = zero_pad(A, 2, 1)
    assert padded.dtype == dtype
    assert torch.equal(padded, F.pad(A, (1, 1, 2, 2)))


def test_pair_and_window():
    assert pair(3) == (3, 3) and pair((1, 2)) == (1, 2)
    assert list(range(20))[window(2, 3, 4, 2)] == [8, 10, 12]


# use counts


def test_use_counts_by_hand():
    assert page.use_count(6, 3)[0].tolist() == [1, 2, 3, 3, 2, 1]
    assert page.use_count(6, 3, 1)[0].tolist() == [4, 6, 6, 6, 6, 4]
    assert page.use_count(6, 3, 1, 2)[0].tolist() == [1, 2, 1, 2, 1, 1]
    assert (page.use_count(5, 3, 2) == 9).all()
    assert (page.use_count(6, 3, 1, mode="circular") == 9).all()
    assert (page.use_count(6, 3, 1, mode="replicate") == 9).all()
    assert page.use_count(6, 3, 1, mode="reflect")[2].tolist() == [6, 12, 9, 9, 12, 6]


@pytest.mark.parametrize(("n", "k", "p", "s"), [(6, 3, 1, 2), (7, 4, 0, 3), (5, 2, 1, 1)])
def test_use_counts_are_products_of_counts_in_one_direction(n, k, p, s):
    one = torch.zeros(n)
    for i in range(out_size(n, k, p, s)):
        for cell in range(i * s - p, i * s - p + k):
            if 0 <= cell < n:
                one[cell] += 1
    assert torch.equal(page.use_count(n, k, p, s), torch.outer(one, one))


# rules of padding and the law of shifts


@pytest.mark.parametrize("p", [0, 1, 2, 4])
def test_mirrored_repeats_the_edge(p):
    A = torch.arange(20.0).reshape(4, 5)
    rows, columns = (torch.arange(-p, n + p) for n in A.shape)
    rows = torch.where(rows < 0, -1 - rows, torch.where(rows < 4, rows, 7 - rows))
    columns = torch.where(columns < 0, -1 - columns, torch.where(columns < 5, columns, 9 - columns))
    assert torch.equal(page.mirrored(A, p), A[rows[:, None], columns])


@pytest.mark.parametrize("rule", ["zeros", "replicate", "reflect", "circular"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_stride_that_divides_the_size_keeps_multiples_and_zeros_break_the_border(rule, stride):
    torch.manual_seed(3)
    for shift in range(1, 7):
        for n in (12, 13):
            kept = page.commutes(rule, stride, shift, n)
            assert kept == (rule == "circular" and shift % stride == n % stride == 0)


def test_zeros_break_the_law_within_reach_of_the_border_only():
    torch.manual_seed(3)
    A, B = torch.randn(12, 12), torch.randn(5, 5)
    Y, moved = strided_corr2d(A, B, 2), strided_corr2d(A.roll(3, 1), B, 2)
    equal = torch.isclose(moved, Y.roll(3, 1), atol=1e-6).all(0)
    assert equal.tolist() == [False] * 5 + [True] * 5 + [False] * 2


# position


def test_position_net_keeps_the_size_and_has_2017_parameters():
    net = page.position_net("zeros")
    assert net(torch.ones(2, 1, 9, 12)).shape == (2, 1, 9, 12)
    assert sum(p.numel() for p in net.parameters()) == 8 * 26 + 8 * 201 + 201


@pytest.mark.parametrize("mode", ["replicate", "reflect", "circular"])
def test_without_zeros_a_constant_stays_constant(mode):
    torch.manual_seed(2)
    Y = page.position_net(mode)(torch.ones(1, 1, 12, 12))
    assert Y.max() - Y.min() < 1e-5


def test_last_layer_has_no_zeros_of_its_own():
    for rule in ("zeros", "replicate"):
        net = page.position_net(rule)
        assert [layer.padding_mode for layer in net[::2]] == [rule, rule, "circular"]


def test_zeros_move_the_means_of_random_features_more_than_copies_do():
    def uneven(rule: str) -> float:
        """How much the mean of a feature differs between places, in its standard deviations."""
        with torch.no_grad():
            features = page.position_net(rule)[:4](noise)
        spread = features.mean(0).std((1, 2)) / (features.std(0).mean((1, 2)) + 1e-9)
        return float(spread.mean())

    torch.manual_seed(4)
    noise = torch.randn(2_000, 1, 12, 12)
    zeros, copies = (sum(uneven(rule) for _ in range(4)) / 4 for rule in ("zeros", "replicate"))
    assert zeros > 2 * copies


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


def test_fit_moves_towards_the_wanted_map():
    torch.manual_seed(0)
    wanted = torch.linspace(-1, 1, 8).expand(8, 8)
    net, empty = page.position_net("zeros"), torch.ones(1, 1, 8, 8)
    before = (net(empty) - wanted).square().mean()
    page.fit(net, lambda: empty, wanted)
    assert (net(empty) - wanted).square().mean() < 0.1 * before


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
def test_a_stride_folds_high_tones_onto_low_ones(f, s, heard):
    assert page.peaks(page.tone(f, 8_000, 800)[::s], 8_000 // s) == {heard: 1.0}
