"""What a Ray worker runs; imports nothing heavy, for the trial has a process of its own."""

from __future__ import annotations

import json
import os

from gengauge.executors.workbench import Workbench

_BENCH = Workbench()  # one in each of Ray's workers, kept from task to task


def run_order(text: str) -> tuple[str, float]:
    """Return the record of an order, both as JSON, and the seconds it took."""
    record, seconds = _BENCH.do(text, os.environ.get("CUDA_VISIBLE_DEVICES"))
    return json.dumps(record, allow_nan=False), seconds
