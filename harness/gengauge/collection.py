"""Examples of the user's as they lie in files, read in blocks, and data sets made out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import psutil
import torch
from torch import Tensor

from gengauge.data import Dataset, Split
from gengauge.errors import UsageError
from gengauge.splits import stratified

SPLITS = ("train", "validation", "test")
WHOLE = "all"  # the one part of what is not split
LEAST = 10  # examples that are split at all
_SHARE = 5  # of what is not split, one in so many goes to validation, and one to the test
_HELD_OUT = 10  # of a training part without a validation part, one in so many validates
BLOCK = 500


class Formed(Protocol):
    """What a data set and a collection both say of their examples."""

    @property
    def modality(self) -> str:
        """Image, points, text or table."""
        ...

    @property
    def levels(self) -> int | None:
        """Number of levels or tokens; None: none."""
        ...

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        ...

    @property
    def alphabet(self) -> str:
        """Characters that tokens are the numbers of; empty: bytes."""
        ...

    @property
    def columns(self) -> Mapping[str, str]:
        """Columns of a table, where they have names."""
        ...


@dataclass(frozen=True)
class Collection:
    """Examples in a fixed order that need not fit in memory.

    ``read(start, stop)`` returns those from ``start`` to ``stop`` (exclusive) as a data set has
    them, ``[k, *event_shape]``: images uint8 ``[k, C, H, W]``, points and tables float32
    ``[k, d]``, text int64 ``[k, length]``. It raises ``UsageError`` for what cannot be read, with
    the name of the file and what to do. What is known of each example lies beside them.
    """

    modality: str
    count: int
    event_shape: tuple[int, ...]
    read: Callable[[int, int], Tensor]
    levels: int | None = None
    labels: Tensor | None = None
    captions: tuple[str, ...] | None = None
    characters: Tensor | None = None
    class_names: tuple[str, ...] = ()
    alphabet: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)  # of a table: names and what they hold
    fitted: Callable[[Formed], Collection] | None = (
        None  # the same in a reference's alphabet, length
    )
    stamp: str = ""  # tells this content from another's without reading it: sizes, times of change

    def blocks(self, size: int = BLOCK, start: int = 0) -> Iterator[Tensor]:
        """Yield the examples from ``start`` on, ``size`` at a time."""
        for i in range(start, self.count, size):
            yield self.read(i, min(i + size, self.count))

    def split(self) -> Split:
        """Return all of it, read into memory once; ``UsageError`` where it cannot fit there."""
        first = self.read(0, min(BLOCK, self.count))
        needed = self.count * first[:1].numel() * first.element_size()
        there = psutil.virtual_memory().total
        if needed > there:
            raise UsageError(
                f"its {self.count:,} examples of shape {list(self.event_shape)} take "
                f"{needed / 1e9:,.0f} GB, and this machine has {there / 1e9:,.0f}; give fewer, or "
                "smaller ones"
            )
        x = first.new_empty((self.count, *first.shape[1:]))
        x[: len(first)] = first
        for i, block in enumerate(self.blocks(start=len(first)), start=1):
            x[i * BLOCK : i * BLOCK + len(block)] = block
        return Split(x, self.labels, self.captions, characters=self.characters)


def dataset_of(parts: Mapping[str, Collection], id_: str, salt: str, revision: str) -> Dataset:
    """Return a data set of parts called train, validation and test, or of one called all.

    What is one is split 3:1:1, and of a train part without a validation part a tenth validates: by
    a hash of ``salt`` and the examples' numbers, each class in proportion. ``UsageError`` for other
    parts, for fewer than ten examples to split, and for parts that are not alike.
    """
    _alike(parts)
    whole = parts.get(WHOLE)
    if whole is not None:
        size = whole.count // _SHARE
        validation, test, train = _divided(whole, (size, size), salt)
    elif {"train", "test"} <= parts.keys():
        test = parts["test"].split()
        if "validation" in parts:
            train, validation = parts["train"].split(), parts["validation"].split()
        else:
            held_out = parts["train"].count // _HELD_OUT
            validation, train = _divided(parts["train"], (held_out,), salt)
    else:
        raise UsageError(
            f"it has the parts {', '.join(parts) or 'none'}; expected train and test, with or "
            "without validation, or all in one"
        )
    one = next(iter(parts.values()))
    return Dataset(
        id_, one.modality, train, validation, test, one.levels, one.class_names,
        revision=revision, alphabet=one.alphabet, columns=one.columns,
    )  # fmt: skip


def suited(found: Collection, like: Formed) -> Collection:
    """Return samples as their reference ``like`` has its examples, where they can be made so.

    Text gets its alphabet and length. ``UsageError`` where tables have columns of other names or
    in another order: numbers of different things are not compared.
    """
    if found.fitted is not None:
        return replace(
            found.fitted(like), labels=found.labels, captions=found.captions,
            class_names=found.class_names,
        )  # fmt: skip
    if found.columns and like.columns and (differ := columns_differ(found.columns, like.columns)):
        raise UsageError(f"the table {differ}, unlike its reference; give both the same columns")
    return found


def columns_differ(given: Iterable[str], expected: Iterable[str]) -> str:
    """Return how the columns of a table differ from those expected of it; empty if they do not.

    >>> columns_differ(["age", "size"], ["age", "height"])
    "lacks the column 'height' and has 'size' besides"
    >>> columns_differ(["height", "age"], ["age", "height"])
    "has 'height' as column 1 and not 'age'"
    """
    names, wanted = list(given), list(expected)
    lacks = [f"lacks the column '{n}'" for n in wanted if n not in names][:1]
    more = [f"has '{n}' besides" for n in names if n not in wanted][:1]
    moved = (
        f"has '{a}' as column {i} and not '{b}'"
        for i, (a, b) in enumerate(zip(names, wanted, strict=False), 1) if a != b
    )  # fmt: skip
    return " and ".join(lacks + more) or next(moved, "")


def _divided(part: Collection, sizes: tuple[int, ...], salt: str) -> list[Split]:
    """Return splits of ``sizes`` and the rest, each in the order of the hash."""
    if part.count < LEAST:
        raise UsageError(
            f"it holds {part.count} examples, and {LEAST} or more are needed to split them; give "
            "more, or parts called train, validation and test"
        )
    labels = torch.zeros(part.count, dtype=torch.int64) if part.labels is None else part.labels
    everything = part.split()
    return [everything.chosen(rows) for rows in stratified(labels, sizes, salt)]


def _alike(parts: Mapping[str, Collection]) -> None:
    """Raise ``UsageError`` unless all parts have the same shape, levels and classes."""
    for what, of in (
        ("examples of shape", lambda p: list(p.event_shape)),
        ("levels", lambda p: p.levels),
        ("classes", lambda p: list(p.class_names)),
        ("labels", lambda p: p.labels is not None),
        ("captions", lambda p: p.captions is not None),
    ):
        found = {name: of(part) for name, part in parts.items()}
        if any(value != next(iter(found.values())) for value in found.values()):
            said = ", ".join(f"{value} in {name}" for name, value in found.items())
            raise UsageError(f"its parts must have the same {what}, and it has {said}")
