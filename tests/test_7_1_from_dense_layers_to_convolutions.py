"""Section 7.1: a dense layer that becomes a convolution, what moves with the picture, channels."""

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers.sections.from_dense_layers_to_convolutions import dense_image, spread_kernel
from tools.lift import lift

page = lift("7-1-from-dense-layers-to-convolutions")
DTYPES = (torch.float32, torch.float64)
SIZES = ((1, 1), (4, 4), (3, 6), (5, 2))


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors: on a busy machine, threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rand(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


class TestDenseImage:
    def test_by_hand(self):
        W = torch.zeros(2, 2, 2, 2)
        W[0, 1, 1, 0] = 3  # output (0, 1) reads pixel (1, 0)
        X = torch.tensor([[1.0, 2], [4, 8]])
        assert dense_image(X, W).tolist() == [[0, 12], [0, 0]]

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_is_a_linear_layer_on_the_flat_picture(self, size, dtype):
        X, W = rand(*size, dtype=dtype), rand(*size, *size, dtype=dtype, seed=1)
        Y = dense_image(X, W)
        n = X.numel()
        assert Y.shape == X.shape and Y.dtype == dtype
        torch.testing.assert_close(Y.flatten(), F.linear(X.flatten(), W.reshape(n, n)))

    def test_wrong_shape(self):
        with pytest.raises(ValueError, match=r"\(3, 2, 3, 2\).*wants \(2, 3, 2, 3\)"):
            dense_image(torch.ones(2, 3), torch.ones(3, 2, 3, 2))


class TestSpreadKernel:
    def test_by_hand(self):
        W = spread_kernel(torch.tensor([[10.0, 20, 30]]), 1, 3)[0, :, 0]
        assert W.tolist() == [[20, 30, 0], [10, 20, 30], [0, 10, 20]]

    def test_rows_and_columns_are_not_exchanged(self):
        V = torch.zeros(3, 5)
        V[2, 0] = 7  # one row down, two columns to the left
        W = spread_kernel(V, 4, 4)
        assert W[1, 3, 2, 1] == 7
        assert int((W != 0).sum()) == 3 * 2

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    @pytest.mark.parametrize(("size", "d_h", "d_w"), [*product(SIZES, (0, 1, 3), (0, 2))])
    def test_equals_torch_with_gradients(self, size, d_h, d_w, dtype):
        X = rand(*size, dtype=dtype).requires_grad_()
        V = rand(2 * d_h + 1, 2 * d_w + 1, dtype=dtype, seed=1).requires_grad_()
        W = spread_kernel(V, *size)
        assert W.shape == (*size, *size) and W.dtype == dtype
        Y = dense_image(X, W)
        expected = F.conv2d(X[None, None], V[None, None], padding=(d_h, d_w))[0, 0]
        torch.testing.assert_close(Y, expected)
        G = rand(*size, dtype=dtype, seed=2)
        gradients = torch.autograd.grad(Y, (X, V), G)
        torch.testing.assert_close(gradients, torch.autograd.grad(expected, (X, V), G))

    @pytest.mark.parametrize("n", (2, 4, 6))
    def test_number_of_weights(self, n):
        every = spread_kernel(rand(2 * n - 1, 2 * n - 1), n, n)
        assert every.unique().numel() == (2 * n - 1) ** 2
        near = spread_kernel(rand(3, 3), n, n)
        assert near[near != 0].unique().numel() == 9
        assert int((near != 0).sum()) == (3 * n - 2) ** 2

    @pytest.mark.parametrize("shape", ((2, 3), (3, 2), (4, 4), (3,), (3, 3, 3)), ids=str)
    def test_wrong_shape(self, shape):
        with pytest.raises(ValueError, match="make both sides odd"):
            spread_kernel(torch.ones(shape), 5, 5)


class TestToeplitz:
    def test_by_hand(self):
        M = torch.tensor([[1, 2, 3], [4, 1, 2], [5, 4, 1]])
        assert page.is_toeplitz(M)
        M[2, 1] = 0
        assert not page.is_toeplitz(M)
        assert not page.is_toeplitz(torch.tensor([[1, 2], [2, 3]]))  # the other diagonals

    def test_blocks(self):
        W = spread_kernel(rand(5, 3), 4, 3)
        assert page.is_toeplitz(W.permute(0, 2, 1, 3))
        assert not page.is_toeplitz(W.reshape(12, 12))


class TestPhotograph:
    K = rand(3, 3, seed=1)

    @pytest.mark.parametrize(("stride", "size"), [*product((1, 2), ((6, 8), (7, 5)))])
    def test_equals_a_layer(self, stride, size, monkeypatch):
        monkeypatch.setitem(page.convolve_photo.__globals__, "K_edge", self.K)
        X = rand(*size)
        for mode, options in {
            "constant": {"padding": 1},
            "circular": {"padding": 1, "padding_mode": "circular"},
            "none": {},
        }.items():
            layer = nn.Conv2d(1, 1, 3, stride, bias=False, **options)
            layer.weight = nn.Parameter(self.K[None, None])
            wanted = layer(X[None, None])[0, 0]
            torch.testing.assert_close(page.convolve_photo(X, mode, stride), wanted)

    @pytest.mark.parametrize("move", (0, 3, -5, 8))
    def test_a_move_is_found_and_nothing_differs(self, move):
        wide = rand(12, 40)
        Y, Z = wide[:, 8:32], wide[:, 8 - move : 32 - move]
        assert page.measure_shift(Y, Z) == move
        wanted = f"moves by {move}: 0 of {24 - abs(move)} columns differ"
        assert page.compare(Y, Z) == wanted

    def test_what_overlaps(self):
        Y, Z = torch.arange(5)[None], 10 + torch.arange(5)[None]
        pairs = [[part.tolist()[0] for part in page.overlap(Y, Z, q)] for q in (2, 0, -2)]
        assert pairs[0] == [[0, 1, 2], [12, 13, 14]]
        assert pairs[1] == [[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]]
        assert pairs[2] == [[2, 3, 4], [10, 11, 12]]

    def test_columns_that_differ_are_counted(self):
        Y = rand(12, 24)
        Z = Y.roll(4, -1)
        Z[3, 7] += 1
        Z[:, 20] = 0
        assert page.compare(Y, Z) == "moves by 4: 2 of 20 columns differ"

    def test_what_fits_nowhere(self):
        assert page.compare(rand(12, 24), -rand(12, 24)).startswith("no move fits: ")

    def test_no_further_than_its_reach(self):
        Y = rand(12, 24)
        assert page.measure_shift(Y, Y.roll(3, -1), reach=3) == 3
        assert page.measure_shift(Y, Y.roll(3, -1), reach=2) != 3


class TestConvChannels:
    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    @pytest.mark.parametrize(
        ("window", "c_i", "c_o", "size"),
        [*product(((1, 1), (3, 3), (5, 1), (3, 5)), (1, 3), (1, 2), ((4, 4), (3, 6)))],
    )
    def test_equals_torch(self, window, c_i, c_o, size, dtype):
        X, V = rand(c_i, *size, dtype=dtype), rand(*window, c_i, c_o, dtype=dtype, seed=1)
        Y = page.conv_channels(X, V)
        assert Y.shape == (c_o, *size) and Y.dtype == dtype
        padding = tuple(side // 2 for side in window)
        wanted = F.conv2d(X[None], V.permute(3, 2, 0, 1), padding=padding)[0]
        torch.testing.assert_close(Y, wanted)

    def test_wrong_channels(self):
        with pytest.raises(ValueError, match="X has 3 channels, V 2"):
            page.conv_channels(torch.ones(3, 4, 4), torch.ones(3, 3, 2, 5))


@pytest.fixture
def world(monkeypatch):
    """Two kinds of bars on 40 canvases, at 21 columns; a fifth of them for tests."""
    y = torch.arange(40) % 2
    bars = torch.zeros(2, 1, 8, 8)
    bars[0, 0, :, 3] = bars[1, 0, 3] = 1
    canvas = torch.stack([F.pad(bars[y], (c, 20 - c, 1, 1)) for c in range(21)])
    scope = page.train_net.__globals__
    monkeypatch.setitem(scope, "worlds", {"in order": canvas})
    monkeypatch.setitem(scope, "labels", y)
    test = torch.arange(40) % 5 == 0
    monkeypatch.setitem(scope, "test", test)
    monkeypatch.setitem(scope, "train", (~test).nonzero().flatten())
    torch.manual_seed(0)
    return canvas, y


EVERY = torch.arange(32)  # the training images of the world


class TestLocal:
    SHAPE = {"n_h": 4, "n_w": 5, "side": 3, "c_i": 2, "c_o": 3}

    def test_with_one_kernel_for_all_places_it_is_a_convolution(self):
        layer, conv = page.Local(**self.SHAPE).double(), nn.Conv2d(2, 3, 3).double()
        layer.V.data[:] = conv.weight.data.permute(2, 3, 1, 0)
        layer.U.data[:] = conv.bias.data
        X = rand(6, 2, 6, 7)
        torch.testing.assert_close(layer(X), conv(X))

    def test_every_place_has_its_own_kernel(self):
        layer, X = page.Local(**self.SHAPE), torch.rand(1, 2, 6, 7)
        before = layer(X)
        layer.V.data[1, 2] += 1
        changed = (layer(X) != before).any(1)[0]
        assert changed.nonzero().tolist() == [[1, 2]]
        assert before.shape == (1, 3, 4, 5)

    def test_it_starts_like_a_convolution(self):
        torch.manual_seed(0)
        layer, bound = page.Local(20, 20, 3, 2, 8), 18**-0.5
        for weights in (layer.V, layer.U):
            assert 0.99 * bound < weights.abs().max() <= bound
            assert weights.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


class TestNetworks:
    @pytest.mark.parametrize(
        ("kind", "size"),
        (
            ("dense", 149_002),
            ("local + dense", 146_826),
            ("conv + dense", 15_466),
            ("conv + pooling", 1_546),
        ),
    )
    def test_shapes_and_sizes(self, kind, size):
        net = page.build_net(kind)
        assert net(torch.rand(2, 1, 10, 28)).shape == (2, 10)
        assert sum(p.numel() for p in net.parameters()) == size

    def test_only_pooling_is_invariant(self, world):
        canvas, _ = world
        for kind in ("dense", "local + dense", "conv + dense", "conv + pooling"):
            net = page.build_net(kind)
            same = torch.allclose(net(canvas[6]), net(canvas[14]), atol=1e-5)
            assert same is (kind == "conv + pooling")

    def test_pooling_takes_the_maximum_over_all_places_of_any_canvas(self):
        net, X = page.build_net("conv + pooling"), torch.rand(2, 1, 14, 40)
        torch.testing.assert_close(net(X), net[-1](net[:4](X).amax((2, 3))))

    def test_training_sees_no_test_image_and_no_other_column(self, world):
        canvas, _ = world
        canvas[:, page.train_net.__globals__["test"]] = torch.nan
        canvas[[*range(6), *range(8, 21)]] = torch.nan
        X, y = page.examples("in order", EVERY, torch.arange(6, 8)[:, None])
        assert len(X) == len(y) == 64 and X.isfinite().all()
        assert page.examples("in order", EVERY, torch.tensor(8))[0].isnan().any()

    def test_examples_keep_their_labels(self, world):
        X, y = page.examples("in order", EVERY, torch.arange(3, 9)[:, None])
        across = X[:, 0].amax(2).sum(1) == 8  # an upright bar covers all rows
        assert len(y) == 6 * 32 and (across == (y == 0)).all()

    def test_each_example_at_a_column_of_its_own(self, world):
        canvas, labels = world
        X, y = page.examples("in order", torch.tensor([0, 5, 31]), torch.tensor([4, 0, 20]))
        numbers = torch.tensor([1, 7, 39])  # those not divisible by 5 are for training
        torch.testing.assert_close(X, canvas[[4, 0, 20], numbers])
        assert y.tolist() == labels[numbers].tolist()

    def test_training_is_adam_on_fresh_gradients(self, world):
        nets = []
        for train in (page.train_net, self.train_by_hand):
            torch.manual_seed(0)
            nets.append(page.build_net("dense"))
            train(nets[-1], *page.examples("in order", EVERY, torch.tensor(6)), 5, 0.003)
        torch.testing.assert_close(nets[0][1].weight, nets[1][1].weight)

    @staticmethod
    def train_by_hand(net, X, y, steps, lr):
        adam = torch.optim.Adam(net.parameters(), lr=lr)
        for _ in range(steps):
            i = torch.randint(len(X), (64,))
            loss = F.cross_entropy(net(torch.stack([X[k] for k in i])), y[i])
            parameters = [*net.parameters()]
            for p, grad in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                p.grad = grad
            adam.step()

    def test_accuracy_counts_the_test_images_of_one_column(self, world):
        canvas, y = world
        net = page.build_net("conv + pooling")
        X, y_train = page.examples("in order", EVERY, torch.tensor(6))
        page.train_net(net, X, y_train, steps=60, lr=0.01)
        assert page.accuracy(net, "in order", range(6, 15, 4)) == [1, 1, 1]
        chosen = page.train_net.__globals__["test"].nonzero().flatten()
        y[chosen[:2]] = 9
        assert page.accuracy(net, "in order", [6]) == [6 / 8]
        canvas[7, chosen] = 0
        there, gone = page.accuracy(net, "in order", [6, 7])
        assert gone < there
