"""Section 7.5: pooling by loops, the measures of a move, stochastic pooling."""

import math

import pytest
import torch
from torch.nn import functional as F

from helpers.sections.pooling import pool2d, pooled_size
from tools.lift import lift

page = lift("7-5-pooling")
X9 = torch.arange(9.0).reshape(3, 3)
X16 = torch.arange(16.0).reshape(4, 4)


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors: on a busy machine, threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def same_with_gradients(ours: torch.Tensor, theirs: torch.Tensor, A: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs)
    weights = draw(*theirs.shape, seed=1, dtype=theirs.dtype)
    torch.testing.assert_close(
        torch.autograd.grad(ours, A, weights), torch.autograd.grad(theirs, A, weights)
    )


# sizes


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ((3, 2, 0, 1), 2),
        ((4, 3, 1, 2), 2),
        ((4, 3, 0, 3), 1),
        ((5, 2, 1, 2), 3),
        ((3, 5, 2, 1), 3),
    ],
)
def test_size_by_hand(arguments, size):
    assert pooled_size(*arguments) == size


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((9, 3, 2, 1), "padding 2 is more than half of k=3"),
        ((9, 1, 1, 1), "padding 1 is more than half of k=1"),
        ((3, 0, 0, 1), "k=0"),
        ((3, 2, 0, 0), "s=0"),
        ((3, 2, -1, 1), "p=-1 < 0"),
        ((3, 4, 0, 1), r"4 cells do not fit in 3 \+ 2·0"),
    ],
)
def test_size_refuses(arguments, text):
    with pytest.raises(ValueError, match=text):
        pooled_size(*arguments)


# pool2d


def test_pool_by_hand():
    assert pool2d(X9, 2, "max").tolist() == [[4, 5], [7, 8]]
    assert pool2d(X9, 2, "avg").tolist() == [[2, 3], [5, 6]]
    assert pool2d(X16, 3, "max", 0, 3).tolist() == [[10]]
    assert pool2d(X16, 3, "max", 1, 2).tolist() == [[5, 7], [13, 15]]
    assert pool2d(X16, (2, 3), "max", (0, 1), (2, 3)).tolist() == [[5, 7], [13, 15]]
    assert page.max_pool(X9, 2, 1).tolist() == [[4, 5], [7, 8]]
    assert page.max_pool(X16, 3, 3).tolist() == [[10]]
    assert page.max_pool(X16 - 16, 2, 2).tolist() == [[-11, -9], [-3, -1]]


def test_padding_never_wins_a_maximum_and_counts_in_a_mean():
    assert pool2d(X9 - 9, 3, "max", 1)[0, 0] == -5
    torch.testing.assert_close(pool2d(X9, 3, "avg", 1)[0, 0], torch.tensor(8 / 9))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("s", [(1, 1), (2, 3), (3, 1)], ids=str)
@pytest.mark.parametrize("k", [(1, 1), (2, 2), (3, 2), (2, 4)], ids=str)
def test_pool_and_its_gradient_equal_torch(k, s, dtype):
    for p in ((0, 0), (1, 0), (0, 1), (1, 1)):
        if 2 * p[0] > k[0] or 2 * p[1] > k[1]:
            continue
        A = draw(6, 7, dtype=dtype).requires_grad_()
        mean = F.avg_pool2d(A[None], k, s, p)[0]
        same_with_gradients(pool2d(A, k, "avg", p, s), mean, A)
        ours = pool2d(A, k, "max", p, s)
        assert ours.dtype == dtype
        same_with_gradients(ours, F.max_pool2d(A[None], k, s, p)[0], A)


def test_pool_leaves_its_input_alone():
    A = X9.clone()
    pool2d(A, 2, "max", 1)
    assert A.equal(X9)


@pytest.mark.parametrize(
    ("k", "options", "text"),
    [
        (2, ("mean",), "unknown mode 'mean': choose max or avg"),
        ((4, 2), ("max",), "4 cells do not fit"),
        ((2, 4), ("max",), "4 cells do not fit"),
        (2, ("max", (2, 0)), "padding 2 is more than half"),
        (2, ("max", (0, 2)), "padding 2 is more than half"),
        (2, ("avg", 0, (1, 0)), "s=0"),
    ],
)
def test_pool_refuses(k, options, text):
    with pytest.raises(ValueError, match=text):
        pool2d(X9, k, *options)


# moves


