"""Helpers of the tests of scoring."""

from __future__ import annotations

from typing import Any


def by_metric(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {score["metric"]: score for score in record["scores"]}
