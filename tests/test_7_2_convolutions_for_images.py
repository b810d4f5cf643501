"""Section 7.2: shapes, values by hand, PyTorch and SciPy as oracles, what is learned, fields."""

from itertools import product
from math import prod

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d, correlate2d
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from helpers.sections.convolutions_for_images import corr2d as loops
from helpers.sections.convolutions_for_images import im2col
from tools.lift import lift

page = lift("7-2-convolutions-for-images")
FORMS = [loops, page.corr2d_im2col]
of_both_forms = pytest.mark.parametrize("corr2d", FORMS, ids=["loops", "im2col"])
SIZES = [(6, 9, 2, 4), (9, 6, 4, 2), (5, 5, 5, 5), (4, 7, 1, 7), (7, 4, 7, 1), (1, 1, 1, 1)]
of_all_sizes = pytest.mark.parametrize("n_h, n_w, k_h, k_w", SIZES)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def band() -> torch.Tensor:
    """The test image: white with a black band."""
    return torch.tensor([[1.0, 1, 0, 0, 0, 0, 1, 1]]).repeat(6, 1)


EDGE = torch.tensor([[1.0, -1.0]])


@of_both_forms
@of_all_sizes
def test_shape(corr2d, n_h, n_w, k_h, k_w):
    Y = corr2d(torch.zeros(n_h, n_w), torch.zeros(k_h, k_w))
    assert Y.shape == (n_h - k_h + 1, n_w - k_w + 1)


@of_both_forms
def test_worked_figure(corr2d):
    X, K = torch.arange(9.0).reshape(3, 3), torch.arange(4.0).reshape(2, 2)
    assert corr2d(X, K).tolist() == [[19, 25], [37, 43]]


@of_both_forms
def test_the_row_index_moves_down_and_the_column_index_to_the_right(corr2d):
    X = torch.zeros(4, 5)
    X[2, 1] = 1.0
    Y = corr2d(X, torch.tensor([[1.0, 2, 3], [4, 5, 6]]))
    assert Y.tolist() == [[0, 0, 0], [5, 4, 0], [2, 1, 0]]


@of_both_forms
@of_all_sizes
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_of_pytorch(corr2d, n_h, n_w, k_h, k_w, dtype):
    torch.manual_seed(n_h * k_w)
    X = torch.randn(n_h, n_w, dtype=dtype, requires_grad=True)
    K = torch.randn(k_h, k_w, dtype=dtype, requires_grad=True)
    Y, expected = corr2d(X, K), F.conv2d(X[None, None], K[None, None])[0, 0]
    assert_close(Y, expected)  # dtype included
    G = torch.randn_like(expected)
    ours, theirs = (torch.autograd.grad(y, (X, K), G) for y in (Y, expected))
    assert_close(ours, theirs)


@of_both_forms
@of_all_sizes
def test_values_of_scipy(corr2d, n_h, n_w, k_h, k_w):
    rng = np.random.default_rng(0)
    X, K = rng.normal(size=(n_h, n_w)), rng.normal(size=(k_h, k_w))
    Y = corr2d(torch.from_numpy(X), torch.from_numpy(K))
    assert_close(Y, torch.from_numpy(correlate2d(X, K, mode="valid")))


@of_both_forms
def test_a_view_with_strides_is_an_image_too(corr2d):
    torch.manual_seed(0)
    X, K = torch.randn(12, 10)[::2, 1::3], torch.randn(3, 2).T
    assert_close(corr2d(X, K), corr2d(X.contiguous(), K.contiguous()))


@of_both_forms
def test_the_image_stays_as_it_was(corr2d):
    X, K = torch.arange(12.0).reshape(3, 4), torch.ones(2, 2)
    corr2d(X, K)
    assert_close(X, torch.arange(12.0).reshape(3, 4))
    assert_close(K, torch.ones(2, 2))


def test_integers_stay_integers_and_types_are_promoted():
    X, K = torch.arange(9).reshape(3, 3), torch.arange(4).reshape(2, 2)
    assert loops(X, K).dtype == torch.int64
    assert loops(X.float(), K.double()).dtype == torch.float64


@of_both_forms
@pytest.mark.parametrize("X, K", [((1, 1, 6, 8), (1, 2)), ((6,), (1,)), ((6, 8), (1, 1, 1, 2))])
def test_what_is_not_a_matrix_is_refused(corr2d, X, K):
    wrong, shape = ("X", X) if len(X) != 2 else ("K", K)
    with pytest.raises(ValueError) as error:
        corr2d(torch.zeros(X), torch.zeros(K))
    assert f"{wrong} has the shape {shape}" in str(error.value)
    assert f"{wrong}[0, 0]" in str(error.value)


