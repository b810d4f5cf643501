import copy
import io
import subprocess
import sys

import pytest
import torch
from d2l import torch as d2l
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2

from helpers import training
from helpers.data import FashionMNIST, ImageSet, read_digits
from helpers.training import Trainer, evaluate, predict
from tools.pages import ROOT


class Linear(d2l.Classifier):
    """A softmax regression, small enough to follow by hand."""

    def __init__(self, outputs=10, lr=0.5):
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(outputs))


class Normalised(d2l.Classifier):
    def __init__(self, lr=0.1):
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(
            nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(10)
        )


def fit(model, epochs=2, data=None, **options):
    trainer = Trainer(max_epochs=epochs, **options)
    return trainer, trainer.fit(model, data or FashionMNIST(batch_size=128))


def test_the_loop_equals_plain_pytorch():
    torch.manual_seed(0)
    model = Linear()
    data = FashionMNIST(batch_size=128)
    model(next(iter(data.get_dataloader(train=True)))[0])
    twin = copy.deepcopy(model.net)
    _, history = fit(model, data=FashionMNIST(batch_size=128))
    optim = torch.optim.SGD(twin.parameters(), lr=0.5)
    loader = FashionMNIST(batch_size=128).get_dataloader(train=True)
    for epoch in range(2):
        total, correct = 0.0, 0
        for X, y in loader:
            y_hat = twin(X)
            loss = F.cross_entropy(y_hat, y)
            optim.zero_grad()
            loss.backward()
            optim.step()
            total += float(loss.detach()) * len(y)
            correct += int((y_hat.argmax(1) == y).sum())
        assert history.train_loss[epoch] == pytest.approx(total / 1437, rel=1e-5)
        assert history.train_acc[epoch] == pytest.approx(correct / 1437, rel=1e-5)
    for ours, plain in zip(model.net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, plain)


def test_the_fast_paths_are_taken():
    torch.manual_seed(0)
    trainer, _ = fit(Linear(), epochs=1)
    assert all(group["fused"] for group in trainer.optim.param_groups)
    deep = d2l.Classifier()
    deep.lr = 0.1
    deep.net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 10),
    )  # fmt: skip
    fit(deep, epochs=1)
    weight = deep.net[1].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()


@pytest.mark.parametrize(
    ("optimizer", "options"), [(torch.optim.SGD, {"fused": False}), (torch.optim.RMSprop, {})]
)
def test_an_optimiser_that_cannot_fuse_or_must_not_is_left_alone(optimizer, options):
    class Chosen(Linear):
        def configure_optimizers(self):
            return optimizer(self.parameters(), lr=0.1, **options)

    trainer, _ = fit(Chosen(), epochs=1)
    assert [group.get("fused", False) for group in trainer.optim.param_groups] == [False]


def test_the_bar_counts_batches_and_shows_the_accuracy(monkeypatch):
    bars = []

    class Bar(training.tqdm):
        def __init__(self, **options):
            super().__init__(**options | {"disable": False, "file": io.StringIO()})
            bars.append(self)

    monkeypatch.setattr(training, "tqdm", Bar)
    _, history = fit(Linear(), epochs=2)
    (bar,) = bars
    assert bar.n == bar.total == 2 * 12 and bar.unit == "batch"
    assert not bar.leave  # nothing of it stays on a page
    assert bar.postfix == f"accuracy={history.val_acc[-1]:.3f}"


class Steps(d2l.Classifier):
    """Convolutions, batch normalisation and pooling; keeps the loss of every training step."""

    def __init__(self):
        super().__init__()
        self.steps, self.types = [], set()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(4),
            nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 10),
        )  # fmt: skip
        self.net[4].register_forward_hook(lambda *args: self.types.add(args[2].dtype))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.5)

    def loss(self, y_hat, y, averaged=True):
        value = super().loss(y_hat, y)
        if torch.is_grad_enabled():
            self.steps.append(float(value.detach()))
            self.types.add(("loss", y_hat.dtype))
        return value


