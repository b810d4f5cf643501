"""Section 7.6: LeNet, its start, what hooks and gradients tell, and what the page measures."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from helpers.data import FashionMNIST
from helpers.sections.lenet import (
    LeNet,
    gradient_norms,
    init_xavier,
    record_outputs,
    spreads,
)
from helpers.summary import summary
from helpers.training import evaluate
from tools.lift import lift

page = lift("7-6-lenet")
ACTIVATIONS = {nn.Sigmoid: torch.sigmoid, nn.ReLU: torch.relu, nn.Tanh: torch.tanh}
POOLS = {nn.AvgPool2d: F.avg_pool2d, nn.MaxPool2d: F.max_pool2d}


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors: on a busy machine, threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(activation=nn.Sigmoid, pool=nn.AvgPool2d, dtype=torch.float32, **options):
    """A LeNet whose shapes are known, with Xavier's weights."""
    torch.manual_seed(0)
    net = LeNet(activation=activation, pool=pool, **options).to(dtype)
    net.apply_init([torch.rand(2, 1, 28, 28, dtype=dtype)], init_xavier)
    return net


# The network


def test_shapes_parameters_and_multiply_adds():
    table = summary(made(), (1, 28, 28))
    assert [row.output for row in table.rows] == [
        (6, 28, 28), (6, 28, 28), (6, 14, 14),
        (16, 10, 10), (16, 10, 10), (16, 5, 5), (400,),
        (120,), (120,), (84,), (84,), (10,),
    ]  # fmt: skip
    kernels = [(6, 1, 5, 5), (16, 6, 5, 5), (120, 400, 1, 1), (84, 120, 1, 1), (10, 84, 1, 1)]
    params = [c_o * (math.prod(rest) + 1) for c_o, *rest in kernels]
    macs = [n * n * math.prod(k) for n, k in zip((28, 10, 1, 1, 1), kernels, strict=True)]
    assert [row.params for row in table.rows if row.params] == params
    assert [row.macs for row in table.rows if row.params] == macs
    assert (table.params, table.macs) == (61_706, 416_520)
    assert table.rows[5].field == (16, 16)


def test_arguments():
    net = LeNet()
    assert net.lr == 0.1
    assert [type(layer) for layer in net.net if isinstance(layer, nn.Sigmoid | nn.AvgPool2d)] == [
        nn.Sigmoid, nn.AvgPool2d, nn.Sigmoid, nn.AvgPool2d, nn.Sigmoid, nn.Sigmoid,
    ]  # fmt: skip
    assert made(num_classes=7)(torch.rand(3, 1, 28, 28)).shape == (3, 7)
    assert made(lr=0.3).configure_optimizers().param_groups[0]["lr"] == 0.3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_and_gradients_equal_functions(activation, pool, dtype):
    act, pooled = ACTIVATIONS[activation], POOLS[pool]
    net = made(activation, pool, dtype)
    X = torch.rand(3, 1, 28, 28, dtype=dtype, requires_grad=True)
    weights = list(net.parameters())
    W1, b1, W2, b2, W3, b3, W4, b4, W5, b5 = weights
    Z = pooled(act(F.conv2d(X, W1, b1, padding=2)), 2)
    Z = pooled(act(F.conv2d(Z, W2, b2)), 2).flatten(1)
    Z = act(F.linear(act(F.linear(Z, W3, b3)), W4, b4))
    wanted = F.linear(Z, W5, b5)
    for got in (net(X), page.by_hand(weights, X, act, pooled)):
        assert got.dtype == dtype
        assert_close(got, wanted)
        grads = [
            torch.autograd.grad(Y.square().sum(), [X, *weights], retain_graph=True)
            for Y in (got, wanted)
        ]
        assert_close(grads[0], grads[1])


def test_another_image_size_is_refused():
    with pytest.raises(ValueError, match=r"LeNet cannot take an input of shape \(1, 20, 20\)"):
        summary(made(), (1, 20, 20))


# Its start


def test_weights_are_xaviers_and_biases_zero():
    layers = [layer for layer in made().net if isinstance(layer, nn.Conv2d | nn.Linear)]
    fans = [(25, 150), (150, 400), (400, 120), (120, 84), (84, 10)]
    for layer, (n_in, n_out) in zip(layers, fans, strict=True):
        bound = math.sqrt(6 / (n_in + n_out))
        size = layer.weight.detach()
        assert 0.94 * bound < size.abs().max() <= bound
        assert size.std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert not layer.bias.any()


