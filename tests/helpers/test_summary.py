import copy
import re
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers.summary import in_bytes, summary


class Branches(nn.Module):
    """Two branches that are concatenated, then a shortcut."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(2, 3, 1)
        self.b = nn.Conv2d(2, 3, 5, padding=2)
        self.c = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, X):
        X = torch.cat([self.a(X), F.relu(self.b(X))], dim=1)
        return X + self.c(X)


def lenet():
    return nn.Sequential(
        nn.LazyConv2d(6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.LazyConv2d(16, 5),
        nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(120), nn.Sigmoid(),
        nn.LazyLinear(84), nn.Sigmoid(), nn.LazyLinear(10),
    )  # fmt: skip


def test_lenet_by_hand():
    table = summary(lenet(), (1, 28, 28))
    assert table.params == 61_706
    assert table.macs == 6 * 28 * 28 * 25 + 16 * 10 * 10 * 6 * 25 + 400 * 120 + 120 * 84 + 84 * 10
    assert table.memory == 4 * (2 * 6 * 784 + 6 * 196 + 2 * 1600 + 2 * 400 + 2 * 120 + 2 * 84 + 10)
    assert [row.output for row in table.rows][:4] == [
        (6, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10),
    ]  # fmt: skip
    fields = [row.field for row in table.rows]
    assert fields[:6] == [(5, 5), (5, 5), (6, 6), (14, 14), (14, 14), (16, 16)]
    assert fields[6:] == [(28, 28)] * 6  # a vector counts as a whole


def measured_field(net, shape):
    """Extent of the input pixels that one middle output depends on, by the gradient."""
    X = torch.zeros(1, *shape, requires_grad=True)
    for p in net.parameters():
        nn.init.constant_(p, 0.1)
    Y = net(X)
    Y[0, 0, Y.shape[2] // 2, Y.shape[3] // 2].backward()
    rows, columns = X.grad[0].abs().sum(0).nonzero(as_tuple=True)
    return int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 5, stride=2), nn.Conv2d(4, 1, 3)),
        nn.Sequential(nn.Conv2d(2, 3, (3, 5), stride=(2, 1), dilation=(1, 2)), nn.Conv2d(3, 1, 3)),
        nn.Sequential(nn.AvgPool2d(3, stride=2), nn.Conv2d(2, 1, 3), nn.AvgPool2d(2)),
        Branches(),
    ],
    ids=["strides", "dilation", "pooling", "branches"],
)
def test_receptive_fields_equal_what_the_gradient_reaches(net):
    table = summary(net, (2, 48, 48))
    assert table.rows[-1].field == measured_field(net, (2, 48, 48))


def test_a_map_of_two_places_goes_on_beyond_its_border():
    assert summary(nn.Conv2d(1, 1, 3, padding=1), (1, 2, 2)).rows[0].field == (3, 3)


def test_branches_count_each_their_own():
    table = summary(Branches(), (2, 10, 12))
    macs = {row.name: row.macs for row in table.rows}
    assert macs == {"a": 3 * 2 * 120, "b": 3 * 2 * 25 * 120, "c": 6 * 6 * 9 * 120}


def test_max_pooling_and_global_pooling():
    net = nn.Sequential(nn.MaxPool2d(3, stride=2), nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1))
    assert [row.field for row in summary(net, (1, 31, 30)).rows] == [(3, 3), (7, 7), (31, 29)]


def test_the_network_is_left_as_it_was():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten())
    net.train()
    calls = []
    net[0].register_forward_hook(lambda *_: calls.append(1))
    before = copy.deepcopy(net.state_dict())
    state = torch.get_rng_state()
    summary(net, (1, 8, 8))
    assert net.training and all(m.training for m in net.modules())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert calls == [] and len(net[0]._forward_hooks) == 1
    assert torch.equal(torch.get_rng_state(), state)


def test_lazy_layers_stay_lazy():
    net = lenet()
    assert summary(net, (1, 28, 28)).params == 61_706
    assert isinstance(net[0], nn.LazyConv2d) and isinstance(net[-1], nn.LazyLinear)


def test_batch_normalisation_works_for_a_batch_of_one():
    net = nn.Sequential(nn.Flatten(), nn.LazyBatchNorm1d(), nn.LazyLinear(3))
    assert [row.params for row in summary(net, (1, 4, 4)).rows] == [0, 32, 51]


def test_grouped_convolution():
    table = summary(nn.Conv2d(8, 8, 3, groups=4, bias=False), (8, 10, 10))
    assert table.params == 8 * 2 * 9 and table.macs == 8 * 2 * 9 * 64
    assert table.rows[0].field == (3, 3)


@pytest.mark.parametrize("shape", [(), (0, 28), (1, -3, 4), (1.5, 2)])
def test_a_wrong_shape_is_named(shape):
    with pytest.raises(ValueError, match="is not the shape of one example"):
        summary(nn.Flatten(), shape)


def test_an_input_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"Sequential cannot take an input of shape \(1, 4, 4\)"):
        summary(nn.Sequential(nn.Conv2d(1, 1, 5)), (1, 4, 4))


def test_a_trained_model_can_be_tabulated():
    model = lenet()
    model.trainer = iter(())  # a thing that cannot be copied
    assert summary(model, (1, 28, 28)).params == 61_706


def test_text_and_html_hold_the_same_numbers():
    table = summary(lenet(), (1, 28, 28))
    for text in (str(table), table._repr_html_()):
        assert "61,706" in text and "416,520" in text and "6×28×28" in text and "16×16" in text
    assert str(table).splitlines()[-1].startswith("total")
    head = table._repr_html_().split("</thead>")[0]
    assert re.findall("<th>(.*?)</th>", head) == [
        "layer", "output shape", "parameters", "multiply-adds", "bytes", "sees (pixels)",
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(28, 28), (1, 1, 28, 28), (784,)])
def test_an_image_without_channels_or_with_a_batch_is_refused(shape):
    for net in (lenet(), OwnConvolution()):
        with pytest.raises(ValueError, match=r"\(channels, height, width\)"):
            summary(net, shape)
    assert summary(nn.Sequential(nn.Flatten(), nn.Linear(784, 2)), (28, 28)).params == 1570


class Then(nn.Module):
    """Layers, then a function, then a row that shows what it gives."""

    def __init__(self, function, *layers):
        super().__init__()
        self.function, self.layers, self.end = function, nn.Sequential(*layers), nn.Identity()

    def forward(self, X):
        return self.end(self.function(self.layers(X)))


def write_into_a_part(X):
    Y = X.new_zeros(X.shape)
    Y[:, :, 1:] = X[:, :, :-1]
    return Y


def groups_that_see_differently(X):
    return F.conv2d(torch.cat([X, F.avg_pool2d(X, 3, 1, 1)], 1), X.new_ones(4, 1, 1, 1), groups=2)


@pytest.mark.parametrize(
    ("net", "field"),
    [
        (nn.AdaptiveAvgPool2d(4), (2, 2)),
        (nn.AdaptiveMaxPool2d(3), (4, 4)),
        (nn.ConvTranspose2d(1, 1, 3), (3, 3)),
        (nn.ConvTranspose2d(1, 1, 3, stride=2), (2, 2)),
        (nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 3)), (2, 2)),
        (nn.Upsample(scale_factor=2, mode="bilinear"), (2, 2)),
        (nn.GroupNorm(1, 1), (8, 8)),
        (nn.InstanceNorm2d(1), (8, 8)),
        (nn.LayerNorm((8, 8)), (8, 8)),
        (nn.LayerNorm(8), (1, 8)),
        (Then(lambda X: F.glu(X, 1), nn.Conv2d(1, 2, 3)), (3, 3)),
        (Then(lambda X: F.glu(X, 3)), (1, 5)),
        (Then(lambda X: X.cumsum(1), nn.AdaptiveAvgPool2d(1)), (8, 8)),
        (Then(lambda X: X.cumsum(2)), None),
        (Then(lambda X: X.mean((2, 3)), nn.Conv2d(1, 1, 3)), (8, 8)),
        (Then(lambda X: X.flatten(2).transpose(1, 2), nn.Conv2d(1, 4, 2, 2)), (2, 2)),
        (Then(lambda X: F.conv2d(X, X[:, :, :3, :3]), nn.Conv2d(1, 1, 3)), None),
        (Then(write_into_a_part, nn.Conv2d(1, 1, 3)), None),
        (Then(groups_that_see_differently), (3, 3)),
    ],
)
def test_receptive_fields_that_are_no_plain_windows(net, field):
    assert summary(net, (1, 8, 8)).rows[-1].field == field


def test_an_unknown_field_is_a_question_mark():
    text = str(summary(Then(write_into_a_part), (1, 8, 8)))
    assert text.splitlines()[-2].endswith("?")


def test_bytes_are_told_in_the_largest_unit_that_leaves_one():
    counts = 0, 1023, 1024, 1536, 2**20 - 1, 2**20, 5 * 2**30
    words = "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1,024.0 KiB", "1.0 MiB", "5,120.0 MiB"
    assert tuple(map(in_bytes, counts)) == words


class OwnConvolution(nn.Module):
    """A convolution and a parameter that belong to no layer."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 1, 3, 3))
        self.last = nn.LazyConv2d(1, 1)

    def forward(self, X):
        return self.last(F.conv2d(X, self.weight))


