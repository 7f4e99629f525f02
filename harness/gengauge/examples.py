"""What single examples tell of a score, and which way its kind errs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gengauge.aggregate import standard_error
from gengauge.gather import Trial

Score = dict[str, Any]


@dataclass(frozen=True)
class Examples:
    """One model's values of each test example ``[seeds, n]``.

    ``hidden`` is the part of the squared standard errors that these values do not show, such as
    the variance of clustered examples or of the samples that were drawn.
    """

    values: NDArray[np.float64]
    hidden: float


def side(kind: str, direction: str) -> str:
    """Return which way a kind errs: ``pessimistic``, ``optimistic``, or empty for neither.

    >>> side("upper_bound", "lower"), side("upper_bound", "higher"), side("estimate", "lower")
    ('pessimistic', 'optimistic', '')
    """
    if kind not in ("upper_bound", "lower_bound"):
        return ""
    return "pessimistic" if (kind == "upper_bound") == (direction == "lower") else "optimistic"


def examples(trials: Sequence[Trial], scores: Sequence[Score]) -> Examples | None:
    """Return the values of each example behind the scores of a model's trials, one a seed.

    None where a seed has none, where they are not of equal length, or where their mean is not the
    score, as with a ratio of sums: then they say nothing of its differences.
    """
    found = [_of_one(trial, score) for trial, score in zip(trials, scores, strict=True)]
    values = [f for f in found if f is not None]
    if not values or len(values) < len(found) or len({len(v) for v in values}) > 1:
        return None
    hidden = [_hidden(v, s) for v, s in zip(values, scores, strict=True)]
    return Examples(np.stack(values), float(np.mean(hidden)))


def _of_one(trial: Trial, score: Score) -> NDArray[np.float64] | None:
    embedder = (score.get("embedder") or {}).get("id")
    name = f"{score['metric']}.{embedder}" if embedder else score["metric"]
    values = trial.store.per_example(trial.key, name)
    if values is None or values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        return None
    same = math.isclose(float(values.mean()), float(score["value"]), rel_tol=1e-6, abs_tol=1e-9)
    return values if same else None


def _hidden(values: NDArray[np.float64], score: Score) -> float:
    """Return the variance that the score states beyond that of a mean of independent values."""
    error = standard_error({**score, "kind": ""})
    shown = float(values.var(ddof=1)) / len(values)
    beyond = 0.0 if error is None else error * error - shown
    return beyond if beyond > 0.01 * shown else 0.0  # less is rounding, or n for n - 1
