"""Progress on a terminal is a bar with a time estimate; elsewhere the lines are plain."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

from tests_support import command_line, environment

RUN = ("run", "-j", "1", "-d", "points/moons", "--plugin", "fake_models", "--limit", "600", "-s",
       "likelihood", "-m", "gaussian", "-m", "gaussian[scale=2]")  # fmt: skip


def on_a_terminal(folder: Path) -> str:
    """Return what the command writes to stderr when that is a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command_line(*RUN), cwd=folder, env=environment(TERM="xterm-256color"),
        stdout=subprocess.DEVNULL, stderr=follower,
    )  # fmt: skip
    os.close(follower)
    seen = b""
    try:
        while chunk := os.read(leader, 65536):
            seen += chunk
    except OSError:  # how Linux says that the other end was closed
        os.close(leader)
    assert process.wait(timeout=120) == 0
    return seen.decode(errors="replace")


def test_a_terminal_gets_a_bar_with_an_estimate(tmp_path: Path) -> None:
    seen = on_a_terminal(tmp_path)
    assert "\x1b[" in seen
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert "100%" in plain
    assert re.search(r"\d:\d\d:\d\d left", plain)
    assert "gaussian on points/moons, seed 0: 2 scores" in plain


def test_a_pipe_gets_plain_lines(tmp_path: Path) -> None:
    done = subprocess.run(
        command_line(*RUN), cwd=tmp_path, env=environment(), capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0
    assert "\x1b" not in done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].startswith("[1/2] gaussian on points/moons, seed 0: 2 scores")
    assert lines[1].startswith("[2/2] gaussian[scale=2.0] on points/moons")
