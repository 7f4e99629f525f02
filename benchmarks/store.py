"""Prints what many trials cost the store, the plan and the reports, measured in this run.

python benchmarks/store.py                both
python benchmarks/store.py load [N]       the tidy table of N trials with 20 scores each
python benchmarks/store.py again [N]      a run of N trials that are all done, and its reports

Both use one thread: what counts is its CPU time, which is the time that passes on a free core.
"""

from __future__ import annotations

import copy
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from gengauge.benchmark import Benchmark
from gengauge.plan import plan
from gengauge.registry import Registry
from gengauge.store import RunStore

GENGAUGE = [sys.executable, "-m", "gengauge"]
CLEAN = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
LOAD, AGAIN = 20.0, 30.0  # promised seconds
SCORES = 20


def template(folder: Path, *arguments: str) -> dict[str, Any]:
    """Return the record of a trial that is really run, into ``folder``."""
    subprocess.run(
        [*GENGAUGE, "run", "-d", "points/moons", *arguments, "-o", str(folder)],
        check=True, env=CLEAN, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    [record] = RunStore(folder).records()
    return record


def load(trials: int = 100_000) -> bool:
    """Records of a real trial, 20 scores each and every value another; promised: under 20 s."""
    print(f"load: {trials} trials with {SCORES} scores each")
    with tempfile.TemporaryDirectory() as name:
        record = template(Path(name) / "one", "-m", "flow", "--budget", "20steps")
        record["scores"] = [*record["scores"], *record["scores"]][:SCORES]
        store = RunStore(Path(name) / "many")
        store.folder.mkdir()
        chance, path = random.Random(0), store.folder / "records.jsonl"
        with path.open("w") as stream:
            for i in range(trials):
                record["trial"], record["position"] = f"{chance.getrandbits(64):016x}", i
                record["seeds"]["seed"], record["model"]["id"] = i % 100, f"model-{i // 100}"
                for number, score in enumerate(record["scores"]):
                    score["suite"] = f"suite-{number}"
                    value = chance.random()
                    score.update(value=value, low=value - 0.1, high=value + 0.1, failed=False)
                stream.write(json.dumps(record, sort_keys=True) + "\n")
        size = path.stat().st_size
        return _timed_load(store.folder, size, trials)


def _timed_load(folder: Path, size: int, trials: int) -> bool:
    """Load in a program of its own, so that its memory is its own; beside it, the plain way."""
    code = (
        "import sys, time, resource; from gengauge.store import RunStore\n"
        "start = time.perf_counter(), time.process_time()\n"
        "frame = RunStore(sys.argv[1]).frame()\n"
        "used = time.perf_counter() - start[0], time.process_time() - start[1]\n"
        "print(*used, len(frame), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(folder)], check=True, env=CLEAN, capture_output=True
    )
    wall, cpu, rows, peak = map(float, told.stdout.split())
    with (folder / "records.jsonl").open("rb") as stream:
        start, some = time.process_time(), max(1, trials // 50)
        for _ in range(some):
            json.loads(stream.readline())
        plain = (time.process_time() - start) * trials / some
    good = rows == trials * SCORES and cpu < LOAD
    print(f"  {size / 1e9:.2f} GB of records, {size // trials} bytes each; {rows:.0f} rows")
    print(
        f"  {wall:.1f} s ({cpu:.1f} s of CPU), {cpu / plain:.2f} x what the json module takes to "
        f"parse the lines alone; {peak / 1e9:.2f} GB at its peak"
    )
    return _verdict(good, f"under {LOAD:.0f} s on a core of its own")


def again(trials: int = 10_000) -> bool:
    """Trials of a fitted Gaussian, all done: planned, skipped and reported; promised: under 30 s.

    Once one model with every seed, once a hundred models with a hundredth of the seeds each.
    """
    good = True
    for models in (1, 100):
        names = [f"gmm[components=1,name=gmm{k}]" for k in range(models)]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "run"
            arguments = ["-m", *" -m ".join(names).split(" "), "--seeds"]
            options = ["-s", "likelihood", "-s", "fidelity", "--limit", "400", "--samples", "100"]
            record = template(folder, "-m", names[0], "--seeds", "0", *options)
            seeds = trials // models
            done = multiply(folder, record, [*arguments, f"0-{seeds - 1}", *options])
            good &= _run_again(folder, [*arguments, f"0-{seeds - 1}", *options], models, seeds)
            assert done == trials
    return good


def multiply(folder: Path, record: dict[str, Any], arguments: list[str]) -> int:
    """Write the record of every trial that ``arguments`` plan, and artifacts beside it."""
    told = subprocess.run(
        [sys.executable, __file__, "plan", *arguments], check=True, env=CLEAN, capture_output=True
    )
    first = folder / "trials" / record["trial"]
    lines = []
    for position, (key, label, seed) in enumerate(json.loads(told.stdout)):
        one = copy.deepcopy(record)
        one["trial"], one["position"] = key, position
        one["model"]["id"], one["seeds"]["seed"] = label, seed
        chance = random.Random(key)
        for score in one["scores"]:
            if score["value"] is not None:
                score["value"] *= 1 + 0.01 * chance.random()
        lines.append(json.dumps(one, sort_keys=True) + "\n")
        if key != record["trial"]:
            (folder / "trials" / key).mkdir()
            for path in first.iterdir():
                if path.is_file():
                    os.link(path, folder / "trials" / key / path.name)
    (folder / "records.jsonl").write_text("".join(lines))
    return len(lines)


def print_plan(arguments: list[str]) -> None:
    """Print key, label and seed of every trial that a run with ``arguments`` plans, as JSON."""
    import torch

    from gengauge.runner import Run

    models = [a for flag, a in pairwise(arguments) if flag == "-m"]
    last = int(arguments[arguments.index("--seeds") + 1].split("-")[1])
    benchmark = Benchmark(
        "quick", ("points/moons",), models=tuple(models), suites=("likelihood", "fidelity"),
        seeds=tuple(range(last + 1)), samples=100,
    )  # fmt: skip
    registry = Registry()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(benchmark, registry, RunStore(folder), torch.device("cpu"), limit=400)
        tasks = run.tasks(plan(benchmark, registry))
    print(json.dumps([[t.trial.key, t.trial.label, t.trial.seed] for t in tasks]))


def _run_again(folder: Path, arguments: list[str], models: int, seeds: int) -> bool:
    before, start = _cpu(), time.perf_counter()
    done = subprocess.run(
        [*GENGAUGE, "run", "-d", "points/moons", *arguments, "-o", str(folder)],
        check=True, env=CLEAN, capture_output=True, text=True,
    )  # fmt: skip
    wall, cpu = time.perf_counter() - start, _cpu() - before
    start = time.perf_counter()
    subprocess.run([*GENGAUGE, "list", "models"], check=True, env=CLEAN, stdout=subprocess.DEVNULL)
    nothing = time.perf_counter() - start
    every = f"{models * seeds} of {models * seeds} trials are done already"
    page = (folder / "report.html").stat().st_size
    print(f"again: {models} model(s) with {seeds} seeds each; a page of {page / 1e6:.1f} MB")
    print(f"  {wall:.1f} s ({cpu:.1f} s of CPU), {wall / nothing:.1f} x `gengauge list models`")
    good = cpu < AGAIN and every in done.stderr
    return _verdict(good, f"under {AGAIN:.0f} s on a core of its own, none run")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _verdict(good: bool, promise: str) -> bool:
    print(f"  {'PASS' if good else 'FAIL'}: promised {promise}", flush=True)
    return good


def main(arguments: list[str]) -> None:
    what, *rest = arguments or ["both"]
    if what == "plan":
        return print_plan(rest)
    counts = [int(n) for n in rest]
    verdicts = [f(*counts) for name, f in (("load", load), ("again", again))
                if what in (name, "both")]  # fmt: skip
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
