"""Whether the records of a submission hold: form, hashes, numbers, times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gengauge import sound
from gengauge.bundle import keys
from gengauge.bundle.archive import Refusal
from gengauge.bundle.conforms import unlike
from gengauge.bundle.content import parsed
from gengauge.bundle.layout import MACHINES, RECORDS, TEXT
from gengauge.journal import score_id
from gengauge.schema import RECORD_SCHEMA
from gengauge.store import SCHEMA_VERSION, Record

Environments = Mapping[str, dict[str, Any]]
_ROUNDING = 1e-9  # of a value that an end of its interval may miss it by
_AHEAD = timedelta(days=1)  # that a clock may be wrong
_HASH = re.compile(r"[0-9a-f]{16}")


class Incomparable(Refusal):
    """A score that may not stand under its comparability key."""


def read(path: Path, environments: Environments) -> list[Record]:
    """Return the records of a file, each checked; ``Refusal`` names the line that does not hold."""
    found: dict[str, Record] = {}
    machines = keys.machines(environments.values())
    if len(machines) > MACHINES:
        raise Refusal(RECORDS, f"it was measured on {len(machines):,} machines, beyond {MACHINES}")
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(TEXT + 1), b""), start=1):
            where = f"line {number}"
            if len(line) > TEXT:
                raise Refusal(RECORDS, f"{where} is longer than any record")
            try:
                record = parsed(line)
            except ValueError as error:
                raise Refusal(RECORDS, f"{where}: {error}") from None
            if problem := _malformed(record):
                raise Refusal(RECORDS, f"{where}: {problem}")
            if record["trial"] in found:
                raise Refusal(RECORDS, f"{where}: trial {record['trial']} is in it twice")
            _check(record, where, environments, machines)
            found[record["trial"]] = record
    return list(found.values())


def _malformed(record: Any) -> str:
    """Return what keeps a line from being read as a record of this version."""
    if not isinstance(record, dict):
        return "it is no object"
    version = record.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        return (
            f"it was written by a newer gengauge (schema_version {version}, and this one reads "
            f"{SCHEMA_VERSION}); upgrade"
        )
    if version != SCHEMA_VERSION or isinstance(version, bool):
        return f"'schema_version' is {ascii(version)[:40]}, expected {SCHEMA_VERSION}"
    return sound.wrong(record) or unlike(record, RECORD_SCHEMA)


def _check(
    record: Record, where: str, environments: Environments, machines: Sequence[dict[str, Any]]
) -> None:
    environment = environments.get(record["environment"])
    if environment is None:
        raise Refusal(RECORDS, f"{where}: its environment is not in the bundle")
    problem = (
        keys.wrong_trial(record) or _status(record) or _time(record["started_at"])
        or next(filter(None, map(_number, record["scores"])), "") or _twice(record)
    )  # fmt: skip
    if problem:
        raise Refusal(RECORDS, f"{where}: {problem}")
    if problem := keys.wrong_scores(record, [None, *keys.machines([environment]), *machines]):
        raise Incomparable(RECORDS, f"{where}: {problem}")


def _status(record: Record) -> str:
    fine = record["status"] == "ok"
    if fine and record["error"]:
        return "its status is ok, and it has an error"
    if not fine and (record["scores"] or not record["error"]):
        return f"its status is {record['status']}, and it has scores or no error"
    return ""


def _time(text: str) -> str:
    """Check when a trial was started: a time with its zone, and not ahead of ours."""
    try:
        told = datetime.fromisoformat(text)
        told.timestamp()
    except (ValueError, OverflowError):
        return f"'started_at' is {ascii(text)[:40]}, expected a time such as 2026-01-31T12:00:00Z"
    if told.tzinfo is None:
        return "'started_at' names no time zone"
    ahead = told.timestamp() > (datetime.now(UTC) + _AHEAD).timestamp()
    return "'started_at' is in the future" if ahead else ""


def _number(score: dict[str, Any]) -> str:
    """Check a score against itself: value, interval, and the reason where there is no value."""
    name, value, reason = ascii(score["metric"]), score["value"], score["unscored_reason"]
    low, high = score["low"], score["high"]
    if not _HASH.fullmatch(score["comparability_key"]):
        return f"the comparability key of {name} is no hash"
    if value is None:
        bare = (low, high, score["standard_error"]) == (None, None, None)
        return "" if reason and bare else f"{name} has neither a value nor a reason alone"
    if reason:
        return f"{name} has a value and a reason for having none"
    slack = _ROUNDING * abs(value)
    if (low is not None and value < low - slack) or (high is not None and value > high + slack):
        return f"the value {value:g} of {name} is not within its interval [{low}, {high}]"
    if any(count is not None and count < 0 for count in (score["n_samples"], score["n_reference"])):
        return f"{name} counts fewer than no examples"
    return ""


def _twice(record: Record) -> str:
    seen: set[tuple[str, ...]] = set()
    for score in record["scores"]:
        if (one := score_id(score)) in seen:
            return f"it has two scores {score['metric']!a}"
        seen.add(one)
    return ""
