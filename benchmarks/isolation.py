"""Prints what it costs to give each trial a process of its own, measured in this run.

python benchmarks/isolation.py              both
python benchmarks/isolation.py overhead     seconds a trial beyond the run in one process
python benchmarks/isolation.py workers      two workers against one
python benchmarks/isolation.py ray          Ray on this machine against the built-in pool
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

GENGAUGE = [sys.executable, "-m", "gengauge"]
TRIVIAL = ["-d", "points/moons", "-s", "likelihood", "--limit", "600", "--samples", "50"]
TRAINED = ["-d", "points/moons", "-s", "likelihood", "-m", "vae", "--budget", "5000steps",
           "--limit", "600", "--samples", "50"]  # fmt: skip
LONG = [w.replace("5000", "30000") for w in TRAINED]
TRIALS = 20


def seconds(arguments: list[str]) -> tuple[float, float]:
    """Return the wall and the CPU seconds of a run in an empty folder, children included."""
    before, started = _cpu(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [*GENGAUGE, "run", *arguments], cwd=folder, check=True,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return time.perf_counter() - started, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def overhead(rounds: int = 5) -> None:
    """Twenty trials of a fitted Gaussian, isolated and not, in turn; promised: under 0.5 s each."""
    models = [a for k in range(TRIALS) for a in ("-m", f"gmm[components=1,name=gmm{k}]")]
    apart, inside = [], []
    for _ in range(rounds):
        apart.append(seconds([*TRIVIAL, *models, "-j", "1"]))
        inside.append(seconds([*TRIVIAL, *models, "--no-isolate"]))
    for what, i in (("wall", 0), ("CPU", 1)):
        more = [(a[i] - b[i]) / TRIALS for a, b in zip(apart, inside, strict=True)]
        ratio = statistics.median(a[i] / b[i] for a, b in zip(apart, inside, strict=True))
        print(
            f"overhead: {statistics.median(more):.3f} {what} s a trial ({min(more):.3f} to "
            f"{max(more):.3f} over {rounds} pairs; promised < 0.5), "
            f"{ratio:.2f} x the run in one process"
        )


def workers(rounds: int = 3) -> None:
    """Four equal trainings, one after another and two at a time; promised: at least 1.8x.

    Both cores must be idle: what else runs on them is taken from the second worker.
    """
    load = os.getloadavg()[0]
    ratios = []
    for _ in range(rounds):
        alone, _ = seconds([*TRAINED, "--seeds", "0-3", "-j", "1"])
        together, _ = seconds([*TRAINED, "--seeds", "0-3", "-j", "2"])
        ratios.append(alone / together)
    print(
        f"workers:  two are {statistics.median(ratios):.2f} x as fast as one ({min(ratios):.2f} to "
        f"{max(ratios):.2f} over {rounds} pairs; promised > 1.8; load at the start {load:.1f} on "
        f"{os.cpu_count()} cores)"
    )


def ray(rounds: int = 1) -> None:
    """Four equal trainings, two at a time, as Ray tasks and in the pool; promised: within 10 %.

    What each costs to start counts for both: the pool's half second, Ray's cluster and its two
    workers' imports, four to twelve seconds however long the work is. So a trial must be as long as
    a real one is: work of three minutes was at 1.02, of a minute and a half at 1.12.
    """
    load = os.getloadavg()[0]
    common = [*LONG, "--seeds", "0-3", "-j", "2"]
    walls = []
    for _ in range(rounds):
        pool, tasks = (
            seconds([*common, "--executor", "local"]),
            seconds([*common, "--executor", "ray"]),
        )
        walls.append(tasks[0] / pool[0])
        more = tasks[0] - pool[0]
        print(f"ray:      {tasks[0]:.1f} s wall, the pool {pool[0]:.1f} s: {more:.1f} s more")
    print(
        f"ray:      {statistics.median(walls):.2f} x the pool's wall time ({min(walls):.2f} to "
        f"{max(walls):.2f} over {rounds} pairs; promised < 1.10; load at the start {load:.1f} on "
        f"{os.cpu_count()} cores)"
    )


if __name__ == "__main__":
    parts = {"overhead": overhead, "workers": workers, "ray": ray}
    for name in sys.argv[1:] or parts:
        parts[name]()
