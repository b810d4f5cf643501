"""Section 8.5: batch normalisation, the networks with it, and what the page measures."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from helpers.sections.batch_normalisation import BatchNorm, BNLeNet, BNLeNetScratch, batch_norm
from helpers.sections.lenet import LeNet, init_xavier
from helpers.summary import summary
from tools.lift import lift

page = lift("8-5-batch-normalisation")
SHAPES = [(2, 3), (5, 1), (8, 4), (1, 3, 2, 2), (2, 1, 1, 3), (4, 3, 5, 6)]
DTYPES = [torch.float32, torch.float64]


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors: on a busy machine, threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def oracle(shape, **options):
    return (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(shape[1], **options)


def loose(dtype):
    return {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 1e-7, "atol": 1e-9}


def made(kind, seed=0, **options):
    """A network whose shapes are known, with Xavier's weights."""
    torch.manual_seed(seed)
    model = kind(**options).eval()
    model.apply_init([torch.rand(2, 1, 28, 28)], init_xavier)
    return model


# The operator


def test_values_by_hand_dense():
    layer = BatchNorm(2, eps=0)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, 3.0]))
        layer.bias.copy_(torch.tensor([1.0, 0.0]))
    Y = layer(torch.tensor([[1.0, 200.0], [5.0, 260.0], [1.0, 260.0], [5.0, 280.0]]))
    assert_close(Y, torch.tensor([[-1.0, -5.0], [3.0, 1.0], [-1.0, 1.0], [3.0, 3.0]]))
    assert_close(layer.running_mean, torch.tensor([0.3, 25.0]))
    assert_close(layer.running_var, torch.tensor([0.9 + 0.1 * 16 / 3, 0.9 + 0.1 * 1200]))


def test_values_by_hand_convolution():
    X = torch.tensor([[[[0.0, 2.0]], [[5.0, 5.0]]], [[[4.0, 2.0]], [[5.0, 9.0]]]])  # (2, 2, 1, 2)
    layer = BatchNorm(2, eps=0, momentum=0.5)
    Y = layer(X)
    assert_close(Y[:, 0].flatten(), torch.tensor([-2.0, 0.0, 2.0, 0.0]) / 2**0.5)
    assert_close(Y[:, 1].flatten(), torch.tensor([-1.0, -1.0, -1.0, 3.0]) / 3**0.5)
    assert_close(layer.running_mean, torch.tensor([1.0, 3.0]))
    assert_close(layer.running_var, torch.tensor([0.5 + 0.5 * 8 / 3, 0.5 + 0.5 * 4]))


def test_given_statistics_are_used():
    one = torch.ones(1)
    Y = batch_norm(torch.tensor([[7.0], [1.0]]), 2 * one, one, 3 * one, 3 * one, 1)
    assert Y.flatten().tolist() == [5.0, -1.0]


def test_epsilon_saves_a_constant_channel():
    layer = BatchNorm(1)
    assert_close(layer(torch.ones(4, 1)), torch.zeros(4, 1))
    X = torch.tensor([[-1.0], [1.0]])
    assert_close(BatchNorm(1, eps=3)(X), X / 2)


