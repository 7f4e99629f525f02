"""Prints what it takes to score very many pictures: seconds, and the most memory held.

python benchmarks/scoring.py [N]            N pictures of 28 x 28 (default: 1,000,000) and N / 20
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

_PART = 50_000
PROGRAM = (
    "import sys; from gengauge.cli import _run; from gengauge.provenance import peak_host_memory; "
    "code = _run(sys.argv[1:]); print('peak', peak_host_memory(), file=sys.stderr); sys.exit(code)"
)


def write(path: Path, n: int) -> None:
    """Write ``n`` pictures, a part at a time: blobs of light, each somewhere else."""
    stream = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28].astype(np.float32)
    file = np.lib.format.open_memmap(path, "w+", np.uint8, (n, 28, 28))
    for start in range(0, n, _PART):
        size = min(_PART, n - start)
        at, wide = stream.uniform(6, 22, (2, size, 1, 1)), stream.uniform(2, 7, (size, 1, 1))
        light = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * wide**2))
        file[start : start + size] = (255 * light).astype(np.uint8)
    file.flush()


def measured(folder: Path, n: int, embedder: str) -> None:
    """Score ``n`` pictures in a process of its own and print what it took."""
    path = folder / f"{n}.npy"
    write(path, n)
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "score", str(path), "--reference", "fashion-mnist",
         "--embedder", embedder, "-s", "fidelity", "--controls", "none",
         "--samples", "2000", "-o", str(folder / f"run{n}{embedder}")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    wall, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = int(done.stderr.split()[-1])
    print(
        f"{n:,} pictures of 28 x 28 in {embedder}: {wall:.0f} s, {used:.0f} s of a core, "
        f"peak {peak / 2**20:.0f} MiB; the pictures alone are {n * 784 / 2**20:.0f} MiB"
    )


if __name__ == "__main__":
    n = int(sys.argv[1].replace(",", "").replace("_", "")) if sys.argv[1:] else 1_000_000
    with tempfile.TemporaryDirectory() as place:
        for size in (n // 20, n):
            measured(Path(place), size, "fashion")
