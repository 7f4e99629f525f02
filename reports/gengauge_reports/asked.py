"""What models make of captions: how much of each kind of claim holds, and the images themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gengauge import guarded
from gengauge.gather import Trial
from gengauge_reports.figures import Json
from gengauge_reports.table import Column, Row, Table

_BASE64 = re.compile(r"[A-Za-z0-9+/]+=*")
_ALL = "all of it"


def claims(table: Table) -> list[Json]:
    """Return, for each score of captions, the share of every kind of claim that each row keeps.

    Rows are models, then controls, then what chance reaches; shares are means over the seeds.
    """
    found = []
    for column in table.columns:
        told = [(row, scores) for row in (*table.models, *table.controls)
                if (scores := _scores(row, column))]  # fmt: skip
        if not told:
            continue
        kinds = list(dict.fromkeys(k for _, scores in told for s in scores for k in _kinds(s)))
        rows = [
            {
                "title": row.label, "role": "control" if row.control else "model",
                "shares": _shares(scores, "by_attribute", "value", kinds),
            }
            for row, scores in told
        ]  # fmt: skip
        chance = _shares(told[0][1], "chance_by_attribute", "chance", kinds)
        if any(share is not None for share in chance):
            rows.append({"title": "chance", "role": "chance", "shares": chance})
        found.append({"title": column.title, "kinds": [*kinds, _ALL], "rows": rows})
    return found


def _scores(row: Row, column: Column) -> list[Json]:
    """Return the row's scores that say how much of each kind of claim holds."""
    scores = (
        {**(score.get("details") or {}), "value": score["value"]}
        for _, score in row.measured(column)
    )
    return [score for score in scores if score.get("claimed") and score.get("by_attribute")]


def _kinds(score: Json) -> Iterable[str]:
    return map(str, score.get("kinds") or score["by_attribute"])


def _shares(
    scores: Sequence[Json], by_kind: str, whole: str, kinds: Sequence[str]
) -> list[float | None]:
    each = [_mean((s.get(by_kind) or {}).get(kind) for s in scores) for kind in kinds]
    return [*each, _mean(s.get(whole) for s in scores)]


def _mean(values: Iterable[Any]) -> float | None:
    numbers = [float(v) for v in values if isinstance(v, int | float)]
    return sum(numbers) / len(numbers) if numbers else None


def captioned(table: Table, trials: Sequence[Trial]) -> Json | None:
    """Return captions, and for real data, models and controls an image of each caption.

    None where nobody has drawn any.
    """
    real = next(filter(None, (_rows(t.store.dataset_folder(table.dataset)) for t in trials)), {})
    sheets = [{"title": "data", "role": "data", "images": real}] if real else []
    for row in (*table.models, *table.controls):
        folders = (t.store.trial_folder(t.key) for t in row.trials if t.ok)
        if drawn := next(filter(None, map(_rows, folders)), {}):
            role = "control" if row.control else "model"
            sheets.append({"title": row.label, "role": role, "images": drawn})
    if all(sheet["role"] == "data" for sheet in sheets):
        return None
    captions = dict.fromkeys(caption for sheet in sheets for caption in sheet["images"])
    return {"sheets": sheets, "captions": list(captions)}


def _rows(folder: Path) -> dict[str, str]:
    """Return each caption's image of a folder as PNG in base64; empty where there are none."""
    path = folder / "captioned.json"
    rows = guarded.artifact_json(path).get("rows")
    return {
        str(row.get("caption")): str(row["png"])
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and _BASE64.fullmatch(str(row.get("png", "")))
    }
