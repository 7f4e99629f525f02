"""JSON Schema of a record and of a tidy row: what scripts may rely on."""

from __future__ import annotations

from typing import Any

from gengauge import schema_words as words
from gengauge.specs import DIRECTIONS, KINDS
from gengauge.store import COLUMNS, SCHEMA_VERSION

STATUSES = ("ok", "failed", "timeout", "out_of_memory", "diverged", "skipped", "unsupported")
_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_NUMBER = {"type": ["number", "null"]}
_COUNT = {"type": ["integer", "null"]}
_OBJECT = {"type": ["object", "null"]}


def _object(
    said: dict[str, str], properties: dict[str, Any], optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    schema = {"type": "object", "properties": properties, "required": required}
    return words.described(schema, said)


_SCORE = _object(words.SCORE, {
    "suite": _TEXT, "metric": _TEXT, "unit": _TEXT,
    "direction": {"enum": list(DIRECTIONS)}, "kind": {"enum": list(KINDS)}, "split": _TEXT,
    "embedder": _OBJECT, "n_samples": _COUNT, "n_reference": _COUNT,
    "comparability_key": _TEXT, "value": _NUMBER, "low": _NUMBER, "high": _NUMBER,
    "level": _NUMBER, "interval_method": _MAYBE_TEXT, "standard_error": _NUMBER,
    "unscored_reason": _MAYBE_TEXT, "caveat": _MAYBE_TEXT,
    "protocol": _OBJECT,
}, optional=("caveat", "protocol"))  # fmt: skip

RECORD_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": f"gengauge record, version {SCHEMA_VERSION}",
    **_object(words.RECORD, {
        "schema_version": {"const": SCHEMA_VERSION}, "run_id": _TEXT, "trial": _TEXT,
        "started_at": _TEXT, "status": {"enum": list(STATUSES)},
        "model": _object(words.MODEL, {
            "id": _TEXT, "family": _TEXT, "distribution": _TEXT, "version": _TEXT,
            "parameters": {"type": "object"}, "n_parameters": _COUNT,
            "checkpoint_sha256": _MAYBE_TEXT,
        }),
        "dataset": _object(words.DATASET, {
            "id": _TEXT, "revision": _TEXT, "fingerprint": _TEXT, "n_train": {"type": "integer"},
            "copies": {"type": "object", "additionalProperties": {"type": "integer"}},
        }, optional=("copies",)),
        "benchmark": _object(words.BENCHMARK, {"name": _TEXT, "version": {"type": "integer"}}),
        "seeds": {"type": "object"}, "budget": _TEXT, "scores": {"type": "array", "items": _SCORE},
        "timing": {"type": "object"}, "peak_memory": {"type": "object"}, "environment": _TEXT,
        "error": _OBJECT, "command": _TEXT, "artifacts": {"type": "array", "items": _TEXT},
        "position": {"type": "integer"}, "workers": {"type": "integer"},
        "precision": {"enum": ["bf16"]}, "accumulation": {"type": "integer"},
        "command_line": _TEXT, "given": {"type": "object"},
    }, optional=("position", "workers", "precision", "accumulation",
                "command_line", "given")),
}  # fmt: skip

_ROW_TYPES: dict[str, Any] = {
    "seed": {"type": "integer"}, "n_samples": _NUMBER, "n_reference": _NUMBER, "value": _NUMBER,
    "low": _NUMBER, "high": _NUMBER, "standard_error": _NUMBER,
    "status": {"enum": list(STATUSES)},
}  # fmt: skip

ROW_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "gengauge tidy row: one trial x metric",
    **_object(words.ROW, {name: _ROW_TYPES.get(name, _MAYBE_TEXT) for name in COLUMNS}),
}
