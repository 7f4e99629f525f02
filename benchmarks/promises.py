"""Prints what was promised about speed, each measured in this run.

python benchmarks/promises.py            all three
python benchmarks/promises.py help       one of: help, overhead, quick
"""

from __future__ import annotations

import os
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
        process = subprocess.Popen(
            [*GENGAUGE, "run"], cwd=folder, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        most = 0
        while process.poll() is None:
            most = max(most, session_memory(process.pid))
            time.sleep(0.5)
        took = time.perf_counter() - started
        assert process.returncode == 0
    print(
        f"quick:    {took:.0f} s, {most / 2**30:.2f} GiB in all its processes at once "
        "(promised < 240 s, < 3 GB on two cores)"
    )


def session_memory(leader: int) -> int:
    """Return the bytes of the processes of a session, pages that are shared counted once."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == leader:
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += 1024 * sum(int(x.split()[1]) for x in lines if x.startswith("Pss:"))
        except OSError:  # it has ended meanwhile
            continue
    return total


if __name__ == "__main__":
    parts = {"help": help_ratio, "overhead": overhead, "quick": quick}
    for name in sys.argv[1:] or parts:
        parts[name]()
