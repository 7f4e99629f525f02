"""Fashion-MNIST: where it is looked for, what is refused, and what comes out."""

import gzip
import hashlib

import pytest
import torch
import worlds

from gengauge.errors import UsageError
from gengauge_suites.datasets import fashion

SPEC = worlds.SPECS["fashion-mnist"]


def idx(magic, *shape, seed=0):
    """The bytes of an IDX file of the right shape and made-up values below ten."""
    values = torch.randint(10, shape, generator=torch.Generator().manual_seed(seed))
    header = b"".join(n.to_bytes(4, "big") for n in (magic, *shape))
    return header + values.to(torch.uint8).numpy().tobytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small stand-in for the publisher's files, two of them packed."""
    made = {
        "train-images-idx3-ubyte": idx(0x803, 6000, 28, 28),
        "train-labels-idx1-ubyte": idx(0x801, 6000),
        "t10k-images-idx3-ubyte": idx(0x803, 7, 28, 28, seed=1),
        "t10k-labels-idx1-ubyte": idx(0x801, 7, seed=1),
    }
    sums = {n: (len(c), hashlib.sha256(c).hexdigest()) for n, c in made.items()}
    monkeypatch.setattr(fashion, "FILES", sums)
    monkeypatch.setenv("GENGAUGE_FASHION_MNIST", str(tmp_path))
    for number, (name, content) in enumerate(made.items()):
        if number % 2:
            (tmp_path / name).write_bytes(content)
        else:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    return tmp_path


def test_packed_and_unpacked_files_are_read_from_the_named_folder(folder):
    data = fashion.load(SPEC)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [1000, 5000, 7]
    raw = torch.frombuffer(bytearray(idx(0x803, 7, 28, 28, seed=1)[16:]), dtype=torch.uint8)
    assert torch.equal(data.test.x, raw.view(7, 1, 28, 28))
    assert data.test.labels.tolist() == list(idx(0x801, 7, seed=1)[8:])


def test_missing_files_are_named_with_size_hash_source_and_place(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(UsageError) as caught:
        fashion.load(SPEC)
    text = str(caught.value)
    size, sha256 = fashion.FILES["t10k-labels-idx1-ubyte"]
    for part in (
        f"t10k-labels-idx1-ubyte ({size} bytes, sha256 {sha256})",
        str(folder),
        "https://github.com/zalandoresearch/fashion-mnist",
        "apt-get install dataset-fashion-mnist",
        "GENGAUGE_FASHION_MNIST",
    ):
        assert part in text
    assert "train-images" not in text
    assert "\n" not in text


def test_without_a_named_folder_the_users_own_comes_before_debians(tmp_path, monkeypatch):
    monkeypatch.delenv("GENGAUGE_FASHION_MNIST", raising=False)
    monkeypatch.setattr(fashion, "user_data_path", lambda name: tmp_path / name)
    assert fashion.places() == [tmp_path / "gengauge" / "fashion-mnist", fashion.DEBIAN]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("train-labels-idx1-ubyte", lambda c: c[:-5], "expected 6,008 bytes .*found 6,003"),
        ("train-labels-idx1-ubyte", lambda c: b"\0\0\1" + c[3:], "is not Fashion-MNIST's"),
        ("train-labels-idx1-ubyte", lambda c: c[:-1] + b"\x63", "expected sha256 .* found"),
        ("t10k-images-idx3-ubyte.gz", lambda c: c[:-20], "cannot be read.*get it again"),
        ("t10k-images-idx3-ubyte.gz", lambda c: b"not gzip", "cannot be read.*gzip"),
        ("t10k-images-idx3-ubyte.gz", lambda c: c[:40] + b"\xff" * 9 + c[49:], "cannot be read"),
    ],
    ids=["truncated", "magic", "value", "truncated gzip", "no gzip", "corrupt gzip"],
)
def test_damaged_files_are_refused_by_name(folder, name, change, message):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UsageError, match=message) as caught:
        fashion.load(SPEC)
    assert str(path) in str(caught.value)


def test_the_command_line_says_what_is_missing_in_one_line(cli, tmp_path):
    done = cli("run", "-d", "fashion-mnist", env={"GENGAUGE_FASHION_MNIST": str(tmp_path)})
    assert done.returncode == 2
    assert "apt-get install dataset-fashion-mnist" in done.stderr
    assert "Traceback" not in done.stderr


def test_content_is_split_by_class_and_the_test_split_is_the_publishers():
    data = worlds.load("fashion-mnist")
    assert [len(s) for s in (data.train, data.validation, data.test)] == [55_000, 5_000, 10_000]
    assert data.train.x.dtype == torch.uint8
    assert data.event_shape == (1, 28, 28)
    assert data.validation.labels.bincount().tolist() == [500] * 10
    assert data.test.labels[:5].tolist() == [9, 2, 1, 1, 6]  # ankle boot, pullover, trousers, shirt
    assert len(data.class_names) == 10