def test_move_goes_down_and_to_the_right():
    A = torch.tensor([[1, 2, 3], [4, 5, 6]])
    assert page.move(A, 0, 1).tolist() == [[0, 1, 2], [0, 4, 5]]
    assert page.move(A, 1, 0).tolist() == [[0, 0, 0], [1, 2, 3]]
    assert page.move(A, 0, -1).tolist() == [[2, 3, 0], [5, 6, 0]]


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


def test_change_is_relative_to_each_image():
    rest = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert page.change(torch.tensor([[3.0, 4.0], [0.0, 3.0]]), rest).tolist() == [0, 2]


def test_blur_by_hand():
    spike = torch.zeros(1, 2, 7, 7)
    spike[0, 0, 3, 3] = 16
    Y = page.blur(spike, 3)
    assert Y.shape == (1, 2, 3, 3) and not Y[0, 1].any()
    assert Y[0, 0].tolist() == [[0, 0, 0], [0, 4, 0], [0, 0, 0]]
    assert page.blur(page.move(spike, 0, 1), 3)[0, 0, 1].tolist() == [0, 2, 2]
    torch.testing.assert_close(page.blur(torch.ones(1, 1, 8, 8), 4), torch.ones(1, 1, 3, 3))
    torch.testing.assert_close(page.blur(X16[None, None], 2), F.avg_pool2d(X16[None, None], 2))


def test_enlarged_images_stand_where_they_are_wanted():
    """In the middle, the size 2.5 times; moves by whole pixels are moves, halves lie between."""
    images = draw(3, 1, 8, 8).abs()
    at = torch.tensor([[0.0, 0.0], [2.0, -1.0], [0.5, 0.0]])
    still, moved = page.enlarge(images, torch.zeros(3, 2)), page.enlarge(images, at)
    wanted = F.interpolate(images, (20, 20), mode="bilinear")
    torch.testing.assert_close(still[..., 8:24, 8:24], wanted[..., 2:18, 2:18])  # rims fade out
    torch.testing.assert_close(moved[1], page.move(still[1], -1, 2))
    assert not still[..., :4].any() and not still[..., -4:].any()
    assert not torch.allclose(moved[2], still[2], atol=0.01)


def test_changes_are_the_mean_of_a_move_down_and_one_to_the_right():
    A = F.pad(draw(2, 1, 4, 4).abs(), (4, 4, 4, 4))
    found = page.changes(A, lambda B, k: F.max_pool2d(B, k, 2), 3)
    rest, down, right = (
        F.max_pool2d(A.roll(by, (-2, -1)), 3, 2) for by in ((0, 0), (1, 0), (0, 1))
    )
    wanted = (page.change(down, rest) + page.change(right, rest)) / 2
    torch.testing.assert_close(found, wanted)


def test_digits_begin_in_the_row_that_is_asked_for():
    image = torch.ones(1, 1, 8, 8)
    E = page.from_row(image, 7)
    assert E.shape == (1, 4, 32, 32)
    rows = E[0, 2:].sum((0, 2)).nonzero().flatten().tolist()
    assert rows == [6, 7, 26, 27]  # two rows thick, above and below
    assert E.max() == 255
    torch.testing.assert_close(page.from_row(image, 6)[:, :, :-1], E[:, :, 1:])


def test_half_a_cell_twice_is_a_cell():
    """Exact for waves that the grid can hold; zeros at the rim keep them from coming round."""
    n = torch.arange(32)
    wave = torch.cos(2 * math.pi * 3 * n / 32 + 0.4).expand(2, 5, 32)
    half = torch.cos(2 * math.pi * 3 * (n - 0.5) / 32 + 0.4).expand(2, 5, 32)
    torch.testing.assert_close(page.half_cell(wave), half, atol=1e-5, rtol=0)
    torch.testing.assert_close(page.half_cell(half), wave.roll(1, -1), atol=1e-5, rtol=0)
    A = draw(3, 2, 16, 17)  # of an odd size, no wave stands between the two signs
    torch.testing.assert_close(page.half_cell(page.half_cell(A)), A.roll(1, -1))


def test_each_digit_gets_the_one_before_it():
    order = torch.tensor([2, 0, 3, 1])
    assert page.one_before(order).tolist() == [2, 3, 1, 0]


