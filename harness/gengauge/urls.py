"""Where a run may lie, as a text: a local folder or a URL, and what of it may be shown."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlparse

from gengauge.errors import UsageError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+::?//?")
_PASSWORD = re.compile(r"(?<=://)([^/@\s]*?):[^/\s]*@")
_SECRET = re.compile(
    r"([?&][^=&\s]*(?:key|token|secret|signature|sig|password|credential|auth)[^=&\s]*=)[^&\s'\"]+",
    re.IGNORECASE,
)


def is_url(place: Path | str) -> bool:
    """Return whether a place is on another file system.

    >>> is_url("s3://bucket/run"), is_url("runs/quick"), is_url("file:///tmp/run"), is_url("C:/x")
    (True, False, False, False)
    """
    if isinstance(place, Path):
        return False
    return "://" in place and not place.startswith(("file://", "local://"))


def local_folder(place: Path | str) -> Path:
    """Return the path of a local place; ``UsageError`` where a URL was made a path on the way."""
    if isinstance(place, Path) and _URL.match(str(place)):
        raise UsageError(f"'{redacted(str(place))}' was a URL; give it as a text, not as a path")
    if isinstance(place, str) and place.startswith(("file://", "local://")):
        return Path(unquote(urlparse(place).path))
    return Path(place)


def redacted(text: str) -> str:
    """Return a text without the credentials of the URLs in it.

    >>> redacted("sftp://me:secret@host/run"), redacted("https://host/run?sig=abc&part=2")
    ('sftp://***@host/run', 'https://host/run?sig=***&part=2')
    """
    return _SECRET.sub(r"\1***", _PASSWORD.sub("***@", text))


def identity(url: str) -> str:
    """Return what tells two places apart, whoever asks: the URL, a password in it left out.

    >>> identity("sftp://me:secret@host/run/")
    'sftp://me@host/run'
    """
    return _SECRET.sub(r"\1", _PASSWORD.sub(r"\1@", url)).rstrip("/")
