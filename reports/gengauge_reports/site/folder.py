"""Writes the pages: templates, downloads and pictures into one folder, nothing outside of it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gengauge_reports import notation
from gengauge_reports.html import json_text, linked

_PATH = re.compile(r"([a-z]+/)?[A-Za-z0-9][A-Za-z0-9._-]*")
_PNG = "data:image/png;base64,"
# 'self' is no origin of a page from a file in Firefox, so `file:` stands beside it: a page that
# came from a server may not load one.
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; "
    "img-src 'self' file: data: blob:; base-uri 'none'; form-action 'none'"
)


@dataclass
class Folder:
    """The folder of a site: pages are rendered into it, and every path is written once."""

    path: Path
    title: str
    written: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.templates = Environment(
            loader=PackageLoader("gengauge_reports.site"), autoescape=True,
            trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined,
        )  # fmt: skip
        self.templates.filters.update(
            linked=linked, compact=notation.compact, seconds=notation.seconds,
            words=notation.status, day=day,
        )  # fmt: skip

    def write(self, name: str, content: bytes) -> str:
        """Write one file and return its address; raise ``ValueError`` for a path not ours."""
        if not _PATH.fullmatch(name) or ".." in name:
            raise ValueError(f"expected a name of a page such as 'boards/fd.html', got {name!r}")
        if name.casefold() in self.written:
            raise ValueError(f"two files of the site would be called {name!r}")
        self.written.add(name.casefold())
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    def page(
        self,
        name: str,
        template: str,
        *,
        title: str,
        crumbs: Sequence[tuple[str, str]],
        facts: Sequence[str] = (),
        contents: Sequence[tuple[str, str]] = (),
        data: Any = None,
        scripts: Sequence[str] = (),
        **view: Any,
    ) -> str:
        """Render a page; ``crumbs`` and every address in ``view`` are relative to the folder."""
        text = self.templates.get_template(template).render(
            site=self, root="../" * name.count("/"), title=title, crumbs=crumbs, policy=POLICY,
            facts=[f for f in facts if f], contents=[c for c in contents if c],
            data=None if data is None else json_text(data), scripts=["site.js", *scripts], **view,
        )  # fmt: skip
        return self.write(name, text.encode("utf-8", "replace"))

    def picture(self, uri: str) -> str:
        """Write the PNG of a data URI once and return its address; empty where it is none."""
        if not uri.startswith(_PNG):
            return ""
        content = base64.b64decode(uri.removeprefix(_PNG))
        name = f"images/{hashlib.sha256(content).hexdigest()[:20]}.png"
        return name if name in self.written else self.write(name, content)

    def assets(self) -> None:
        """Write styles, scripts and the licences of those that are not ours."""
        from plotly.offline import get_plotlyjs

        ours = files("gengauge_reports")
        for source in sorted(ours.joinpath("site", "assets").iterdir(), key=lambda p: p.name):
            if source.name.endswith((".css", ".js")):
                self.write(f"assets/{source.name}", source.read_bytes())
        for name in ("style.css", "plots.js"):
            self.write(f"assets/{name}", ours.joinpath("templates", name).read_bytes())
        for name in ("datatables.min.js", "datatables.LICENSE.txt"):
            self.write(f"assets/{name}", ours.joinpath("site", "vendor", name).read_bytes())
        self.write("assets/plotly.min.js", str(get_plotlyjs()).encode())


def day(moment: str) -> str:
    """Return the day and minute of a record's time, ``2026-11-23 10:02``."""
    return str(moment)[:16].replace("T", " ")
