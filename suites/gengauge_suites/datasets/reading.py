"""Reads a caption of the shapes: its phrases first, then the sentence that they make."""

from __future__ import annotations

import re

from gengauge_suites.datasets.agreeing import Claims
from gengauge_suites.datasets.words import CALLED


def _numbers(which: int) -> dict[str, int]:
    return {name: i for i, names in enumerate(CALLED[which]) for name in names}


def _any(which: int) -> str:
    return "|".join(sorted(_numbers(which), key=len, reverse=True))  # "at the top" comes late


_PHRASE = re.compile(
    rf"(?P<object>(?:an? )?(?P<size>{_any(2)}) (?P<colour>{_any(1)}) (?P<shape>{_any(0)}))"
    rf"|(?P<place>{_any(3)})|(?:is )?(?P<relation>{_any(4)})"
    r"|(?P<which>, which)|(?P<comma>,)|(?P<and>and)|(?P<there>there is)"
)
_LETTERS = {"object": "O", "place": "P", "relation": "R", "which": "W", "comma": ",", "and": "&",
            "there": "T"}  # fmt: skip
_ONE = re.compile("T?O,?P|PTO")
_POSITIONS = re.compile("T?OP(,OP)?&OP")
_PAIR = re.compile("T?ORO")
_FAN = re.compile("T?ORO&RO")  # two relations of the first
_CHAIN = re.compile("T?OROWRO")  # the second's relation to the third
_SIZE, _COLOUR, _SHAPE, _PLACE, _RELATION = map(_numbers, (2, 1, 0, 3, 4))


def read(caption: str) -> Claims | None:
    """Return what ``caption`` claims, None if it is no sentence of the language."""
    text = " ".join(caption.lower().split()).removesuffix(".").rstrip()
    letters, at = "", 0
    things: list[tuple[int, int, int]] = []
    places: list[int] = []
    relations: list[int] = []
    while at < len(text):
        match = _PHRASE.match(text, at)
        if match is None or (match.end() < len(text) and text[match.end()] not in " ,"):
            return None
        said = match.groupdict()
        if said["object"]:
            shape, colour = _SHAPE[said["shape"]], _COLOUR[said["colour"]]
            things.append((shape, colour, _SIZE[said["size"]]))
        elif said["place"]:
            places.append(_PLACE[said["place"]])
        elif said["relation"]:
            relations.append(_RELATION[said["relation"]])
        letters += next(letter for name, letter in _LETTERS.items() if said[name])
        at = match.end() + text[match.end() :].startswith(" ")
    return _sentence(letters, things, places, relations)


def _sentence(
    letters: str, things: list[tuple[int, int, int]], places: list[int], relations: list[int]
) -> Claims | None:
    if _ONE.fullmatch(letters) or _POSITIONS.fullmatch(letters):
        objects = tuple((*t, p) for t, p in zip(things, places, strict=True))
        return Claims(objects, ())
    objects = tuple((*t, -1) for t in things)
    if _PAIR.fullmatch(letters):
        return Claims(objects, ((relations[0], 0, 1),))
    if _FAN.fullmatch(letters):
        return Claims(objects, ((relations[0], 0, 1), (relations[1], 0, 2)))
    if _CHAIN.fullmatch(letters):
        return Claims(objects, ((relations[0], 0, 1), (relations[1], 1, 2)))
    return None
