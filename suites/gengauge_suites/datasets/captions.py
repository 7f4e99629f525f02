"""The language of the shapes: what is said of a scene, in which words, and how it is read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gengauge_suites.datasets.agreeing import Claims, agreement, canonical, objects_of
from gengauge_suites.datasets.reading import read
from gengauge_suites.datasets.words import CALLED, NAMES, VALUES

WAYS = 2**32  # more than there are ways to say one scene
_LEFT, _RIGHT, _ABOVE, _BELOW = range(4)


@dataclass(frozen=True)
class ShapesGrammar:
    """Says where one object is, or how two or three lie to each other, with synonyms.

    All objects are named, with size, colour and shape; of several either each one's position is
    said or one relation of two, or two of three.

    >>> grammar = ShapesGrammar()
    >>> scene = (0, 0, 0, 0, 1, 2, 1, 5, -1, -1, -1, -1)
    >>> grammar.caption(scene)
    'a small red circle left of a large blue square'
    >>> a, b = map(grammar.attributes, (
    ...     "a tiny red disc is to the left of a big blue box.",
    ...     "There is a large blue square right of a small red circle"))
    >>> a == b
    True
    >>> grammar.agreement("a small red circle left of a large blue star", scene)
    (0.5, 1.0, 1.0, None, 1.0, 1.0)
    """

    names: tuple[str, ...] = NAMES
    values: tuple[tuple[str, ...], ...] = VALUES

    @property
    def synonyms(self) -> Mapping[str, str]:
        """What else values are called, each with the value's own name."""
        return {n: names[0] for values in CALLED for names in values for n in names[1:]}

    def caption(self, attributes: Sequence[int], template: int = 0) -> str:
        """Return a caption of one to three objects: ``template`` chooses what is said, and how.

        0 takes the first of all choices. ``IndexError`` for a value that there is not,
        ``ValueError`` for no object at all.
        """
        objects = objects_of(attributes)
        if not 1 <= len(objects) <= 3:
            raise ValueError(f"expected one to three objects, got {len(objects)}")
        return _say(objects, _Choices(template))

    def attributes(self, caption: str) -> tuple[int, ...] | None:
        """Return what ``caption`` says, the same for all ways to say it; None if no such sentence.

        These are the number of objects, four values of each (-1 for a position not said), and
        three numbers for each relation.
        """
        claims = _claims(caption)
        return None if claims is None else canonical(claims)

    def agreement(self, caption: str, found: Sequence[int]) -> tuple[float | None, ...]:
        """Return how much of what ``caption`` says holds in the scene ``found``, for each name.

        The objects of caption and scene are paired so that most of it holds. None where nothing
        of the kind is said, and for all if the caption is not understood.
        """
        claims = _claims(caption)
        if claims is None:
            return (None,) * len(self.names)
        return agreement(claims, objects_of(found))

    def combinations(self, attributes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Return the pairs of shape and colour in a scene."""
        return tuple((shape, colour) for shape, colour, _, _ in objects_of(attributes))


@lru_cache(maxsize=200_000)
def _claims(caption: str) -> Claims | None:
    return read(caption)


class _Choices:
    """One number as a row of choices: 0 takes the first each time."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, options: Sequence[str]) -> str:
        self.left, which = divmod(self.left, len(options))
        return options[which]


def _say(objects: tuple[tuple[int, ...], ...], pick: _Choices) -> str:
    things = [_thing(thing, pick) for thing in objects]
    places = (pick(CALLED[3][place]) for *_, place in objects)
    if len(objects) == 1:
        return pick(("{0} {1}", "{0}, {1}", "{1} there is {0}", "there is {0} {1}")).format(
            *things, *places
        )
    if len(objects) == 2:
        kind = pick(("{0} {r} {1}", "there is {0} {r} {1}", "{0} is {r} {1}", ""))
    else:
        kind = pick(("{0} {r} {1} and {q} {2}", "{0} {r} {1}, which is {s} {2}", ""))
    if not kind:
        *most, last = [f"{a} {b}" for a, b in zip(things, places, strict=True)]
        return f"{', '.join(most)} and {last}"
    spots = [place for *_, place in objects]
    said = {"r": _relation(spots[0], spots[1], pick)}
    if len(objects) == 3:
        said["q" if "{q}" in kind else "s"] = _relation(
            spots[0 if "{q}" in kind else 1], spots[2], pick
        )
    return kind.format(*things, **said)


def _thing(thing: tuple[int, ...], pick: _Choices) -> str:
    shape, colour, size, _ = thing
    return f"a {pick(CALLED[2][size])} {pick(CALLED[1][colour])} {pick(CALLED[0][shape])}"


def _relation(one: int, other: int, pick: _Choices) -> str:
    """Return words for a relation of one place to another that holds."""
    return pick([words for relation in _true(one, other) for words in CALLED[4][relation]])


def _true(one: int, other: int) -> Iterator[int]:
    if one % 3 != other % 3:
        yield _LEFT if one % 3 < other % 3 else _RIGHT
    if one // 3 != other // 3:
        yield _ABOVE if one // 3 < other // 3 else _BELOW
