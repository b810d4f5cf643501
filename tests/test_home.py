"""What the front page says of runs is what their recordings show."""

import re

from helpers.history import recorded_histories
from tools.pages import ROOT


def test_the_front_page_quotes_the_recorded_first_epoch():
    sigmoid, relu = recorded_histories("7-6-lenet")[:2]
    text = " ".join((ROOT / "index.md").read_text(encoding="utf-8").split())
    named = r"ReLU names (\d+) of 100 new garments, the other (\d+) of 100"
    said = re.search(rf"{named}.* names (\d+) after ten", text)
    assert said is not None
    seen = relu.val_acc[0], sigmoid.val_acc[0], sigmoid.val_acc[-1]
    assert [int(n) for n in said.groups()] == [round(100 * accuracy) for accuracy in seen]
    assert {run.num_train for run in (sigmoid, relu)} == {60_000} and "60,000" in text


def test_the_front_page_adds_up_reading_and_exercises():
    text = (ROOT / "index.md").read_text(encoding="utf-8")
    reading = sum(map(int, re.findall(r"^\| \{numref\}.* (\d+) \|$", text, flags=re.M)))
    sections = ROOT.glob("chapters/*/[78]-*.md")
    exercises = sum(
        int(minutes)
        for path in sections
        for minutes in re.findall(r"^\*(\d+) minutes", path.read_text(encoding="utf-8"), flags=re.M)
    )
    assert "almost nine hours of reading, and more than twenty of exercises" in text
    assert 8.7 < reading / 60 < 9 and 20 < exercises / 60 < 25


def test_the_overview_of_chapter_8_quotes_the_recorded_runs():
    text = (ROOT / "chapters/modern-convolutional-networks/index.md").read_text(encoding="utf-8")
    lines = re.findall(r"^- \*\*(.*?)\*\*(.*)$", text, flags=re.M)
    said = {name: re.findall(r"\b0\.\d+", rest) for name, rest in lines}
    full = {  # the runs on all training images, in the order of their page
        stem: [run for run in recorded_histories(stem) if run.num_train == 60_000]
        for stem in ("8-1-alexnet", "8-2-vgg", "8-3-nin", "8-4-googlenet", "8-6-resnet")
    }
    (alexnet, *_), (*_, vgg), (nin, *_) = (full[stem] for stem in list(full)[:3])
    assert said["AlexNet"] == [f"{alexnet.val_acc[-1]:.2f}"]
    assert said["VGG"] == [f"{vgg.val_acc[-1]:.2f}"]
    assert said["NiN"] == [f"{nin.val_acc[-1]:.2f}"]
    plain, normalised = full["8-4-googlenet"]
    first, *_, last = normalised.val_acc
    ends = f"{plain.val_acc[-1]:.2f}", f"{first - 0.005:.2f}", f"{max(normalised.val_acc):.3f}"
    assert said["GoogLeNet"] == [*ends, f"{last:.3f}"]
    whole, no_norm, no_shortcut, *_ = full["8-6-resnet"]
    again = [run for run in recorded_histories("results") if run.size == whole.size]
    assert len(again) == 2
    ends = {f"{run.val_acc[-1]:.2f}" for run in [whole, *again, no_shortcut]}
    assert said["ResNet"] == [f"{no_norm.val_acc[-1]:.2f}", *ends]
    assert whole.train_loss[-1] < no_shortcut.train_loss[-1]
    assert no_norm.train_loss[-1] > 10 * whole.train_loss[-1]
    tuned = [run for run in recorded_histories("results") if run.model == "TunedResNet"]
    tuned = next(run for run in tuned if run.num_train == 60_000)
    assert f"as one did in 2018: {tuned.val_acc[-1]:.3f}." in text
