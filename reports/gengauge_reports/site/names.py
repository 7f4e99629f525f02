"""File names of pages: made from names of others, yet never outside the folder nor each other's."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HASHED = re.compile(r".*-[0-9a-f]{10}")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(-.*)?")
_LONGEST = 60


def slug(text: str) -> str:
    """Return a file name without suffix for ``text``: lower case letters, digits and hyphens.

    What is not such a name already gets the beginning of its hash, so that no two texts share a
    file, on file systems that take ``A`` for ``a`` neither, and none is a device of Windows.

    >>> slug("vae"), slug("../../etc/passwd"), slug("CON"), slug("")
    ('vae', 'etc-passwd-3754d6cb3a', 'con-a3dbc4b644', 'x-e3b0c44298')
    """
    if _PLAIN.fullmatch(text) and len(text) <= _LONGEST and not _taken(text):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST].strip("-") or "x"
    return f"{words}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


def _taken(text: str) -> bool:
    """Whether a plain text could be taken for a hashed name, or is a device."""
    return bool(_HASHED.fullmatch(text) or _DEVICES.fullmatch(text))