def fifty_plain_steps(net):
    """Losses of a loop as PyTorch's tutorials write it, with resize and order by torchvision."""
    optim = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.5, foreach=False, fused=False)
    images, labels = read_digits()[0].images, read_digits()[0].labels
    generator, losses = torch.Generator().manual_seed(0), []
    for _ in range(2):
        for index in torch.randperm(len(labels), generator=generator).split(56):
            X = v2.functional.resize(images[index].float() / 255, [28, 28], antialias=True)
            loss = F.cross_entropy(net(X), labels[index])
            optim.zero_grad()
            loss.backward()
            optim.step()
            losses.append(loss.item())
    return losses


@pytest.fixture
def steps():
    torch.manual_seed(0)
    return Steps()


def test_the_fast_path_equals_the_plain_path_over_fifty_steps(steps):
    plain = fifty_plain_steps(copy.deepcopy(steps.net))
    fit(steps, data=FashionMNIST(batch_size=56))
    assert len(steps.steps) == len(plain) == 52
    assert steps.steps == pytest.approx(plain, rel=2e-3)
    assert steps.steps[:10] == pytest.approx(plain[:10], rel=2e-4)


def test_bfloat16_follows_float32_with_its_loss_statistics_and_weights_in_float32(steps):
    plain = fifty_plain_steps(copy.deepcopy(steps.net))
    _, history = fit(steps, data=FashionMNIST(batch_size=56), dtype=torch.bfloat16)
    assert torch.bfloat16 in steps.types and ("loss", torch.float32) in steps.types
    assert steps.steps != pytest.approx(plain, rel=1e-6)  # it has really been used
    assert steps.steps == pytest.approx(plain, rel=0.03)
    assert {t.dtype for t in steps.state_dict().values()} == {torch.float32, torch.int64}
    assert "bfloat16" in history.setting
    steps.types.clear()
    evaluate(steps, FashionMNIST())
    assert steps.types == {torch.float32}  # nothing of it is left in evaluation


def test_the_cpu_trains_a_small_network_in_float32(steps):
    _, history = fit(steps, epochs=1)
    assert history.dtype == "float32" and torch.bfloat16 not in steps.types
    assert history.setting.endswith("float32")


def test_another_dtype_is_refused():
    with pytest.raises(ValueError, match=r"dtype=torch.float16 is unknown: it is torch.float32"):
        Trainer(dtype=torch.float16)


