"""What given samples are measured on: which metrics, in which embedders, and why not others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gengauge.collection import Collection
from gengauge.errors import NotComparableError, NothingSelectedError, UsageError
from gengauge.plan import MetricChoice, known_suites, metrics_on
from gengauge.real import Source
from gengauge.registry import Registry
from gengauge.settings import read_settings

Metrics = tuple[MetricChoice, ...]


def asked_of_each(
    samples: Sequence[Collection],
    source: Source,
    registry: Registry,
    suites: Sequence[str],
    embedders: Sequence[str],
    settings: Mapping[str, str],
) -> list[Metrics]:
    """Return the metrics of each of ``samples`` beside ``source``.

    Without ``suites`` they are all that need no model and, where they are about a condition, what
    lies beside the samples. ``NothingSelectedError`` where that leaves none at all.
    """
    first = samples[0]
    spec = replace(source.spec, modality=first.modality, levels=first.levels)
    asked = embedders_of(source, registry, embedders, first.modality)
    chosen, names = read_settings(settings, registry), known_suites(suites, registry)
    found = []
    for one in samples:
        beside = {"class": one.labels is not None, "caption": one.captions is not None}
        mine = replace(
            spec, labelled=spec.labelled or beside["class"],
            captioned=spec.captioned or beside["caption"],
        )  # fmt: skip
        found.append(tuple(
            m for m in metrics_on(mine, names, asked, registry, chosen)
            if suites or (not m.spec.needs_model
            and (not m.spec.condition or beside.get(m.spec.condition, False)))
        ))  # fmt: skip
    if not any(found):
        fitting = [e.id for e in registry.embedders.values() if first.modality in e.modalities]
        raise NothingSelectedError(
            f"nothing to measure: no metric of {first.modality} samples alone fits; name an "
            f"--embedder ({', '.join(fitting) or 'there is none'}) or another suite"
        )
    return found


def embedders_of(
    source: Source, registry: Registry, asked: Sequence[str], modality: str
) -> tuple[str, ...]:
    """Return the embedders to measure in: those asked for, or the one that statistics are of.

    ``UsageError`` for one that does not take such data, and for a file of the field's without one;
    ``NotComparableError`` for another than that of gengauge's own statistics.
    """
    told, specs = source.summary, [registry.embedder(name) for name in asked]
    for spec in specs:
        if told is not None and not told.field and spec.id != told.embedder:
            raise NotComparableError(
                f"the statistics '{source.text}' do not fit: embedder {told.embedder} there and "
                f"{spec.id} here; score in {told.embedder}, or write others with "
                "`gengauge statistics`"
            )
        if modality not in spec.modalities:
            kinds = " or ".join(spec.modalities)
            raise UsageError(f"the embedder '{spec.id}' takes {kinds}, not {modality}")
    if told is not None and told.field and not asked:
        raise UsageError(
            f"'{source.text}' does not say what its mean is of; name the --embedder that it was "
            "made with"
        )
    return tuple(asked) or ((told.embedder,) if told else ())