@of_both_forms
@pytest.mark.parametrize("K", [(4, 1), (1, 5), (9, 9), (0, 2), (2, 0)])
def test_a_kernel_that_does_not_fit_is_refused(corr2d, K):
    with pytest.raises(ValueError) as error:
        corr2d(torch.zeros(3, 4), torch.zeros(K))
    assert f"K {K} does not fit in X (3, 4)" in str(error.value)
    assert "pad X" in str(error.value)


@of_all_sizes
def test_im2col_is_unfold(n_h, n_w, k_h, k_w):
    X = torch.randn(n_h, n_w)
    assert_close(im2col(X, k_h, k_w), F.unfold(X[None, None], (k_h, k_w))[0])


def test_im2col_by_hand():
    columns = im2col(torch.arange(6).reshape(2, 3), 2, 1)
    assert columns.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda X, K: loops(X, K.flip(0, 1)),
        lambda X, K: loops(X, K) + 1e-3,
        lambda X, K: loops(X, K.detach()) + 0 * K.sum(),
        lambda X, K: loops(X.float(), K.float()),
    ],
    ids=["flipped", "biased", "no gradient", "one type"],
)
def test_the_proof_of_the_page_finds_wrong_operators(wrong):
    with pytest.raises((AssertionError, RuntimeError)):
        page.count_agreements(wrong)


def test_the_proof_of_the_page_counts_its_cases():
    assert page.count_agreements(page.corr2d_im2col) == 162


@pytest.mark.parametrize("k_h, k_w, c", [(3, 3, 2), (1, 4, 3), (2, 5, 1)])
def test_shifted_sums_are_conv2d(k_h, k_w, c):
    X, K = torch.randn(6, 9), torch.randn(c, k_h, k_w)
    assert_close(page.add_shifted(X, K), F.conv2d(X[None, None], K[:, None])[0])


@pytest.mark.parametrize("k_h, k_w", [(1, 1), (1, 2), (3, 2), (4, 4)])
def test_the_layer_is_conv2d_of_pytorch(k_h, k_w):
    torch.manual_seed(3)
    ours = page.Conv2D(k_h, k_w)
    torch.manual_seed(3)
    theirs = nn.Conv2d(1, 1, (k_h, k_w))
    assert {name: tuple(p.shape) for name, p in ours.named_parameters()} == {
        "weight": (k_h, k_w),
        "bias": (1,),
    }
    assert_close(ours.weight, theirs.weight[0, 0])
    assert_close(ours.bias, theirs.bias)
    X = torch.randn(5, 6)
    Y, expected = ours(X), theirs(X[None, None])[0, 0]
    assert_close(Y, expected)
    Y.square().sum().backward()
    expected.square().sum().backward()
    assert_close(ours.weight.grad, theirs.weight.grad[0, 0])
    assert_close(ours.bias.grad, theirs.bias.grad)


def test_autograd_through_the_layer_raises_nothing():
    layer = page.Conv2D(2, 2).double()
    assert torch.autograd.gradcheck(layer, torch.randn(3, 4, dtype=torch.float64).requires_grad_())


@of_both_forms
def test_edges_by_hand(corr2d):
    assert corr2d(band(), EDGE).tolist() == [[0, 1, 0, 0, 0, -1, 0]] * 6
    assert not corr2d(band().T, EDGE).any()
    assert_close(corr2d(band().T, EDGE.T), corr2d(band(), EDGE).T)


def test_convolution_is_that_of_scipy_and_is_not_correlation():
    X, K = torch.arange(9.0).reshape(3, 3), torch.arange(4.0).reshape(2, 2)
    assert page.true_convolution(X, K).tolist() == [[5, 11], [23, 29]]
    for n_h, n_w, k_h, k_w in SIZES:
        A, B = torch.randn(n_h, n_w), torch.randn(k_h, k_w)
        expected = convolve2d(A.numpy(), B.numpy(), mode="valid")
        assert_close(page.true_convolution(A, B), torch.from_numpy(expected))


def descend(operator, X, Y, K, lr, num_steps):
    """All kernels and all losses of a descent, the start first."""
    kernels, losses = zip(*page.learn_kernel(operator, X, Y, K, lr, num_steps), strict=True)
    return torch.stack(kernels), list(losses)


def test_one_step_of_learning_by_hand():
    X, Y, K = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]]), torch.tensor([[1.0, 0.0]])
    path, losses = descend(loops, X, Y, K, 0.1, 1)
    assert_close(path, torch.tensor([[[1.0, 0.0]], [[1.4, 0.8]]]))  # error -2, gradient (-4, -8)
    assert losses == pytest.approx([4.0, 0.0], abs=1e-9)
    assert K.tolist() == [[1, 0]] and not K.requires_grad