def test_init_spares_other_layers_and_layers_without_bias():
    norm, bare = nn.BatchNorm2d(3), nn.Conv2d(1, 2, 3, bias=False)
    init_xavier(norm)
    init_xavier(bare)
    assert norm.weight.tolist() == [1, 1, 1]
    assert bare.weight.abs().max() <= math.sqrt(6 / (9 + 18))


def test_init_stops_at_a_lazy_layer():
    with pytest.raises(ValueError, match="uninitialized parameter"):
        LeNet().net.apply(init_xavier)


# Hooks and gradients


def test_record_outputs():
    net, X = made().net, torch.rand(2, 1, 28, 28)
    outputs = record_outputs(net, X)
    with torch.no_grad():
        for k, Z in enumerate(outputs):
            assert_close(Z, net[: k + 1](X))
    assert len(outputs) == len(net)
    assert not any(layer._forward_hooks for layer in net)
    assert not outputs[-1].requires_grad


def test_record_outputs_removes_hooks_after_an_error():
    net = made().net
    with pytest.raises(RuntimeError):
        record_outputs(net, torch.rand(1, 1, 20, 20))
    assert not any(layer._forward_hooks for layer in net)


def test_gradient_norms():
    net, X, y = made(), torch.rand(8, 1, 28, 28), torch.arange(8)
    F.cross_entropy(net(X), y).backward()
    wanted = [float(net.net[k].weight.grad.norm()) for k in (0, 3, 7, 9, 11)]
    assert gradient_norms(net, X, y) == pytest.approx(wanted, rel=1e-5)


def test_spreads():
    net, X = made(), torch.rand(8, 1, 28, 28)
    values = spreads(net, X)
    with torch.no_grad():
        wanted = [net.net[: k + 1](X).flatten(1).std(0).mean() for k in (0, 3, 7, 9, 11)]
    assert values == pytest.approx([float(value) for value in wanted], rel=1e-5)


# What the page measures


def test_dead_units_are_those_at_0_for_all_images():
    net = made(nn.ReLU).net
    images = torch.randint(256, (5, 1, 28, 28), dtype=torch.uint8)
    with torch.no_grad():
        before = int((net[:9](images / 255) > 0).any(0).logical_not().sum())
        assert page.count_dead(net, images) == before
        net[7].weight[:3], net[7].bias[:3] = 0.0, -1.0  # never active
        net[7].weight[3], net[7].bias[3] = 0.0, 0.1  # always
        alone = net[:7](images / 255)  # active for one image only, whatever the others are
        net[7].weight[4] = alone[2] - alone.mean(0)
        net[7].bias[4] = 1e-3 - float(alone[2] @ net[7].weight[4])
        wanted = int((net[:9](images / 255) > 0).any(0).logical_not().sum())
    assert page.count_dead(net, images) == wanted >= 3
    assert page.count_dead(net, images.repeat(900, 1, 1, 1)) == wanted


def test_what_is_frozen_stays_and_the_rest_learns():
    model = LeNet(activation=nn.ReLU)
    model(torch.rand(2, 1, 28, 28))
    model.apply(page.freeze)
    X, y = torch.rand(8, 1, 28, 28), torch.arange(8)
    model.loss(model(X), y).backward()
    learns = [p.grad is not None for p in model.parameters()]
    assert learns == [False] * 4 + [True] * 6


def test_a_dead_filter_gets_no_gradient_and_one_that_is_active_does():
    model = made(nn.ReLU)
    X, y = torch.rand(8, 1, 28, 28), torch.arange(8)
    with torch.no_grad():
        model.net[0].weight[2] = -model.net[0].weight[2].abs()
        model.net[0].weight[3] = model.net[0].weight[3].abs()
    (gradient,) = torch.autograd.grad(model.loss(model(X), y), [model.net[0].weight])
    assert not gradient[2].any() and gradient[3].abs().min() > 0


def test_features_are_those_behind_pooling_and_relus():
    net = made(nn.ReLU).net
    images = torch.randint(256, (3, 1, 28, 28), dtype=torch.uint8)
    found = page.features(net, images)
    sizes = {"pixels": 784, "pool 1": 1176, "pool 2": 400, "dense 1": 120, "dense 2": 84}
    assert {name: Z.shape[1] for name, Z in found.items()} == sizes
    with torch.no_grad():
        for name, k in (("pool 1", 3), ("pool 2", 6), ("dense 1", 9), ("dense 2", 11)):
            assert_close(found[name], net[:k](images / 255).flatten(1))


