import random

import numpy as np
import pytest
import torch

from helpers.device import best_device, describe_device, seed_everything


def test_an_accelerator_is_preferred_to_the_cpu():
    found = torch.accelerator.current_accelerator(check_available=True)
    assert best_device() == (found or torch.device("cpu"))


def test_book_device_chooses(monkeypatch):
    monkeypatch.setenv("BOOK_DEVICE", "cpu")
    assert best_device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu9", "hpu", "cuda:x"])
def test_an_unknown_device_is_named_with_the_cure(monkeypatch, name):
    monkeypatch.setenv("BOOK_DEVICE", name)
    with pytest.raises(ValueError, match=f"BOOK_DEVICE='{name}'.*Unset BOOK_DEVICE"):
        best_device()


def test_each_process_of_a_machine_takes_the_gpu_with_its_number(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(torch.accelerator, "set_device_index", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert best_device() == torch.device("cuda", 1) and chosen == [1]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match="process 2 .* there are 2. Start as many"):
        best_device()
    monkeypatch.setenv("BOOK_DEVICE", "cpu")
    assert best_device() == torch.device("cpu")


def test_the_cpu_is_described_with_its_threads():
    threads = torch.get_num_threads()
    assert describe_device(torch.device("cpu")).startswith(f"CPU, {threads} thread")


def test_one_seed_seeds_all_three_generators():
    def draw():
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    seed_everything(3)
    first = draw()
    assert draw() != first
    seed_everything(3)
    assert draw() == first
