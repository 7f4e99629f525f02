"""A captioned world small enough to learn in a second: a coloured half of a small picture."""

from __future__ import annotations

import torch

from gengauge import Dataset, Split

COLOURS, PLACES = ("red", "green"), ("left", "right")
SIDE = 12


class HalvesGrammar:
    """Says colour and place in one of two ways.

    >>> HalvesGrammar().attributes("on the left, red")
    (0, 0)
    """

    names = ("colour", "place")
    values = (COLOURS, PLACES)

    def caption(self, attributes, template=0):
        colour, place = COLOURS[attributes[0]], PLACES[attributes[1]]
        return f"{colour} on the {place}" if template == 0 else f"on the {place}, {colour}"

    def attributes(self, caption):
        said = {
            self.caption((c, p), t): (c, p) for c in range(2) for p in range(2) for t in range(2)
        }
        return said.get(caption)

    def agreement(self, caption, found):
        said = self.attributes(caption)
        if said is None:
            return (None, None)
        return tuple(float(a == b) for a, b in zip(said, found, strict=True))


class HalvesJudge:
    """Sees which half is brighter, and in which colour."""

    id, sha256 = "halves", "0"

    def features(self, x):
        return x.float().flatten(1)

    def attributes(self, x):
        halves = x.double().unflatten(3, (2, SIDE // 2)).mean((2, 4))  # [n, colour, half]
        colour = halves.amax(2)[:, :2].argmax(1)
        return torch.stack([colour, halves.sum(1).argmax(1)], 1)


def halves(n: int = 240) -> Dataset:
    """Return pictures ``[n, 3, 12, 12]`` of 256 levels, with captions and attributes."""
    generator = torch.Generator().manual_seed(0)
    attributes = torch.randint(2, (n, 2), generator=generator)
    x = torch.randint(30, (n, 3, SIDE, SIDE), generator=generator)
    for i, (colour, place) in enumerate(attributes.tolist()):
        x[i, colour, :, 6 * place : 6 * place + 6] += 200
    ways = torch.randint(2, (n,), generator=generator).tolist()
    said = tuple(map(HalvesGrammar().caption, attributes.tolist(), ways))
    parts = [
        Split(x[s].to(torch.uint8), captions=said[s], attributes=attributes[s])
        for s in (slice(0, n // 2), slice(n // 2, 3 * n // 4), slice(3 * n // 4, n))
    ]
    return Dataset("halves", "image", *parts, levels=256, grammar=HalvesGrammar())


def shown(data, judge, captions, x):
    """Return which share of pictures ``x`` has the shape, colour, size and place of its caption."""
    found = judge.attributes(x).tolist()
    agreed = [data.grammar.agreement(*told)[:4] for told in zip(captions, found, strict=True)]
    return torch.tensor(agreed, dtype=torch.float64).mean(0)
