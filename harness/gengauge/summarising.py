"""Writes statistics of real examples to a file, for samples to be scored beside later."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from gengauge.data import Dataset
from gengauge.errors import UsageError
from gengauge.intake import embed, take_in
from gengauge.loading import load_embedder
from gengauge.metric import Embedder, KnowsLevels, Unready
from gengauge.real import Source, find_source, kept_of
from gengauge.registry import Registry
from gengauge.rows import Held, Rows, moments_of
from gengauge.summary import Summary

FEWEST = 2


def write_statistics(
    reference: str,
    embedder: str,
    path: Path,
    registry: Registry,
    device: torch.device,
    *,
    most: int,
    limit: int | None = None,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Summary:
    """Write what is known of a data set or a path in ``embedder`` to ``path``, and return it.

    That is the moments of all examples and the features of ``most`` of them. ``UsageError`` for
    what cannot be read, and for a file that is no safetensors.
    """
    if path.suffix != ".safetensors":
        raise UsageError(f"'{path}' must end in .safetensors: that is what is written")
    spec = registry.embedder(embedder)
    source = find_source(reference, registry, limit)
    if source.summary is not None:
        raise UsageError(f"'{reference}' holds statistics already; give a data set or examples")
    like = source.data or source.part
    assert like is not None
    judge = load_embedder(spec, device)
    judge = judge.for_levels(like.levels) if isinstance(judge, KnowsLevels) else judge
    if isinstance(judge, Unready):
        raise UsageError(judge.reason)
    if like.modality not in spec.modalities:
        raise UsageError(
            f"the embedder '{embedder}' takes {' or '.join(spec.modalities)}, not {like.modality}"
        )
    reading = path.with_name(f".{path.name}.reading")
    rows, fingerprint = _read(source, judge, reading, on_progress)
    if len(rows) < FEWEST:
        raise UsageError(f"'{reference}' holds {len(rows)} examples; statistics need {FEWEST}")
    mean, covariance = moments_of(rows)
    if not bool(torch.isfinite(mean).all()):
        raise UsageError(f"features of '{reference}' in {judge.id} are not finite")
    found = Summary(
        mean, covariance, len(rows), rows.pick(kept_of(len(rows), most, 0)), judge.id,
        judge.sha256, spec.preprocessing, source.spec.id, fingerprint, like.modality, like.levels,
        tuple(like.event_shape),
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    found.save(path)
    shutil.rmtree(reading, ignore_errors=True)
    return found


def _read(
    source: Source, judge: Embedder, folder: Path, on_progress: Callable[[float], None]
) -> tuple[Rows, str]:
    """Return the features of all examples and what their content is known by."""
    if isinstance(data := source.data, Dataset):
        return Held(embed(judge, data.test.x)), data.fingerprint
    part = source.part
    assert part is not None
    intake = take_in(part, folder, {judge.id: judge}, source.text, on_progress)
    rows = intake.rows(judge)
    assert rows is not None
    return rows, intake.sha256
