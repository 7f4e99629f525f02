"""Takes a good submission apart, spoils one thing, and puts it together again."""

from __future__ import annotations

import copy
import io
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gengauge.bundle import open_bundle
from gengauge.bundle.keys import Json
from gengauge.bundle.opening import summary
from gengauge.bundle.packed import archive, digest
from gengauge.errors import GengaugeError
from gengauge.trial import Trial

Members = dict[str, bytes]
MANIFEST, RECORDS = "manifest.json", "records.jsonl"


def members_of(path: Path) -> dict[str, bytes]:
    """Return the members of a bundle."""
    with zipfile.ZipFile(path) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def records_of(members: dict[str, bytes]) -> list[Json]:
    return [json.loads(line) for line in members[RECORDS].splitlines()]


def lines(records: list[Json]) -> bytes:
    return b"".join(json.dumps(r, sort_keys=True).encode() + b"\n" for r in records)


def sealed(members: dict[str, bytes], **manifest: Any) -> dict[str, bytes]:
    """Return the members with a manifest that agrees with them, as a forger would write it."""
    about = json.loads(members[MANIFEST])
    rest = {name: content for name, content in members.items() if name != MANIFEST}
    spoils = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
    with suppress(*spoils):  # such records are looked at before what is told of them
        about |= summary(records_of(members))
    about |= {"members": {name: digest(content) for name, content in rest.items()}, **manifest}
    return {MANIFEST: json.dumps(about).encode(), **rest}


def written(path: Path, members: dict[str, bytes]) -> Path:
    """Write members as an archive."""
    with path.open("wb") as file:
        archive(file, members)
    return path


def spoilt(members: dict[str, bytes], change: Callable[[Json], Any], nth: int = 0) -> dict:
    """Return the members, one record changed and the manifest sealed anew."""
    records = copy.deepcopy(records_of(members))
    change(records[nth])
    return sealed({**members, RECORDS: lines(records)})


def rekeyed(record: Json, old: str = "") -> str:
    """Give a record the key and the seeds of what it says, as one who can compute does."""
    model, data, seeds = record["model"], record["dataset"], record["seeds"]
    trial = Trial(
        model["base"], model["id"], tuple(sorted(model["parameters"].items())), model["code"],
        data["id"], data["fingerprint"], seeds["seed"], record["budget"], "cpu",
    )  # fmt: skip
    record["trial"] = trial.key
    seeds |= {stage: trial.stage_seed(stage) for stage in ("train", "sample")}
    return trial.key


def raw_zip(entries: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    """Return an archive of any entries, in the order given, twice the same name too."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for info, content in entries:
            zipped.writestr(info, content)
    return file.getvalue()


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, mode << 16
    return info


def refused(path: Path, said: str, code: int = 2) -> None:
    """Opening says one line: the file, the member, and what does not hold."""
    with pytest.raises(GengaugeError) as error:
        open_bundle(path)
    text = str(error.value)
    assert error.value.exit_code == code, text
    assert re.search(said, text), text
    assert text.startswith(f"'{path}' is refused: ")
    assert text.isprintable()
    assert len(text) < 700


def ok(members: Members) -> int:
    """Return the line of a record with scores."""
    return next(i for i, r in enumerate(records_of(members)) if r["status"] == "ok")


def scored(members: Members, change: Callable[[dict], Any]) -> Members:
    """Change the first score that has an interval."""

    def of_record(record: dict) -> None:
        change(next(s for s in record["scores"] if s["low"] is not None))

    return spoilt(members, of_record, ok(members))
