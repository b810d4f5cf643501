import subprocess
import sys
from pathlib import Path

import pytest
import torch

from helpers.device import best_device, describe_device, fast_dtype, folder
from tools.pages import ROOT


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
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("cuda"))
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert best_device() == torch.device("cuda", 1)
    monkeypatch.setenv("BOOK_DEVICE", "cpu")
    assert best_device() == torch.device("cpu")


def test_an_accelerator_that_is_neither_cuda_nor_mps_is_left_alone(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("xpu"))
    assert best_device() == torch.device("cpu")


@pytest.mark.parametrize("feature", ["amx_bf16", "avx512_bf16", "avx512_f"])
def test_a_cpu_takes_bfloat16_for_large_networks_if_it_has_instructions_for_it(
    monkeypatch, feature
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {feature: True})
    cpu = torch.device("cpu")
    assert fast_dtype(cpu, 10_000_000) == torch.float32
    fast = torch.float32 if feature == "avx512_f" else torch.bfloat16
    assert fast_dtype(cpu, 10_000_001) == fast


@pytest.mark.parametrize("capability, dtype", [((7, 5), "float32"), ((8, 0), "bfloat16")])
def test_gpus_take_bfloat16_for_large_networks_since_ampere(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    cuda = torch.device("cuda")
    assert fast_dtype(cuda, 10_000_001) == getattr(torch, dtype)
    assert fast_dtype(cuda, 10_000_000) == torch.float32  # LeNet has half a million


def test_mps_takes_float32():
    assert fast_dtype(torch.device("mps"), 10**9) == torch.float32


def test_devices_have_their_names_in_words(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    assert describe_device(torch.device("cuda", 1)) == "GPU 1"
    assert describe_device(torch.device("mps")) == "MPS"
    for threads, words in ((1, "CPU, 1 thread"), (2, "CPU, 2 threads")):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert describe_device(torch.device("cpu")) == words


@pytest.mark.parametrize(
    ("named", "cache", "found"),
    [
        ("~/runs", "", "home/runs"), (" named\n", "", "named"), (" ", "", "home/.cache/BOOK/runs"),
        (None, "~/kept", "home/kept/BOOK/runs"), (None, " ", "home/.cache/BOOK/runs"),
    ],
)  # fmt: skip
def test_a_folder_is_where_it_is_named_or_in_the_users_cache(monkeypatch, named, cache, found):
    monkeypatch.setenv("HOME", "home")
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("BOOK_RUNS", named or "")
    found = found.replace("BOOK", "convolutional-networks-executed")
    assert folder("BOOK_RUNS", "runs") == Path(found)


@pytest.mark.slow
def test_fabric_prints_nothing_among_the_outputs_of_a_page():
    code = "import torch; from helpers.device import launch; "
    code += "launch(torch.device('cpu'), torch.bfloat16)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout == run.stderr == ""
