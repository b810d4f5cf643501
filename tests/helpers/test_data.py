"""Data: digits in profile `check`, and small files in Fashion-MNIST's format for the rest."""

import functools
import gzip
import hashlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

import helpers.data as module
from helpers.data import BatchLoader, FashionMNIST, ImageSet, Source, read_digits, split, to_float
from tools.pages import ROOT

COUNTS = {"train": 600, "t10k": 120}


@pytest.fixture
def fashion(monkeypatch, tmp_path):
    """A folder with four small files in the format of Fashion-MNIST, and profile `full`."""
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    resources, sums = [], {}
    for part, count in COUNTS.items():
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            path = raw / f"{part}-{kind}-ubyte.gz"
            content = header + array.tobytes()
            path.write_bytes(gzip.compress(content, mtime=0))
            sums[path.stem] = hashlib.md5(content).hexdigest()
            resources.append((path.name, hashlib.md5(path.read_bytes()).hexdigest()))
    monkeypatch.setattr(Source, "resources", resources)
    monkeypatch.setattr(module, "FILES", sums)
    monkeypatch.setenv("BOOK_PROFILE", "full")
    monkeypatch.setenv("BOOK_DATA", str(tmp_path / "data"))
    return raw


def test_the_digits_have_their_published_numbers():
    train, test = read_digits()
    assert (len(train), len(test)) == (1437, 360)
    assert train.images.shape == (1437, 1, 8, 8) and train.images.dtype == torch.uint8
    assert int(train.images.max()) == 255 and int(train.images.min()) == 0
    assert test.labels.bincount().tolist() == [36] * 10


def test_a_batch_has_the_shape_type_and_range_that_a_network_expects():
    data = FashionMNIST(batch_size=100, resize=(20, 24))
    X, y = next(iter(data.get_dataloader(train=True)))
    assert X.shape == (100, 1, 20, 24) and X.dtype == torch.float32
    assert float(X.min()) >= 0 and 0.9 < float(X.max()) <= 1
    assert y.shape == (100,) and y.dtype == torch.int64


