"""When two records of one trial agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gengauge.agreement import (
    AGREES,
    DISAGREES,
    IDENTICAL,
    MISSING,
    OTHER,
    SHOWN,
    allowed,
    compare,
    verdict,
)

Z = 1.959963984540054


def score(value: float | None, half: float | None = None, metric: str = "fd", **more: Any) -> dict:
    return {
        "suite": "s", "metric": metric, "embedder": None, "split": "test", "value": value,
        "low": None if half is None or value is None else value - half,
        "high": None if half is None or value is None else value + half,
        "level": 0.95, "comparability_key": "k", "unscored_reason": None, **more,
    }  # fmt: skip


def record(*scores: dict, status: str = "ok") -> dict[str, Any]:
    return {"status": status, "scores": list(scores)}


def judged(old: dict, new: dict) -> str:
    [found] = compare(record(old), record(new), frozenset({"speed"}))
    return found.verdict


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (score(1.0, 0.3), score(1.0, 0.3), IDENTICAL),
        (score(1.0, 0.3), score(1.49, 0.4), AGREES),
        (score(1.0, 0.3), score(1.51, 0.4), DISAGREES),
        (score(1.0, 0.3), score(0.49, 0.4), DISAGREES),
        (score(5.0, 0.0), score(5.0 + 1e-12, 0.0), AGREES),
        (score(5.0, 0.0), score(5.0 + 1e-6, 0.0), DISAGREES),
        (score(5.0), score(5.000001), AGREES),
        (score(5.0), score(5.1), DISAGREES),
        (score(None), score(None), IDENTICAL),
        (score(None), score(1.0, 0.1), DISAGREES),
        (score(1.0, 0.1), score(None), MISSING),
        (score(1.0, 9.0), score(1.0, 9.0, comparability_key="other"), OTHER),
        (score(1.0, 0.1, "speed"), score(9.0, 0.1, "speed"), SHOWN),
    ],
)
def test_one_score(old: dict, new: dict, expected: str) -> None:
    assert judged(old, new) == expected


def test_each_arm_counts_on_its_own_side() -> None:
    """Above, the upper arm of the old and the lower arm of the new; below, the others."""
    old = {"value": 1.0, "low": 0.9, "high": 4.0}
    assert allowed(old, {"value": 2.0, "low": -2.0, "high": 2.1}) == pytest.approx(5.0)
    assert allowed(old, {"value": 0.5, "low": 0.4, "high": 0.5}) == pytest.approx(0.1)


def test_it_is_symmetric() -> None:
    a, b = score(1.0, 0.3), score(1.4, 0.1)
    assert allowed(a, b, 7) == pytest.approx(allowed(b, a, 7))


@pytest.mark.parametrize("n", [1, 25])
def test_a_true_reproduction_disagrees_in_one_case_of_twenty(n: int) -> None:
    """Independent normal errors, the worst case: 5 % of trials, however many scores they have."""
    random = np.random.default_rng(n)
    trials, wrong = 2000, 0
    for _ in range(trials):
        spread = random.uniform(0.5, 2, n)
        both = [
            record(*(score(xs[i], Z * spread[i], f"m{i}") for i in range(n)))
            for xs in random.normal(0, spread, (2, n))
        ]  # fmt: skip
        found = compare(both[0], both[1], frozenset())
        wrong += verdict(both[0], both[1], found)[1]
    assert abs(wrong / trials - 0.05) < 4 * (0.05 * 0.95 / trials) ** 0.5 + 0.002 * (n > 1)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (record(score(1.0, 0.1)), record(score(1.0, 0.1)), ("identical", 0)),
        (record(score(1.0, 0.1)), record(score(1.05, 0.1)), ("agrees", 0)),
        (record(score(1.0, 0.1)), record(score(2.0, 0.1)), ("disagrees", 1)),
        (record(score(1.0, 0.1)), record(), ("not comparable", 4)),
        (record(), record(), ("not comparable", 4)),
        (record(score(1.0, 0.1, "speed")), record(score(1, 1, "speed")), ("not comparable", 4)),
        (record(score(1.0, 0.1)), record(status="timeout"), ("failed", 3)),
        (record(status="failed"), record(status="failed"), ("failed", 3)),
        (record(status="failed"), record(score(1.0, 0.1)), ("disagrees", 1)),
    ],
)
def test_the_whole_trial(old: dict, new: dict, said: tuple[str, int]) -> None:
    assert verdict(old, new, compare(old, new, frozenset({"speed"}))) == said
