"""Batch and layer normalisation and the networks with it, lifted from section 8.5."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from helpers.pages import lift
from helpers.summary import summary

page = lift("8-5-batch-normalisation")
SHAPES = [(2, 3), (5, 1), (8, 4), (1, 3, 2, 2), (2, 1, 1, 3), (4, 3, 5, 6)]
DTYPES = [torch.float32, torch.float64]


def oracle(shape, **options):
    return (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(shape[1], **options)


def loose(dtype):
    return {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 1e-7, "atol": 1e-9}


def state(C, dtype=torch.float32):
    return torch.zeros(C, dtype=dtype), torch.ones(C, dtype=dtype)


# ---- the operator ----


def test_values_by_hand_dense():
    X = torch.tensor([[1.0, 200.0], [5.0, 260.0], [1.0, 260.0], [5.0, 280.0]])
    gamma, beta = torch.tensor([2.0, 3.0]), torch.tensor([1.0, 0.0])
    zeros, ones = state(2)
    Y, mean, var = page.batch_norm(X, gamma, beta, zeros, ones, 0, 0.1, True)
    assert_close(Y, torch.tensor([[-1.0, -5.0], [3.0, 1.0], [-1.0, 1.0], [3.0, 3.0]]))
    assert_close(mean, torch.tensor([0.3, 25.0]))
    assert_close(var, torch.tensor([0.9 + 0.1 * 16 / 3, 0.9 + 0.1 * 1200]))
    assert not zeros.any() and ones.eq(1).all()  # what was passed in is untouched


def test_values_by_hand_convolution():
    X = torch.tensor([[[[0.0, 2.0]], [[5.0, 5.0]]], [[[4.0, 2.0]], [[5.0, 9.0]]]])  # (2, 2, 1, 2)
    Y, mean, var = page.batch_norm(X, torch.ones(2), torch.zeros(2), *state(2), 0, 0.5, True)
    assert_close(Y[:, 0].flatten(), torch.tensor([-2.0, 0.0, 2.0, 0.0]) / 2**0.5)
    assert_close(Y[:, 1].flatten(), torch.tensor([-1.0, -1.0, -1.0, 3.0]) / 3**0.5)
    assert_close(mean, torch.tensor([1.0, 3.0]))
    assert_close(var, torch.tensor([0.5 + 0.5 * 8 / 3, 0.5 + 0.5 * 4]))


def test_prediction_uses_the_running_statistics_and_leaves_them():
    X, moving = torch.tensor([[7.0]]), (torch.tensor([3.0]), torch.tensor([4.0]))
    Y, mean, var = page.batch_norm(X, torch.ones(1), torch.zeros(1), *moving, 0, 0.1, False)
    assert Y.item() == 2 and mean is moving[0] and var is moving[1]


def test_epsilon_saves_a_constant_channel():
    Y = page.batch_norm(torch.ones(4, 1), torch.ones(1), torch.ones(1), *state(1), 1e-5, 0.1, True)
    assert_close(Y[0], torch.ones(4, 1))
    X = torch.tensor([[-1.0], [1.0]])
    Y = page.batch_norm(X, torch.ones(1), torch.zeros(1), *state(1), 3, 0.1, True)[0]
    assert_close(Y, X / 2)


@pytest.mark.parametrize("momentum", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_layer_equals_pytorch(shape, dtype, momentum):
    torch.manual_seed(0)
    theirs = oracle(shape, momentum=momentum, eps=1e-3, dtype=dtype)
    nn.init.uniform_(theirs.weight, 0.5, 2)
    nn.init.normal_(theirs.bias)
    ours = page.BatchNorm(shape[1], len(shape), eps=1e-3, momentum=momentum).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    for training in (True, True, False, True, False):
        X = (torch.randn(shape, dtype=dtype) * 2 - 1).requires_grad_()
        R, results = torch.randn(shape, dtype=dtype), []
        for layer in (ours, theirs):
            Y = layer.train(training)(X)
            grads = torch.autograd.grad((Y * R).sum(), [X, layer.weight, layer.bias])
            results.append((Y, *grads))
        assert results[0][0].dtype == dtype and results[0][0].shape == shape
        assert_close(*results, **loose(dtype))
        assert_close(ours.state_dict(), theirs.state_dict())
    assert ours.num_batches_tracked == 3
    fresh = oracle(shape, eps=1e-3, dtype=dtype)
    fresh.load_state_dict(ours.state_dict())
    assert_close(fresh.eval()(X), ours.eval()(X), **loose(dtype))


def test_state_is_kept_apart_from_the_parameters():
    layer = page.BatchNorm(3, 4)
    assert list(layer.state_dict()) == list(nn.BatchNorm2d(3).state_dict())
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    layer(torch.randn(2, 3, 2, 2))
    assert not any(buffer.requires_grad for buffer in layer.buffers())
    assert layer.double().running_mean.dtype == torch.float64


def test_mode_is_the_layers_own():
    layer, X = page.BatchNorm(2, 2), torch.randn(6, 2) + 3
    with torch.no_grad():
        layer(X)  # training without gradients: batch statistics
    assert layer.num_batches_tracked == 1 and (layer.running_mean > 0.1).all()
    layer.eval()
    assert_close(layer(X)[:1], layer(X[:1]))
    assert layer.num_batches_tracked == 1


@pytest.mark.parametrize(
    ("dims", "shape", "text"),
    [
        (2, (1, 3), r"\(1, 3\) has 1 value per channel; 2 are needed"),
        (4, (1, 3, 1, 1), "has 1 value per channel"),
        (4, (2, 4, 5, 5), "has 4 channels, not 3"),
        (4, (2, 3), "X has 2 dimensions, not 4"),
        (2, (2, 3, 5, 5), "X has 4 dimensions, not 2"),
    ],
)
def test_errors(dims, shape, text):
    with pytest.raises(ValueError, match=text):
        page.BatchNorm(3, dims)(torch.ones(shape))
    with pytest.raises((ValueError, RuntimeError)):  # PyTorch refuses it too
        oracle((1, 3, *[1] * (dims - 2)))(torch.ones(shape))


def test_errors_of_the_function_and_the_constructor():
    with pytest.raises(ValueError, match=r"\(2, 3, 4\); \(N, C\) or \(N, C, H, W\)"):
        page.batch_norm(torch.ones(2, 3, 4), *state(3), *state(3), 0, 0.1, True)
    with pytest.raises(ValueError, match="num_dims=3"):
        page.BatchNorm(3, 3)


def test_input_gradient():
    torch.manual_seed(0)
    X, G = torch.randn(7, 3).double().requires_grad_(), torch.randn(7, 3).double()
    gamma = torch.tensor([1.0, -2.0, 0.5]).double()
    Y = page.batch_norm(X, gamma, torch.ones(3), *state(3, torch.float64), 0.1, 0.1, True)[0]
    wanted = torch.autograd.grad((Y * G).sum(), X)[0]
    assert_close(page.input_gradient(G, X.detach(), gamma, 0.1), wanted)
    assert wanted.sum(0).abs().max() < 1e-12


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm(shape, dtype):
    torch.manual_seed(0)
    X, gamma, beta = torch.randn(shape, dtype=dtype), *torch.randn(2, *shape[1:], dtype=dtype)
    wanted = F.layer_norm(X, shape[1:], gamma, beta, 1e-3)
    assert_close(page.layer_norm(X, gamma, beta, 1e-3), wanted, **loose(dtype))
    assert_close(page.layer_norm(X, gamma, beta, 1e-3)[:1], wanted[:1], **loose(dtype))


# ---- the networks ----


def test_networks_have_one_state():
    nets = [page.initialise(model) for model in (page.BNLeNetScratch(), page.BNLeNet())]
    assert_close(nets[0].state_dict(), nets[1].state_dict())
    table = summary(nets[0], (1, 28, 28))
    assert table.params == 61_706 + 2 * (6 + 16 + 120 + 84)
    norms = [k for k, layer in enumerate(nets[0].net) if isinstance(layer, page.BatchNorm)]
    assert norms == [1, 5, 10, 13]
    assert [nets[0].net[k].num_dims for k in norms] == [4, 4, 2, 2]
    assert [type(nets[1].net[k + 1]) for k in norms] == [nn.Sigmoid] * 4
    assert all(nets[0].net[k].num_batches_tracked == 0 for k in norms)
    assert page.BNLeNet(num_classes=7)(torch.rand(2, 1, 28, 28)).shape == (2, 7)
    assert page.BNLeNet(lr=0.3).lr == page.BNLeNetScratch(0.3).lr == page.LeNet(0.3).lr == 0.3


def test_lenet_without_normalisation():
    net = page.initialise(page.LeNet(activation=nn.ReLU))
    assert sum(p.numel() for p in net.parameters()) == 61_706
    for layer in net.net:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            bound = nn.init.calculate_gain("linear") * (6 / sum(fans(layer))) ** 0.5
            assert 0.9 * bound < layer.weight.detach().abs().max() <= bound
            assert not layer.bias.any()


def fans(layer):
    window = layer.weight[0, 0].numel() if layer.weight.dim() == 4 else 1
    return layer.weight.shape[0] * window, layer.weight.shape[1] * window


def test_first_steps_agree_and_learn():
    torch.manual_seed(0)
    X, y = torch.rand(32, 1, 28, 28).double(), torch.arange(32) % 10
    nets = [page.initialise(m).double() for m in (page.BNLeNetScratch(0.5), page.BNLeNet(0.5))]
    losses = [torch.stack(page.train_steps(net, [(X, y)] * 6)) for net in nets]
    assert_close(*losses)
    assert_close(nets[0].state_dict(), nets[1].state_dict())
    assert losses[0][-1] < losses[0][0] - 0.3 and not losses[0].requires_grad


def test_gradients_arrive_with_normalisation():
    X, y = torch.rand(32, 1, 28, 28), torch.arange(32) % 10
    plain, normed = (
        page.gradient_norms(page.initialise(m), X, y) for m in (page.LeNet(), page.BNLeNet())
    )
    assert len(plain) == 5 and max(plain) / min(plain) > 50 and normed[0] > 10 * plain[0]


@pytest.mark.parametrize("layer", [page.BatchNorm(3, 4), nn.BatchNorm2d(3)])
def test_record_statistics(layer):
    kept = page.record_statistics(layer, channel=2)
    torch.manual_seed(0)
    X = torch.randn(5, 3, 2, 4)
    layer.train()(X)
    layer.eval()(X)
    assert len(kept) == 1
    x = X[:, 2]
    wanted = 40, x.mean(), x.var(correction=0), 0.1 * x.mean(), 0.9 + 0.1 * x.var()
    assert_close(kept[0], torch.tensor([float(v) for v in wanted]).double(), rtol=1e-5, atol=1e-6)


def test_complete_batches():
    class Data:
        batch_size = 4

        def get_dataloader(self, train):
            assert train
            return [(torch.zeros(n, 1), torch.arange(n)) for n in (4, 4, 3)]

    assert [len(y) for _, y in page.complete_batches(Data(), 5)] == [4] * 5


def test_accuracy_by_batch_leaves_the_model():
    model = page.BatchNorm(2, 2).eval()
    X, y = (
        torch.tensor([[0.0, 1.0], [1.0, 0.0], [5.0, 6.0], [6.0, 5.0]]),
        torch.tensor([1, 0, 1, 0]),
    )
    assert page.accuracy_by_batch(model, X, y, 2) == 1
    assert page.accuracy_by_batch(model, X, 1 - y, 2) == 0
    assert model.num_batches_tracked == 0 and not model.training


def test_factories():
    assert isinstance(page.torch_norm(6, 4), nn.BatchNorm2d)
    assert isinstance(page.torch_norm(6, 2), nn.BatchNorm1d)
    assert isinstance(page.norm_where({6})(6, 4), nn.BatchNorm2d)
    assert isinstance(page.norm_where({6})(84, 2), nn.Identity)
    X = torch.randn(3, 6, 2, 2)
    every = torch.ones(6, 2, 2), torch.zeros(6, 2, 2)
    assert_close(page.per_example(6, 4)(X), page.layer_norm(X, *every))
    assert not list(page.fixed_norm(6, 4).parameters())
    assert_close(page.fixed_norm(6, 4)(X), nn.BatchNorm2d(6)(X))


# ---- the exercises ----


def test_biases_in_front_have_no_effect():
    X, y = torch.rand(8, 1, 28, 28).double(), torch.arange(8)
    full, lean = (page.initialise(page.BNLeNet()).double() for _ in range(2))
    assert page.drop_biases(lean.net) == 226 and lean.net[15].bias is not None
    assert sum(p.numel() for p in lean.parameters()) == 62_158 - 226
    losses = [torch.stack(page.train_steps(net, [(X, y)] * 3)) for net in (full, lean)]
    assert_close(*losses)
    assert page.drop_biases(page.initialise(page.BNLeNetScratch()).net) == 226


def test_largest_rate():
    assert page.largest_rate(lambda rate: rate <= 0.4, 0.1) == 0.4
    assert page.largest_rate(lambda rate: False, 0.1) == 0


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 2, 5)])
def test_partial_norm(shape, training):
    torch.manual_seed(0)
    X, axes = torch.randn(shape) * 3 + 2, (0,) if len(shape) == 2 else (0, 2, 3)
    for centre, scale in itertools.product((True, False), repeat=2):
        layer = page.PartialNorm(3, len(shape), centre, scale).train(training)
        mean = X.mean(axes, keepdim=True) if training else torch.zeros(())
        var = X.var(axes, correction=0, keepdim=True) if training else torch.ones(())
        wanted = X - mean if centre else X
        wanted = wanted / torch.sqrt(var + 1e-5) if scale else wanted
        assert_close(layer(X), wanted)
        assert layer.num_batches_tracked == training


def test_dropout_stands_behind_the_dense_activations():
    net = page.with_dropout(page.LeNet(norm=page.torch_norm, activation=nn.ReLU), 0.5)
    names = [type(layer).__name__ for layer in net.net]
    assert [k for k, name in enumerate(names) if name == "Dropout"] == [12, 16]
    assert names[11] == names[15] == "ReLU" and net.net[12].p == 0.5


def test_shifted_norm():
    layer, X = page.ShiftedNorm(200, 2), torch.randn(500, 200)
    torch.manual_seed(0)
    Y = layer(X)
    assert 0.4 < Y.mean(0).std() < 0.6 and abs(Y.mean()) < 0.1
    assert abs(Y.mean(0).abs().max()) > 1 and not layer(X).equal(layer(X))
    assert_close(layer.eval()(X), nn.BatchNorm1d.forward(with_state_of(layer), X))


def with_state_of(layer):
    twin = nn.BatchNorm1d(200)
    twin.load_state_dict(layer.state_dict())
    return twin.eval()


def test_drawings():
    page.draw_sharing()
    page.draw_statistics({name: [torch.ones(5).double()] * 3 for name in "abc"})
    page.plt.close("all")
