"""Trials as Ray tasks, each with what it asks for; a task whose node is lost is run again."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from gengauge.errors import UsageError
from gengauge.executors.ray_trial import run_order
from gengauge.orders import order_of
from gengauge.store import Record
from gengauge.turns import Listener, Shift, Task

_LOOK = 1.0  # seconds a wait may take: a key pressed meanwhile is heard then
_AHEAD = 256  # tasks that wait in Ray's queue; the rest is written down when it is their turn
_STORE = 100 << 20  # bytes of shared memory for a local cluster: records are small


def start(shift: Shift, address: str, gpus: float, retries: int) -> OnRay:
    """Return what runs the tasks on the Ray cluster at ``address``."""
    return OnRay(shift, address, gpus, retries)


class OnRay:
    """Tasks of a Ray cluster, which is started here where the address is ``local``."""

    def __init__(self, shift: Shift, address: str, gpus: float, retries: int) -> None:
        self._shift = shift
        self._asks: dict[str, Any] = {"num_cpus": shift.threads, "max_retries": retries}
        if shift.device.startswith("cuda"):
            self._asks["num_gpus"] = gpus
        if shift.limits.memory:
            self._asks["memory"] = shift.limits.memory
        local = self._local = address == "local"
        self.workers = min(shift.workers if local else shift.jobs or _AHEAD, len(shift.tasks))
        self._pending: dict[Any, Task] = {}
        self._connect(address, local)
        self._room(local)

    def _connect(self, address: str, local: bool) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self._ray: Any = ray
        self._own = not ray.is_initialized()
        if not self._own:
            return
        here: dict[str, Any] = {
            "num_cpus": self.workers * self._shift.threads, "include_dashboard": False,
            "object_store_memory": _STORE,
        }  # fmt: skip
        try:
            ray.init(
                address, configure_logging=True, logging_level=logging.ERROR, log_to_driver=False,
                **(here if local else {}),
            )  # fmt: skip
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise UsageError(f"Ray at '{address}' cannot be used: {reason}") from None

    def _room(self, local: bool) -> None:
        """Say it where no node could ever hold a trial: Ray itself would wait for ever."""
        asked = {
            "CPU": self._asks["num_cpus"], "GPU": self._asks.get("num_gpus", 0),
            "memory": self._asks.get("memory", 0),
        }  # fmt: skip
        nodes = [n["Resources"] for n in self._ray.nodes() if n["Alive"]]
        if any(all(node.get(k, 0) >= v for k, v in asked.items()) for node in nodes):
            return
        wants = ", ".join(f"{k} {v:g}" for k, v in asked.items() if v)
        text = f"no node of the Ray cluster has what a trial asks for: {wants}"
        if local:
            self.close()
            raise UsageError(f"{text}; ask for less with --memory or --threads, or --device cpu")
        print(f"warning: {text}; waiting for one to come", file=sys.stderr)

    def run(self, listener: Listener) -> Iterator[tuple[Task, Record, float]]:
        """Yield each task with its record and seconds, as they end."""
        trial = self._ray.remote(run_order).options(**self._asks)
        waiting = deque(self._shift.tasks)
        if self.workers > 1:  # the long ones first
            waiting = deque(sorted(waiting, key=lambda t: t.job.choice.spec.control))
        while waiting or self._pending:
            while waiting and len(self._pending) < self._most():
                task = waiting.popleft()
                self._pending[trial.remote(order_of(task, self._shift).to_json())] = task
            ready, _ = self._ray.wait(list(self._pending), timeout=_LOOK)
            for reference in ready:
                task = self._pending.pop(reference)
                yield (task, *self._result(reference, task))

    def _most(self) -> int:
        """Return how many tasks Ray is given at a time: a local cluster holds them back itself."""
        return _AHEAD if self._local else self._shift.jobs or _AHEAD

    def _result(self, reference: Any, task: Task) -> tuple[Record, float]:
        """Return a task's record and seconds; one that Ray has given up is a failed trial."""
        try:
            text, seconds = self._ray.get(reference)
            return json.loads(text), seconds
        except self._ray.exceptions.OutOfMemoryError as error:
            return self._dead(task, _first(error), "out_of_memory"), 0.0
        except self._ray.exceptions.RayError as error:
            reason = f"its Ray task failed: {type(error).__name__}: {_first(error)}"
            return self._dead(task, reason, "failed"), 0.0

    def _dead(self, task: Task, reason: str, status: str) -> Record:
        return order_of(task, self._shift).failed("TrialDied", reason, status)

    def close(self) -> None:
        """Cancel what still runs, and end the cluster if it was started here."""
        for reference in self._pending:
            with suppress(Exception):
                self._ray.cancel(reference, force=True)
        self._pending.clear()
        if self._own:
            self._ray.shutdown()


def _first(error: Exception) -> str:
    """Return the line of Ray's message that says what has happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:500] if lines else "no message"
