"""Operators and networks of page 7.1, lifted from the page."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers.pages import lift

page = lift("7-1-from-dense-layers-to-convolutions")
DTYPES = (torch.float32, torch.float64)
SIZES = ((1, 1), (4, 4), (3, 6), (5, 2))


def rand(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


class TestDenseImage:
    def test_by_hand(self):
        W = torch.zeros(2, 2, 2, 2)
        W[0, 1, 1, 0] = 3  # hidden (0, 1) reads pixel (1, 0)
        X = torch.tensor([[1.0, 2], [4, 8]])
        assert page.dense_image(X, W).tolist() == [[0, 12], [0, 0]]

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("size", SIZES)
    def test_is_a_linear_layer_on_the_flat_image(self, size, dtype):
        X, W = rand(*size, dtype=dtype), rand(*size, *size, dtype=dtype, seed=1)
        Y = page.dense_image(X, W)
        n = X.numel()
        assert Y.shape == X.shape and Y.dtype == dtype
        torch.testing.assert_close(Y.flatten(), F.linear(X.flatten(), W.reshape(n, n)))

    def test_wrong_shape(self):
        with pytest.raises(ValueError, match=r"\(3, 2, 3, 2\).*wants \(2, 3, 2, 3\)"):
            page.dense_image(torch.ones(2, 3), torch.ones(3, 2, 3, 2))


class TestSpreadKernel:
    def test_by_hand(self):
        W = page.spread_kernel(torch.tensor([[10.0, 20, 30]]), 1, 3)[0, :, 0]
        assert W.tolist() == [[20, 30, 0], [10, 20, 30], [0, 10, 20]]

    def test_rows_and_columns_are_not_swapped(self):
        V = torch.zeros(3, 5)
        V[2, 0] = 7  # one row down, two columns left
        W = page.spread_kernel(V, 4, 4)
        assert W[1, 3, 2, 1] == 7
        assert int((W != 0).sum()) == 3 * 2

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize(("size", "d_h", "d_w"), [*product(SIZES, (0, 1, 3), (0, 2))])
    def test_oracle_with_gradient(self, size, d_h, d_w, dtype):
        X = rand(*size, dtype=dtype)
        V = rand(2 * d_h + 1, 2 * d_w + 1, dtype=dtype, seed=1).requires_grad_()
        W = page.spread_kernel(V, *size)
        assert W.shape == (*size, *size) and W.dtype == dtype
        Y = page.dense_image(X, W)
        expected = F.conv2d(X[None, None], V[None, None], padding=(d_h, d_w))[0, 0]
        torch.testing.assert_close(Y, expected)
        grads = [
            torch.autograd.grad((y * rand(*size, dtype=dtype)).sum(), V) for y in (Y, expected)
        ]
        torch.testing.assert_close(*grads)

    @pytest.mark.parametrize("n", (2, 4, 6))
    def test_number_of_weights(self, n):
        every = page.spread_kernel(rand(2 * n - 1, 2 * n - 1), n, n)
        assert every.unique().numel() == (2 * n - 1) ** 2
        near = page.spread_kernel(rand(3, 3), n, n)
        assert near[near != 0].unique().numel() == 9
        assert int((near != 0).sum()) == (3 * n - 2) ** 2

    @pytest.mark.parametrize("shape", ((2, 3), (3, 2), (4, 4), (3,), (3, 3, 3)))
    def test_wrong_shape(self, shape):
        with pytest.raises(ValueError, match="two odd sides"):
            page.spread_kernel(torch.ones(shape), 5, 5)


class TestToeplitz:
    def test_by_hand(self):
        M = torch.tensor([[1, 2, 3], [4, 1, 2], [5, 4, 1]])
        assert page.is_toeplitz(M)
        M[2, 1] = 0
        assert not page.is_toeplitz(M)
        assert not page.is_toeplitz(torch.tensor([[1, 2], [2, 3]]))  # anti-diagonals

    def test_blocks(self):
        W = page.spread_kernel(rand(5, 3), 4, 3)
        assert page.is_toeplitz(W.permute(0, 2, 1, 3))
        assert not page.is_toeplitz(W.reshape(12, 12))


class TestFilterPhoto:
    K = rand(1, 1, 3, 3, seed=1)

    @pytest.mark.parametrize(("stride", "size"), [*product((1, 2), ((6, 8), (7, 5)))])
    def test_oracle(self, stride, size):
        X = rand(1, 1, *size)
        for borders, layer in (
            ("zeros", nn.Conv2d(1, 1, 3, stride, 1, bias=False)),
            ("circular", nn.Conv2d(1, 1, 3, stride, 1, bias=False, padding_mode="circular")),
            ("none", nn.Conv2d(1, 1, 3, stride, 0, bias=False)),
        ):
            layer.weight = nn.Parameter(self.K)
            torch.testing.assert_close(page.filter_photo(X, self.K, borders, stride), layer(X))

    def test_unknown_borders(self):
        with pytest.raises(ValueError, match="borders='mirror'"):
            page.filter_photo(torch.ones(1, 1, 4, 4), self.K, "mirror")


class TestMeasureShift:
    @pytest.mark.parametrize("move", ((0, 0), (0, 3), (-2, 5), (4, -4)))
    def test_finds_the_move(self, move):
        Y = rand(1, 1, 20, 24)
        assert page.measure_shift(Y, Y.roll(move, (-2, -1))) == move

    def test_reach(self):
        Y = rand(1, 1, 20, 24)
        assert page.measure_shift(Y, Y.roll(3, -1), reach=3) == (0, 3)
        assert page.measure_shift(Y, Y.roll(3, -1), reach=2) != (0, 3)

    def test_wrong_shape(self):
        with pytest.raises(ValueError, match=r"\(1, 4\) and \(4, 1\)"):
            page.measure_shift(torch.ones(1, 4), torch.ones(4, 1))


class TestConvolve:
    def test_by_hand(self):
        f, g = torch.tensor([1.0, 2, 3]), torch.tensor([10.0, 1])
        assert page.convolve(f, g).tolist() == [10, 21, 32, 3]

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize(("n", "k"), [*product((1, 2, 5), (1, 3, 7))])
    def test_oracle(self, n, k, dtype):
        f, g = rand(n, dtype=dtype), rand(k, dtype=dtype, seed=1)
        y = page.convolve(f, g)
        assert y.dtype == dtype
        torch.testing.assert_close(y, torch.from_numpy(np.convolve(f, g)))
        torch.testing.assert_close(y, page.convolve(g, f))
        flipped = F.conv1d(f[None, None], g.flip(0)[None, None], padding=k - 1)[0, 0]
        torch.testing.assert_close(y, flipped)

    def test_gradient(self):
        f, g = rand(4).requires_grad_(), rand(3, seed=1).requires_grad_()
        assert torch.autograd.gradcheck(page.convolve, (f, g))

    def test_wrong_shape(self):
        with pytest.raises(ValueError, match=r"\(2, 2\), \(3,\)"):
            page.convolve(torch.ones(2, 2), torch.ones(3))


class TestConvChannels:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize(
        ("side", "c_i", "c_o", "size"), [*product((1, 3, 5), (1, 3), (1, 2), ((4, 4), (3, 6)))]
    )
    def test_oracle(self, side, c_i, c_o, size, dtype):
        X, V = rand(c_i, *size, dtype=dtype), rand(side, side, c_i, c_o, dtype=dtype, seed=1)
        Y = page.conv_channels(X, V)
        assert Y.shape == (c_o, *size) and Y.dtype == dtype
        expected = F.conv2d(X[None], V.permute(3, 2, 0, 1), padding=side // 2)[0]
        torch.testing.assert_close(Y, expected)

    def test_wrong_channels(self):
        with pytest.raises(ValueError, match="X has 3 channels, V wants 2"):
            page.conv_channels(torch.ones(3, 4, 4), torch.ones(3, 3, 2, 5))

    @pytest.mark.parametrize("window", ((2, 2), (3, 5)))
    def test_wrong_window(self, window):
        with pytest.raises(ValueError, match="square, odd window"):
            page.conv_channels(torch.ones(3, 4, 4), torch.ones(*window, 3, 5))


class TestDigits:
    images = torch.arange(2 * 64).reshape(2, 1, 8, 8).to(torch.uint8) + 100

    @pytest.mark.parametrize(("column", "width"), ((0, 8), (6, 32), (24, 32), (40, 64)))
    def test_place(self, column, width):
        X = page.place_digits(self.images, column, width)
        assert X.shape == (2, 1, 12, width) and X.dtype == torch.float32
        torch.testing.assert_close(X[:, :, 2:10, column : column + 8], self.images / 255)
        assert int((X > 0).sum()) == 2 * 64

    @pytest.mark.parametrize("column", (-1, 25))
    def test_place_outside(self, column):
        with pytest.raises(ValueError, match=f"column={column}: .* width of 32"):
            page.place_digits(self.images, column)

    @pytest.mark.parametrize(
        ("kind", "size"), (("dense", 25_290), ("conv + dense", 54_986), ("conv + pooling", 5_386))
    )
    def test_nets(self, kind, size):
        net = page.build_net(kind)
        assert net(torch.rand(2, 1, 12, 32)).shape == (2, 10)
        assert sum(p.numel() for p in net.parameters()) == size

    def test_unknown_net(self):
        with pytest.raises(ValueError, match="kind='mlp'"):
            page.build_net("mlp")

    def test_only_pooling_is_invariant(self):
        torch.manual_seed(0)
        here, there = (page.place_digits(self.images, c) for c in (6, 18))
        for kind, same in (("dense", False), ("conv + dense", False), ("conv + pooling", True)):
            net = page.build_net(kind)
            assert torch.allclose(net(here), net(there), atol=1e-5) is same

    def test_pooling_is_the_maximum(self):
        net, X = page.build_net("conv + pooling"), torch.rand(2, 1, 14, 40)
        torch.testing.assert_close(net(X), net[-1](net[:4](X).amax((2, 3))))

    def test_training_is_adam_on_fresh_gradients(self):
        X, y = torch.rand(300, 4), torch.arange(300) % 3
        nets = []
        for train in (page.train_net, self.train_by_hand):
            torch.manual_seed(0)
            nets.append(nn.Linear(4, 3))
            train(nets[-1], X, y, 2)
        torch.testing.assert_close(nets[0].weight, nets[1].weight)

    @staticmethod
    def train_by_hand(net, X, y, num_epochs):
        adam = torch.optim.Adam(net.parameters(), lr=0.01)
        for _ in range(num_epochs):
            order = torch.randperm(len(X))
            for i in range(0, len(X), 128):
                batch = order[i : i + 128]
                loss = F.cross_entropy(net(X[batch]), y[batch])
                for p, grad in zip(
                    net.parameters(), torch.autograd.grad(loss, [*net.parameters()]), strict=True
                ):
                    p.grad = grad
                adam.step()

    def test_training_learns_and_accuracy_counts(self):
        torch.manual_seed(0)
        y = torch.arange(128) % 2
        X = page.place_digits((y[:, None, None, None] * 255).expand(-1, 1, 8, 8).to(torch.uint8), 6)
        net = page.build_net("dense")
        before = [p.clone() for p in net.parameters()]
        page.train_net(net, X, y, num_epochs=20)
        assert all(not torch.equal(p, q) for p, q in zip(before, net.parameters(), strict=True))
        assert page.accuracy(net, X, y) == 1
        assert page.accuracy(net, X, 1 - y) == 0
        y[:32] = 9
        assert page.accuracy(net, X, y) == 0.75


def test_correlate_full():
    A, B = rand(3, 4), rand(2, 3, seed=1)
    Y = page.correlate_full(A, B.flip(0, 1))
    assert Y.shape == (4, 6)
    by_hand = torch.zeros(4, 6, dtype=torch.float64)
    for (i, j), (a, b) in product(product(range(3), range(4)), product(range(2), range(3))):
        by_hand[i + a, j + b] += A[i, j] * B[a, b]
    torch.testing.assert_close(Y, by_hand)


def test_spectrogram():
    wave = torch.sin(2 * torch.pi * 16 / 256 * torch.arange(1024, dtype=torch.float64))
    S = page.spectrogram(wave, 64)
    assert S.shape == (129, 13)
    assert (S.argmax(0) == 16).all()


@pytest.mark.parametrize("place", ((0, 0), (8, 40), (44, 53)))
def test_key(place):
    field = page.hide_key(*place, torch.ones(4, 11)) - page.hide_key(*place, torch.zeros(4, 11))
    rows, columns = field.nonzero().T
    assert (rows.min(), columns.min()) == place and len(rows) == 44
    assert page.find(field, torch.ones(4, 11)) == place
