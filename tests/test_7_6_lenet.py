"""LeNet and what its page builds around it, lifted from section 7.6."""

import math

import pytest
import torch
from sklearn.metrics import confusion_matrix as oracle_confusion
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from helpers.pages import lift
from helpers.sections import lenet
from helpers.summary import summary
from helpers.training import evaluate

page = lift("7-6-lenet")
ACTIVATIONS = {nn.Sigmoid: torch.sigmoid, nn.ReLU: torch.relu, nn.Tanh: torch.tanh}
POOLS = {nn.AvgPool2d: F.avg_pool2d, nn.MaxPool2d: F.max_pool2d}


def made(activation=nn.Sigmoid, pool=nn.AvgPool2d, dtype=torch.float32, **options):
    """A LeNet whose shapes are known, with Xavier's weights."""
    torch.manual_seed(0)
    net = lenet.LeNet(activation=activation, pool=pool, **options).to(dtype)
    net.apply_init([torch.rand(2, 1, 28, 28, dtype=dtype)], lenet.init_xavier)
    return net


def test_shapes_of_every_layer():
    table = summary(made(), (1, 28, 28))
    assert [row.output for row in table.rows] == [
        (6, 28, 28), (6, 28, 28), (6, 14, 14),
        (16, 10, 10), (16, 10, 10), (16, 5, 5), (400,),
        (120,), (120,), (84,), (84,), (10,),
    ]  # fmt: skip


def test_drawn_architecture_is_one_of_stages():
    page.draw_stages([(1, 4, 4), (2, 2, 2), (3,)], ["a", "b"])
    page.plt.close("all")


def test_parameters_and_multiply_adds():
    table = summary(made(), (1, 28, 28))
    assert table.params == 156 + 2_416 + 48_120 + 10_164 + 850 == 61_706
    assert table.macs == 117_600 + 240_000 + 48_000 + 10_080 + 840 == 416_520
    assert table.rows[5].field == (16, 16)


def test_arguments():
    net = lenet.LeNet()
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
    for got in (net(X), page.lenet_by_hand(weights, X, act, pooled)):
        assert got.dtype == dtype
        assert_close(got, wanted)
        grads = [
            torch.autograd.grad(Y.square().sum(), [X, *weights], retain_graph=True)
            for Y in (got, wanted)
        ]
        assert_close(grads[0], grads[1])


def test_init_is_xavier_uniform_and_leaves_biases():
    net = made()
    layers = [layer for layer in net.net if isinstance(layer, nn.Conv2d | nn.Linear)]
    fans = [(25, 150), (150, 400), (400, 120), (120, 84), (84, 10)]
    for layer, (n_in, n_out) in zip(layers, fans, strict=True):
        bound = math.sqrt(6 / (n_in + n_out))
        size = layer.weight.detach()
        assert 0.94 * bound < size.abs().max() <= bound
        assert size.std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert 0 < layer.bias.detach().abs().max() <= 1 / math.sqrt(n_in)


def test_init_stops_at_a_lazy_layer_and_spares_others():
    with pytest.raises(ValueError, match="uninitialized parameter"):
        lenet.LeNet().net.apply(lenet.init_xavier)
    norm = nn.BatchNorm2d(3)
    lenet.init_xavier(norm)
    assert norm.weight.tolist() == [1, 1, 1]


def test_init_times_4():
    layer = nn.Linear(400, 120)
    page.init_xavier_times_4(layer)
    bound = 4 * math.sqrt(6 / 520)
    assert 0.99 * bound < layer.weight.detach().abs().max() <= bound


def test_first_loss_is_near_that_of_a_guess():
    X, y = torch.rand(64, 1, 28, 28), torch.arange(64) % 10
    for activation in (nn.Sigmoid, nn.ReLU):
        net = made(activation)
        assert abs(net.loss(net(X), y).item() - math.log(10)) < 0.4


def test_wrong_image_size():
    with pytest.raises(ValueError, match=r"LeNet cannot take an input of shape \(1, 20, 20\)"):
        summary(made(), (1, 20, 20))


def test_record_outputs():
    net, X = made().net, torch.rand(2, 1, 28, 28)
    outputs = lenet.record_outputs(net, X)
    with torch.no_grad():
        for k, Z in enumerate(outputs):
            assert_close(Z, net[: k + 1](X))
    assert len(outputs) == len(net)
    assert not any(layer._forward_hooks for layer in net)
    assert not outputs[-1].requires_grad


def test_record_outputs_removes_hooks_after_an_error():
    net = made().net
    with pytest.raises(RuntimeError):
        lenet.record_outputs(net, torch.rand(1, 1, 20, 20))
    assert not any(layer._forward_hooks for layer in net)


def test_gradient_norms():
    net, X, y = made(), torch.rand(8, 1, 28, 28), torch.arange(8)
    F.cross_entropy(net(X), y).backward()
    wanted = [float(net.net[k].weight.grad.norm()) for k in (0, 3, 7, 9, 11)]
    assert lenet.gradient_norms(net, X, y) == pytest.approx(wanted, rel=1e-5)


def test_gradients_fade_with_sigmoids_only():
    X, y = torch.rand(64, 1, 28, 28), torch.arange(64) % 10
    sigmoid, relu = (lenet.gradient_norms(made(a), X, y) for a in (nn.Sigmoid, nn.ReLU))
    assert sigmoid[-1] / sigmoid[0] > 100 > 20 > max(relu) / min(relu)


