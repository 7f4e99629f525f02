"""What all tests share: the real command line in a subprocess, and the fake plugin."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests_support import FAKES, Cli, command_line, environment

os.environ["OMP_NUM_THREADS"] = "1"  # as the command line does, before torch is imported


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run gengauge in an empty folder and return the finished process."""

    def run(*arguments: object, env: dict[str, str] | None = None, timeout: int = 300):
        return subprocess.run(
            command_line(*arguments),
            cwd=tmp_path,
            env=environment(**(env or {})),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the fake plugin importable in this process."""
    monkeypatch.syspath_prepend(str(FAKES))
    return FAKES
