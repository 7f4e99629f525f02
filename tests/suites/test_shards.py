"""Shards of webdataset's that the user brings."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import images
import pytest
from PIL import Image

from gengauge.errors import UsageError
from gengauge.loading import open_parts


def png(i: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(images.values(i, 8, 8, 3)).save(stream, "PNG")
    return stream.getvalue()


def pack(path: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    """Write a tar file as webdataset does."""
    with tarfile.open(path, "w") as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def sample(i: int) -> list[tuple[str, bytes]]:
    return [(f"a/{i:04}.cls", b"%d" % (i % 3)), (f"a/{i:04}.png", png(i)),
            (f"a/{i:04}.txt", f"picture {i}\n".encode())]  # fmt: skip


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for shard in range(3):
        files = [file for i in range(shard * 5, shard * 5 + 5) for file in sample(i)]
        pack(tmp_path / f"faces-{shard:03}.tar", files)
    return tmp_path


@pytest.mark.parametrize("name", ["faces-{000..002}.tar", "", "faces-{000,001,002}.tar"])
def test_shards_are_one_set_of_samples_with_what_is_beside_them(shards: Path, name: str) -> None:
    spec = images.spec(f"webdataset:{shards}/{name}")
    assert (spec.labelled, spec.captioned) == (True, True)
    part = open_parts(spec)["all"]
    assert part.count == 15
    assert part.labels is not None
    assert part.labels.tolist() == [i % 3 for i in range(15)]
    assert part.captions == tuple(f"picture {i}" for i in range(15))
    found = part.read(4, 6).permute(0, 2, 3, 1).numpy()  # of two shards
    assert all((x == images.values(i, 8, 8, 3)).all() for i, x in zip((4, 5), found, strict=True))
    assert images.data(f"webdataset:{shards}/{name}[size=4,resize=crop]").event_shape == (3, 4, 4)


def test_names_of_shards_speak_of_splits(tmp_path: Path) -> None:
    for name, start in (("x-train-0.tar", 0), ("x-train-1.tar", 10), ("x-val-0.tar", 20)):
        pack(tmp_path / name, [file for i in range(start, start + 10) for file in sample(i)])
    parts = images.parts(f"webdataset:{tmp_path}")
    assert {name: part.count for name, part in parts.items()} == {"train": 20, "test": 10}
    assert list(images.parts(f"webdataset:{tmp_path}/x-train-{{0..1}}.tar")) == ["all"]
    pack(tmp_path / "more.tar", sample(1))
    with pytest.raises(UsageError, match=r"more.tar' speaks of no split, and other shards do"):
        images.spec(f"webdataset:{tmp_path}")


def test_json_beside_a_picture_is_read(tmp_path: Path) -> None:
    told = [json.dumps({"text": f"it is {i}", "label": "ab"[i % 2], "w": 8}) for i in range(10)]
    path = pack(tmp_path / "a.tar", [f for i in range(10) for f in (
        (f"{i}.JPG", png(i)), (f"{i}.json", told[i].encode()), (f"{i}.seg.png", b""))])  # fmt: skip
    part = images.parts(f"webdataset:{path}")["all"]
    assert part.captions == tuple(f"it is {i}" for i in range(10))
    assert part.class_names == ("a", "b")


def link(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("0.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([("0.cls", b"1")], "a.tar/0' has the files cls; expected one picture"),
        ([("0.png", b""), ("0.png", b"")], "a.tar/0' has two files of one ending"),
        ([("0.png", b""), ("0.jpg", b"")], "has the files jpg, png; expected one picture"),
        ([("0.png", png(0)), ("0.cls", b"cat")], "a.tar/0.cls' cannot be read .*invalid literal"),
        ([("0.png", png(0)), ("0.json", b"{")], "a.tar/0.json' cannot be read"),
        ([("0.png", png(0)), ("0.txt", bytes(2 << 20))], "0.txt' holds 2,097,152 bytes, expected"),
        ([*sample(0), ("1.png", png(1))], "a.tar/1.png' has no label, and others have"),
        ([("0.png", png(0)[:90])], "a.tar/0.png' is damaged"),
        ([("readme", b"")], "holds no samples; expected names such as 0001.png"),
    ],
)
def test_what_is_damaged_is_named(
    tmp_path: Path, files: list[tuple[str, bytes]], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        images.data(f"webdataset:{pack(tmp_path / 'a.tar', files)}")


def test_archives_that_are_none_lead_out_or_are_cut_off(tmp_path: Path) -> None:
    whole = pack(tmp_path / "whole.tar", sample(0) + sample(1)).read_bytes()
    link(tmp_path / "link.tar")
    (tmp_path / "cut.tar").write_bytes(whole[:1700])
    (tmp_path / "short.tar").write_bytes(whole[: 512 * 6 + 100])
    (tmp_path / "spoilt.tar").write_bytes(whole[: 512 * 6] + b"x" * 512 + whole[512 * 7 :])
    (tmp_path / "packed.tar").write_bytes(gzip.compress(whole))
    (tmp_path / "empty.tar").touch()
    (tmp_path / "folder").mkdir()
    outside = pack(tmp_path / "../outside.tar", [("../../0.png", png(0))] * 12)
    for name, said in (
        ("link.tar", "holds '0.png', a link or no plain file"),
        ("cut.tar", "is cut off in 'a/0000.png'; get it again"),
        ("short.tar", "is no whole tar file .unexpected end of data|it ends in"),
        ("spoilt.tar", "is no whole tar file .it ends in what is no header"),
        ("packed.tar", "is no whole tar file .*unpack it"),
        ("empty.tar", "is no whole tar file|holds no samples"),
        ("folder", "holds no .tar file"),
        ("none-{0..2}.tar", "none-0.tar' cannot be read: No such file"),
        ("none-{0..999999}.tar", "stands for 1,000,000 shards; expected 1 to 100,000"),
        ("none-{2..1}.tar", "stands for 0 shards"),
    ):
        with pytest.raises(UsageError, match=said) as caught:
            images.data(f"webdataset:{tmp_path}/{name}")
        assert "\n" not in str(caught.value)
    assert not (tmp_path.parent.parent / "0.png").exists()
    (tmp_path / "folder/a.tar").symlink_to(outside)
    with pytest.raises(UsageError, match="a link that leads out of the folder"):
        images.data(f"webdataset:{tmp_path}/folder")
    outside.unlink()
