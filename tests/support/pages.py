"""Pages that can be typed: their blocks are run in order, and what they show is compared.

A block of ``console`` holds commands behind ``$`` and what they print; ``...`` stands for anything.
A block with a title is the file of that name. In a comment of its own line a page says what else
there is to know of the next block, or of the page::

    <!-- starts with: examples/plugin -->    the page is typed in a copy of that folder
    <!-- not run: it needs a cluster -->     why the next block is not run
    <!-- prints: about -->                   numbers may differ: from trained models, or a clock
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from tests_support import environment

_NOTE = re.compile(r"<!-- (starts with|not run|prints|file): (.+?) -->")
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*)?\.?\d+(?:e[-+]?\d+)?")
_PARTS = re.compile(rf"\.\.\.|{_NUMBER.pattern}|\s+|.", re.DOTALL)
_TOLERANCE = 0.5  # of a number that is printed about; trained models differ between processors


@dataclass
class Block:
    """A fenced block: its language, title and text, where it begins, and the notes before it."""

    language: str
    title: str
    text: str
    line: int
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def commands(self) -> Iterator[tuple[str, str]]:
        """Each command with what the page shows that it prints."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            while command.endswith("\\"):
                more, _, shown = shown.partition("\n")
                command = f"{command[:-1]} {more.strip()}"
            yield command, shown


def blocks(page: Path) -> tuple[list[Block], str]:
    """Return a page's blocks, and the folder that it starts with or nothing."""
    found, notes, start = [], {}, ""
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type == "html_block":
            for kind, said in _NOTE.findall(token.content):
                if kind == "starts with":
                    start = said
                elif kind != "file":
                    notes[kind] = said
        elif token.type == "fence":
            language, _, rest = token.info.partition(" ")
            title = re.search(r'title="(.+?)"', rest)
            line = (token.map or [0])[0] + 1
            found.append(Block(language, title[1] if title else "", token.content, line, notes))
            notes = {}
    return found, start


def type_in(block: Block, folder: Path, programs: Path) -> None:
    """Do what a block says in ``folder``; ``AssertionError`` where it shows something else."""
    if "not run" in block.notes:
        return
    if block.title:
        path = folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")
    elif block.language == "console":
        status = 0
        steps = list(block.commands)
        for i, (command, shown) in enumerate(steps):
            asked = i + 1 < len(steps) and steps[i + 1][0] == "echo $?"
            if command == "echo $?":
                assert shown.strip() == str(status), f"{command}: {status}"
                continue
            done = _shell(command, folder, programs)
            status = done.returncode
            assert asked or status == 0, f"$ {command}\nexit code {status}\n{done.stderr[-3000:]}"
            about = _TOLERANCE if "prints" in block.notes else 0.0
            found = differs(shown, done.stdout, about)
            assert not found, f"$ {command}\n{found}\nprinted:\n{done.stdout}{done.stderr[-2000:]}"
    elif block.language == "python":
        done = _shell(f"{sys.executable} -", folder, programs, block.text)
        assert done.returncode == 0, done.stderr


def _shell(
    command: str, folder: Path, programs: Path, given: str = ""
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, input=given, capture_output=True, text=True,
        env=environment(PATH=path, COLUMNS="96"), timeout=300,
    )  # fmt: skip


def differs(shown: str, printed: str, about: float) -> str:
    """Return where ``printed`` is not what a page shows, or nothing; spaces do not count.

    >>> differs("a ... 1.50", "a b c 1.51", about=0.1)
    ''
    >>> differs("worse 3", "worse 4", about=0.1)
    'shown 3, printed 4'
    """
    pattern, numbers = [], []
    for part in _PARTS.findall(shown.strip()) if shown.strip() else ["..."]:
        if part == "...":
            pattern.append(".*?")
        elif about and _NUMBER.fullmatch(part):
            pattern.append(f"({_NUMBER.pattern})")
            numbers.append(part)
        else:
            pattern.append(r"\s+" if part.isspace() else re.escape(part))
    whole = re.sub(r"\\s\+(?=\.\*\?)|(?<=\.\*\?)\\s\+", "", "".join(pattern))
    match = re.fullmatch(whole, printed.strip(), re.DOTALL)
    if match is None:
        return "the page shows something else"
    for one, other in zip(numbers, match.groups(), strict=True):
        a, b = (float(n.replace(",", "")) for n in (one, other))
        if abs(a - b) > about * max(abs(a), abs(b)):
            return f"shown {one}, printed {other}"
    return ""
