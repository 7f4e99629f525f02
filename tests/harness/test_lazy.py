"""The command line is instant because it imports nothing heavy; measured on the real process."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests_support import command_line, environment

HEAVY = {"torch", "pandas", "numpy", "sklearn", "plotly", "scipy"}


def imported(*arguments: str) -> set[str]:
    python = [sys.executable, "-X", "importtime", *command_line(*arguments)[1:]]
    done = subprocess.run(python, capture_output=True, text=True, env=environment(), timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if "|" in line]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "bash"]])
def test_root_loads_no_plugin(arguments: list[str]) -> None:
    seen = imported(*arguments)
    assert "click" in seen  # the parsing of importtime works
    assert not seen & (HEAVY | {"gengauge_plugins", "gengauge_suites", "pluggy", "rich"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "models"],
        ["list", "metrics"],
        ["list", "plugins"],
        ["show", "gmm"],
        ["run", "--help"],
        ["publish", "--help"],
        ["plugins", "check", "--help"],
    ],
    ids=" ".join,
)
def test_listing_imports_nothing_heavy(arguments: list[str]) -> None:
    seen = imported(*arguments)
    assert "gengauge" in seen
    assert not seen & HEAVY


def test_sys_modules_after_listing() -> None:
    code = (
        "import sys\n"
        "from gengauge.cli import _run\n"
        "assert _run(['list', 'models']) == 0\n"
        "print(sorted({'torch', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
