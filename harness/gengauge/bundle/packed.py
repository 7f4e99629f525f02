"""Packs a run into one file that others can check: ``gengauge submit``."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gengauge import guarded
from gengauge.bundle import content, layout
from gengauge.bundle.opening import open_bundle, summary
from gengauge.bundle.redaction import clean, without_secrets
from gengauge.errors import NothingSelectedError, UsageError
from gengauge.journal import encode
from gengauge.provenance import content_hash
from gengauge.store import SCHEMA_VERSION, Record, RunStore

_NOTE = 2000  # characters
_STORED = (".png", ".safetensors")  # packed already


@dataclass
class Packed:
    """What was written, and what of the run was left out and why."""

    path: Path
    sha256: str
    size: int
    counts: dict[str, int]
    warnings: list[str] = field(default_factory=list)


def pack(
    store: RunStore, path: Path, *, models: Sequence[str] = (), note: str = "",
    samples: bool = False,
) -> Packed:  # fmt: skip
    """Write the records of a run, and what reports show beside them, as one checked bundle.

    ``models`` are the ids to submit, all where there are none; ``samples`` are packed whole, not
    their digests alone. Equal runs give equal bytes. ``UsageError`` where a record does not hold,
    ``NothingSelectedError`` where none is left.
    """
    if len(note) > _NOTE:
        raise UsageError(f"the note has {len(note):,} characters, expected at most {_NOTE:,}")
    packer = _Packer(store, samples)
    records = _chosen(store, models)
    packer.add_records(records)
    manifest = layout.manifest(
        packer.digests, packer.samples, schema_version=SCHEMA_VERSION, gengauge=version("gengauge"),
        note=without_secrets(note), **summary(records),
    )  # fmt: skip
    packer.members[layout.MANIFEST] = _json(manifest)
    digest = _write(packer.members, path)
    warnings = [*store.warnings, *packer.warnings]
    return Packed(path, digest, path.stat().st_size, manifest["counts"], warnings)


def _chosen(store: RunStore, models: Sequence[str]) -> list[Record]:
    """Return the records to submit, failed ones too, without secrets."""
    found = store.records()
    known = sorted({r["model"]["id"] for r in found})
    if missing := [m for m in models if m not in known]:
        raise NothingSelectedError(
            f"'{store.address}' has no model '{missing[0]}'; it has {', '.join(known) or 'none'}"
        )
    chosen = [clean(r) for r in found if not models or r["model"]["id"] in models]
    if not chosen:
        raise NothingSelectedError(f"'{store.address}' has no record to submit")
    whole = {r["trial"]: r for r in found}
    for record in chosen:
        before = whole[record["trial"]]
        if _hashed(record) != _hashed(before):
            raise UsageError(
                f"trial {record['trial']} has a password or a token among its parameters or the "
                "names of its data; its key is a hash of them, so it cannot be taken out: run it "
                "with the secret in the environment"
            )
    return chosen


def _hashed(record: Record) -> list[Any]:
    scores = [[s.get("request"), s.get("parameters"), s.get("protocol")] for s in record["scores"]]
    model = [record["model"].get(k) for k in ("id", "base", "parameters", "code")]
    return [model, record["dataset"], record.get("benchmark"), record.get("budget"), scores]


class _Packer:
    """Collects members, each with its digest."""

    def __init__(self, store: RunStore, samples: bool) -> None:
        self._store, self._whole = store, samples
        self.members: dict[str, bytes] = {}
        self.samples: dict[str, dict[str, Any]] = {}
        self.warnings: list[str] = []
        store.fetch()

    @property
    def digests(self) -> dict[str, dict[str, Any]]:
        return {name: digest(content) for name, content in self.members.items()}

    def add_records(self, records: list[Record]) -> None:
        for record in records:
            record["environment"] = self._add_environment(str(record["environment"]))
        self.members[layout.RECORDS] = b"".join(map(encode, records))
        used = {s["metric"] for r in records for s in r["scores"]}
        about = {k: v for k, v in self._store.metrics().items() if k in used}
        self.members[layout.METRICS] = _json(clean(about))
        with suppress(OSError, UnicodeDecodeError):
            toml = (self._store.folder / layout.BENCHMARK).read_text(encoding="utf-8")
            self.members[layout.BENCHMARK] = without_secrets(toml).encode()
        for record in records:
            self._add_dataset(record["dataset"]["id"])
            self._add_trial(record["trial"])

    def _add_environment(self, id_: str) -> str:
        """Add an environment and return its id, another one where it held a secret."""
        found = guarded.small_json(self._store.folder / "environments" / f"{id_}.json")
        if not isinstance(found, dict):
            return id_  # the check of the finished bundle says so
        if (cleaned := clean(found)) != found:
            id_ = content_hash(cleaned)
        self.members[f"environments/{id_}.json"] = _json(cleaned)
        return id_

    def _add_dataset(self, id_: str) -> None:
        folder = self._store.dataset_folder(id_)
        for name in layout.DATASET:
            self._add(f"datasets/{folder.name}/{name}", folder / name)

    def _add_trial(self, key: str) -> None:
        folder = self._store.trial_folder(key)
        for name in layout.TRIAL:
            if name != layout.SAMPLES:
                self._add(f"trials/{key}/{name}", folder / name)
        path = folder / layout.SAMPLES
        if guarded.inside(path):
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self.samples[key] = {"sha256": sha256, "size": path.stat().st_size}
            if self._whole:
                self.members[f"trials/{key}/{layout.SAMPLES}"] = path.read_bytes()

    def _add(self, name: str, path: Path) -> None:
        """Add a file of the run where it is there, is the run's own and is what it should be."""
        if name in self.members or not (found := guarded.artifact(path)):
            return
        try:
            if len(found) > layout.most(layout.kind_of(name)):
                raise ValueError(f"it has {len(found):,} bytes")
            content.check(layout.kind_of(name), path)
        except ValueError as error:
            self.warnings.append(f"{name} was left out: {error}")
        else:
            self.members[name] = found


def digest(content: bytes) -> dict[str, Any]:
    """Return what a manifest says of a member."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _write(members: dict[str, bytes], path: Path) -> str:
    """Write the archive beside its place, open it as others will, and only then put it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(".zip", f".{path.name}.", path.parent)
    half = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            archive(file, members)
        open_bundle(half, str(path))
        with half.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        half.chmod(0o644)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return sha256


def archive(file: Any, members: dict[str, bytes]) -> None:
    """Write a zip archive whose bytes depend on names and contents alone, manifest first."""
    with zipfile.ZipFile(file, "w") as zipped:
        for name in sorted(members, key=lambda n: (n != layout.MANIFEST, n)):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            stored = name.endswith(_STORED)
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            zipped.writestr(info, members[name], compresslevel=9)
