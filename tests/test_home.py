"""What the front page says of runs is what their recordings show."""

import re

from helpers.history import recorded_histories
from tools.pages import ROOT


def test_the_front_page_quotes_the_recorded_first_epoch():
    sigmoid, relu = recorded_histories("7-6-lenet")[:2]
    text = " ".join((ROOT / "index.md").read_text(encoding="utf-8").split())
    said = re.search(r"ReLU names (\d+) of 100 new garments, the other (\d+) of 100", text)
    assert said is not None
    assert [int(n) for n in said.groups()] == [
        round(100 * run.val_acc[0]) for run in (relu, sigmoid)
    ]
    assert {run.num_train for run in (sigmoid, relu)} == {60_000} and "60,000" in text


def test_the_overview_of_chapter_8_quotes_the_recorded_runs():
    text = (ROOT / "chapters/modern-convolutional-networks/index.md").read_text(encoding="utf-8")
    lines = re.findall(r"^- \*\*(.*?)\*\*(.*)$", text, flags=re.M)
    said = {name: re.findall(r"\b0\.\d+", rest) for name, rest in lines}
    full = {  # the runs on all training images, in the order of their page
        stem: [run for run in recorded_histories(stem) if run.num_train == 60_000]
        for stem in ("8-1-alexnet", "8-2-vgg", "8-3-nin", "8-4-googlenet", "8-6-resnet")
    }
    (alexnet, *_), (*_, vgg), (nin,) = (full[stem] for stem in list(full)[:3])
    assert said["AlexNet"] == [f"{alexnet.val_acc[-1]:.2f}"]
    assert said["VGG"] == [f"{vgg.val_acc[-1]:.2f}"]
    assert said["NiN"] == [f"{nin.val_acc[-1]:.2f}"]
    plain, normalised = full["8-4-googlenet"]
    assert said["GoogLeNet"] == [f"{plain.val_acc[-1]:.2f}", f"{normalised.val_acc[0] - 0.005:.2f}"]
    whole, no_norm, *_ = full["8-6-resnet"]
    assert said["ResNet"][0] == f"{no_norm.val_acc[-1]:.2f}"
    assert no_norm.train_loss[-1] > 10 * whole.train_loss[-1]
    tuned = next(run for run in reversed(recorded_histories("results")) if run.max_epochs == 25)
    assert f"as one does today: {tuned.val_acc[-1]:.3f}." in text
