"""The language of the shapes: what can vary, how it is said, and how it is read back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

NAMES = ("shape", "colour", "size", "position")
VALUES = (
    ("circle", "square", "triangle", "star", "cross"),
    ("red", "green", "blue", "yellow", "purple", "white"),
    ("small", "large"),
    (
        "top left", "top", "top right",
        "left", "centre", "right",
        "bottom left", "bottom", "bottom right",
    ),
)  # fmt: skip
TEMPLATES = (
    "a {size} {colour} {shape} at the {position}",
    "{size} {colour} {shape}, {position}",
    "at the {position} there is a {size} {colour} {shape}",
)


@dataclass(frozen=True)
class ShapesGrammar:
    """Says the four attributes in one of three ways, and understands all three.

    >>> grammar = ShapesGrammar()
    >>> grammar.caption((0, 0, 0, 0))
    'a small red circle at the top left'
    >>> grammar.attributes("Large white cross, bottom.")
    (4, 5, 1, 7)
    """

    names: tuple[str, ...] = NAMES
    values: tuple[tuple[str, ...], ...] = VALUES
    templates: tuple[str, ...] = TEMPLATES
    _patterns: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # The longest first: "top left" must not be read as "top".
        group = {
            name: f"(?P<{name}>{'|'.join(sorted(values, key=len, reverse=True))})"
            for name, values in zip(self.names, self.values, strict=True)
        }
        patterns = tuple(re.compile(t.format(**group)) for t in self.templates)
        object.__setattr__(self, "_patterns", patterns)

    def caption(self, attributes: Sequence[int], template: int = 0) -> str:
        """Return the caption of four value numbers; raise ``IndexError`` for a number too high."""
        words = {n: v[i] for n, v, i in zip(self.names, self.values, attributes, strict=True)}
        return self.templates[template].format(**words)

    def attributes(self, caption: str) -> tuple[int, ...] | None:
        """Return the value numbers that ``caption`` names, or None if it is no such sentence."""
        text = " ".join(caption.lower().split()).removesuffix(".").rstrip()
        for pattern in self._patterns:
            if match := pattern.fullmatch(text):
                said = match.groupdict()
                return tuple(v.index(said[n]) for n, v in zip(self.names, self.values, strict=True))
        return None
