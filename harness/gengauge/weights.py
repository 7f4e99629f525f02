"""Files of network weights the user brings: looked up, verified by SHA-256, fetched.

Nothing here is downloaded unless it is asked for by name (``gengauge weights fetch``); a file
that is missing or is not the published one leaves the metrics of its embedder unscored.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.request import Request, urlopen

from gengauge.errors import NotReadyError
from gengauge.guarded import most
from gengauge.places import OFFLINE, cache_folder, offline
from gengauge.specs import WeightsFile

FOLDER = "GENGAUGE_WEIGHTS"
_BLOCK = 1 << 20
_HEX = 64  # digits of a whole SHA-256
Progress = Callable[[int, int], None]


class FetchError(Exception):
    """A file could not be fetched; the text says why and what to do."""


@dataclass(frozen=True)
class Found:
    """A file that exists: where, how large in bytes, its SHA-256, and what is wrong with it."""

    path: Path
    size: int
    sha256: str
    problem: str = ""


def home() -> Path:
    """Return the folder weights are fetched to: ``$GENGAUGE_WEIGHTS`` or one in our cache."""
    given = os.environ.get(FOLDER)
    return Path(given).expanduser() if given else cache_folder() / "weights"


def places(file: WeightsFile) -> list[Path]:
    """Return the paths ``file`` is looked for at, in order.

    First our own folders, then what the user's other tools have filled: torch.hub, OpenAI's
    ``clip`` and the Hugging Face hub, whose blobs are named by their SHA-256.
    """
    own = [home(), cache_folder() / "weights"]
    others = [_torch_home() / "hub" / "checkpoints", Path("~/.cache/clip").expanduser()]
    paths = [folder / name for folder in own + others for name in (file.name, *file.also)]
    return list(dict.fromkeys(paths + _hub_blobs(file.sha256)))


def _torch_home() -> Path:
    general = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("TORCH_HOME") or Path(general) / "torch").expanduser()


def _hub_blobs(sha256: str) -> list[Path]:
    general = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or str(Path(general) / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    return sorted(hub.glob(f"models--*/blobs/{sha256}")) if len(sha256) == _HEX else []


def find(file: WeightsFile) -> Found | None:
    """Return the first file at the ``places`` with its hash, or None where there is none."""
    path = next((p for p in places(file) if p.is_file()), None)
    if path is None:
        return None
    stat = path.stat()
    sha256 = _sha256(path, stat.st_size, stat.st_mtime_ns)
    problem = ""
    if not sha256.startswith(file.sha256) or (file.size and stat.st_size != file.size):
        problem = (
            f"{path} is not the published {file.name}: it has {stat.st_size} bytes with SHA-256 "
            f"{sha256}, expected {file.size or 'any number of'} bytes with SHA-256 {file.sha256}; "
            f"delete it and fetch it again from {file.url}"
        )
    return Found(path, stat.st_size, sha256, problem)


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    """Hash a file once for as long as its size and time of change stay the same."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require(file: WeightsFile, embedder: str) -> Path:
    """Return the path of the verified file; raise ``NotReadyError`` that says how to get it."""
    found = find(file)
    if found is None:
        raise NotReadyError(
            f"the weights of '{embedder}' are missing: {file.name} ({amount(file.size)}, SHA-256 "
            f"{file.sha256}); run `gengauge weights fetch {embedder}`, or get it from {file.url} "
            f"and put it at {home() / file.name}"
        )
    if found.problem:
        raise NotReadyError(f"the weights of '{embedder}' cannot be used: {found.problem}")
    return found.path


def fetch(file: WeightsFile, progress: Progress = lambda done, total: None) -> Path:
    """Download ``file`` into ``home`` unless a verified copy is there, and return its path.

    It appears under its name only when whole and verified. Raises ``FetchError``.
    """
    found = find(file)
    if found is not None and not found.problem:
        return found.path
    target = home() / file.name
    if offline():
        raise FetchError(
            f"{file.name} is not here and {OFFLINE} forbids the network: get it from {file.url} "
            f"({amount(file.size)}, SHA-256 {file.sha256}) and put it at {target}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as half_made:
        part = Path(half_made.name)
        try:
            sha256, size = _download(file, half_made, progress)
        except (OSError, HTTPException, ValueError) as error:
            _drop(part)
            reason = f"{type(error).__name__}: {error}"
            raise FetchError(
                f"{file.name} could not be fetched from {file.url}: {reason}"
            ) from error
        except BaseException:
            _drop(part)
            raise
    if not sha256.startswith(file.sha256) or (file.size and size != file.size):
        _drop(part)
        raise FetchError(
            f"{file.url} gave {size} bytes with SHA-256 {sha256}, expected {file.size or 'any'} "
            f"bytes with SHA-256 {file.sha256}; nothing was kept"
        )
    part.chmod(0o644)  # a temporary file is private; another user's tools may share this folder
    part.replace(target)
    return target


def _download(file: WeightsFile, to: IO[bytes], progress: Progress) -> tuple[str, int]:
    digest, size, limit = hashlib.sha256(), 0, file.size or most()
    with urlopen(Request(file.url, headers={"User-Agent": "gengauge"}), timeout=60) as source:
        total = int(source.headers.get("Content-Length") or 0)
        while block := source.read(_BLOCK):
            if size + len(block) > limit:  # a server may go on for ever
                raise ValueError(f"it sends more than {limit:,} bytes")
            to.write(block)
            digest.update(block)
            size += len(block)
            progress(size, total)
    return digest.hexdigest(), size


def _drop(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def amount(size: int) -> str:
    """Return a number of bytes as people read it.

    >>> amount(95_628_359)
    '95,628,359 bytes'
    """
    return f"{size:,} bytes" if size else "size unknown"
