"""Processes that write records into one run at once."""

from __future__ import annotations

import os
import subprocess
import sys

WRITE = """
import json, os, sys
from gengauge.store import RunStore
place, writer, count, named = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
store = RunStore(place, writer=f"w{writer}" if named else "")
sys.stdin.readline()
for i in range(count):
    scores = [{"suite": "s", "metric": "fd", "embedder": None, "split": "test", "value": 1.0 * i}]
    store.append({
        "trial": f"{writer}-{i}", "status": "ok", "started_at": "2026", "scores": scores,
        "model": {"id": "m" * (1 + i % 3000), "family": "f"}, "dataset": {"id": "d"},
        "seeds": {"seed": writer},
    })
"""


def write_at_once(place: str, writers: int, count: int, named: str = "") -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, place, str(n), str(count), named],
            stdin=subprocess.PIPE, env=dict(os.environ), text=True,
        )
        for n in range(writers)
    ]  # fmt: skip
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.close()
    assert [process.wait(timeout=300) for process in started] == [0] * writers
