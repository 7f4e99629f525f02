"""Prints what was promised about speed, each measured in this run.

python benchmarks/promises.py            all three
python benchmarks/promises.py help       one of: help, overhead, quick
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GENGAUGE = [str(Path(sys.executable).parent / "gengauge")]


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def help_ratio(rounds: int = 15) -> None:
    """`gengauge --help` beside `python -c 'import click'`, in turn; promised: under 4x."""
    ours, click = [*GENGAUGE, "--help"], [sys.executable, "-c", "import click"]
    seconds(ours), seconds(click)
    pairs = [(seconds(ours), seconds(click)) for _ in range(rounds)]
    ratios = [a / b for a, b in pairs]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f} over {rounds} pairs"
    print(f"help:     {statistics.median(ratios):.2f} x import click ({spread}; promised < 4)")


def overhead() -> None:
    """The harness's own cost on a training loop; promised: under 3 %."""
    script = Path(__file__).with_name("training_overhead.py")
    subprocess.run([sys.executable, str(script)], check=True)


def quick() -> None:
    """`gengauge run` in an empty folder; promised on two cores: under 4 minutes and 3 GB."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        subprocess.run(
            [*GENGAUGE, "run"], cwd=folder, env=environment, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        took = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"quick:    {took:.0f} s, peak {memory:.2f} GiB (promised < 240 s, < 3 GB on two cores)")


if __name__ == "__main__":
    parts = {"help": help_ratio, "overhead": overhead, "quick": quick}
    for name in sys.argv[1:] or parts:
        parts[name]()
