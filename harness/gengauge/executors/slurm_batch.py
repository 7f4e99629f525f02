"""What a Slurm job runs: its orders one after another, each record written as it ends."""

from __future__ import annotations

import json
import os
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from gengauge.executors.workbench import Workbench


def _path(folder: str, writer: str) -> Path:
    return Path(folder) / f"records-{writer}.jsonl"


def written(folder: str, writer: str) -> list[dict[str, Any]]:
    """Return the records that a writer has written whole so far; a half line is still to come."""
    found = []
    with suppress(OSError):
        for line in _path(folder, writer).read_bytes().split(b"\n")[:-1]:
            with suppress(ValueError):
                found.append(json.loads(line))
    return found


def write(folder: str, writer: str, record: dict[str, Any]) -> None:
    """Add a record to a file that nobody else writes, whole and synced."""
    line = json.dumps(record, allow_nan=False, sort_keys=True).encode() + b"\n"
    with _path(folder, writer).open("a+b") as file:
        file.seek(0)
        if (before := file.read()) and not before.endswith(b"\n"):
            line = b"\n" + line  # the last write was cut off
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


class Batch:
    """Orders of one job; queued again after a time limit or a preemption, it does the rest."""

    def __init__(self, folder: str, writer: str, orders: list[str]) -> None:
        self.folder, self.writer, self.orders = folder, writer, orders

    def __call__(self) -> None:
        """Run what has no record yet."""
        done = {record["trial"] for record in written(self.folder, self.writer)}
        with closing(Workbench()) as bench:
            for text in self.orders:
                blank = json.loads(text)["blank"]
                if blank["trial"] not in done:
                    write(self.folder, self.writer, {**_run(bench, text, blank), "workers": 1})

    def checkpoint(self) -> Any:
        """Return what submitit is to queue again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _run(bench: Workbench, text: str, blank: dict[str, Any]) -> dict[str, Any]:
    try:
        return bench.do(text, os.environ.get("CUDA_VISIBLE_DEVICES"))[0]
    except RuntimeError as error:
        reason = {"type": "TrialDied", "message": str(error)}
        return {**blank, "status": "failed", "error": reason}