def test_every_epoch_is_a_new_permutation_of_all_images():
    data = ImageSet(
        torch.arange(50, dtype=torch.uint8).reshape(50, 1, 1, 1).expand(50, 1, 2, 2),
        torch.arange(50),
    )
    loader = BatchLoader(data, 16, (2, 2), seed=0)
    epochs = [torch.cat([y for _, y in loader]) for _ in range(3)]
    for order in epochs:
        assert order.sort().values.tolist() == list(range(50))
        assert order.tolist() != list(range(50))
    assert epochs[0].tolist() != epochs[1].tolist() != epochs[2].tolist()


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [
        (9, 4, [4, 5]),
        (10, 4, [4, 4, 2]),
        (8, 4, [4, 4]),
        (5, 4, [5]),
        (1, 4, [1]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_a_single_image_that_is_left_joins_the_last_minibatch(count, size, sizes):
    data = ImageSet(torch.zeros(count, 1, 2, 2, dtype=torch.uint8), torch.arange(count))
    loader = BatchLoader(data, size, (2, 2), seed=0)
    batches = [y for _, y in loader]
    assert [len(y) for y in batches] == loader.sizes == sizes and len(loader) == len(sizes)
    assert torch.cat(batches).sort().values.equal(data.labels)


def test_images_stay_with_their_labels():
    data = ImageSet(
        torch.arange(50, dtype=torch.uint8).reshape(50, 1, 1, 1).expand(50, 1, 2, 2),
        torch.arange(50),
    )
    for X, y in BatchLoader(data, 16, (2, 2), seed=1):
        torch.testing.assert_close(X[:, 0, 0, 0] * 255, y.float())


def test_the_order_depends_on_the_seed_alone():
    def order(seed):
        return torch.cat([y for _, y in FashionMNIST(seed=seed).get_dataloader(train=True)])

    assert torch.equal(order(0), order(0))
    assert not torch.equal(order(0), order(1))


def test_validation_batches_come_in_order_and_are_all_there():
    data = FashionMNIST(batch_size=100)
    loader = data.get_dataloader(train=False)
    batches = [y for _, y in loader]
    assert len(batches) == len(loader) == 4
    assert torch.equal(torch.cat(batches), data.val.labels)


@pytest.mark.parametrize("size", [(28, 28), (8, 8), (5, 7), (96, 64)])
def test_resizing_equals_torchvision(size):
    images = read_digits()[0].images[:7]
    oracle = v2.functional.resize(images.float() / 255, list(size), antialias=True)
    torch.testing.assert_close(to_float(images, size), oracle)


def test_files_are_read_as_torchvision_reads_them(fashion):
    data = FashionMNIST()
    root = fashion.parent.parent
    for ours, train in ((data.train, True), (data.val, False)):
        theirs = Source(root=root, train=train, download=True)
        assert torch.equal(ours.images[:, 0].cpu(), theirs.data)
        assert torch.equal(ours.labels.cpu(), theirs.targets)
    assert data.source == "Fashion-MNIST" and data.num_classes == 10
    assert data.describe() == "Fashion-MNIST, 600 + 120 images of 28×28"


def allow(monkeypatch, **limits):
    quick = module.Profile("quick", "fashion-mnist", **limits)
    monkeypatch.setattr(module, "current_profile", lambda: quick)


def test_quick_takes_the_same_even_part_every_time(fashion, monkeypatch):
    allow(monkeypatch, num_train=100, num_val=50)
    one, two = FashionMNIST(), FashionMNIST()
    assert one.train.labels.bincount().tolist() == [10] * 10
    assert one.val.labels.bincount().tolist() == [5] * 10
    assert torch.equal(one.train.images, two.train.images)


def test_held_out_images_are_not_trained_on(fashion):
    data = FashionMNIST(validation="train")
    assert (len(data.train), len(data.val)) == (500, 100)
    seen = {image.numpy().tobytes() for image in data.train.images.cpu()}
    assert not any(image.numpy().tobytes() in seen for image in data.val.images.cpu())


def test_a_study_takes_its_budget_evenly_and_the_same_in_quick_and_full(fashion, monkeypatch):
    full = FashionMNIST(batch_size=64, resize=(40, 40), num_train=90)
    allow(monkeypatch, num_train=70, num_val=50, max_side=30, num_train_large=60, max_batch_large=8)
    quick = FashionMNIST(batch_size=64, resize=(40, 40), num_train=90)
    assert full.train.labels.bincount().tolist() == [9] * 10
    assert torch.equal(full.train.images, quick.train.images)
    assert quick.describe() == full.describe() == "Fashion-MNIST, 90 + 120 images of 40×40"
    assert quick.batch_size == 64
    held = FashionMNIST(num_train=90, validation="train")
    assert (len(held.train), len(held.val)) == (90, 100)


def test_check_takes_no_more_than_the_budget_and_no_more_than_it_allows():
    assert len(FashionMNIST(num_train=50).train) == 50
    assert len(FashionMNIST(num_train=6_000).train) == 1_437
    large = FashionMNIST(batch_size=64, resize=(96, 96), num_train=50)
    assert large.size == (72, 72) and (len(large.train), len(large.val)) == (50, 90)
    assert len(FashionMNIST().val) == 360


def unpack(folder):
    for path in sorted(folder.iterdir()):
        (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()


def test_files_that_lie_unpacked_are_read(fashion):
    packed = FashionMNIST()
    unpack(fashion)
    unpacked = FashionMNIST()
    assert unpacked.source == "Fashion-MNIST" and len(list(fashion.iterdir())) == 4
    for ours, theirs in ((unpacked.train, packed.train), (unpacked.val, packed.val)):
        assert torch.equal(ours.images, theirs.images) and torch.equal(ours.labels, theirs.labels)


def test_the_files_are_named_as_they_are_published():
    names = [name.removesuffix(".gz") for name, _ in Source.resources]
    assert list(module.FILES) == names


@pytest.fixture
def server(fashion, monkeypatch, tmp_path):
    """A server on the loopback that has the four files; the folder of the data is empty."""
    served = tmp_path / "served"
    shutil.move(fashion, served)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=served)
    monkeypatch.setattr(handler.func, "log_message", lambda *args: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        # an address that needs no look-up
        monkeypatch.setattr(Source, "mirrors", [f"http://127.0.0.1:{httpd.server_port}/"])
        monkeypatch.setattr(socket, "getaddrinfo", numeric)
        yield served
        httpd.shutdown()


def numeric(host, port, *args, **kwargs):
    assert host == "127.0.0.1"
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]


def test_the_files_are_downloaded_once_and_whole(server, fashion):
    data = FashionMNIST()
    assert data.source == "Fashion-MNIST" and len(data.train) == 600
    names = sorted(path.name for path in server.iterdir())
    assert sorted(path.name for path in fashion.iterdir()) == names  # and nothing else
    for name in names:
        assert (fashion / name).read_bytes() == (server / name).read_bytes()
        (server / name).unlink()
    assert len(FashionMNIST().train) == 600  # nothing is fetched again


def test_without_a_folder_that_is_named_the_cache_folder_takes_the_files(
    server, monkeypatch, tmp_path
):
    monkeypatch.delenv("BOOK_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert FashionMNIST().source == "Fashion-MNIST"
    raw = tmp_path / "cache" / "convolutional-networks-executed" / "FashionMNIST" / "raw"
    assert len(list(raw.iterdir())) == 4
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert module.data_root() == tmp_path / "home" / ".cache" / "convolutional-networks-executed"


def test_a_download_that_arrives_damaged_is_not_kept(server, fashion, capsys):
    (server / "t10k-labels-idx1-ubyte.gz").write_bytes(b"half")
    assert FashionMNIST().source == "handwritten digits"
    assert "Notice: no Fashion-MNIST" in capsys.readouterr().out
    assert "t10k-labels-idx1-ubyte.gz" not in os.listdir(fashion)


def test_a_disk_that_fills_up_leaves_no_half_of_a_file_under_its_name(server, fashion, monkeypatch):
    write = Path.write_bytes

    def full(path, content):
        write(path, content[:100])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert FashionMNIST().source == "handwritten digits"
    assert FashionMNIST().source == "Fashion-MNIST"  # the next run takes the half for nothing


@pytest.mark.slow
def test_d2l_is_missed_with_the_cure():
    without = "import sys; sys.modules['d2l'] = None"  # an import of it then fails
    block = f"{without}; import helpers.checking, helpers.live; import helpers.data"
    run = subprocess.run(
        [sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "d2l is missing" in run.stderr and "pip install --no-deps d2l==1.0.3" in run.stderr


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
def test_a_damaged_file_is_named_with_the_cure(fashion, damage, unpacked):
    path = fashion / "train-images-idx3-ubyte.gz"
    if unpacked:
        unpack(fashion)
        path = path.with_suffix("")
    content = path.read_bytes()
    path.write_bytes(
        {
            "truncated": content[:-1000],
            "changed": content[:100] + bytes([content[100] ^ 1]) + content[101:],
            "empty": b"",
        }[damage]
    )
    with pytest.raises(ValueError, match=f"{path.name} is damaged.*Delete it"):
        FashionMNIST()


def test_without_data_and_network_the_digits_are_announced(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("BOOK_PROFILE", "full")
    data = FashionMNIST()
    assert data.source == "handwritten digits"
    notice = capsys.readouterr().out
    assert "Notice" in notice and str(tmp_path / "no-data") in notice and "1,797" in notice
    raw = tmp_path / "no-data" / "FashionMNIST" / "raw"
    assert list(raw.iterdir()) == []  # nothing half-downloaded stays behind


def test_profile_check_says_nothing_and_touches_no_folder(capsys, tmp_path):
    FashionMNIST()
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "no-data").exists()


@pytest.mark.parametrize("resize", [28, (28,), (0, 28), (28, 28, 1), [28, 28]])
def test_a_wrong_image_size_is_named(resize):
    with pytest.raises(ValueError, match="is no image size: give"):
        FashionMNIST(resize=resize)


def test_other_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="batch_size=0"):
        FashionMNIST(batch_size=0)
    with pytest.raises(ValueError, match="num_train=0"):
        FashionMNIST(num_train=0)
    with pytest.raises(ValueError, match="validation='val'"):
        FashionMNIST(validation="val")


def test_labels_have_names_and_other_labels_are_refused():
    data = FashionMNIST()
    assert data.text_labels([3, 0]) == ["3", "0"]
    for label in (10, -1):
        with pytest.raises(ValueError, match=f"label {label} is out of range.*0 to 9"):
            data.text_labels([label])


def test_a_split_is_even_disjoint_and_complete():
    train, test = read_digits()
    taken, rest = split(test, 100)
    assert taken.labels.bincount().tolist() == [10] * 10
    assert len(taken) + len(rest) == len(test)
    with pytest.raises(ValueError, match="cannot take 361 of 360"):
        split(test, 361)


def test_whoever_changes_the_digits_changes_them_for_nobody_else():
    train, test = read_digits()
    train.images.zero_(), test.labels.zero_()
    assert read_digits()[0].images.any() and read_digits()[1].labels.any()