def test_products_of_a_parent_are_counted_in_its_own_row():
    table = summary(OwnConvolution(), (1, 8, 8))
    assert [(row.name, row.kind, row.params, row.macs) for row in table.rows] == [
        ("last", "Conv2d", 3, 2 * 36), ("", "OwnConvolution", 18, 18 * 36),
    ]  # fmt: skip
    assert (table.params, table.macs) == (21, 20 * 36)
    assert table.memory == 4 * 36  # of the last layer; the parent hands it on


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_the_input_has_the_networks_dtype(dtype):
    table = summary(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).to(dtype), (1, 8, 8))
    assert table.memory == 2 * 2 * 36 * dtype.itemsize


def test_a_network_on_another_device():
    with torch.device("meta"):
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    assert summary(net, (1, 8, 8)).macs == 18 * 36


def test_modules_that_return_several_tensors():
    table = summary(nn.LSTM(8, 5, batch_first=True), (7, 8))
    assert table.rows[0].output == (7, 5)
    assert table.macs == 7 * 4 * 5 * (8 + 5) and table.memory == 4 * (7 * 5 + 5 + 5)
    attention = summary(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (7, 8))
    assert attention.macs == 7 * (4 * 8 * 8 + 2 * 8 * 16) + 2 * 7 * 7 * 8


