"""Helpers that test files import."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAKES = Path(__file__).parents[1] / "fakes"

Cli = Callable[..., subprocess.CompletedProcess[str]]


def command_line(*arguments: object, python: str = sys.executable) -> list[str]:
    return [python, "-m", "gengauge", *map(str, arguments)]


_AUTOMATION = ("CI", "BUILD_NUMBER")  # pytest tells more where one of them is set


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(FAKES), os.environ.get("PYTHONPATH", "")]))
    clean = {
        k: v
        for k, v in os.environ.items()
        if k not in _AUTOMATION and (k == "GENGAUGE_CACHE_DIR" or not k.startswith("GENGAUGE_"))
    }
    return {**clean, "PYTHONPATH": path, "COLUMNS": "160", **more}


def until(page: Any, expression: str, seconds: float = 30) -> None:
    """Wait until an expression is true; the page's policy forbids Playwright's own waiting."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never came true: {expression}"
        page.wait_for_timeout(50)