def test_spreads():
    net, X = made(), torch.rand(8, 1, 28, 28)
    values = lenet.spreads(net, X)
    assert len(values) == 5
    with torch.no_grad():
        first, last = net.net[0](X).flatten(1), net(X)
    for value, Z in ((values[0], first), (values[-1], last)):
        assert value == pytest.approx(float(Z.std(dim=0).mean()), rel=1e-5)


def test_confusion_matrix_by_hand():
    y, y_hat = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 1, 2, 0])
    C = page.confusion_matrix(y, y_hat, 4)
    assert C.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("count", [1, 17, 400])
def test_confusion_matrix_against_scikit_learn(count, classes):
    generator = torch.Generator().manual_seed(count)
    y, y_hat = torch.randint(classes, (2, count), generator=generator)
    wanted = oracle_confusion(y, y_hat, labels=range(classes))
    assert page.confusion_matrix(y, y_hat, classes).tolist() == wanted.tolist()


@pytest.mark.parametrize(
    ("y", "y_hat", "text"),
    [
        ([0, 1], [0], r"y has shape \(2,\), y_hat \(1,\)"),
        ([0, 3], [0, 1], "classes run from 0 to 3, not below 3"),
        ([0, 1], [-1, 1], "classes run from -1 to 1"),
    ],
)
def test_confusion_matrix_errors(y, y_hat, text):
    with pytest.raises(ValueError, match=text):
        page.confusion_matrix(torch.tensor(y), torch.tensor(y_hat), 3)


def test_mlp_and_its_width():
    width = page.hidden_width(61_706)
    assert width == 78
    for h in (1, 13, 1_000):
        assert page.hidden_width(summary(page.MLP(h), (1, 28, 28)).params) == h
    net = page.MLP(width)
    X = torch.rand(3, 1, 28, 28)
    y_hat = net(X)
    W1, b1, W2, b2 = net.parameters()
    assert W1.shape == (78, 784) and sum(p.numel() for p in net.parameters()) == 62_020
    assert_close(y_hat, F.linear(torch.relu(F.linear(X.flatten(1), W1, b1)), W2, b2))


def test_modern_lenet():
    table = summary(page.ModernLeNet(), (1, 28, 28))
    assert table.params == 160 + 4_640 + 100_416 + 650
    assert [row.output for row in table.rows][2] == (16, 14, 14)
    assert table.rows[-1].output == (10,)


def test_flexible_lenet():
    table = summary(page.FlexibleLeNet(0.1, 3, (4, 5, 6), (20,)), (1, 28, 28))
    assert table.params == 4 * 10 + 5 * 37 + 6 * 46 + 20 * (6 * 9 + 1) + 10 * 21
    assert summary(page.FlexibleLeNet(dense=()), (1, 28, 28)).rows[-2].output == (16 * 49,)
    with pytest.raises(ValueError, match="kernel_size=4"):
        page.FlexibleLeNet(kernel_size=4)
    with pytest.raises(ValueError, match="5 blocks"):
        page.FlexibleLeNet(channels=(1,) * 5)


def test_digits_and_training_on_them(capsys):
    data = page.Digits(batch_size=64)
    assert len(data.train) == 1_437 and len(data.val) == 360
    X, y = next(iter(data.get_dataloader(True)))
    assert X.shape == (64, 1, 28, 28) and X.min() >= 0 and X.max() <= 1 and y.dtype == torch.int64
    net = page.MLP(16)
    history = page.train_quietly(net, data, 2)
    assert capsys.readouterr().out == ""
    assert len(history) == 2 and history.val_acc[-1] > 0.4
    assert evaluate(net, data)[1] == pytest.approx(history.val_acc[-1])


def test_training_starts_from_the_given_weights(capsys):
    data, net = page.Digits(batch_size=1_437), page.MLP(16, lr=0.0)
    page.train(net, data, 1)
    assert "MLP, 12,730 parameters: handwritten digits" in capsys.readouterr().out
    bound = math.sqrt(6 / (784 + 16))
    assert 0.99 * bound < net.net[1].weight.detach().abs().max() <= bound
    again = page.MLP(16, lr=0.0)
    page.train_quietly(again, data, 1)
    assert_close(again.net[1].weight, net.net[1].weight)


def test_between_share():
    Z = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0]])
    assert page.between_share(Z, torch.tensor([0, 0, 1, 1])) == pytest.approx(0.8)
    assert page.between_share(Z, torch.tensor([0, 1, 1, 0])) == 0
    # classes of unequal size: mean 1, between 3·1 + 1·9, total 12
    Z = torch.tensor([[0.0], [0.0], [0.0], [4.0]])
    assert page.between_share(Z, torch.tensor([0, 0, 0, 1])) == pytest.approx(1)


def test_shift():
    X = torch.arange(1, 7).reshape(1, 2, 3)
    assert page.shift(X, 2).tolist() == [[[0, 0, 1], [0, 0, 4]]]
    assert page.shift(X, -1).tolist() == [[[2, 3, 0], [5, 6, 0]]]
    assert page.shift(X, 0).equal(X) and not page.shift(X, 3).any()
    for pixels in (-4, 4):
        with pytest.raises(ValueError, match=f"pixels={pixels} is more than the width 3"):
            page.shift(X, pixels)


def test_scramble():
    images = page.ImageSet(torch.arange(3 * 16).reshape(3, 1, 4, 4), torch.arange(3))
    mixed = page.scramble(images)
    assert mixed.images.shape == (3, 1, 4, 4) and mixed.labels.equal(images.labels)
    assert not mixed.images.equal(images.images)
    flat = mixed.images.flatten(1)
    assert flat.sort().values.equal(images.images.flatten(1))
    assert (flat - flat[:1]).unique().tolist() == [0, 16, 32]  # one permutation for all
