"""Finds what reads a path of the user's, opens it, and says where it does not fit the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gengauge import trust
from gengauge.collection import Collection, Formed, suited
from gengauge.data import Dataset
from gengauge.errors import UsageError, unknown
from gengauge.loading import open_parts
from gengauge.parameters import with_options
from gengauge.registry import Registry, named
from gengauge.specs import DatasetSpec

Form = tuple[str, tuple[int, ...], int | None]  # modality, shape of an example, levels
FOLDER = "/"  # what stands for the ending of a folder's name


@dataclass(frozen=True)
class Brought:
    """A file or folder of the user's: what reads it, as it was written, and what is in it."""

    spec: DatasetSpec
    text: str
    parts: Mapping[str, Collection]

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(str(self.spec.arguments["path"])).expanduser()

    @property
    def kind(self) -> str:
        """The name of what reads it, such as npz."""
        return self.spec.id.partition(":")[0]

    @property
    def stem(self) -> str:
        """The name of the file without its endings: what a row is called."""
        name = self.path.resolve().name
        endings = sorted((s for s in self.spec.suffixes if s != FOLDER), key=len, reverse=True)
        return next((name[: -len(s)] for s in endings if name.lower().endswith(s)), name) or name

    @property
    def unclassed(self) -> str:
        """What to write where its folders are no classes; empty where nothing can be written."""
        options = [p.name for p in self.spec.parameters if p.name == "classes"]
        return f"; the option [{options[0]}=false] reads it without classes" if options else ""

    def only(self) -> Collection:
        """Return its one part; ``UsageError`` where it has several."""
        if len(self.parts) != 1:
            raise UsageError(
                f"'{self.text}' has the parts {', '.join(self.parts)}; samples are one part: give "
                "a file or folder that holds them alone"
            )
        [found] = self.parts.values()
        if not found.count:
            raise UsageError(f"'{self.text}' holds no samples")
        return found


def reads_path(text: str, registry: Registry) -> DatasetSpec | None:
    """Return what reads the path ``text``, with a prefix or found by its ending; None if nothing.

    Options may follow in brackets, ``faces[size=32]``.
    """
    prefix = registry.datasets.get(text.partition(":")[0])
    if prefix is not None and prefix.takes_path and ":" in text:
        found = registry.find("datasets", text)
        assert isinstance(found, DatasetSpec)
        return found
    path, options = (text, {}) if Path(text).expanduser().exists() else with_options(text)
    place = Path(path).expanduser()
    if not place.exists():
        return None
    ending = FOLDER if place.is_dir() else place.name.lower()
    readers = [
        (len(suffix), spec) for spec in registry.datasets.values() if spec.opens
        for suffix in spec.suffixes if ending.endswith(suffix)
    ]  # fmt: skip
    if not readers:
        return None
    spec = max(readers, key=lambda pair: pair[0])[1]
    if options:
        spec.resolve(options)  # an option that it does not know is an error, with or without any
    made = named(spec, f"{spec.id}:{text}", text)
    assert isinstance(made, DatasetSpec)
    return made


def bring(text: str, registry: Registry, what: str) -> Brought:
    """Return the user's file or folder that ``text`` names, opened and not yet read.

    ``UsageError`` says of ``what`` (samples, reference) that it is not there or cannot be read.
    """
    spec = reads_path(text, registry)
    if spec is None:
        path, _ = with_options(text)
        endings = sorted({s for d in registry.datasets.values() if d.opens for s in d.suffixes})
        there = Path(path).expanduser().exists()
        raise UsageError(
            f"{what} '{text}' {'cannot be read by its ending' if there else 'is not there'}; "
            f"{'known endings' if there else 'give a path that ends in'}: {', '.join(endings)}"
            f"{', or PREFIX:PATH' if there else ''}"
        )
    if not spec.opens:
        raise UsageError(f"{what} '{text}': {spec.id.partition(':')[0]} reads no samples")
    try:
        with trust.tensors_only(f"the file of '{text}'"):
            parts = open_parts(spec)
    except UsageError as error:
        raise UsageError(f"{what} {error}") from None
    return Brought(spec, text, _stamped(parts, spec))


def _stamped(parts: Mapping[str, Collection], spec: DatasetSpec) -> dict[str, Collection]:
    """Return ``parts``, each with a stamp of its own where there is any: options are part of it."""
    rest = {k: v for k, v in spec.arguments.items() if k != "path"}
    return {
        name: replace(c, stamp=f"{name} {sorted(rest.items())} {c.stamp}") if c.stamp else c
        for name, c in parts.items()
    }


def suited_to(brought: Brought, like: Formed) -> Collection:
    """Return samples in the alphabet and length of their reference, tables in its columns."""
    try:
        return suited(brought.only(), like)
    except UsageError as error:
        raise UsageError(f"'{brought.text}': {error}") from None


def limited(collection: Collection, n: int | None) -> Collection:
    """Return the first ``n`` examples of a collection; all without."""
    if n is None or n >= collection.count:
        return collection
    known: dict[str, Any] = {
        name: None if value is None else value[:n]
        for name in ("labels", "captions", "characters")
        for value in [getattr(collection, name)]
    }
    stamp = f"{collection.stamp} first {n}" if collection.stamp else ""
    return replace(collection, count=n, stamp=stamp, **known)


def check_alike(found: Collection, text: str, spec: DatasetSpec, form: Form, of: str) -> None:
    """Raise ``UsageError`` unless ``found``, in ``text``, has the ``form`` that ``of`` has."""
    options = ", ".join(p.name for p in spec.parameters)
    how = f"convert one of them{f', or use the options {options}' if options else ''}"
    modality, shape, levels = form
    rows = (
        ("is of", found.modality, modality, "give a reference of the same kind"),
        ("holds examples of shape", list(found.event_shape), list(shape), how),
        ("has", _levels(found.levels), _levels(levels), how),
    )
    for what, mine, theirs, do in rows:
        if mine != theirs:
            raise UsageError(f"'{text}' {what} {mine}, and '{of}' {theirs}; {do}")


def _levels(levels: int | None) -> str:
    return "values without levels" if levels is None else f"{levels} levels"


def labels_as(found: Collection, text: str, data: Dataset, how: str = "") -> Collection:
    """Return ``found`` with its labels numbered as the classes of ``data`` are, by name.

    ``UsageError`` for a class that ``data`` does not have, with ``how`` it is read without.
    """
    if found.labels is None:
        return found
    labels, names, theirs = found.labels, found.class_names, data.class_names
    if names and theirs:
        strange = [name for name in names if name not in theirs]
        if strange and not all(name.isdecimal() for name in names):
            raise UsageError(f"'{text}': {unknown('class', strange[0], theirs)}{how}")
        numbers = [int(name) if strange else theirs.index(name) for name in names]
        labels = labels.new_tensor(numbers)[labels]  # names that are numbers are the classes' own
    low, high = (int(labels.min()), int(labels.max())) if found.count else (0, 0)
    if theirs and not 0 <= low <= high < len(theirs):
        raise UsageError(
            f"'{text}' has labels {low} to {high}, and the reference's {len(theirs)} classes are "
            f"0 to {len(theirs) - 1}"
        )
    return replace(found, labels=labels)
