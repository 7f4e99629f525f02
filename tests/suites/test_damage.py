"""Whatever happens to a file of the user's, it is read or refused in one line."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import images
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

from gengauge.errors import UsageError
from gengauge_suites.datasets.picture import Rule, decode

TIMES = 60
X, Y = images.values(0, 12, 6, 5), np.arange(12) % 3


def picture(format_: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(images.values(0, 32, 32, 3)).save(stream, format_)
    return stream.getvalue()


def npz(write: Callable[..., None]) -> bytes:
    stream = io.BytesIO()
    write(stream, x=X, labels=Y, captions=np.array(["a picture"] * 12))
    return stream.getvalue()


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, X)
    return stream.getvalue()


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for i in range(12):
            for end, content in (("png", picture("PNG")), ("txt", b"hi"), ("json", b'{"label":1}')):
                info = tarfile.TarInfo(f"{i}.{end}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Cut ``content`` off, or change some bytes of it, mostly of its head."""
    if chance.random() < 0.25:
        return content[: chance.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(min(len(changed), chance.choice((64, 600, len(changed)))))
        changed[at] = chance.choice((0, 255, chance.randrange(256)))
    return bytes(changed)


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_pictures(format_: str) -> None:
    whole, chance = picture(format_), random.Random(format_)
    said = []
    for _ in range(4 * TIMES):
        try:
            decode(io.BytesIO(damaged(whole, chance)), "a.png", Rule())
        except UsageError as error:
            said.append(str(error))
    assert len(said) > TIMES
    assert all(text.startswith("'a.png' ") for text in said)
    assert all(text.isprintable() for text in said)


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("npz", "a.npz", npz(np.savez)),
        ("npz", "packed.npz", npz(np.savez_compressed)),
        ("npz", "a.npy", npy()),
        ("npz", "a.safetensors", save({"x": X, "labels": Y})),
        ("idx", "a-images-idx3-ubyte", images.idx(X)),
        ("idx", "b-images-idx3-ubyte.gz", gzip.compress(images.idx(X))),
        ("webdataset", "a.tar", tar()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, content: bytes
) -> None:
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", "64M")
    monkeypatch.setenv("GENGAUGE_TRUST", "")
    path, chance, said = tmp_path / name, random.Random(name), []
    for _ in range(TIMES):
        path.write_bytes(damaged(content, chance))
        try:
            for part in images.parts(f"{kind}:{path}").values():
                part.split()
        except UsageError as error:
            said.append(str(error))
    assert len(said) > TIMES / 4
    assert all(name in text for text in said)
    assert not any("\n" in text for text in said)
