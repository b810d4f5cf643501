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
