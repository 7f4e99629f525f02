"""A run at a URL, and the local copy of it that trials and reports work in.

Object stores cannot append, and know no locks. So each process writes record files of its own
(``segments``), a record after all that it refers to, and what a file was when it was last
brought here or there is noted beside the copy: nothing is brought twice.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from gengauge.places import cache_folder
from gengauge.remote import Remote
from gengauge.urls import identity

NOTES = ".mirror"  # beside the copy: never brought anywhere
_SHARED = "shared"
_UNSHOWN = ("samples.safetensors", "log.txt", "error.txt")


class Note(NamedTuple):
    """A file when it was last brought: its version there, its size and time of change here."""

    version: str
    size: int
    changed: int


Notes = dict[str, Note]
Listing = dict[str, tuple[str, int]]


def copy_of(url: str) -> Path:
    """Return the folder of the local copy of a run: the same for every key and password."""
    return cache_folder() / "runs" / hashlib.sha256(identity(url).encode()).hexdigest()[:24]


class Mirror:
    """Keeps ``folder`` and a remote run alike, as far as anyone needs it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.remote, self.folder = Remote(url), folder
        self._turn = threading.RLock()  # a checkpoint may be on its way while a trial ends

    def pull_head(self) -> None:
        """Bring what says what the run is: meanings of metrics, environments; not the records."""
        top = self.remote.find(deep=False)
        mine = {n: a for n, a in top.items() if n.endswith((".json", ".toml"))}
        self._pull({_SHARED: mine | self.remote.find("environments")}, complete=False)

    def pull_shown(self) -> None:
        """Bring what reports show: pictures, curves, values of examples; no weights, no samples."""
        trials: dict[str, Listing] = {}
        for name, about in self.remote.find("trials").items():
            _, key, *rest = name.split("/")
            if len(rest) == 1 and rest[0] not in _UNSHOWN:
                trials.setdefault(key, {})[name] = about
        self._pull({_SHARED: self.remote.find("datasets"), **trials}, complete=False)

    def pull(self, key: str) -> None:
        """Bring all of a trial, and forget here what was removed there."""
        self._pull({key: self.remote.find(f"trials/{key}")}, complete=True)

    def replace(self, key: str) -> None:
        """Take the trial's folder here for the whole of it, whatever lies there."""
        there = self.remote.find(f"trials/{key}")
        self._write(key, {n: Note(version, -1, 0) for n, (version, _) in there.items()})

    def push(self, key: str) -> None:
        """Bring what is new of a trial there, and remove there what was removed here."""
        names = _files(self.folder / "trials" / key, self.folder)
        self._push(key, names, lambda: self.remote.find(f"trials/{key}"), removes=True)

    def push_shared(self) -> None:
        """Bring there what the trials of a run share."""
        top = (p for p in self.folder.iterdir() if p.is_file() and not is_records(p.name))
        names = [p.name for p in top if p.suffix != ".tmp"]
        for part in ("environments", "datasets"):
            names += _files(self.folder / part, self.folder)
        self._push(_SHARED, names, self._shared, removes=False)

    def _shared(self) -> Listing:
        parts = (self.remote.find(part) for part in ("environments", "datasets"))
        return self.remote.find(deep=False) | next(parts) | next(parts)

    def _pull(self, wanted: dict[str, Listing], complete: bool) -> None:
        with self._turn:
            notes = {part: self._read(part) for part in wanted}
            brought = [
                (part, name, version)
                for part, files in wanted.items() for name, (version, _) in files.items()
                if not self._known(notes[part].get(name), name, version)
            ]  # fmt: skip
            self.remote.get((name, self.folder / name) for _, name, _ in brought)
            for part, name, version in brought:
                notes[part][name] = Note(version, *self._stamp(name))
            for part in wanted if complete else ():
                self._forget(notes[part], wanted[part])
            for part in dict.fromkeys(part for part, _, _ in brought) if not complete else wanted:
                self._write(part, notes[part])

    def _known(self, note: Note | None, name: str, version: str) -> bool:
        """Return whether a file need not be brought: it is as it was there, and here it is."""
        return note is not None and note.version == version and (self.folder / name).exists()

    def _forget(self, notes: Notes, there: Iterable[str]) -> None:
        for name in set(notes) - set(there):
            if notes.pop(name)[1:] == self._stamp(name):
                (self.folder / name).unlink()

    def _push(
        self, part: str, names: Iterable[str], look: Callable[[], Listing], removes: bool
    ) -> None:
        with self._turn:
            notes, here = self._read(part), {name: self._stamp(name) for name in names}
            fresh = [n for n, stamp in here.items() if n not in notes or notes[n][1:] != stamp]
            gone = set(notes) - set(here) if removes else set()
            if not fresh and not gone:
                return
            self.remote.put((self.folder / name, name) for name in fresh)
            self.remote.remove(gone)
            there = look()
            notes = {n: note for n, note in notes.items() if n not in gone}
            notes |= {n: Note(there[n][0], *here[n]) for n in fresh if n in there}
            self._write(part, notes)

    def _stamp(self, name: str) -> tuple[int, int]:
        try:
            found = (self.folder / name).stat()
        except OSError:
            return (-1, 0)
        return (found.st_size, found.st_mtime_ns)

    def _read(self, part: str) -> Notes:
        try:
            told = json.loads((self.folder / NOTES / f"{part}.json").read_text())
            return {name: Note(*note) for name, note in told.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # then files are brought once more

    def _write(self, part: str, notes: Notes) -> None:
        path = self.folder / NOTES / f"{part}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"{path.name}.{threading.get_native_id()}.tmp")
        half.write_text(json.dumps(notes))
        half.replace(path)


def is_records(name: str) -> bool:
    """Return whether a file of a run's folder holds records."""
    return name.startswith("records") and name.endswith(".jsonl")


def _files(folder: Path, top: Path) -> list[str]:
    """Return the files below a folder, half-made ones left out, by name from ``top`` on."""
    found = sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    names = [p.relative_to(top).as_posix() for p in found]
    return [n for n in names if not any(part.endswith(".tmp") for part in n.split("/"))]
