from dataclasses import asdict
from itertools import pairwise

import pytest
import torch

from helpers.profile import NO_LIMIT, PROFILES, current_profile, seeds, study_steps


def test_book_profile_chooses(monkeypatch):
    for name in ("check", "quick", "full"):
        monkeypatch.setenv("BOOK_PROFILE", name)
        assert current_profile().name == name


def test_without_book_profile_the_device_decides(monkeypatch):
    monkeypatch.delenv("BOOK_PROFILE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert current_profile().name == "quick"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert current_profile().name == "full"


def test_an_unknown_profile_is_named_with_the_known_ones(monkeypatch):
    monkeypatch.setenv("BOOK_PROFILE", "fast")
    with pytest.raises(ValueError, match="'fast' is unknown: set it to check, quick, full"):
        current_profile()


def test_full_shrinks_nothing(monkeypatch):
    monkeypatch.setenv("BOOK_PROFILE", "full")
    profile = current_profile()
    assert profile.epochs(90) == 90
    assert profile.size((224, 200)) == (224, 200)
    assert profile.num_train == profile.num_val == NO_LIMIT


def test_a_profile_shrinks_and_never_enlarges():
    profile = current_profile()
    assert profile.epochs(1000) == profile.max_epochs and profile.epochs(1) == 1
    assert profile.size((224, 28)) == (profile.max_side, 28)


def test_a_study_is_short_where_only_its_code_is_tested(monkeypatch):
    profile = current_profile()
    assert profile.epochs(10, profile.max_macs // 3) == 3
    assert profile.epochs(10, 2 * profile.max_macs) == 1 and seeds(3) == range(1)
    assert study_steps(400) == profile.max_study_steps < 400 and study_steps(5) == 5
    for name in ("quick", "full"):
        monkeypatch.setenv("BOOK_PROFILE", name)
        assert current_profile().epochs(10, 10**14) == 10 and seeds(3) == range(3)
        assert study_steps(400) == 400


def test_large_images_have_tighter_limits(monkeypatch):
    monkeypatch.setenv("BOOK_PROFILE", "quick")
    profile = current_profile()
    assert profile.images((28, 28)) == NO_LIMIT and profile.images((32, 33)) == 6_000
    assert profile.batch(128, (32, 32)) == 128 and profile.batch(128, (72, 72)) == 32
    assert profile.batch(8, (72, 72)) == 8


def test_at_full_neither_networks_nor_batches_of_large_images_shrink(monkeypatch):
    monkeypatch.setenv("BOOK_PROFILE", "full")
    assert (current_profile().width, current_profile().speedup) == (1, 1)
    assert current_profile().batch(128, (224, 224)) == 128
    assert current_profile().images((224, 224)) == NO_LIMIT


def test_each_profile_asks_for_no_more_than_the_next():
    for smaller, larger in pairwise(PROFILES.values()):
        for name, value in asdict(smaller).items():
            if name not in ("name", "data", "speedup"):
                assert value <= getattr(larger, name), f"{smaller.name}, {name}"
        assert smaller.speedup > larger.speedup >= 1
        assert smaller.max_epoch_macs < larger.max_epoch_macs