@pytest.mark.slow
def test_right_answers_of_digits_that_can_and_cannot_be_known(monkeypatch):
    """1,797 spikes, each class at a place of its own; a move by two takes a class for another."""
    labels = torch.arange(1797) % 10
    maps = torch.zeros(1797, 1, 64, 64)
    maps[torch.arange(1797), 0, 2 * labels + 10, 30] = 1
    for name, value in {"labels": labels, "centred": maps}.items():
        monkeypatch.setitem(page.right_answers.__globals__, name, value)

    def shares(far: int = 0) -> torch.Tensor:
        return page.right_answers(lambda A: A[..., 28:36], far)

    found = shares()
    assert found.shape == (3, 5) and (found[:, 0] == 1).all()
    assert (found[:, 2] < 0.5).all()  # down by two is the next class's place
    apart = torch.zeros(1797, 1, 64, 64)
    apart[torch.arange(1797), 0, 5 * labels + 5, 30] = 1
    monkeypatch.setitem(page.right_answers.__globals__, "centred", apart)
    alone, copies = shares(), shares(far=3)
    assert (copies[:, 3] == 1).all()  # what was stored at this place is found there
    assert (alone[:, 3] < 1).all()
    monkeypatch.setitem(page.right_answers.__globals__, "labels", torch.zeros(1797))
    assert (shares() == 1).all()


def test_max_pooling_passes_on_whole_strides_only():
    A = F.pad(F.relu(draw(3, 2, 8, 8)), (4, 4))
    Y = [F.max_pool2d(page.move(A, 0, right), 2) for right in range(3)]
    assert Y[2].equal(page.move(Y[0], 0, 1))
    assert not any(Y[1].equal(page.move(Y[0], 0, cells)) for cells in range(3))


# receptive fields


@pytest.mark.parametrize("layers", [[(3, 1)], [(3, 1), (2, 2), (3, 1)], [(2, 2), (5, 3), (2, 1)]])
def test_fields_are_what_a_gradient_reaches(layers):
    sides = page.fields(layers)
    for depth in range(1, len(layers) + 1):
        X = torch.ones(1, 1, sides[depth] + 4, 1, requires_grad=True)
        Y = X
        for k, s in layers[:depth]:
            Y = F.conv2d(Y, torch.ones(1, 1, k, 1), stride=(s, 1))
        (grad,) = torch.autograd.grad(Y[0, 0, 0, 0], X)
        assert grad.count_nonzero() == sides[depth]


# stochastic pooling


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
    X = A.reshape(1, 1, 2, 2).tile(20, 20)
    assert (page.StochasticPool2d(2).train()(X) == 3).all()


def test_stochastic_draws_in_proportion():
    torch.manual_seed(1)
    values = torch.tensor([4.0, 1.0, 0.0, 3.0])
    drawn = page.StochasticPool2d(2)(values.reshape(1, 1, 2, 2).tile(100, 100))
    assert drawn.shape == (1, 1, 100, 100)
    for value in values:
        share, p = (drawn == value).float().mean().item(), value.item() / 8
        assert abs(share - p) <= 5 * math.sqrt(p * (1 - p) / drawn.numel())


@pytest.mark.parametrize(("dart", "value"), [(0.0, 2.0), (1 - 2**-24, 3.0)])
def test_stochastic_dart_at_either_end_misses_the_zeros(monkeypatch, dart, value):
    monkeypatch.setattr(torch, "rand_like", lambda A: torch.full_like(A, dart))
    X = torch.tensor([[[[0.0, 2.0], [3.0, 0.0]]]])
    assert page.StochasticPool2d(2)(X).item() == value


def test_stochastic_draws_each_window_apart_and_from_its_own_values():
    torch.manual_seed(1)
    A = draw(2, 3, 7, 9).abs()
    Y = page.StochasticPool2d(3)(A)
    tiles = A.unfold(2, 3, 3).unfold(3, 3, 3).flatten(-2)
    assert Y.shape == tiles.shape[:-1] and (Y[..., None] == tiles).any(-1).all()
    drawn = page.StochasticPool2d(2)(torch.tensor([[1.0, 2], [3, 4]]).tile(2, 3, 8, 8))
    assert not drawn[0, 0].equal(drawn[1, 0]) and not drawn[0, 0].equal(drawn[0, 1])


@pytest.mark.parametrize("training", [True, False])
def test_stochastic_refuses_negative_values(training):
    pool = page.StochasticPool2d(2).train(training)
    with pytest.raises(ValueError, match="-2 in X; none may be below 0"):
        pool(torch.tensor([[[[1.0, 1.0], [-2.0, 1.0]]]]))