def test_the_loss_is_a_sum_over_all_outputs():
    X, Y = torch.ones(4, 5), torch.zeros(4, 4)
    _, losses = descend(loops, X, Y, torch.ones(1, 2), 0, 2)
    assert losses == [64.0] * 3


@pytest.mark.parametrize("seed", range(5))
def test_the_edge_kernel_is_learned_in_ten_steps(seed):
    torch.manual_seed(seed)
    X, start = band(), torch.rand(1, 2)
    Y = F.conv2d(X[None, None], EDGE[None, None])[0, 0]
    path, _ = descend(loops, X, Y, start, 3e-2, 10)
    assert_close(path[0], start)
    assert (path[-1] - EDGE).abs().max() < 0.15
    mirrored, _ = descend(page.true_convolution, X, Y, start.flip(1), 3e-2, 10)
    assert_close(mirrored, path.flip(2))


@pytest.mark.parametrize("seed", range(5))
def test_the_band_determines_the_column_sums_alone(seed):
    torch.manual_seed(seed)
    start, wide = torch.randn(2, 2), torch.tensor([[1.0, -1], [0, 0]])
    path, losses = descend(page.corr2d_im2col, band(), loops(band(), wide), start, 0.01, 200)
    assert losses[-1] < 1e-6
    assert_close(path[-1].sum(0), torch.tensor([1.0, -1]), rtol=0, atol=1e-3)
    assert_close(path[-1][0] - path[-1][1], start[0] - start[1], rtol=0, atol=1e-4)
    assert torch.linalg.matrix_rank(im2col(band(), 2, 2)) == 2


@pytest.mark.parametrize("image, rank", [("stripes", 3), ("ramp", 2)])
def test_edges_everywhere_are_not_enough(image, rank):
    """A sum of a column and a row is not seen by [[1, -1], [-1, 1]]."""
    X = {
        "stripes": torch.tensor([[0.0], [1], [1], [0], [1]]) + torch.tensor([0.0, 1, 1, 0, 1, 0]),
        "ramp": torch.arange(9.0).reshape(3, 3),
    }[image]
    assert not loops(X, torch.tensor([[1.0, -1], [-1, 1]])).any()
    assert torch.linalg.matrix_rank(im2col(X, 2, 2)) == rank


@pytest.mark.parametrize(
    "layers, field",
    [
        ([], 1),
        ([(5, 3)], 5),
        ([(3, 1), (3, 1)], 5),
        ([(5, 1), (3, 2), (3, 1)], 11),
        ([(3, 2)] * 4, 31),
        ([(1, 2), (2, 1)], 3),
        ([(11, 4), (3, 2), (5, 1), (3, 2)], 67),
    ],
)
def test_receptive_field_by_hand(layers, field):
    assert page.receptive_field(layers) == field


@pytest.mark.parametrize("layers", list(product([(2, 1), (3, 2), (4, 3)], repeat=2)))
def test_measured_receptive_field(layers):
    field, distance = page.receptive_field(layers), prod(s for _, s in layers)
    net, n = page.build_stack(layers), field + 2 * distance
    assert [(layer.kernel_size[0], layer.stride[0]) for layer in net] == list(layers)
    G = page.input_gradient(net, torch.zeros(n, n))
    assert_close(G.sum(), torch.tensor(1.0))  # equal weights that sum to 1 in each layer
    seen = G.nonzero()
    assert seen.amin(dim=0).tolist() == [distance] * 2
    assert seen.amax(dim=0).tolist() == [distance + field - 1] * 2


def test_input_gradient_is_that_of_the_middle_output_in_both_directions():
    net = nn.Conv2d(1, 1, (1, 5), bias=False)  # 7×7 -> 7×3, its middle at (3, 1)
    nn.init.ones_(net.weight)
    expected = torch.zeros(7, 7)
    expected[3, 1:6] = 1
    assert_close(page.input_gradient(net, torch.zeros(7, 7)), expected)


def test_the_probe_is_blind_through_relu_at_zero_alone():
    net = nn.Sequential(page.build_stack([(3, 1)]), nn.ReLU())
    assert not page.input_gradient(net, torch.zeros(5, 5)).any()
    assert page.input_gradient(net, torch.ones(5, 5)).count_nonzero() == 9


def test_corr2d_stays_on_the_device_of_its_input():
    X, K = torch.ones(4, 5, device="meta"), torch.ones(2, 2, device="meta")
    assert loops(X, K).device.type == "meta"