def test_probe_is_measured_on_new_data():
    generator = torch.Generator().manual_seed(0)
    y, y_new = (torch.randint(2, (400,), generator=generator) for _ in range(2))
    noise, Z_new = (torch.randn(400, 5, generator=generator) for _ in range(2))
    told = noise + 3 * y[:, None]
    assert page.probe(told, y, Z_new + 3 * y_new[:, None], y_new) > 0.95
    assert page.probe(noise, y, Z_new, y_new) < 0.6  # nothing to find
    assert page.probe(told, y, Z_new, y_new) < 0.6  # found where it was fitted, not here


def test_mlp_has_as_many_parameters_as_lenet():
    net = page.MLP(78)
    X = torch.rand(3, 1, 28, 28)
    y_hat = net(X)
    W1, b1, W2, b2 = net.parameters()
    assert_close(y_hat, F.linear(torch.relu(F.linear(X.flatten(1), W1, b1)), W2, b2))
    counts = [summary(rival, (1, 28, 28)).params for rival in (net, page.MLP(77), page.MLP(79))]
    assert counts[0] == 62_020
    assert min(counts, key=lambda count: abs(count - 61_706)) == counts[0]


def test_weights_in_front_of_a_sigmoid_are_scaled():
    plain, scaled = LeNet(), LeNet()
    inits = init_xavier, partial(page.init_scaled, filters=2, dense=3)
    for net, init in zip((plain, scaled), inits, strict=True):
        torch.manual_seed(0)
        net.apply_init([torch.rand(2, 1, 28, 28)], init)
    factors = 2, 1, 2, 1, 3, 1, 3, 1, 1, 1  # weights and biases in turn; the output layer stays
    for p, q, factor in zip(plain.parameters(), scaled.parameters(), factors, strict=True):
        assert_close(q, factor * p)


def test_factors_of_the_spread_and_of_the_way_back(monkeypatch):
    model, X, y = made(), torch.rand(40, 1, 28, 28), torch.arange(40) % 10
    for name, value in (("X", X), ("y", y)):
        monkeypatch.setitem(page.factors.__globals__, name, value)
    spread, back = page.factors(model)
    with torch.no_grad():
        outputs = record_outputs(model.net, X)
        inputs = [X] + [outputs[k - 1] for k in (3, 7, 9, 11)]
        wanted = [float(Z.flatten(1).var(0).sum().sqrt()) for Z in inputs]
        at_scores = outputs[11].softmax(1) - F.one_hot(y, 10)
        Z = outputs[10]
        at_dense_2 = (at_scores @ model.net[11].weight) * Z * (1 - Z)
    assert spread == pytest.approx(wanted, rel=1e-5)
    assert back[3:] == pytest.approx([float(at_dense_2.norm() / at_scores.norm()), 1], rel=1e-4)


def test_only_what_stands_behind_the_filters_is_trained(monkeypatch):
    data = FashionMNIST(batch_size=128)
    monkeypatch.setitem(page.train_dense.__globals__, "data", data)
    model = made(nn.ReLU)
    before = [p.detach().clone() for p in model.parameters()]
    losses = page.train_dense(model, 2)
    same = [torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True)]
    assert same == [True] * 4 + [False] * 6
    assert losses[1] == pytest.approx(evaluate(model, data)[0], rel=1e-4)
    assert losses[1] < losses[0]


def test_fitted_bias_predicts_each_class_as_often_as_it_occurs():
    model, X = made(nn.ReLU), torch.rand(40, 1, 28, 28)
    y = torch.arange(40) % 10
    y[y == 3] = 4
    y[:1] = 3
    before = [p.detach().clone() for p in model.parameters()]
    page.fit_bias(model, X, y)
    with torch.no_grad():
        assert_close(model(X).softmax(1).mean(0), torch.bincount(y) / 40, rtol=1e-3, atol=1e-4)
    same = [torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True)]
    assert same == [True] * 9 + [False]


def test_blur_takes_means_of_5_by_5_pixels():
    torch.manual_seed(0)
    model = page.BlurredMLP(78)
    X = torch.rand(3, 1, 28, 28)
    y_hat = model(X)
    blurred = F.conv2d(X, torch.full((1, 1, 5, 5), 1 / 25), padding=2)
    assert_close(y_hat, model.net[1:](blurred))
    assert sum(p.numel() for p in model.parameters()) == 62_020
