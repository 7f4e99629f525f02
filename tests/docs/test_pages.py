"""What the documentation shows can be typed, and prints what it shows."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from pages import Block, blocks, differs, type_in

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TYPED = ("tutorials/*.md", "how-to/*.md", "explanation/*.md", "reference/*.md")
PAGES = sorted(page for pattern in TYPED for page in DOCS.glob(pattern))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the command `gengauge`, of the sources that are tested."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "gengauge"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gengauge "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_a_page_can_be_typed(page: Path, tmp_path: Path, programs: Path) -> None:
    found, start = blocks(page)
    folder = tmp_path / "here"
    if start:
        shutil.copytree(ROOT / start, folder)
    folder.mkdir(exist_ok=True)
    for block in found:
        try:
            type_in(block, folder, programs)
        except AssertionError as error:
            pytest.fail(f"{page.relative_to(ROOT)}:{block.line}\n{error}", pytrace=False)


def test_every_page_is_typed_or_says_why_not() -> None:
    for page in PAGES:
        for block in blocks(page)[0]:
            reason = block.notes.get("not run", "")
            assert len(reason) > 10 or "not run" not in block.notes, f"{page}:{block.line}"


@pytest.mark.parametrize(
    ("shown", "printed", "about", "found"),
    [
        ("", "anything", 0, ""),
        ("a  b", "a b", 0, ""),
        ("a\n...\nz", "a\nmore\nz", 0, ""),
        ("a ...", "a, b", 0, ""),
        ("a 1.0", "a 1.1", 0, "something else"),
        ("a 1.0", "a 1.1", 0.25, ""),
        ("a 1.0", "a 2.0", 0.25, "shown 1.0, printed 2.0"),
        ("a 1", "b 1", 0.25, "something else"),
        ("1,397 -2e-3", "1,400 -2.1e-3", 0.1, ""),
    ],
)
def test_what_is_shown_is_compared(shown: str, printed: str, about: float, found: str) -> None:
    said = differs(shown, printed, about)
    assert found in said
    assert bool(found) == bool(said)


def test_a_block_that_shows_something_else_is_told(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the page shows something else"):
        type_in(Block("console", "", "$ echo one\ntwo\n", 1), tmp_path, tmp_path)
    with pytest.raises(AssertionError, match="exit code 3"):
        type_in(Block("console", "", "$ exit 3\n", 1), tmp_path, tmp_path)
    type_in(Block("console", "", "$ exit 3\n$ echo $?\n3\n", 1), tmp_path, tmp_path)
    type_in(Block("toml", "a/b.toml", "x = 1\n", 1), tmp_path, tmp_path)
    assert (tmp_path / "a/b.toml").read_text() == "x = 1\n"
