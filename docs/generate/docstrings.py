"""Docstrings as Markdown: what they say by marks of Sphinx, said by those of the site."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

from griffe import Extension

_ROLE = re.compile(r":(?:class|func|data|mod|meth|attr):`~?([^`]+)`")
_LISTED = re.compile(r"^(References|See Also):\n((?:    .*\n?|\n)+)", re.MULTILINE)
_SAID = re.compile(r"^(Good at|Breaks at): ", re.MULTILINE)
_SOURCE = re.compile(r"\s*(.+?),?\s+(https?://\S+?),?(?=\s|$)")


class Docstrings(Extension):
    """Rewrites every docstring as it is read."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = rewritten(obj.docstring.value)


def rewritten(text: str) -> str:
    """Return a docstring without roles, line blocks and literal marks.

    >>> print(rewritten("As :class:`a.B` has it::"))
    As `a.B` has it:
    >>> print(rewritten("References:\\n    | On It (A, 2020)\\n    | https://a.b/c"))
    **References**
    <BLANKLINE>
    - On It (A, 2020), <https://a.b/c>
    """
    text = _LISTED.sub(lambda m: _listed(m[1], dedent(m[2])), text)
    text = _SAID.sub(lambda m: f"\n**{m[1]}:** ", text)
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    text = _ROLE.sub(r"`\1`", text)
    return re.sub(r"::$", ":", text, flags=re.MULTILINE).strip()


def _listed(heading: str, body: str) -> str:
    if heading == "See Also":
        return f"See also {' '.join(body.split())}.\n\n"
    words = " ".join(line.strip().removeprefix("|").strip() for line in body.splitlines())
    items = [f"- {title}, <{address}>" for title, address in _SOURCE.findall(words)]
    return "\n".join(["**References**", "", *items, "", ""])
