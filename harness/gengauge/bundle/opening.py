"""Opens a submission: every check, then a run to read from in a private folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gengauge.bundle import content, keys, records
from gengauge.bundle.archive import Archive, Refusal, opened
from gengauge.bundle.layout import (
    FORMAT,
    MANIFEST,
    RECORDS,
    SAMPLES,
    VERSION,
    BundleError,
    IncomparableBundleError,
    kind_of,
)  # fmt: skip
from gengauge.errors import StorageError, UsageError
from gengauge.store import SCHEMA_VERSION, Record, RunStore

Json = dict[str, Any]
_PARTS = {
    FORMAT: int, "schema_version": int, "gengauge": str, "note": str, "members": dict,
    "samples": dict, "comparability_keys": list, "counts": dict,
}  # fmt: skip
_HEX = frozenset("0123456789abcdef")


class BundleStore(RunStore):
    """The run in a submission: read like any other, and never written to.

    ``manifest`` is what the submission says of itself, ``note`` included. Its files lie in a
    folder of this user alone, gone with the store.
    """

    def __init__(self, name: str, folder: tempfile.TemporaryDirectory[str]) -> None:
        super().__init__(folder.name)
        self._unpacked, self._bundle = folder, name
        self.manifest: Json = {}

    @property
    def address(self) -> str:
        """The submission's file, as messages show it."""
        return self._bundle

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Refuse: what was submitted stays as it was."""
        raise StorageError(f"'{self._bundle}' is a submission and is not written to")
        yield


def is_bundle(place: Path | str) -> bool:
    """Return whether a place is a submission's file, by its name or its first bytes."""
    path = Path(place)
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return path.suffix == ".zip" or file.read(4) == b"PK\x03\x04"
    except (OSError, ValueError):
        return False


def open_bundle(path: Path | str, name: str = "") -> BundleStore:
    """Return the run in a submission, after every check; ``name`` is what messages call it.

    ``BundleError`` names the member and what does not hold; ``IncomparableBundleError`` where a
    score was not measured as its comparability key claims.
    """
    path, name = Path(path), name or str(path)
    if not path.is_file():
        raise UsageError(f"there is no bundle '{path}'; `gengauge submit RUN` writes one")
    folder = tempfile.TemporaryDirectory(prefix="gengauge-bundle-")
    store = BundleStore(name, folder)
    try:
        with path.open("rb") as file:
            store.manifest = _unpack(file, path.stat().st_size, Path(folder.name))
    except BaseException as error:
        folder.cleanup()  # a traceback may hold the store for longer
        if not isinstance(error, Refusal):
            raise
        comparable = not isinstance(error, records.Incomparable)
        kind = BundleError if comparable else IncomparableBundleError
        raise kind(f"'{name}' is refused: {error}") from None
    return store


def _unpack(file: IO[bytes], size: int, folder: Path) -> Json:
    with opened(file, size) as archive:
        manifest = _manifest(archive)
        for name in archive.members:
            if name != MANIFEST:
                _one(archive, name, manifest["members"][name], folder)
    environments = {p.stem: _environment(p) for p in sorted(folder.glob("environments/*.json"))}
    found = records.read(folder / RECORDS, environments)
    _compare(manifest, found, environments)
    return manifest


def _manifest(archive: Archive) -> Json:
    """Return the manifest, after its own form and its list of members were checked."""
    try:
        manifest = content.parsed(archive.read(MANIFEST))
    except Refusal:
        raise
    except ValueError as error:
        raise Refusal(MANIFEST, str(error)) from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get(FORMAT), int):
        raise Refusal(MANIFEST, "it is no manifest of `gengauge submit`")
    _check_version(manifest, FORMAT, VERSION)
    _check_version(manifest, "schema_version", SCHEMA_VERSION)
    for name, kind in _PARTS.items():
        if type(manifest.get(name)) is not kind:
            raise Refusal(MANIFEST, f"'{name}' is missing, or no {kind.__name__}")
    for name in sorted(archive.members.keys() ^ {MANIFEST, *manifest["members"]}):
        there = "the archive" if name in archive.members else "the manifest"
        raise Refusal(name, f"it is in {there} alone")
    if RECORDS not in archive.members:
        raise Refusal(RECORDS, "it is missing")
    return manifest


def _check_version(manifest: Json, name: str, known: int) -> None:
    told = manifest.get(name)
    if type(told) is int and told > known:
        what = f"it is of a newer gengauge ({name} {told}, and this one reads {known}); upgrade"
        raise Refusal(MANIFEST, what)
    if told != known:
        raise Refusal(MANIFEST, f"'{name}' is {ascii(told)[:40]}, expected {known}")


def _one(archive: Archive, name: str, told: Any, folder: Path) -> None:
    """Unpack one member and hold it to its digest, its size and its kind."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        digest = archive.unpack(name, target)
    if told != {"sha256": digest, "size": archive.members[name].file_size}:
        raise Refusal(name, "its content is not that of its digest or size in the manifest")
    try:
        content.check(kind_of(name), path)
    except ValueError as error:
        raise Refusal(name, str(error)) from None


def _environment(path: Path) -> Json:
    found: Json = content.parsed(path.read_bytes())
    if problem := keys.wrong_environment(path.stem, found):
        raise Refusal(f"environments/{path.name}", problem)
    return found


def _compare(manifest: Json, found: list[Record], environments: dict[str, Json]) -> None:
    """Hold what the manifest tells of the records to the records."""
    trials, used = {r["trial"] for r in found}, {r["environment"] for r in found}
    datasets = {RunStore("").dataset_folder(r["dataset"]["id"]).name for r in found}
    known = {"trials": trials, "datasets": datasets, "environments": {f"{e}.json" for e in used}}
    for name in manifest["members"]:
        top, _, rest = name.partition("/")
        if rest and rest.partition("/")[0] not in known[top]:
            raise Refusal(name, "no record refers to it")
    for part, told in summary(found).items():
        if manifest[part] != told:
            raise Refusal(MANIFEST, f"its '{part}' are not those of the records")
    for key, sample in manifest["samples"].items():
        if key not in trials or not _is_digest(sample):
            raise Refusal(MANIFEST, f"the digest of samples {ascii(key)[:40]} is none of a trial's")
    for key in trials:
        name = f"trials/{key}/{SAMPLES}"
        if manifest["members"].get(name) not in (None, manifest["samples"].get(key)):
            raise Refusal(name, "it is not what the manifest's digest of samples says")


def _is_digest(sample: Any) -> bool:
    return (
        isinstance(sample, dict) and set(sample) == {"sha256", "size"}
        and isinstance(sample["sha256"], str) and len(sample["sha256"]) == 64
        and _HEX.issuperset(sample["sha256"]) and type(sample["size"]) is int and sample["size"] > 0
    )  # fmt: skip


def summary(found: list[Record]) -> Json:
    """Return what a manifest says of its records: comparability keys, and counts."""
    scores = [s for r in found for s in r["scores"]]
    return {
        "comparability_keys": sorted({s["comparability_key"] for s in scores}),
        "counts": {
            "trials": len(found), "failed": sum(r["status"] != "ok" for r in found),
            "models": len({r["model"]["id"] for r in found}),
            "datasets": len({r["dataset"]["id"] for r in found}), "scores": len(scores),
            "unscored": sum(s["value"] is None for s in scores),
        },
    }  # fmt: skip
