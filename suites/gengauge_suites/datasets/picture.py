"""One picture of the user's, decoded by rules that are part of what is measured."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from gengauge.errors import UsageError
from gengauge.guarded import LIMIT, most

FORMATS = ("PNG", "JPEG", "WEBP")
_PNG = b"\x89PNG\r\n\x1a\n"
_DEPTH = 24  # where a PNG says how many bits a value has
_GROUNDS = {"white": 255, "black": 0}
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Rule:
    """How pictures become alike: a square's side and how it is reached, channels, a ground."""

    size: int = 0
    resize: str = ""
    channels: int = 0
    alpha: str = ""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Rule:
        """Return the rule of a data set's options; ``UsageError`` for half of one."""
        rule = cls(*(options[name] for name in ("size", "resize", "channels", "alpha")))
        if bool(rule.size) != bool(rule.resize):
            raise UsageError(
                "size= and resize= go together, such as size=64,resize=crop (or squash, or pad)"
            )
        return rule


def decode(stream: IO[bytes], name: str, rule: Rule) -> Bytes:
    """Return the picture in ``stream`` as ``[C, H, W]``; ``UsageError`` with its ``name``."""
    try:
        head = stream.read(_DEPTH + 1)
        stream.seek(0)
        with warnings.catch_warnings():  # what they warn of is measured here, or no matter
            warnings.simplefilter("ignore")
            image = Image.open(stream, formats=FORMATS)
            _measured(image, name)
            image.load()
    except UnidentifiedImageError:
        raise UsageError(
            f"'{name}' is no whole PNG, JPEG or WebP picture; convert it, or take it away"
        ) from None
    except Image.DecompressionBombError:
        raise _bomb(name, "far more") from None
    except (UsageError, MemoryError, PermissionError):
        raise
    except Exception as error:  # Pillow raises anything for a damaged file
        raise UsageError(f"'{name}' is damaged ({error}); get it again, or take it away") from None
    if head.startswith(_PNG) and head[_DEPTH] == 16:
        raise UsageError(f"'{name}' has 16 bits a value; convert it to 8, as all pictures have")
    return fitted(image, name, rule)


def _measured(image: Image.Image, name: str) -> None:
    pixels = image.width * image.height
    if pixels > (Image.MAX_IMAGE_PIXELS or pixels):
        raise _bomb(name, f"{pixels:,}")
    if pixels * len(image.getbands()) > most():
        raise UsageError(
            f"'{name}' holds {pixels * len(image.getbands()):,} bytes when decoded, expected at "
            f"most {most():,} ({LIMIT})"
        )
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # a JPEG as phones write it
        raise UsageError(f"'{name}' is animated; save the frames that count as pictures")


def _bomb(name: str, pixels: str) -> UsageError:
    return UsageError(
        f"'{name}' has {pixels} pixels, and Pillow's limit is {Image.MAX_IMAGE_PIXELS:,}; make "
        "it smaller, or take it away"
    )


def fitted(image: Image.Image, name: str, rule: Rule) -> Bytes:
    """Return a decoded picture as ``[C, H, W]``, by the rule."""
    image = _opaque(image, name, rule.alpha)
    wanted = {0: image.mode, 1: "L", 3: "RGB"}[rule.channels]
    if image.mode != wanted:
        image = image.convert(wanted)
    if rule.size:
        image = _resized(image, name, rule)
    values = np.asarray(image, dtype=np.uint8)
    return values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))


def _opaque(image: Image.Image, name: str, alpha: str) -> Image.Image:
    """Return the picture in grey or RGB without losing anything, or by what was asked for."""
    clear = "transparency" in image.info
    if image.mode in ("L", "RGB", "P", "1") and not clear:
        grey = image.mode in ("L", "1")
        return image.convert("L" if grey else "RGB") if image.mode in ("P", "1") else image
    if image.mode not in ("L", "RGB", "P", "LA", "RGBA", "PA"):
        raise UsageError(
            f"'{name}' is in {image.mode}; convert it to grey or RGB of 8 bits a value"
        )
    image = image.convert("LA" if image.mode in ("L", "LA") else "RGBA")
    low, _ = image.getchannel("A").getextrema()
    plain = image.convert(image.mode.removesuffix("A"))
    if low == 255:
        return plain
    if alpha not in _GROUNDS:
        raise UsageError(
            f"'{name}' is transparent in places; give alpha=white or alpha=black, the ground to "
            "lay it on"
        )
    value = _GROUNDS[alpha]
    ground = Image.new(plain.mode, plain.size, value if plain.mode == "L" else (value,) * 3)
    ground.paste(plain, mask=image.getchannel("A"))
    return ground


def _resized(image: Image.Image, name: str, rule: Rule) -> Image.Image:
    """Return a square of the rule's side, by Pillow's antialiased bicubic filter."""
    square, bicubic = (rule.size, rule.size), Image.Resampling.BICUBIC
    if rule.resize == "pad":
        if min(image.size) * rule.size < max(image.size):
            raise UsageError(
                f"'{name}' has {image.width} x {image.height} pixels, too narrow for resize=pad; "
                "take it away, or give another rule"
            )
        return ImageOps.pad(image, square, bicubic, color=0)
    if rule.resize == "crop":  # first, for the filter of a box reaches out of it
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    return image.resize(square, bicubic)
