"""The words of the shapes: each value with all that it is called, its own name first."""

from __future__ import annotations

_SHAPES = (("circle", "disc"), ("square", "box"), ("triangle",), ("star",), ("cross", "plus"))
_COLOURS = (("red",), ("green",), ("blue",), ("yellow",), ("purple", "violet"), ("white",))
_SIZES = (("small", "little", "tiny"), ("large", "big"))
_PLACES = (
    ("at the top left", "in the top left corner", "at the upper left"),
    ("at the top", "at the top edge"),
    ("at the top right", "in the top right corner", "at the upper right"),
    ("on the left", "at the left edge"),
    ("in the centre", "in the middle"),
    ("on the right", "at the right edge"),
    ("at the bottom left", "in the bottom left corner", "at the lower left"),
    ("at the bottom", "at the bottom edge"),
    ("at the bottom right", "in the bottom right corner", "at the lower right"),
)
_RELATIONS = (
    ("left of", "to the left of"),
    ("right of", "to the right of"),
    ("above", "over"),
    ("below", "under"),
)
CALLED = (_SHAPES, _COLOURS, _SIZES, _PLACES, _RELATIONS)

SHAPES, COLOURS, SIZES, PLACES, RELATIONS = (
    tuple(names[0] for names in values) for values in CALLED
)
COUNTS = ("one", "two", "three")
NAMES = ("shape", "colour", "size", "position", "relation", "count")
VALUES = (SHAPES, COLOURS, SIZES, PLACES, RELATIONS, COUNTS)

_JOINTS = ("a", "there is", "and", "which is", "is")
WORDS = tuple(
    dict.fromkeys(
        word
        for phrase in (*_JOINTS, *(n for values in CALLED for names in values for n in names))
        for word in phrase.split()
    )
)
