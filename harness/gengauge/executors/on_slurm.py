"""Trials as array jobs, sent through submitit and followed by the records they write.

submitit pickles what it sends: its files lie in the cache folder of whoever sends them, never in
the run's, from which no pickle is read. A job writes records by itself, so that it needs nobody
who waits for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gengauge.errors import UsageError
from gengauge.executors.slurm_batch import Batch, written
from gengauge.executors.slurm_jobs import Book, Job
from gengauge.orders import order_of
from gengauge.places import cache_folder
from gengauge.store import Record
from gengauge.turns import Listener, Shift, Task

_GRACE = 3  # looks after a job's end: a shared file system may be late with its last record
_AT_ONCE = 256  # jobs of an array that may run side by side where -j says nothing
_SPACE = 1.0  # GiB of a job beside its trial's


def start(shift: Shift, **parameters: Any) -> OnSlurm:
    """Return what sends the tasks to Slurm and follows them."""
    return OnSlurm(shift, parameters)


class OnSlurm:
    """Array jobs that go on if this process does not; the next command follows them again."""

    stores = True  # what it yields is in the store already

    def __init__(self, shift: Shift, parameters: dict[str, Any]) -> None:
        self._shift, self._p = shift, parameters
        self._cluster = str(parameters["cluster"])
        self._store = shift.setting.store
        self._open = {task.trial.key: task for task in shift.tasks}
        self._book = Book(self._store)
        self.workers = 1

    def run(self, listener: Listener) -> Iterator[tuple[Task, Record, float]]:
        """Yield each task with its record and seconds, as they end."""
        running = self._still_running()
        sent = self._send([t for t in self._shift.tasks if t.trial.key not in running])
        if running:
            print(f"{len(running)} trials are on their way already: followed", file=sys.stderr)
        if sent:
            names = sent[0].id if len(sent) == 1 else f"{sent[0].id} to {sent[-1].id}"
            print(f"sent as {self._cluster} jobs {names}", file=sys.stderr)
        late: dict[str, int] = {}
        while self._open:
            for job in list(self._book.jobs):
                ended = job.done()  # asked before its records are read
                yield from self._finished(job)
                left = [key for key in job.trials if key in self._open]
                if ended and left and late.setdefault(job.writer, 0) < _GRACE:
                    late[job.writer] += 1
                elif ended:
                    yield from self._lost(job, left)
                    self._book.forget(job)
            if self._open:
                time.sleep(float(self._p["poll"]) if self._cluster == "slurm" else 0.2)

    def _still_running(self) -> set[str]:
        """Return the trials of this shift that earlier jobs will still write a record of."""
        found: set[str] = set()
        for job in list(self._book.jobs):
            done = {record["trial"] for record in written(str(self._store.folder), job.writer)}
            if job.done():
                self._book.forget(job)
            else:
                job.trials = [key for key in job.trials if key not in done]
                found |= set(job.trials) & set(self._open)
        return found

    def _finished(self, job: Job) -> Iterator[tuple[Task, Record, float]]:
        for record in written(str(self._store.folder), job.writer):
            if record["trial"] in job.trials and record["trial"] in self._open:
                task = self._open.pop(record["trial"])
                yield task, record, float(sum((record.get("timing") or {}).values()))

    def _lost(self, job: Job, keys: list[str]) -> Iterator[tuple[Task, Record, float]]:
        status, reason = job.end() if keys else ("", "")
        for key in keys:
            task = self._open.pop(key)
            record = order_of(task, self._shift).failed("JobLost", reason, status)
            self._store.append(record)
            yield task, record, 0.0

    def _send(self, tasks: list[Task]) -> list[Job]:
        """Send tasks as one array, a few in each job where that was asked for."""
        if not tasks:
            return []
        size = int(self._p["batch"]) or 1
        if not self._p["batch"] and self._cluster != "slurm":  # nothing there holds jobs back
            size = -(-len(tasks) // self._shift.workers)
        parts = [tasks[i : i + size] for i in range(0, len(tasks), size)]
        run, folder = self._shift.setting.run_id, str(self._store.folder.resolve())
        batches = [
            Batch(folder, f"slurm-{run}-{i}", [order_of(t, self._shift).to_json() for t in part])
            for i, part in enumerate(parts)
        ]
        files = Path(str(self._p["folder"]) or cache_folder() / "slurm" / run).resolve() / "%j"
        handles = self._submit(batches, files)
        jobs = []
        for batch, handle, part in zip(batches, handles, parts, strict=True):
            keys = [t.trial.key for t in part]
            job = Job(str(handle.job_id), self._cluster, str(files), batch.writer, keys)
            job.handle = handle
            jobs.append(job)
        self._book.add(jobs)
        return jobs

    def _submit(self, batches: list[Batch], files: Path) -> list[Any]:
        import submitit

        try:
            executor = submitit.AutoExecutor(folder=files, cluster=self._cluster)
            executor.update_parameters(**self._asks())
            return list(executor.submit_array(batches))
        except Exception as error:  # no srun here, a partition that is not there
            reason = " ".join(str(error).split())[:500]
            raise UsageError(f"{self._cluster} does not take the jobs: {reason}") from None

    def _asks(self) -> dict[str, Any]:
        """Return what a job asks for, in submitit's words; None is left to the cluster."""
        shift, p = self._shift, self._p
        memory = shift.limits.memory / 2**30 + _SPACE if shift.limits.memory else None
        more = dict(o.split(":", 1) for o in str(p["options"]).split(";") if ":" in o)
        setup = [str(p["setup"])] if p["setup"] else None
        return {
            "name": "gengauge", "timeout_min": p["time"], "cpus_per_task": shift.threads,
            "mem_gb": memory, "gpus_per_node": p["gpus"] if shift.device[:4] == "cuda" else None,
            "slurm_partition": p["partition"] or None, "slurm_account": p["account"] or None,
            "slurm_qos": p["qos"] or None, "slurm_constraint": p["constraint"] or None,
            "slurm_setup": setup, "local_setup": setup, "slurm_additional_parameters": more or None,
            "slurm_array_parallelism": shift.jobs or _AT_ONCE,
        }  # fmt: skip

    def close(self) -> None:
        """Leave alone what still runs: jobs write their records, and nobody sends them again."""
        if self._open and self._book.jobs and self._cluster != "debug":
            print(
                f"{len(self._book.jobs)} jobs go on without this command; the same command "
                "follows them again", file=sys.stderr,
            )  # fmt: skip
