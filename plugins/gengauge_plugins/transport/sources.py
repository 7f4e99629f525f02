"""Where a bridge starts: another dataset, or one class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge import Dataset, Split
from gengauge.specs import DatasetSpec


@dataclass(frozen=True)
class Pool:
    """Examples to start from: ``train`` ``[n, *event]``, and after it ``kept`` ``[m, *event]``."""

    train: Tensor
    kept: Tensor


def drawn(x: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Return ``n`` rows of ``x``, drawn with replacement."""
    rows = torch.randint(len(x), (n,), generator=generator, device=generator.device)
    return x[rows.to(x.device)]


def each_once(x: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Return ``n`` rows of ``x`` in random order, each once before any comes again.

    >>> each_once(torch.arange(3), 7, torch.Generator().manual_seed(0)).bincount().sort().values
    tensor([2, 2, 3])
    """
    orders = [
        torch.randperm(len(x), generator=generator, device=generator.device)
        for _ in range(-(-n // len(x)))
    ]
    none = torch.zeros(0, dtype=torch.int64, device=generator.device)
    return x[torch.cat([*orders, none])[:n].to(x.device)]


def pool(source: str, data: Dataset, model: str) -> Pool | None:
    """Return the examples that ``source`` names, None for noise.

    ``ValueError`` where the class has no example, or where the other dataset is of another shape.
    """
    if source == "noise":
        return None
    if source.startswith("class:"):
        return _class(source.removeprefix("class:"), data, model)
    other = _opened(source)
    if (other.event_shape, other.levels) != (data.event_shape, data.levels):
        raise ValueError(
            f"{model} moves {source} to {data.id}, which must have one shape and one number of "
            f"levels: {list(other.event_shape)} and {other.levels} came for "
            f"{list(data.event_shape)} and {data.levels}; choose another source"
        )
    return _pool(other.train.x, other.validation.x)


def _class(text: str, data: Dataset, model: str) -> Pool:
    if data.train.labels is None:
        raise ValueError(f"{model} starts from class {text}, and {data.id} has no labels")
    found = _of(data.train, text)
    if not len(found):
        there = ", ".join(map(str, torch.unique(data.train.labels).tolist()))
        raise ValueError(
            f"{model} starts from class {text}, which has no example in {data.id}; choose one of "
            f"{there}"
        )
    return _pool(found, _of(data.validation, text))


def _of(split: Split, label: str) -> Tensor:
    """Return the examples whose label is the number that ``label`` says."""
    if split.labels is None or not label.isdecimal():
        return split.x[:0]
    return split.x[(split.labels == int(label)).to(split.x.device)]


def _pool(train: Tensor, kept: Tensor) -> Pool:
    return Pool(train, kept if len(kept) else train)


def _opened(id_: str) -> Dataset:
    from gengauge.loading import load_dataset
    from gengauge.registry import Registry  # the harness's upper floors, where they are needed

    spec = Registry().find("datasets", id_)
    assert isinstance(spec, DatasetSpec)
    return load_dataset(spec)
