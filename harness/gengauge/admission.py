"""Which plugins may be imported at all: lists of patterns that are read before any of them is.

A pattern is a shell pattern over a plugin's entry point, its distribution or its module, such as
``acme-*``. The denied are never imported; where something is allowed, nothing else is, but for
what ships with gengauge.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase

_OURS = "gengauge"
ALLOW, DENY = "GENGAUGE_PLUGINS_ALLOW", "GENGAUGE_PLUGINS_DENY"


def refusal(name: str, module: str, distribution: str) -> str:
    """Return why a plugin must not be imported, or an empty string."""
    for pattern in _patterns(DENY):
        if _matches(pattern, name, module, distribution):
            return f"denied by '{pattern}' ({DENY} or --deny-plugins)"
    allowed = _patterns(ALLOW)
    if not allowed or distribution == _OURS:
        return ""
    if any(_matches(pattern, name, module, distribution) for pattern in allowed):
        return ""
    return f"not allowed by '{','.join(allowed)}' ({ALLOW} or --allow-plugins)"


def _patterns(variable: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", os.environ.get(variable, "")) if word]


def _matches(pattern: str, *names: str) -> bool:
    """Compare as package installers do: ``Acme_Models`` is ``acme-models``.

    >>> _matches("acme-*", "Acme_Models"), _matches("acme", "acme.models"), _matches("a", "b")
    (True, False, False)
    """
    return any(fnmatchcase(_plain(name), _plain(pattern)) for name in names)


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