MEMORY = """
import resource
import torch
from d2l import torch as d2l
from torch import nn
from helpers import data, profile
from helpers.data import FashionMNIST
from helpers.training import Trainer

profile.PROFILES["check"] = profile.Profile("check", "digits")
model = d2l.Classifier()
model.lr, model.net = 0.1, nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(49, 10))
images = FashionMNIST(batch_size=32, resize=(224, 224))
images.train = data.part(images.train, 64)
Trainer(1).fit(model, images)  # what libraries take for themselves comes first
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
Trainer(1).fit(model, FashionMNIST(batch_size=32, resize=(224, 224)))
print("more:", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count a process's memory so")
@pytest.mark.slow
def test_images_are_never_stored_enlarged():
    """1,437 images at 224×224 would be 288 MB; an epoch must not need a fraction of that."""
    run = subprocess.run(
        [sys.executable, "-c", MEMORY], cwd=ROOT, capture_output=True, text=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(run.stdout.split("more:")[1]) * unit < 60e6


def test_a_history_counts_what_was_trained():
    model = Linear()
    _, history = fit(model, epochs=1)
    assert (history.params, history.macs) == (7_850, 7_840)
    assert history.memory == 4 * (784 + 10)
    assert (history.data, history.size) == ("handwritten digits", (28, 28))


def test_accuracy_weighs_every_image_alike(monkeypatch):
    monkeypatch.setattr(training, "EVALUATION_PIXELS", 7 * 28 * 28)
    data = FashionMNIST()
    model = Linear()
    y_hat = predict(model, data)
    loss, acc = evaluate(model, data)
    assert y_hat.shape == (360, 10)
    assert acc == pytest.approx(float((y_hat.argmax(1) == data.val.labels).float().mean()))
    assert loss == pytest.approx(float(F.cross_entropy(y_hat, data.val.labels)))


def test_predict_uses_evaluation_mode_and_restores_the_mode():
    data = FashionMNIST()
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Dropout(0.5), nn.Linear(784, 10))
    model.train()
    before = model[1].running_mean.clone()
    assert torch.equal(predict(model, data), predict(model, data))
    assert model.training and torch.equal(model[1].running_mean, before)


def test_training_uses_training_mode():
    model = Normalised()
    fit(model, epochs=1)
    assert int(model.net[1].num_batches_tracked) == 12  # 1,437 images in batches of 128
    assert not model.training  # left ready to predict


def test_history_has_an_entry_for_every_epoch_and_says_what_was_used():
    _, history = fit(Linear(), epochs=3)
    for values in (history.train_loss, history.train_acc, history.val_loss, history.val_acc):
        assert len(values) == len(history) == 3
    text = str(history)
    for word in ("Linear", "handwritten digits", "1,437 + 360", "28×28", "128", "3 epochs", "CPU"):
        assert word in text
    assert f"{3 * 1437 / sum(history.seconds):,.0f} images/s" in text


def test_it_learns_and_the_untrained_model_has_not():
    torch.manual_seed(0)
    model = Linear()
    _, history = fit(model, epochs=10)
    assert 0.85 < history.val_acc[-1] < 0.99
    assert history.train_loss[-1] < history.train_loss[0] / 2
    assert evaluate(Linear(), FashionMNIST())[1] < 0.4


def test_the_profile_lowers_the_epochs():
    assert Trainer(max_epochs=1000).max_epochs == 10
    with pytest.raises(ValueError, match="max_epochs=0"):
        Trainer(max_epochs=0)


def test_clipping_bounds_the_step():
    torch.manual_seed(0)
    model = Linear(lr=1.0)
    data = FashionMNIST(batch_size=1437)
    model(next(iter(data.get_dataloader(train=True)))[0])
    before = [p.clone() for p in model.parameters()]
    fit(model, epochs=1, data=data, gradient_clip_val=0.01)
    step = sum(float(((a - b) ** 2).sum()) for a, b in zip(before, model.parameters(), strict=True))
    assert step**0.5 == pytest.approx(0.01, rel=1e-3)


def test_a_diverging_run_stops_and_says_where():
    class Explodes(Linear):
        steps = 0

        def loss(self, y_hat, y, averaged=True):
            if torch.is_grad_enabled():
                self.steps += 1
            return super().loss(y_hat, y) * (float("nan") if self.steps == 15 else 1)

    trainer = Trainer(max_epochs=5)
    with pytest.raises(FloatingPointError, match="nan in epoch 2, batch 3 of 12.*below 0.5"):
        trainer.fit(Explodes(), FashionMNIST(batch_size=128))
    assert len(trainer.history) == 1


def test_an_interrupt_keeps_model_and_history(capsys):
    class Interrupted(Linear):
        steps = 0

        def loss(self, y_hat, y, averaged=True):
            self.steps += 1
            if self.steps == 30:
                raise KeyboardInterrupt
            return super().loss(y_hat, y)

    model = Interrupted()
    trainer, history = fit(model, epochs=5)
    assert history.interrupted and len(history) == 2 and trainer.history is history
    assert "interrupted" in capsys.readouterr().out
    assert evaluate(model, FashionMNIST())[1] > 0.3


def test_an_interrupt_in_the_first_epoch_is_told(capsys):
    class Interrupted(Linear):
        def loss(self, y_hat, y, averaged=True):
            raise KeyboardInterrupt

    _, history = fit(Interrupted())
    assert len(history) == 0 and "before the end of the first epoch" in capsys.readouterr().out


@pytest.mark.parametrize("outputs", [5, 9])
def test_too_few_outputs_for_the_labels_are_refused(outputs):
    with pytest.raises(ValueError, match=f"from 0 to 9, but Linear has {outputs} outputs"):
        fit(Linear(outputs))


def test_a_negative_label_is_refused():
    data = FashionMNIST()
    data.train = ImageSet(data.train.images, data.train.labels - 1)
    with pytest.raises(ValueError, match="labels run from -1 to 9"):
        fit(Linear(), data=data)


def test_images_of_the_wrong_shape_are_refused_with_the_cure():
    model = Linear()
    model(torch.zeros(1, 1, 28, 28))
    with pytest.raises(
        ValueError,
        match=r"Linear cannot take images of shape \(1, 20, 20\).*\(in layer net.1, Linear\).*"
        r"made for 784 inputs and gets 400: give the data module the `resize`",
    ):
        fit(model, data=FashionMNIST(resize=(20, 20)))


def classifier(*layers, lr=0.1):
    model = d2l.Classifier()
    model.lr, model.net = lr, nn.Sequential(*layers)
    return model


@pytest.mark.parametrize(
    "layers, text",
    [
        (
            [nn.Conv2d(3, 6, 5)],
            r"net.0, Conv2d\). The layer is made for 3 channels and gets 1: make",
        ),
        (
            [nn.Conv2d(1, 6, 5), nn.Sequential(nn.Conv2d(4, 6, 5))],
            r"net.1.0, Conv2d\). The layer is made for 4 channels and gets 6: make it for 6",
        ),
        ([nn.Conv2d(1, 6, 5), nn.BatchNorm2d(4)], "made for 4 channels and gets 6"),
        ([nn.Conv2d(1, 6, 31)], "The images are too small for it.*larger `resize`"),
        ([nn.AvgPool2d(9), nn.MaxPool2d(9)], "The images are too small for it.*larger `resize`"),
        ([nn.Conv2d(1, 6, 5), nn.Linear(576, 10)], "takes vectors: put nn.Flatten"),
        ([nn.Flatten(), nn.Linear(784, 10).double()], r"torch.float32: call model.float\(\)"),
        ([nn.Conv2d(1, 10, 28)], r"shape \(N, 10, 1, 1\); \(N, 10\) is expected.*nn.Flatten"),
        ([nn.Flatten(0), nn.Linear(1568, 10)], r"shape \(10\); \(N, 10\)|10 for 2 images"),
        ([nn.Flatten(0), nn.Linear(784, 10)], r"\(in layer net.1, Linear\)\.$"),
        ([nn.Flatten(), nn.LSTM(784, 10)], "puts out a tuple: return one tensor"),
    ],
)
def test_each_kind_of_misfit_is_told_with_its_own_cure(layers, text):
    with pytest.raises(ValueError, match=text) as caught:
        fit(classifier(*layers))
    assert "resize" in text or "resize" not in str(caught.value)


def test_an_error_of_a_kind_that_is_not_known_gets_no_cure():
    class Broken(nn.Module):
        def forward(self, X):
            raise RuntimeError("out of order")

    with pytest.raises(ValueError, match=r"out of order \(in layer net.1, Broken\).$"):
        fit(classifier(nn.Conv2d(1, 1, 3), Broken()))


def normalised():
    return classifier(nn.Flatten(), nn.Linear(784, 4), nn.BatchNorm1d(4), nn.Linear(4, 10))


def test_a_single_image_that_is_left_can_be_normalised_with_the_last_minibatch():
    trainer, history = fit(normalised(), epochs=1, data=FashionMNIST(batch_size=359))
    assert len(history) == 1 and trainer.train_dataloader.sizes == [359, 359, 359, 360]


def test_minibatches_of_one_image_are_refused_where_they_are_normalised():
    with pytest.raises(ValueError, match="batch_size=1 gives .* a single value.*batch_size=2"):
        fit(normalised(), data=FashionMNIST(batch_size=1))
    _, history = fit(Linear(), epochs=1, data=FashionMNIST(batch_size=1, num_train=20))
    assert len(history) == 1


def test_a_schedule_steps_with_every_batch():
    class Scheduled(Linear):
        def configure_optimizers(self):
            optim = torch.optim.SGD(self.parameters(), lr=1.0)
            steps = self.trainer.max_epochs * self.trainer.num_train_batches
            return optim, torch.optim.lr_scheduler.LinearLR(optim, 1.0, 0.0, steps)

    trainer, _ = fit(Scheduled(), epochs=2)
    assert trainer.schedule.last_epoch == 24
    assert trainer.optim.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)
