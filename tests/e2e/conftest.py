"""The main job, run once for all end-to-end tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests_support import command_line, environment


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quick")
    done = subprocess.run(
        command_line("run"), cwd=folder, env=environment(), capture_output=True, text=True,
        timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "stdout.txt").write_text(done.stdout)
    (folder / "stderr.txt").write_text(done.stderr)
    return folder
