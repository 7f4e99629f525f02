"""Data sets of torchvision by their own names, in its own files, with its own downloads."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch

from gengauge import places, trust
from gengauge.collection import SPLITS, WHOLE, Collection
from gengauge.errors import UsageError, unknown
from gengauge_suites.datasets.picture import Bytes, Rule, fitted
from gengauge_suites.datasets.pictures import LEVELS, described, gathered, stamped

_SPLITS = {"train": ("train", "trainval"), "validation": ("val", "valid", "validation"),
           "test": ("test",)}  # fmt: skip
_TARGETS = ("targets", "labels", "_labels", "y")
_SAMPLES = ("samples", "_samples", "imgs")  # pairs of a path and a number
_COMPARED = ("CIFAR10", "CIFAR100")  # pickles, whose MD5 torchvision compares with the publisher's


def open_torchvision(path: Path, options: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the pictures of torchvision's data set ``path`` by split, uint8 ``[n, C, H, W]``."""
    name, rule = str(path), Rule.of(options)
    sets = dict(_sets(name, options))
    if len(sets) == 1:
        sets = {WHOLE: sets.popitem()[1]}
    elif "test" not in sets:
        sets["test"] = sets.pop("validation")
    found = {part: _labels(one) for part, one in sets.items()}
    labels = {part: numbers for part, numbers in found.items() if numbers is not None}
    names = _class_names(next(iter(sets.values())), [n for part in labels.values() for n in part])
    stamp = stamped(_root(options), f"{name} {_stamp(options)}", options)
    parts = {}
    for part, one in sets.items():
        known: dict[str, Any] = {"stamp": stamp}
        if part in labels:
            known.update(labels=torch.tensor(labels[part]), class_names=names)
        parts[part] = _collection(name, one, rule, known)
    return parts


def describe_torchvision(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the first split, and its first picture, say of the data set."""
    _, one = next(_sets(path, options))
    shape = _collection(path, one, Rule.of(options), {}).event_shape
    return described(shape, _is_number(one[0][1]), False, LEVELS)


def _collection(name: str, one: Any, rule: Rule, known: Mapping[str, Any]) -> Collection:
    from PIL import Image

    def get(i: int) -> Bytes:
        image = one[i][0]
        if not isinstance(image, Image.Image):
            raise UsageError(
                f"torchvision's {name} gives {type(image).__name__}; expected one of pictures"
            )
        return fitted(image, f"{name} {i}", rule)

    return gathered(len(one), lambda i: f"{name} {i}", get, **known)


def _sets(name: str, options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield torchvision's object for each split that it has, training first."""
    kind, given = _kind(name), {}
    taken = _taken(kind)
    if options["download"] and places.offline():
        raise UsageError("download=true was given, and --offline forbids it; leave out one of them")
    if "root" in taken:
        given["root"] = str(_root(options))
    if "download" in taken:  # some would do it without being asked
        given["download"] = options["download"]
    if "train" in taken:
        if options["subset"]:
            given["split"] = options["subset"]
        elif "split" in taken:
            raise UsageError(f"torchvision's {name} has subsets; name one with subset=")
        yield "train", _made(name, {**given, "train": True})
        yield "test", _made(name, {**given, "train": False})
    elif "split" in taken:
        known = False
        for part in SPLITS:
            made = (_made(name, {**given, "split": called}) for called in _SPLITS[part])
            one = next((found for found in made if found is not None), None)
            if one is not None:
                yield part, one
                known = True
        if not known:
            raise UsageError(f"torchvision's {name} has no split called train or test")
    else:
        yield WHOLE, _made(name, given)


def _made(name: str, given: Mapping[str, Any]) -> Any:
    """Return torchvision's object, or None where it knows no such split."""
    guard: AbstractContextManager[None] = nullcontext()
    if name not in _COMPARED:
        guard = trust.no_pickles(f"torchvision's {name} in '{given.get('root')}'")
    try:
        with guard:
            return _kind(name)(**given)
    except UsageError:
        raise
    except ValueError as error:
        if "Unknown value" in str(error) and "split" in given and "train" not in given:
            return None
        raise _failed(name, given, error) from None
    except TypeError as error:
        raise UsageError(f"torchvision's {name} cannot be used: {error}") from None
    except Exception as error:  # each data set raises what it likes
        raise _failed(name, given, error) from None


def _failed(name: str, given: Mapping[str, Any], error: Exception) -> UsageError:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return UsageError(
        f"torchvision's {name} cannot be read from '{given.get('root')}' ({said}); name the folder "
        "that torchvision has filled with root=, or let it download with download=true"
    )


@cache
def _kind(name: str) -> Any:
    from torchvision import datasets

    kinds = {n: getattr(datasets, n) for n in datasets.__all__ if n != "VisionDataset"}
    kinds = {n: k for n, k in kinds.items() if inspect.isclass(k)}
    if name not in kinds:
        raise unknown("data set of torchvision", name, kinds)
    return kinds[name]


def _taken(kind: Any) -> set[str]:
    """Return what can be said when one is made: some pass on to what they are made of."""
    taken: set[str] = set()
    for base in kind.__mro__:
        if "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            taken |= {p.name for p in parameters}
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return taken


def _root(options: Mapping[str, Any]) -> Path:
    given = str(options["root"])
    return Path(given).expanduser() if given else places.cache_folder() / "torchvision"


def _stamp(options: Mapping[str, Any]) -> str:
    """Return sizes and times of change of all files in the root."""
    told = []
    for folder, _, files in os.walk(_root(options)):
        for file in files:
            found = os.lstat(f"{folder}/{file}")
            told.append((folder, file, found.st_size, found.st_mtime_ns))
    return repr(sorted(told))


def _labels(one: Any) -> list[int] | None:
    """Return the class of each example, where its target is one: without decoding, if possible."""
    if not _is_number(one[0][1]):
        return None
    found = [getattr(one, name) for name in _TARGETS if hasattr(one, name)]
    found += [[pair[-1] for pair in getattr(one, name)] for name in _SAMPLES if hasattr(one, name)]
    for values in found:
        if len(values) == len(one) and all(map(_is_number, values)):
            return [int(value) for value in values]
    return [int(one[i][1]) for i in range(len(one))]


def _is_number(target: Any) -> bool:
    """Return whether a target is a class: a whole number, of Python, numpy or torch."""
    if isinstance(target, torch.Tensor):
        return target.ndim == 0 and not target.is_floating_point()
    return hasattr(target, "__index__") and not isinstance(target, bool)


def _class_names(one: Any, labels: Sequence[int]) -> tuple[str, ...]:
    known = getattr(one, "classes", None) or getattr(one, "categories", None) or ()
    top = max(labels, default=-1)
    if len(known) > top >= 0 and all(isinstance(name, str) for name in known):
        return tuple(known)
    return tuple(map(str, range(top + 1)))
