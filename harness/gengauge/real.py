"""What samples are compared with: a known data set, a path of the user's, or statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gengauge import seeds
from gengauge.bringing import Brought, bring, limited
from gengauge.collection import WHOLE, Collection
from gengauge.data import Dataset, Split
from gengauge.errors import NotComparableError, UsageError
from gengauge.given import Reference, Side
from gengauge.intake import Intake, take_in
from gengauge.loading import load_dataset
from gengauge.metric import Embedder
from gengauge.registry import Registry
from gengauge.scored import Real
from gengauge.specs import DatasetSpec
from gengauge.summary import Summary, is_summary, read_summary

_NONE = torch.empty(0, dtype=torch.int64)
_TRAINED = 2 << 30  # bytes of a train part that are read into memory
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Source:
    """Where the reference comes from, looked at and not yet read."""

    text: str
    spec: DatasetSpec
    data: Dataset | None = None  # a known data set
    brought: Brought | None = None
    summary: Summary | None = None
    sha256: str = ""  # of a file of statistics

    @property
    def part(self) -> Collection | None:
        """The examples of the user's that samples are compared with: the test part, or all."""
        if self.brought is None:
            return None
        parts = self.brought.parts
        found = parts.get(WHOLE) or parts.get("test")
        if found is None or not found.count:
            raise UsageError(
                f"reference '{self.text}' has the parts {', '.join(parts) or 'none'}; expected "
                "examples in one part, or in one called test"
            )
        return found


def find_source(text: str, registry: Registry, limit: int | None = None) -> Source:
    """Return the reference ``text``: a data set's name, a path, or a file of statistics.

    ``UsageError`` for what is none of them, with the nearest name.
    """
    known = registry.datasets.get(text)
    if known is not None and not known.takes_path:
        return Source(text, known, data=load_dataset(known, limit))
    path = Path(text).expanduser()
    if path.is_file() and is_summary(path):
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return Source(text, _spec_of(path.name, None), summary=read_summary(path), sha256=sha256)
    if ":" not in text and not path.exists() and not _bracketed(text).exists():
        try:
            registry.find("datasets", text)
        except UsageError as error:
            raise UsageError(f"reference '{text}' is no file or folder: {error}") from None
    brought = bring(text, registry, "reference")
    parts = {name: limited(part, limit) for name, part in brought.parts.items()}
    brought = replace(brought, parts=parts)
    return Source(text, _shown(brought), brought=brought)


def _bracketed(text: str) -> Path:
    return Path(text.partition("[")[0]).expanduser()


def _spec_of(name: str, like: DatasetSpec | None) -> DatasetSpec:
    spec = like or DatasetSpec(id="npz", summary="Statistics of a reference", target="a:b",
                               modality="points")  # fmt: skip
    return replace(spec, id=f"{spec.id.partition(':')[0]}:{name}" if like else "statistics")


def _shown(brought: Brought) -> DatasetSpec:
    """Return the spec with the file's name, and without the folders that it lies in."""
    return replace(brought.spec, id=f"{brought.kind}:{brought.path.resolve().name}")


def summary_real(source: Source, samples: Collection, embedders: Mapping[str, Embedder]) -> Real:
    """Return the statistics as what ``samples`` are compared with, in the embedder they are of.

    ``NotComparableError`` where they are of another embedder, of other levels or another shape.
    """
    summary = source.summary
    assert summary is not None
    if not summary.field:
        _agree(summary, samples, embedders, source.text)
    empty = Split(torch.empty(0, *samples.event_shape))
    name = Path(source.text).name
    data = Reference(
        f"statistics:{name}", samples.modality, empty, empty, empty, samples.levels,
        content=source.sha256, kind="statistics",
    )  # fmt: skip
    spec = replace(
        source.spec, id=data.id, modality=samples.modality, levels=samples.levels, labelled=False
    )
    return Real(spec, data, summary.n, summary=summary)


def _agree(
    summary: Summary, samples: Collection, embedders: Mapping[str, Embedder], text: str
) -> None:
    rows = [
        ("levels", summary.levels, samples.levels),
        ("examples of shape", summary.event_shape, tuple(samples.event_shape)),
        ("modality", summary.modality, samples.modality),
    ]  # fmt: skip
    for e in embedders.values():
        rows += [
            ("embedder", summary.embedder, e.id),
            ("embedder sha256", summary.sha256, e.sha256),
        ]
    for field, theirs, mine in rows:
        if theirs != mine:
            raise NotComparableError(
                f"the statistics '{text}' do not fit: {field} {theirs} there and {mine} here; "
                f"score in {summary.embedder}, or write statistics anew with `gengauge statistics`"
            )


def opened_real(
    source: Source,
    held_out: Collection | None,
    root: Path,
    embedders: Mapping[str, Embedder],
    kept: Callable[[int], Tensor],
    on_progress: Progress,
) -> Real:
    """Return what samples are compared with: a known data set, or a path, read whole once.

    ``kept(n)`` are the numbers of the examples that are kept of ``n``; ``held_out`` real examples
    are what controls draw from.
    """
    part = source.part
    if part is None:
        assert source.data is not None
        return Real(source.spec, source.data, len(source.data.test))
    intake = take_in(part, root, embedders, source.text, on_progress)
    side, test = side_of(intake, kept(part.count))
    parts = source.brought.parts if source.brought else {}
    train, validation = (_small(parts.get(name)) for name in ("train", "validation"))
    empty = test.first(0)
    data = Reference(
        source.spec.id, part.modality, train or empty, validation or empty, test, part.levels,
        part.class_names, alphabet=part.alphabet, revision=source.spec.revision,
        content=intake.sha256, kind=source.spec.id.partition(":")[0],
    )  # fmt: skip
    return Real(source.spec, data, part.count, side, fits=_fits(data, held_out))


def _small(part: Collection | None) -> Split | None:
    """Return a part that fits in memory, read whole; None for a larger one."""
    if part is None or not part.count:
        return None
    return part.split() if part.count * 8 * _values(part) <= _TRAINED else None


def _values(part: Collection) -> int:
    return int(torch.Size(part.event_shape).numel())


def _fits(data: Reference, held_out: Collection | None) -> Dataset:
    """Return what controls learn from: what samples are compared with only if there is no more."""
    apart = held_out.split() if held_out is not None else None
    validation = data.validation if len(data.validation) else apart or data.validation
    train = data.train if len(data.train) else apart or data.test
    return replace(data, train=train, validation=validation)


def side_of(intake: Intake, index: Tensor) -> tuple[Side, Split]:
    """Return the examples ``index`` ``[k]`` of a collection as a side, and as a split."""
    collection = intake.collection
    x = intake.picked(index)
    captions = collection.captions
    split = Split(
        x,
        None if collection.labels is None else collection.labels[index],
        None if captions is None else tuple(captions[i] for i in index.tolist()),
        characters=None if collection.characters is None else collection.characters[index],
    )
    return Side(x, index, intake), split


def kept_of(n: int, most: int, seed: int) -> Tensor:
    """Return the ascending numbers of ``most`` of ``n`` examples, drawn by ``seed``: all if fewer.

    >>> kept_of(3, 10, 0)
    tensor([0, 1, 2])
    """
    if n <= most:
        return torch.arange(n)
    order = torch.randperm(n, generator=seeds.generator("kept", seed, n))
    return order[:most].sort().values