@pytest.mark.parametrize("momentum", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_layer_equals_pytorch(shape, dtype, momentum):
    torch.manual_seed(0)
    theirs = oracle(shape, momentum=momentum, eps=1e-3, dtype=dtype)
    nn.init.uniform_(theirs.weight, 0.5, 2)
    nn.init.normal_(theirs.bias)
    ours = BatchNorm(shape[1], eps=1e-3, momentum=momentum).to(dtype)
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
    layer = BatchNorm(3)
    assert list(layer.state_dict()) == list(nn.BatchNorm2d(3).state_dict())
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    layer(torch.randn(2, 3, 2, 2))
    assert not any(buffer.requires_grad for buffer in layer.buffers())
    assert layer.double().running_mean.dtype == torch.float64


def test_mode_is_the_layers_own():
    layer, X = BatchNorm(2), torch.randn(6, 2) + 3
    with torch.no_grad():
        layer(X)  # training without gradients: the statistics of the batch
    assert layer.num_batches_tracked == 1 and (layer.running_mean > 0.1).all()
    layer.eval()
    assert_close(layer(X)[:1], layer(X[:1]))
    assert layer.num_batches_tracked == 1


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
def test_one_value_in_a_channel_is_refused_in_training_only(shape):
    layer = BatchNorm(3)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer(torch.ones(shape))
    assert layer.num_batches_tracked == 0 and layer.running_var.tolist() == [1, 1, 1]
    assert_close(layer.eval()(torch.zeros(shape)), torch.zeros(shape))


def test_the_loop_is_the_layer():
    torch.manual_seed(0)
    X = torch.randn(7, 3)
    loops = [page.normalise(x, 2, -1, 0.1) for x in X.T.tolist()]
    layer = BatchNorm(3, eps=0.1)
    with torch.no_grad():
        layer.weight.fill_(2)
        layer.bias.fill_(-1)
    assert_close(torch.tensor(loops).T, layer(X).detach())


def test_the_gradient_is_that_of_the_formula():
    torch.manual_seed(0)
    X, G = torch.randn(6, 3).double().requires_grad_(), torch.randn(6, 3).double()
    layer = BatchNorm(3, eps=0.1).double()
    nn.init.uniform_(layer.weight, 0.5, 2)
    (grad,) = torch.autograd.grad((layer(X) * G).sum(), X)
    sd = (X.var(0, correction=0) + 0.1).sqrt()
    Z = (X - X.mean(0)) / sd
    assert_close(grad, layer.weight / sd * (G - G.mean(0) - Z * (G * Z).mean(0)))
    assert_close(grad.sum(0), torch.zeros(3).double())


# The networks


def test_networks_have_one_state():
    nets = [made(kind) for kind in (BNLeNetScratch, BNLeNet)]
    assert_close(nets[0].state_dict(), nets[1].state_dict())
    assert summary(nets[0], (1, 28, 28)).params == 61_706 + 2 * (6 + 16 + 120 + 84)
    places = [k for k, layer in enumerate(nets[0].net) if isinstance(layer, BatchNorm)]
    assert places == [1, 5, 10, 13]
    assert [type(nets[1].net[k + 1]) for k in places] == [nn.Sigmoid] * 4
    assert all(nets[0].net[k].num_batches_tracked == 0 for k in places)
    for kind in (BNLeNet, BNLeNetScratch):
        assert made(kind, num_classes=7)(torch.rand(2, 1, 28, 28)).shape == (2, 7)
        assert kind(lr=0.3).lr == 0.3


def test_first_steps_agree_and_learn():
    torch.manual_seed(0)
    X, y = torch.rand(32, 1, 28, 28).double(), torch.arange(32) % 10
    nets = [made(kind, lr=0.5).double() for kind in (BNLeNetScratch, BNLeNet)]
    before = float(nets[0].train().loss(nets[0](X), y).detach())
    nets[1].train()(X)  # as many batches for both
    for net in nets:
        page.take_steps(net.net, [(X, y)] * 6, 0.5)
    assert_close(nets[0].state_dict(), nets[1].state_dict())
    assert float(nets[0].loss(nets[0](X), y).detach()) < before - 0.3


def test_insert_norm_stands_behind_all_layers_with_weights_but_the_last():
    model = page.insert_norm(LeNet(activation=nn.ReLU), BatchNorm)
    names = [type(layer).__name__ for layer in model.net]
    assert [k for k, name in enumerate(names) if name == "BatchNorm"] == [1, 5, 10, 13]
    sizes = [len(layer.weight) for layer in model.net if isinstance(layer, BatchNorm)]
    assert sizes == [6, 16, 120, 84]
    plain = page.insert_norm(LeNet(), lambda channels: nn.Identity())
    assert made(lambda: plain)(torch.rand(2, 1, 28, 28)).shape == (2, 10)


# What the page measures


def test_in_company_depends_on_the_batch_and_leaves_the_model():
    model = made(BNLeNet).net
    images = torch.rand(9, 1, 28, 28)
    bright, dark = (page.in_company(model, images[:1], images[1:] * k) for k in (1, 0.1))
    assert bright.sum() == pytest.approx(1, abs=1e-5) and (bright - dark).abs().max() > 1e-3
    assert not model.training and model[1].num_batches_tracked == 0
    with torch.no_grad():
        assert_close(model.train()(images)[0].softmax(0), bright)


class Batches:
    """Five batches of one distribution."""

    def get_dataloader(self, train):
        assert train
        generator = torch.Generator().manual_seed(0)
        return [(3 + 2 * torch.randn(64, 2, generator=generator), None) for _ in range(5)]


def test_settle_takes_in_batches_and_moves_no_weight():
    model = nn.Sequential(nn.Linear(2, 2), BatchNorm(2))
    weights = [p.clone() for p in model.parameters()]
    settled = page.settle(model, Batches(), 4)
    assert settled[1].num_batches_tracked == 4 and not settled.training
    assert model.training and model[1].num_batches_tracked == 0
    assert all(map(torch.equal, settled.parameters(), weights))
    with torch.no_grad():
        mean = torch.stack([model[0](X).mean(0) for X, _ in Batches().get_dataloader(True)[:4]])
    shares = torch.tensor([0.9**3, 0.9**2, 0.9, 1])[:, None] * 0.1
    assert_close(settled[1].running_mean, (mean * shares).sum(0))


def test_noise_is_new_at_each_step_and_in_training_alone():
    layer, Z = page.Noise(), torch.zeros(2000, 500)
    torch.manual_seed(0)
    first, second = layer(Z), layer(Z)
    assert 0.4 < first.mean(0).std() < 0.6 and abs(first.mean()) < 0.1
    assert 0.4 < first.std(0).square().mean().sqrt() < 0.6  # among the examples of a channel
    assert abs(torch.corrcoef(torch.stack([first.mean(0), second.mean(0)]))[0, 1]) < 0.2
    assert layer.eval()(Z) is Z
    assert layer.train()(torch.rand(4, 3, 2, 2)).shape == (4, 3, 2, 2)


def test_steady_noise_has_one_law():
    layer, Z = page.SteadyNoise(), torch.zeros(2000, 500)
    torch.manual_seed(0)
    Y = layer(Z)
    assert Y.mean(0).std() < 0.05  # no channel moves as a whole
    assert 0.65 < Y.std() < 0.75  # as that of the other noise, over many steps


def test_normalised_once_is_normalised_on_that_batch():
    net, X = made(LeNet).net, torch.rand(64, 1, 28, 28)
    normed = made(lambda: page.insert_norm(LeNet(), lambda c: BatchNorm(c, eps=0))).net.train()
    page.normalise_once(net, X)
    assert_close(net(X), normed(X), rtol=1e-3, atol=1e-4)
    for k in (0, 3, 7, 9):
        Z = net[: k + 1](X).transpose(0, 1).flatten(1)
        assert Z.mean(1).abs().max() < 1e-3
        assert_close(Z.std(1, correction=0), torch.ones(len(Z)), rtol=1e-3, atol=1e-3)


def test_a_short_run_whose_loss_is_no_number_has_none(monkeypatch):
    def fail(*args, **options):
        raise FloatingPointError

    monkeypatch.setitem(page.short_run.__globals__, "train", fail)
    monkeypatch.setitem(page.short_run.__globals__, "small", None)
    assert math.isnan(page.short_run(LeNet(), 0))


def test_judge_takes_steps_at_a_tenth_of_the_rate_and_settles(monkeypatch):
    seen = []
    names = page.judge.__globals__
    monkeypatch.setitem(names, "small", Batches())
    monkeypatch.setitem(names, "take_steps", lambda net, X, lr: seen.append((len(list(X)), lr)))
    monkeypatch.setitem(names, "settle", lambda net, data, steps: (net, steps))
    monkeypatch.setitem(names, "evaluate", lambda net, data: (0, net))
    model = LeNet(lr=0.5)
    assert page.judge(model, Batches()) == (model.net, 20)
    assert seen == [(5, 0.05)]


# Instance, layer and group normalisation are one operator


def test_group_norm_is_between_layer_and_instance_norm():
    torch.manual_seed(0)
    X = torch.randn(3, 6, 4, 5)
    assert_close(F.group_norm(X, 1), F.layer_norm(X, X.shape[1:]))
    assert_close(F.group_norm(X, 6), F.instance_norm(X))
    alone = [BatchNorm(6)(x[None]) for x in X]
    assert_close(F.group_norm(X, 6), torch.cat(alone).detach())