def test_a_network_that_keeps_its_maps_can_be_tabulated():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
    net[0].register_forward_hook(lambda module, _, Y: setattr(module, "maps", [Y]))
    net(torch.rand(1, 1, 8, 8))
    assert summary(net, (1, 8, 8)).params == 10
    net.lines = iter(open(__file__))  # noqa: SIM115
    with pytest.raises(ValueError, match="Sequential keeps what cannot be copied"):
        summary(net, (1, 8, 8))


def test_a_network_that_asks_for_values_runs_on_its_own_device():
    net = Then(lambda X: X if X.sum().item() >= 0 else -X, nn.Conv2d(1, 1, 3, bias=False))
    assert summary(net, (1, 8, 8)).rows[-1].field == (3, 3)


def test_a_layer_that_is_called_twice_has_two_rows():
    layer = nn.Conv2d(1, 1, 3)
    assert len(summary(nn.Sequential(layer, layer), (1, 8, 8)).frame) == 3


def test_fields_are_known_where_new_tensors_are_made_on_the_meta_device():
    with torch.device("meta"):
        net = nn.Sequential(nn.LazyConv2d(4, 3, padding=1), nn.MaxPool2d(2))
        table = summary(net, (1, 32, 32))
    assert [row.field for row in table.rows] == [(3, 3), (4, 4)]


def test_without_fields_all_else_is_the_same():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 2)
    )
    with_fields, without = summary(net, (1, 2, 2)), summary(net, (1, 2, 2), fields=False)
    assert [row.field for row in without.rows] == [None] * 4
    assert without == replace(
        with_fields, rows=tuple(replace(r, field=None) for r in with_fields.rows)
    )
    assert [row.field for row in with_fields.rows] == [(3, 3), (4, 4), (2, 2), (2, 2)]
