"""Prints what was promised about the fidelity suite: seconds, ratios and memory of one run.

python benchmarks/fidelity.py                 all parts (about ten minutes on one core)
python benchmarks/fidelity.py fd few prdc     some of: fd, few, prdc, suite, memory
python benchmarks/fidelity.py prdc --device cuda

Every measurement is a process of its own on one core and one thread, contestants take turns, and
the fastest of each counts: processor seconds on the CPU, which neighbours disturb least, wall time
on a GPU. Memory is the peak beyond the features themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fidelity_contestants as contestants


def gemm_rate(device: str, dtype: str, d: int) -> float:
    """Multiply-adds a second of the largest matrix product of tiles, the floor of the pass."""
    import torch

    side = 1024 if device == "cpu" else 8192
    a, b = (torch.randn(side, d, device=device, dtype=getattr(torch, dtype)) for _ in range(2))
    best = min(timed(lambda: a @ b.T, device)[0] for _ in range(8))
    return side * side * d / best


def timed(run: Callable[[], Any], device: str) -> tuple[float, Any]:
    import torch

    def wait() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    clock = time.process_time if device == "cpu" else time.perf_counter
    wait()
    started = clock()
    value = run()
    wait()
    return clock() - started, value


@contextmanager
def peak(device: str) -> Iterator[list[float]]:
    """GiB at most held at once inside the block beyond what was held before."""
    import torch

    found: list[float] = []
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield found
        found.append((torch.cuda.max_memory_allocated() - before) / 2**30)
        return
    stop, page = threading.Event(), resource.getpagesize()

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    most = before = resident()

    def watch() -> None:
        nonlocal most
        while not stop.wait(0.01):
            most = max(most, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield found
    stop.set()
    watcher.join()
    found.append((most - before) / 2**30)


def one(name: str, device: str) -> None:
    """Measure one contestant in this process and print it as JSON."""
    n, d, kind, function = contestants.CONTESTANTS[name]
    import torch

    torch.set_num_threads(1)
    run = getattr(contestants, function)
    arguments, truth = contestants.arguments_of(kind, n, d, device)
    run(*contestants.warm(arguments, kind, device))  # imports and libraries are loaded
    with peak(device) as memory:
        seconds, value = timed(lambda: run(*arguments), device)
    rate = gemm_rate(device, "float32", d)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    found = {"seconds": seconds, "memory": memory[0], "value": value, "rss": rss, "rate": rate}
    print(json.dumps({**found, "truth": truth}))


def measured(name: str, device: str) -> dict[str, Any]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, __file__, "--one", name, "--device", device]
    core = max(os.sched_getaffinity(0))
    done = subprocess.run(
        command, env={**os.environ, **threads}, check=True, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
    return dict(json.loads(done.stdout.splitlines()[-1]))


def race(parts: list[str], rounds: int, device: str) -> dict[str, dict[str, Any]]:
    """Measure every contestant of the parts, in turn, and keep the fastest of each."""
    names = [n for n in contestants.CONTESTANTS if n.split()[0] in parts]
    if "suite" in parts and "prdc ours with intervals" not in names:
        names.append("prdc ours with intervals")
    if device != "cpu":
        names = [n for n in names if "ours" in n or "suite" in n or "memory" in n]
    best: dict[str, dict[str, Any]] = {}
    for turn in range(rounds):
        for name in names:
            if turn and name.startswith("memory"):
                continue
            found = measured(name, device)
            if name not in best or found["seconds"] < best[name]["seconds"]:
                best[name] = found
            print(f"  {name}: {found['seconds']:.2f} s", file=sys.stderr)
    return best


def table(found: dict[str, dict[str, Any]]) -> None:
    print(f"{'':36}{'seconds':>9}{'memory':>11}{'floor':>8}")
    for name, row in found.items():
        n, d, *_ = contestants.CONTESTANTS[name]
        floor = 2 * n * n * d / row["rate"] / row["seconds"]
        of_pass = any(w in name for w in ("prdc ours", "suite whole", "memory"))
        share = f"{floor:7.0%}" if of_pass else ""
        print(f"{name:36}{row['seconds']:9.2f}{row['memory']:7.2f} GiB{share:>8}")
    print("floor: share of the time that the float32 products alone take at this run's best rate\n")


def promises(found: dict[str, dict[str, Any]]) -> None:
    def ratio(slow: str, fast: str, least: float) -> None:
        if slow in found and fast in found:
            got = found[slow]["seconds"] / found[fast]["seconds"]
            say(f"{fast}: {got:.2f} x faster than {slow.split(' ', 1)[1]}", got >= least, least)

    ratio("fd torch-fidelity", "fd ours", 1.6)
    ratio("fd scipy sqrtm", "fd ours", 9)
    ratio("few torch-fidelity", "few ours", 8)
    ratio("prdc torch-fidelity (p, r)", "prdc ours with intervals", 1.8)
    ratio("prdc prdc", "prdc ours with intervals", 1.8)
    if "few ours" in found and "few torch-fidelity" in found:
        ours, theirs = (
            abs(found[n]["value"] / found[n]["truth"] - 1)
            for n in ("few ours", "few torch-fidelity")
        )
        say(f"few: relative error {ours:.1e}, torch-fidelity's {theirs:.1e}", ours < theirs)
    alone = "prdc ours with intervals"
    rivals = [n for n in found if n.startswith("prdc ") and n != alone]
    for rival in rivals:
        less = found[alone]["memory"] <= found[rival]["memory"]
        say(f"{alone}: no more memory than {rival.split(' ', 1)[1]}", less)
    if "suite whole" in found:
        got = found["suite whole"]["seconds"] / found[alone]["seconds"]
        say(f"suite whole: {got:.2f} x P/R/D/C alone", got < 1.3, 1.3)
    for name, row in found.items():
        if name.startswith("memory"):
            say(f"{name}: peak {row['rss']:.2f} GiB in all", row["rss"] < 4 / 1.0737, 4)


def say(text: str, kept: bool, promised: float | None = None) -> None:
    of = "" if promised is None else f" (promised: {promised:g})"
    print(f"{'PASS' if kept else 'FAIL'}  {text}{of}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["fd", "few", "prdc", "suite", "memory"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one, given.device)
        return
    found = race(given.parts, given.rounds, given.device)
    table(found)
    promises(found)


if __name__ == "__main__":
    main()
