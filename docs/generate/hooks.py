"""What mkdocs asks while it builds the site: the parts of pages that the code writes.

A page asks for a part in a comment of its own line::

    <!-- readme: Quality as a test -->            a section of the README, without its heading
    <!-- file: examples/github/quality.yml -->    a file of the repository, as a block of code
    <!-- generated: models -->                    what a function in ``PARTS`` returns

What a comment asks for and is not there ends the build.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

from commands import commands
from mkdocs.exceptions import PluginError
from records import record_tables, row_table
from tables import benchmarks, controls, datasets, embedders, models

ROOT = Path(__file__).parents[2]
PARTS: dict[str, Callable[[], str]] = {
    "benchmarks": benchmarks,
    "commands": commands,
    "controls": controls,
    "datasets": datasets,
    "embedders": embedders,
    "models": models,
    "record": record_tables,
    "row": row_table,
}
LANGUAGES = {".yml": "yaml", ".py": "python", ".toml": "toml", ".json": "json"}
_ASKED = re.compile(r"^<!-- (readme|file|generated): (.+?) -->$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^)\s]+)\)")


def on_page_markdown(markdown: str, page: Any, files: Any, **_: Any) -> str:
    """Put in what the page asks for, and lead links to pages or take them away."""
    here = PurePosixPath(page.file.src_uri)
    text = _ASKED.sub(lambda asked: _part(asked[1], asked[2], here), markdown)
    pages = {f.src_uri for f in files.documentation_pages()}
    return _outside_code(text, lambda prose: _LINK.sub(lambda m: _link(m, here, pages), prose))


def _part(kind: str, name: str, page: PurePosixPath) -> str:
    if kind == "generated":
        if name not in PARTS:
            raise PluginError(f"{page}: no part '{name}'; known: {', '.join(PARTS)}")
        return PARTS[name]()
    if kind == "readme":
        return _from_root(_section(name, page), page)
    path = ROOT / name
    if not path.is_file():
        raise PluginError(f"{page}: no file '{name}' in the repository")
    language = LANGUAGES.get(path.suffix, "text")
    # examples/PROJECT/file: as the project itself calls it
    title = "/".join(PurePosixPath(name).parts[2:]) if name.startswith("examples/") else name
    return f'```{language} title="{title}"\n{path.read_text("utf-8").rstrip()}\n```'


def _section(heading: str, page: PurePosixPath) -> str:
    """Return a section of the README, its headings one level deeper than the page's own."""
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if heading == "gengauge":
        found = re.search(r"^# gengauge\n(.*?)(?=^## )", text, re.M | re.S)
    if found is None:
        raise PluginError(f"{page}: the README has no section '{heading}'")
    return found[1].strip()


def _from_root(text: str, page: PurePosixPath) -> str:
    """Rewrite the links of a text that stands at the root of the repository."""
    up = relpath("/", f"/docs/{page.parent}")

    def moved(link: re.Match[str]) -> str:
        return link[0] if _foreign(link[2]) else f"[{link[1]}]({up}/{link[2]})"

    return _outside_code(text, lambda prose: _LINK.sub(moved, prose))


def _link(link: re.Match[str], page: PurePosixPath, pages: set[str]) -> str:
    """Return a link to a page as mkdocs wants it, and only the words of one to no page."""
    words, (target, mark, anchor) = link[1], link[2].partition("#")
    if _foreign(link[2]) or not target:
        return link[0]
    place = normpath(f"docs/{page.parent}/{target}")
    source = place.removeprefix("docs/")
    if source != place and source in pages:
        return f"[{words}]({relpath(source, page.parent)}{mark}{anchor})"
    if (ROOT / place).exists():  # code, which is no page of the site
        return words
    return link[0]  # mkdocs says that it leads nowhere


def _foreign(target: str) -> bool:
    return target.startswith(("http://", "https://", "mailto:", "#"))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    parts, end = [], 0
    for block in _FENCED.finditer(text):
        parts += [change(text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, change(text[end:])])
