"""Finds the one record a user names: in a run by the key of its trial, or in a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gengauge import guarded, sound
from gengauge.errors import UsageError
from gengauge.store import Record, RunStore

_SHOWN = 5  # of the trials that a name fits
_HELP = "give RUN/KEY, RUN with --model, --dataset and --seed, or a file with one record"


@dataclass(frozen=True)
class Recorded:
    """A record and the environment it was made in, empty where that is not known."""

    record: Record
    environment: dict[str, Any]

    @property
    def device(self) -> str:
        """What the trial ran on, as ``--device`` names it."""
        return "cuda" if self.environment.get("gpu") else "cpu"

    @property
    def threads(self) -> int:
        """How many CPU threads it had."""
        found = self.environment.get("threads")
        return found if type(found) is int and 1 <= found <= 1024 else 1


def find(text: str, model: str = "", dataset: str = "", seed: int | None = None) -> Recorded:
    """Return the record that ``text`` names, ``UsageError`` where it is not one.

    ``text`` is a run, a run and the beginning of a trial's key (``runs/quick/ab12cd``, or the
    trial's folder), or a JSON file with one record.
    """
    path = Path(text)
    if path.is_file():
        return _in_file(path)
    store, key = _open(text.rstrip("/"))
    found = [
        r for r in store.records()
        if r["trial"].startswith(key) and model in ("", r["model"]["id"])
        and dataset in ("", r["dataset"]["id"])
        and seed in (None, (r.get("seeds") or {}).get("seed"))
    ]  # fmt: skip
    if len(found) != 1:
        raise UsageError(f"'{text}' {_which(found)}; {_HELP}")
    return Recorded(found[0], store.environments().get(str(found[0].get("environment")), {}))


def _open(text: str) -> tuple[RunStore, str]:
    """Return the run that ``text`` names and the beginning of a key, empty where it names none."""
    try:
        return RunStore.open(text), ""
    except UsageError:
        if "/" not in text:
            raise
    run, _, key = text.rpartition("/")
    return RunStore.open(run.removesuffix("/trials")), key


def _which(found: Sequence[Record]) -> str:
    if not found:
        return "names no trial"
    shown = [
        f"{r['trial']} ({r['model']['id']} on {r['dataset']['id']}, "
        f"seed {(r.get('seeds') or {}).get('seed')})"
        for r in found[:_SHOWN]
    ]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"names {len(found)} trials: {', '.join(shown)}{more}"


def _in_file(path: Path) -> Recorded:
    content = path.read_bytes() if path.stat().st_size <= guarded.LINE else b""
    record = guarded.parsed(content)
    problem = "it is no JSON object" if record is None else sound.wrong(record)
    if problem:
        raise UsageError(f"'{path}' holds no record ({problem}); {_HELP}")
    name = record.get("environment")
    beside = path.parent / "environments" / f"{name}.json"
    return Recorded(
        record, sound.environment(guarded.small_json(beside)) if guarded.is_name(name) else {}
    )
