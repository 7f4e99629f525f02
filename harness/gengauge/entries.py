"""Finds the entry points of all installed distributions, and imports none of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.metadata import Distribution, distributions


def entry_points(group: str) -> list[tuple[str, str, Distribution]]:
    """Return name, module and distribution of what is registered under ``group``.

    Of two with one name the first on the path wins; those of the distribution called so come first.
    """
    found: dict[str, tuple[str, str, Distribution]] = {}
    seen: set[str] = set()
    for distribution in distributions():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = distribution.read_text("entry_points.txt")
        if not text or f"[{group}]" not in text.replace(" ", ""):
            continue
        name = str(distribution.metadata["Name"]).lower()
        if name in seen:
            continue
        seen.add(name)
        for point in distribution.entry_points:
            if point.group == group:
                key = point.name if point.name not in found else f"{name}:{point.name}"
                found[key] = (key, point.value, distribution)
    ours_first: Callable[[tuple[str, str, Distribution]], tuple[bool, str]]
    ours_first = lambda item: (item[2].metadata["Name"] != group, item[0])  # noqa: E731
    return sorted(found.values(), key=ours_first)
