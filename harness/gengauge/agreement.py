"""Whether two records of one trial agree: each score within the interval it was given with.

The rule. Values that are equal to the last bit are identical. Otherwise a recorded score x with
interval [l, u] and one that was measured again, x' with [l', u'], are estimates whose difference
has the interval of Zou & Donner 2008, *Construction of confidence limits about effect measures*
(https://doi.org/10.1002/sim.3095): for x' > x they agree where (x' - x)^2 is at most
(u - x)^2 + (x' - l')^2, for x' < x the other way round. That supposes independent errors; two
runs share their test examples, so the rule is cautious in calling a difference one. A trial has
many scores: the intervals are widened (Bonferroni) so that a true reproduction is called a
disagreement in at most 5 % of cases, whatever the number of scores. Scores without an interval
agree to one part in a million. What depends on the hardware is shown and never judged: its
interval covers the readings of one run, not what else the machine was doing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

from gengauge.store import Record, score_id

_ROUNDING = 1e-9  # of a value: what adding up in another order leaves
_UNSTATED = 1e-6  # of a value, where no interval was recorded
IDENTICAL, AGREES, DISAGREES = "identical", "agrees", "DISAGREES"
OTHER, SHOWN, MISSING = "not comparable", "not judged", "not measured"
Score = dict[str, Any]


@dataclass(frozen=True)
class Compared:
    """One score, as it was recorded and as it came out again; ``allowed`` is the largest gap."""

    suite: str
    metric: str
    embedder: str
    recorded: float | None
    low: float | None
    high: float | None
    again: float | None
    difference: float | None
    allowed: float | None
    verdict: str
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {"id": self.metric, **asdict(self)}


def compare(old: Record, new: Record, hardware_bound: frozenset[str]) -> list[Compared]:
    """Return every score of ``old`` beside that of ``new``."""
    found = {score_id(s): s for s in new["scores"]}
    pairs = [(s, found.get(score_id(s))) for s in old["scores"]]
    judged = sum(_to_be_judged(a, b, hardware_bound) == "" for a, b in pairs)
    return [_compared(a, b, hardware_bound, max(1, judged)) for a, b in pairs]


def _to_be_judged(old: Score, new: Score | None, hardware_bound: frozenset[str]) -> str:
    """Return why two scores cannot be judged, as a verdict, or nothing."""
    if old["metric"] in hardware_bound:
        return SHOWN
    if new is None or (new.get("value") is None and old.get("value") is not None):
        return MISSING
    if new.get("comparability_key") != old.get("comparability_key"):
        return OTHER
    return ""


def _compared(
    old: Score, new: Score | None, hardware_bound: frozenset[str], judged: int
) -> Compared:
    verdict = _to_be_judged(old, new, hardware_bound)
    x, y = old.get("value"), (new or {}).get("value")
    gap = None if x is None or y is None else y - x
    judging = verdict == "" and gap is not None and new is not None
    limit = allowed(old, new, judged) if judging and new is not None else None
    note = ""
    if verdict == MISSING:
        note = str((new or {}).get("unscored_reason") or "it was not measured again")
    elif verdict == OTHER:
        keys = [s.get("comparability_key") for s in (old, new or {})]
        note = f"comparability key {keys[1]}, not {keys[0]} as recorded"
    elif not verdict:
        verdict, note = _judged(old, new or {}, gap, limit)
    return Compared(
        old["suite"], old["metric"], (old.get("embedder") or {}).get("id") or "", x,
        old.get("low"), old.get("high"), y, gap, limit, verdict, note,
    )  # fmt: skip


def _judged(old: Score, new: Score, gap: float | None, limit: float | None) -> tuple[str, str]:
    if old.get("value") is None:
        if new.get("value") is None:
            return IDENTICAL, f"unscored: {old.get('unscored_reason') or 'no reason recorded'}"
        return DISAGREES, f"it was unscored: {old.get('unscored_reason')}"
    if gap == 0:
        return IDENTICAL, ""
    assert gap is not None
    assert limit is not None
    return (AGREES if abs(gap) <= limit else DISAGREES), ""


def allowed(old: Score, new: Score, judged: int = 1) -> float:
    """Return the largest gap between two values that their intervals allow for.

    >>> a, b = {"value": 1.0, "low": 0.7, "high": 1.3}, {"value": 1.2, "low": 0.8, "high": 1.6}
    >>> round(allowed(a, b), 6), allowed(a, b, judged=10) > allowed(a, b)
    (0.5, True)
    """
    up = float(new["value"]) >= float(old["value"])
    arms = (_arm(old, up), _arm(new, not up))
    scale = max(abs(float(old["value"])), abs(float(new["value"])))
    stated = [a for a in arms if a is not None]
    if not stated:
        return _UNSTATED * scale
    level = float(old.get("level") or 0.95)
    return max(_ROUNDING * scale, _wider(level, judged) * math.hypot(*stated))


def _arm(score: Score, up: bool) -> float | None:
    end = score.get("high" if up else "low")
    return None if end is None else max(0.0, abs(float(end) - float(score["value"])))


def _wider(level: float, judged: int) -> float:
    """Return how much longer an arm is at the level that holds for ``judged`` scores together."""
    normal = NormalDist()
    one = normal.inv_cdf((1 + level) / 2)
    return normal.inv_cdf(1 - (1 - level) / (2 * judged)) / one


def verdict(old: Record, new: Record, scores: Iterable[Compared]) -> tuple[str, int]:
    """Return what is to be said of the whole trial, and the exit code that says it."""
    found = [s.verdict for s in scores]
    if new["status"] != "ok":
        return "failed", 3
    if old["status"] != "ok" or DISAGREES in found:
        return "disagrees", 1
    if OTHER in found or MISSING in found:
        return "not comparable", 4
    if AGREES in found:
        return "agrees", 0
    return ("identical", 0) if IDENTICAL in found else ("not comparable", 4)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return what two environments differ in, as name, then, now.

    >>> differences({"gpu": None, "packages": {"torch": "2.5"}}, {"gpu": None, "packages": {}})
    [('packages.torch', '2.5', None)]
    """
    before, after = dict(_flat(old)), dict(_flat(new))
    names = dict.fromkeys((*before, *after))
    return [(n, before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)]


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{k}", v) for k, v in value.items())
        else:
            yield name, value
