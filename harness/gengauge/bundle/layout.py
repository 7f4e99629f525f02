"""What a submission looks like inside: its members, its manifest, its limits.

A bundle is a zip archive of ``manifest.json``, ``records.jsonl`` and what reports show beside
them. Nothing else may be in it: a name that is not listed here is refused.
"""

from __future__ import annotations

import re
from typing import Any

from gengauge import guarded
from gengauge.errors import NotComparableError, UsageError

FORMAT = "gengauge_bundle"
VERSION = 1
MANIFEST, RECORDS, METRICS, BENCHMARK = (
    "manifest.json", "records.jsonl", "metrics.json", "benchmark.toml",
)  # fmt: skip
SAMPLES = "samples.safetensors"
MEMBERS = 100_000
DIRECTORY = 1 << 24  # bytes of the list of members
TEXT = 1 << 23  # bytes of a text, of JSON and of a record: parsed they are twenty times as large
MACHINES = 100  # that the scores of a bundle were measured on
_WHOLE = 2 << 30  # bytes of all members, unpacked
_RECORDS, _MANIFEST = 1 << 29, 1 << 25
_TOP = {MANIFEST: "manifest", RECORDS: "records", METRICS: "json", BENCHMARK: "text"}
TRIAL = {
    "samples.png": "png", "samples.txt": "text", "points.json": "json", "curve.jsonl": "lines",
    "per_example.safetensors": "examples", "neighbours.png": "png", "neighbours.json": "json",
    "reconstructions.png": "png", "reconstructions.json": "json", "traversals.png": "png",
    "completions.txt": "text", "captioned.json": "json", SAMPLES: "tensors",
}  # fmt: skip
DATASET = {
    "real.png": "png", "real.txt": "text", "completions.txt": "text", "points.json": "json",
    "captioned.json": "json",
}  # fmt: skip
_HASH = re.compile(r"[0-9a-f]{16}")


class BundleError(UsageError):
    """A submission that does not hold: the text names the member and what is wrong with it."""


class IncomparableBundleError(NotComparableError):
    """A submission whose scores were not measured as their keys claim."""


def whole() -> int:
    """Return how many bytes a bundle may hold, unpacked."""
    return min(_WHOLE, guarded.most())


def kind_of(name: str) -> str:
    """Return what a member of this name holds, empty where a bundle has no such member.

    >>> kind_of("records.jsonl"), kind_of("trials/0123456789abcdef/samples.png")
    ('records', 'png')
    >>> kind_of("trials/0123456789abcdef/checkpoint/model.pt"), kind_of("../records.jsonl")
    ('', '')
    """
    top, *rest = name.split("/")
    if not rest:
        return _TOP.get(top, "")
    if top == "environments" and len(rest) == 1:
        stem, dot, suffix = rest[0].partition(".")
        return "environment" if _HASH.fullmatch(stem) and (dot, suffix) == (".", "json") else ""
    if len(rest) != 2:
        return ""
    if top == "trials":
        return TRIAL.get(rest[1], "") if _HASH.fullmatch(rest[0]) else ""
    return DATASET.get(rest[1], "") if top == "datasets" and guarded.is_name(rest[0]) else ""


def most(kind: str) -> int:
    """Return how many bytes a member of a kind may hold, unpacked."""
    limits = {
        "records": _RECORDS, "manifest": _MANIFEST, "tensors": whole(), "png": guarded.ARTIFACT,
        "examples": guarded.ARTIFACT,
    }  # fmt: skip
    return min(whole(), limits.get(kind, TEXT))


def shown(name: str, longest: int = 100) -> str:
    """Return a member's name as a message may show it.

    >>> print(shown("a\\x1b[2J" + "b" * 200, 12))
    'a\\x1b[2Jbbbbbbb'...
    """
    text = ascii(name[:longest])
    return text if len(name) <= longest else f"{text}..."


def manifest(members: dict[str, Any], samples: dict[str, Any], **about: Any) -> dict[str, Any]:
    """Return the manifest: digests and sizes of members, digests of samples, and what is told."""
    return {FORMAT: VERSION, "members": members, "samples": samples, **about}
