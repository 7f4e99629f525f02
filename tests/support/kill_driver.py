"""Kills runs at random points, again and again, until each is done: started by test_kills.

It imports gengauge once and forks a harness for each attempt, so that an attempt costs a fraction
of a second. Prints one line of JSON at its end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import torch
from fault_survey import left_behind

import gengauge.runner  # noqa: F401  (what every harness needs is imported once)
from gengauge.cli import _run

TRIALS = 8
SCALES = ",".join(str(k) for k in range(1, TRIALS // 2 + 1))
COMMAND = ("run", "-d", "points/moons", "--plugin", "fault_models", "--limit", "400", "--samples",
           "40", "-s", "likelihood", "-m", f"slow-healthy[scale={SCALES}]",
           "-m", f"learner[scale={SCALES}]", "--budget", "40steps", "--checkpoint-every", "3steps",
           "-j", "2")  # fmt: skip


def harness(folder: Path) -> int:
    """Fork a process that is ``gengauge run`` from its first line to its last."""
    if pid := os.fork():
        return pid
    with (folder.parent / f"{folder.name}.txt").open("ab") as said:
        for descriptor in (1, 2):
            os.dup2(said.fileno(), descriptor)
    code = 1
    try:
        code = _run([*COMMAND, "-o", str(folder)])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def warm() -> None:
    """Use an optimiser once: torch imports a second's worth of modules for the first."""
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.ones(1)
    torch.optim.AdamW([weight]).step()


def ended(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG) != (0, 0)


def children(of: list[psutil.Process]) -> list[psutil.Process]:
    found = []
    for process in of:
        with suppress(psutil.Error):  # it has ended meanwhile
            found += process.children()
    return found


def strike(pid: int, chance: random.Random) -> str:
    """Kill the harness, what starts its trials, a trial, or all at once; return which."""
    target = chance.choice(("harness", "harness", "trial", "trial", "server", "all"))
    servers = children([psutil.Process(pid)])
    trials = children(servers)
    chosen = {"server": servers, "trial": trials[:1], "all": [*trials, *servers]}.get(target, [])
    target = target if chosen else "harness"
    for process in chosen:
        with suppress(psutil.Error):
            process.kill()
    if target in ("harness", "all"):
        os.kill(pid, signal.SIGKILL)
    return target


def lines(folder: Path) -> list[bytes]:
    path = folder / "records.jsonl"
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def content(folder: Path) -> dict[str, Any]:
    """Return checkpoint and scores by model, of records that stand there once each."""
    records = [json.loads(line) for line in lines(folder)]
    assert len({r["trial"] for r in records}) == len(records), "a record stands there twice"
    return {
        r["model"]["id"]: [r["status"], r["model"]["checkpoint_sha256"],
                           [(s["metric"], s["value"], s["low"], s["high"]) for s in r["scores"]]]
        for r in records
    }  # fmt: skip


def resumed(folder: Path) -> int:
    """Return how often trainings of a run were gone on with."""
    return sum(json.loads(line)["training"]["resumed"] for line in lines(folder))


def wait_for(pid: int, folder: Path) -> None:
    """Wait until the harness has ended, or until all records are there: the report is not ours."""
    while not ended(pid):
        if len(lines(folder)) == TRIALS:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def episode(folder: Path, chance: random.Random, struck: list[str], longest: float) -> int:
    """Start the same command until it is done, killing it each time; return the records lost."""
    lost, safe = 0, []
    for _ in range(60):
        pid = harness(folder)
        due = time.monotonic() + chance.uniform(0, longest)
        midway = chance.random() < 0.5  # in some training, whenever that is on a busy machine
        while not (done := ended(pid)) and (
            not any(folder.glob("trials/*/training/*")) if midway else time.monotonic() < due
        ):
            time.sleep(0.002)
        if not done:
            struck.append(strike(pid, chance))
            wait_for(pid, folder)
        assert left_behind(os.environ["FAULT_MARK"]) == [], struck
        now = lines(folder)
        whole = [line for line in now if line.endswith(b"\n")]
        lost += sum(line not in whole for line in safe)
        safe = whole
        if len(safe) == TRIALS:
            return lost
    raise AssertionError("it never gets done")


def main(base: Path, seed: int, kills: int) -> None:
    warm()
    chance, struck, lost, episodes, again = random.Random(seed), [], 0, 0, 0
    started = time.monotonic()
    wait_for(harness(base / "undisturbed"), base / "undisturbed")
    longest = time.monotonic() - started
    expected = content(base / "undisturbed")
    while len(struck) < kills:
        folder = base / f"episode{episodes}"
        lost += episode(folder, chance, struck, longest)
        assert content(folder) == expected, "not what an undisturbed run gives"
        assert not list(folder.glob("trials/*/training")), "checkpoints are left behind"
        again += resumed(folder)
        episodes += 1
    assert resumed(base / "undisturbed") == 0
    counts = {target: struck.count(target) for target in dict.fromkeys(struck)}
    print(json.dumps({"kills": counts, "episodes": episodes, "lost": lost,
                      "trials": len(expected), "resumed": again}))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
