"""What the documentation states and the tests hold it to: docs/agreement.toml, intervals.toml."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


@cache
def entries() -> list[dict[str, Any]]:
    """The error budgets, one a metric and peer."""
    return tomllib.loads((DOCS / "agreement.toml").read_text("utf-8"))["agreement"]


@cache
def intervals() -> dict[str, dict[str, list[str]]]:
    """The kinds and interval methods of every metric."""
    return tomllib.loads((DOCS / "intervals.toml").read_text("utf-8"))


def budget(metric: str, peer: str) -> dict[str, float]:
    """What ``pytest.approx`` takes: ``approx(theirs, **budget("fd", "torch-fidelity"))``."""
    found = [e for e in entries() if (e["metric"], e["peer"]) == (metric, peer)]
    assert len(found) == 1, (
        f"docs/agreement.toml has {len(found)} entries of {metric!r} beside {peer!r}, not one: "
        "add metric, peer, budget, kind (relative or absolute), on and tested"
    )
    [entry] = found
    if entry["kind"] == "absolute":
        return {"rel": 0.0, "abs": entry["budget"]}
    assert entry["kind"] == "relative", entry
    return {"rel": entry["budget"], "abs": entry.get("floor", 0.0)}


def undocumented(metric: str, kind: str, method: str | None) -> str:
    """Return what docs/intervals.toml does not say of a score; empty where it says all."""
    about = intervals().get(metric)
    if about is None:
        return f"docs/intervals.toml has no [{metric}]"
    if kind not in about["kinds"]:
        return f"docs/intervals.toml: [{metric}] kinds lack {kind!r}"
    # a * stands for a number
    patterns = [re.escape(i).replace(r"\*", r"[\d,.]+") for i in about["intervals"]]
    if not any(re.fullmatch(p, method or "none: a single reading") for p in patterns):
        return f"docs/intervals.toml: [{metric}] intervals lack {method!r}"
    return ""
