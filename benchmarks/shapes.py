"""What drawing the shapes costs: beside Pillow drawing the same scenes, anti-aliased by 8 x 8.

Both draw the same objects at the same places with one thread, in turn; processor seconds count,
the fastest of several rounds. Pillow has no anti-aliasing of its own, so it draws a picture eight
times as large and averages, without the light and the grounds that the shapes have besides.

    python benchmarks/shapes.py [--pictures 2000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import torch
from PIL import Image, ImageDraw

from gengauge import seeds
from gengauge_suites.datasets.drawing import Jitter, Look, draw
from gengauge_suites.datasets.scenes import Numbers, scenes

_LARGE = 8
_COLOURS = ("#e62926", "#26b838", "#3357f0", "#edd629", "#a838cc", "#ebebeb")


def pillow(attributes: list[list[int]]) -> list[bytes]:
    return [_picture(row) for row in attributes]


def _picture(row: list[int]) -> bytes:
    picture = Image.new("RGB", (32 * _LARGE, 32 * _LARGE), "#242424")
    pen = ImageDraw.Draw(picture)
    for shape, colour, size, place in zip(*(row[i::4] for i in range(4)), strict=True):
        if shape >= 0:
            x, y = (_LARGE * (6 + 10 * i) for i in (place % 3, place // 3))
            _object(pen, shape, x, y, _LARGE * (2.9, 4.4)[size], _COLOURS[colour])
    return picture.reduce(_LARGE).tobytes()


def _object(
    pen: ImageDraw.ImageDraw, shape: int, x: float, y: float, r: float, colour: str
) -> None:
    if shape == 0:
        pen.ellipse((x - r, y - r, x + r, y + r), colour)
    elif shape == 1:
        pen.rectangle((x - 0.9 * r, y - 0.9 * r, x + 0.9 * r, y + 0.9 * r), colour)
    elif shape == 4:
        pen.rectangle((x - 1.2 * r, y - 0.42 * r, x + 1.2 * r, y + 0.42 * r), colour)
        pen.rectangle((x - 0.42 * r, y - 1.2 * r, x + 0.42 * r, y + 1.2 * r), colour)
    else:
        corners = 3 if shape == 2 else 10
        length = [1.4 * r] if shape == 2 else [1.36 * r, 0.68 * r]
        turns = [2 * math.pi * i / corners for i in range(corners)]
        away = [length[i % len(length)] for i in range(corners)]
        pen.polygon(
            [(x + d * math.sin(t), y - d * math.cos(t)) for t, d in zip(turns, away, strict=True)],
            colour,
        )


def seconds(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    generator = seeds.generator("benchmark")
    attributes = scenes(asked.pictures, Numbers(1, 3), 0.0, generator)
    jitter, rows = Jitter.drawn(asked.pictures, generator), attributes.tolist()
    ours = min(seconds(lambda: draw(attributes, jitter, Look())) for _ in range(asked.rounds))
    theirs = min(seconds(lambda: pillow(rows)) for _ in range(asked.rounds))
    print(
        f"shapes:   {theirs / ours:.1f} x as fast as Pillow at 8 x 8 "
        f"({1e6 * ours / asked.pictures:.0f} microseconds a picture, "
        f"60,000 in {60_000 * ours / asked.pictures:.1f} s of one core)"
    )


if __name__ == "__main__":
    main()
