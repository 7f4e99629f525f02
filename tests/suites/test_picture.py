"""One picture: what is decoded, by which rule, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import images
import numpy as np
import pytest
from PIL import Image

from gengauge.errors import UsageError
from gengauge_suites.datasets.picture import Rule, decode

GREY, COLOUR = images.values(0, 6, 4), images.values(1, 6, 4, 3)


def file(image: Image.Image, format_: str = "PNG", **options: Any) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    stream.seek(0)
    return stream


def read(image: Image.Image, format_: str = "PNG", rule: Rule | None = None, **options: Any):
    return decode(file(image, format_, **options), "a.png", rule or Rule())


def refused(stream: io.BytesIO, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        decode(stream, "a.png", Rule())
    assert "'a.png'" in str(caught.value)


def planes(x: np.ndarray) -> np.ndarray:
    return x.transpose(2, 0, 1)


def test_grey_and_colour_come_as_they_are() -> None:
    assert (read(Image.fromarray(GREY)) == GREY[None]).all()
    assert (read(Image.fromarray(COLOUR)) == planes(COLOUR)).all()
    assert (read(Image.fromarray(COLOUR), "WEBP", lossless=True) == planes(COLOUR)).all()
    jpeg = file(Image.fromarray(COLOUR), "JPEG")
    assert (decode(jpeg, "a.png", Rule()) == planes(np.asarray(Image.open(jpeg)))).all()


def test_what_loses_nothing_is_turned_into_them() -> None:
    black = Image.fromarray(GREY).convert("1")
    assert (read(black) == np.asarray(black)[None] * 255).all()
    palette = Image.fromarray(COLOUR).convert("P", palette=Image.Palette.ADAPTIVE)
    assert (read(palette) == planes(np.asarray(palette.convert("RGB")))).all()
    opaque = Image.fromarray(COLOUR)
    opaque.putalpha(255)
    assert (read(opaque) == planes(COLOUR)).all()


def test_transparent_places_need_a_ground() -> None:
    clear = Image.fromarray(COLOUR)
    clear.putalpha(Image.fromarray((GREY // 128 * 255).astype(np.uint8)))
    refused(file(clear), "transparent in places; give alpha=white or alpha=black")
    refused(file(Image.fromarray(GREY), transparency=int(GREY[0, 0])), "transparent")
    found = read(clear, rule=Rule(alpha="white"))
    assert (found == np.where(GREY < 128, 255, planes(COLOUR))).all()


def test_channels_are_those_asked_for() -> None:
    assert (read(Image.fromarray(GREY), rule=Rule(channels=3)) == np.stack([GREY] * 3)).all()
    luma = COLOUR.astype(np.float64) @ (0.299, 0.587, 0.114)
    grey = read(Image.fromarray(COLOUR), rule=Rule(channels=1))
    assert np.abs(grey[0] - luma).max() <= 1


def test_sizes_are_reached_by_the_rule_that_is_named() -> None:
    tall = np.zeros((40, 20), np.uint8)
    tall[10:30] = 200  # a square in the middle
    tall[30:] = 90
    image = Image.fromarray(tall)
    squash, crop, pad = (read(image, rule=Rule(20, r))[0] for r in ("squash", "crop", "pad"))
    assert (squash == np.asarray(image.resize((20, 20), Image.Resampling.BICUBIC))).all()
    assert (crop == 200).all()
    assert (pad[:, :5] == 0).all()
    assert (pad[:, 15:] == 0).all()
    assert (pad[8:12, 5:15] == 200).all()
    with pytest.raises(UsageError, match=r"has 1 x 100 pixels, too narrow for resize=pad"):
        read(Image.new("L", (1, 100)), rule=Rule(20, "pad"))
    odd = Image.fromarray(images.values(0, 37, 64, 3))
    inside = odd.crop((13, 0, 50, 37)).resize((16, 16), Image.Resampling.BICUBIC)
    assert (read(odd, rule=Rule(16, "crop")) == planes(np.asarray(inside))).all()


def deep(bits: int = 16) -> io.BytesIO:
    """A PNG in colour of 16 bits a value, which Pillow reads as 8 without a word."""
    rows = b"".join(b"\0" + bytes(2 * 3 * 2) for _ in range(2))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 2, 2, bits, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + body)


def test_what_would_lose_something_is_refused() -> None:
    refused(deep(), "has 16 bits a value; convert it to 8")
    refused(file(Image.fromarray(GREY.astype(np.uint16) * 257)), "16 bits")
    refused(file(Image.fromarray(COLOUR).convert("CMYK"), "JPEG"), "is in CMYK; convert it")
    frames = [Image.fromarray(images.values(i, 8, 8, 3)) for i in range(2)]
    moving = file(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    refused(moving, "is animated")
    refused(file(Image.fromarray(GREY), "BMP"), "no whole PNG, JPEG or WebP")


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_damaged_pictures_are_named(format_: str) -> None:
    whole = file(Image.fromarray(images.values(0, 64, 64, 3)), format_).getvalue()
    refused(io.BytesIO(whole[: len(whole) // 2]), "'a.png' is (damaged|no whole)")
    refused(io.BytesIO(whole[:20]), "'a.png' is (damaged|no whole)")
    refused(io.BytesIO(b"<html>404</html>"), "no whole PNG, JPEG or WebP")
    refused(io.BytesIO(b""), "no whole PNG, JPEG or WebP")
    if format_ == "PNG":
        middle = len(whole) // 2
        spoilt = whole[:middle] + bytes(b ^ 0xFF for b in whole[middle : middle + 9])
        refused(io.BytesIO(spoilt + whole[middle + 9 :]), "is damaged")


def test_bombs_are_measured_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = file(Image.new("L", (4000, 4000)))
    assert len(bomb.getvalue()) < 100_000
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000_000)
    refused(bomb, "has 16,000,000 pixels, and Pillow's limit is 10,000,000")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    refused(bomb, "has far more pixels")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_000_000)
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", "1M")
    refused(bomb, "16,000,000 bytes when decoded, expected at most 1,048,576")


def test_pictures_that_are_not_alike_are_named_with_their_sizes(tmp_path: Path) -> None:
    images.fill(tmp_path, [f"{i}.png" for i in range(9)])
    images.save(tmp_path / "9.png", 9, 8, 5, 3)
    with pytest.raises(UsageError, match=r"9.png' has 5 x 8 pixels and '.*0.png' 8 x 8 pixels; p"):
        images.data(f"folder:{tmp_path}")
    assert images.data(f"folder:{tmp_path}[size=4,resize=squash]").event_shape == (3, 4, 4)
    images.save(tmp_path / "9.png", 9, 8, 8)
    with pytest.raises(UsageError, match=r"9.png' is grey and '.*' in colour; give channels=1"):
        images.data(f"folder:{tmp_path}")
    assert images.data(f"folder:{tmp_path}[channels=1]").event_shape == (1, 8, 8)
    for options, said in (("size=4", "go together"), ("resize=fit", "did you mean|known: ")):
        with pytest.raises(UsageError, match=said):
            images.spec(f"folder:{tmp_path}[{options}]")


def test_more_than_the_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    images.fill(tmp_path, ["a.png"])
    one = images.parts(f"folder:{tmp_path}")["all"]
    many = replace(one, count=10**12, read=lambda start, stop: one.read(0, 1).expand(9, -1, -1, -1))
    with pytest.raises(UsageError, match=r"its 1,000,000,000,000 examples of shape .* take"):
        many.split()


def test_blocks_are_put_together_in_their_order(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(2400.0).reshape(1200, 2))
    part = images.parts(f"npz:{tmp_path}/a.npy")["all"]
    assert (part.split().x.flatten().numpy() == np.arange(2400)).all()
