"""Names of files and addresses, made of texts that may be hostile."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

_LONGEST = 100  # characters of a slug before its hash
_WORDS = re.compile(r"[^a-z0-9]+")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(-.*)?")
_HASHED = re.compile(r".*-[0-9a-f]{10}")


def slugged(names: Sequence[tuple[str, str]]) -> list[str]:
    """Return a file name for each ``(text, key)``, keys all different: ``a-z0-9-``, no two alike.

    What others share, looks like a hash or is a device of Windows gets the hash of its key, so
    that no order plays a part and nobody can take another's name.

    >>> slugged([("VAE wide", "1"), ("../..", "2"), ("con", "3")])
    ['vae-wide', 'x', 'con-4e07408562']
    >>> first, second = slugged([("<b>", "1"), ("b", "2")])
    >>> first.startswith("b-") and second.startswith("b-") and first != second
    True
    """
    words = [_WORDS.sub("-", t.lower()).strip("-")[:_LONGEST].strip("-") or "x" for t, _ in names]
    shared = Counter(words)
    return [
        f"{word}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"
        if shared[word] > 1 or _HASHED.fullmatch(word) or _DEVICES.fullmatch(word)
        else word
        for word, (_, key) in zip(words, names, strict=True)
    ]
