"""The gate as a pytest fixture: ``gengauge.assert_no_regression("baseline.json", run)``.

pytest loads this module wherever gengauge is installed: it imports nothing heavy.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gengauge.gate.verdict import Comparison


class Gate:
    """What the ``gengauge`` fixture gives: runs, comparisons and the assertion on them."""

    def __init__(self, folder: Path, alpha: float) -> None:
        self._folder, self._alpha = folder, alpha

    def run(self, *arguments: str) -> Path:
        """Return the folder of a finished ``gengauge run`` with these arguments.

        ``run("quick", "-m", "mine")``; it is written below the test's own temporary folder. Fails
        the test, with what was printed, where the run cannot be done.
        """
        output = self._folder / f"run-{len(list(self._folder.glob('run-*')))}"
        command = [sys.executable, "-m", "gengauge", "run", *arguments, "-o", str(output)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in (0, 3):  # 3: a trial failed, which the comparison says
            pytest.fail(f"{' '.join(command[2:])}\n{done.stderr[-4000:]}", pytrace=False)
        return output

    def compare(
        self,
        baseline: str | Path,
        candidate: str | Path,
        gates: Mapping[str, str] | None = None,
        *,
        alpha: float | None = None,
        missing: str = "fail",
    ) -> Comparison:
        """Return the comparison that ``gengauge compare`` makes of the same two sides.

        ``gates`` are tolerances by metric, ``{"fd": "5%"}``; none: those of the benchmark or of
        the baseline file, else every metric. Raises ``BaselineError`` and ``UsageError``.
        """
        from gengauge.gate.sides import open_side
        from gengauge.gate.tolerance import Gates
        from gengauge.gate.verdict import compare

        before, now = open_side(str(baseline), baseline=True), open_side(str(candidate))
        chosen = Gates.parse((), gates if gates is not None else {**before.gates, **now.gates})
        return compare(before, now, chosen, self._alpha if alpha is None else alpha, missing)

    def assert_no_regression(
        self,
        baseline: str | Path,
        candidate: str | Path,
        gates: Mapping[str, str] | None = None,
        *,
        alpha: float | None = None,
        missing: str = "fail",
    ) -> Comparison:
        """Fail the test where ``candidate`` misses a gate; takes what ``compare`` takes."""
        __tracebackhide__ = True
        found = self.compare(baseline, candidate, gates, alpha=alpha, missing=missing)
        if found.exit_code:
            pytest.fail(_told(found), pytrace=False)
        return found


def _told(found: Comparison) -> str:
    """Return what failed, a line each under aligned headings, and how it was tested."""
    from gengauge.gate.shown import HEADINGS, headline, lines, method

    failed = [line for line in lines(found) if line.fails]
    rows = [HEADINGS, *(line.cells for line in failed)]
    reasons = [f"{' '.join(line.cells[:3])}: {line.reason}" for line in failed if line.reason]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS) - 1)]
    table = [
        "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]  # fmt: skip
    return "\n".join([headline(found), *table, *reasons, method(found), *found.notes])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--gengauge-alpha`` and its ini key."""
    group = parser.getgroup("gengauge", "quality gates of generative models")
    group.addoption(
        "--gengauge-alpha", type=float, default=None, metavar="ALPHA",
        help="probability of a false alarm of one comparison (default: 0.05)",
    )  # fmt: skip
    parser.addini(
        "gengauge_alpha", "probability of a false alarm of one comparison", default="0.05"
    )


@pytest.fixture
def gengauge(request: pytest.FixtureRequest, tmp_path: Path) -> Gate:
    """Run benchmarks and assert that nothing was lost against a baseline."""
    given = request.config.getoption("--gengauge-alpha")
    return Gate(
        tmp_path, given if given is not None else float(request.config.getini("gengauge_alpha"))
    )
