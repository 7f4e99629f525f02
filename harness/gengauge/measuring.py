"""Measures one metric on a trial's evidence, and writes the pictures of what was measured."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gengauge import artifacts, captioned, seeds
from gengauge.errors import DivergedError, UnsupportedError
from gengauge.evidence import Evidence
from gengauge.gallery import save_gallery
from gengauge.metric import Embedder, Score, Unready, unscored
from gengauge.plan import MetricChoice
from gengauge.reconstructions import save_reconstructions
from gengauge.record import first_line
from gengauge.registry import load_target
from gengauge.trial import Setting


def measured(
    metric: MetricChoice, evidence: Evidence, embedder: Embedder | None
) -> tuple[Score, bool]:
    """Return the score and whether the metric itself failed: one broken metric spoils no other."""
    try:
        if isinstance(embedder, Unready):
            return unscored(embedder.reason), False
        measure = load_target(metric.spec.target)
        given = (evidence, embedder) if embedder else (evidence,)
        with seeds.global_seed(seeds.named_seed("metric", metric.spec.id, evidence.seed)):
            score = measure(*given, **metric.parameters)
        if not isinstance(score, Score):
            raise TypeError(f"{metric.spec.target} returned {type(score).__name__}, not a Score")
        leaks = evidence.leakage(embedder) if embedder else ""
        caveat = "; ".join(filter(None, (score.caveat, leaks)))
        json.dumps(score.details, allow_nan=False)  # what cannot be stored is the metric's failure
        return replace(score, caveat=caveat).checked(), False
    except (UnsupportedError, DivergedError) as error:
        return unscored(first_line(error)), False
    except Exception as error:
        return unscored(f"the metric failed: {type(error).__name__}: {first_line(error)}"), True


def save_shown(
    evidence: Evidence,
    metrics: list[MetricChoice],
    scores: list[dict[str, Any]],
    setting: Setting,
    folder: Path,
) -> None:
    """Write the pictures, galleries and texts that reports show of a trial into its folder."""
    artifacts.save_picture(evidence, folder)
    with suppress(UnsupportedError, DivergedError):  # a picture is no reason to fail a trial
        artifacts.save_traversals(evidence, folder)
    _save_gallery(evidence, scores, setting, folder)
    _save_restored(evidence, scores, folder)
    captioned.save_drawn(evidence, folder, measured=_asked_for(metrics, scores))


def _save_gallery(
    evidence: Evidence, scores: list[dict[str, Any]], setting: Setting, folder: Path
) -> None:
    """Show what memorisation was measured on, in the first embedder that could be used."""
    judges = [
        score["embedder"]["id"] for score in scores
        if score["suite"] == "memorisation" and score["embedder"] and score["value"] is not None
    ]  # fmt: skip
    if judges and evidence.dataset.modality == "image" and len(evidence.dataset.train):
        save_gallery(evidence, setting.embedders[judges[0]], folder)


def _asked_for(metrics: list[MetricChoice], scores: list[dict[str, Any]]) -> bool:
    """Return whether a score was measured on samples of captions."""
    asked = {m.spec.id for m in metrics if m.spec.condition == "caption" and m.spec.uses_samples}
    return any(s["metric"] in asked and s["value"] is not None for s in scores)


def _save_restored(evidence: Evidence, scores: list[dict[str, Any]], folder: Path) -> None:
    """Show what the utility suite was measured on; a picture is no reason to fail a trial."""
    measured = any(s["suite"] == "utility" and s["value"] is not None for s in scores)
    if measured and evidence.dataset.modality == "image":
        with suppress(UnsupportedError, DivergedError):
            save_reconstructions(evidence, folder)
