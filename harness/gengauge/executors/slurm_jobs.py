"""Jobs that were sent, kept in the run's folder so that no later command sends them again."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from gengauge.store import RunStore, write_json

_BOOK = "jobs.json"
_ID = re.compile(r"[0-9]+(_[0-9]+)?")
_FORCED = 60.0  # seconds between two questions to Slurm itself
_STATUS = {"TIMEOUT": "timeout", "OUT_OF_MEMORY": "out_of_memory", "OUT_OF_ME+": "out_of_memory"}


@dataclass
class Job:
    """A job: where it was sent, which trials it runs and who it is as a writer of records."""

    id: str
    cluster: str
    folder: str
    writer: str
    trials: list[str]

    def __post_init__(self) -> None:
        self.handle: Any = None  # submitit's own, where this process has sent it
        self._asked = 0.0

    def done(self) -> bool:
        """Return whether it has ended, however that was; never reads what it has pickled."""
        if self.handle is None and self.cluster == "local":
            return not _lives(self.id)
        if self.handle is None and self.cluster == "slurm":
            import submitit

            self.handle = submitit.SlurmJob(folder=self.folder, job_id=self.id)
        if self.handle is None:  # a job of a process that is gone
            return True
        now = time.monotonic()
        if force := now > self._asked + _FORCED:
            self._asked = now
        return bool(self.handle.done(force_check=force))

    def end(self) -> tuple[str, str]:
        """Return status and reason for a trial that it has left without a record."""
        state, said = "gone", ""
        with suppress(Exception):  # Slurm forgets old jobs
            state = str(self.handle.state)
            said = " ".join((self.handle.stderr() or "").split())[-300:]
        reason = f"{self.cluster} job {self.id} ended ({state}) before there was a record"
        where = f"{self.folder}".replace("%j", self.id)
        text = f"{reason} (see {where}){': ' + said if said else ''}; --retry-failed sends it again"
        return _STATUS.get(state.split()[0], "failed"), text


def _lives(pid: str) -> bool:
    """Return whether a process of submitit's own has this id; ids are given out again."""
    with suppress(psutil.Error, ValueError):
        return "submitit.local._local" in psutil.Process(int(pid)).cmdline()
    return False


class Book:
    """The jobs of a run that may still be on their way."""

    def __init__(self, store: RunStore) -> None:
        self._path = store.folder / _BOOK
        self.jobs = list(_read(self._path))

    def add(self, jobs: list[Job]) -> None:
        """Keep jobs that were just sent."""
        self.jobs += jobs
        self._write()

    def forget(self, job: Job) -> None:
        """Cross out a job that has ended."""
        self.jobs.remove(job)
        self._write()

    def _write(self) -> None:
        write_json(self._path, {"jobs": [asdict(job) for job in self.jobs]})


def _read(path: Path) -> list[Job]:
    """Return the jobs of a book; what is damaged or was written by others is no job."""
    jobs = []
    with suppress(OSError, ValueError, TypeError, KeyError):
        for entry in json.loads(path.read_text())["jobs"]:
            job = Job(**entry)
            if _ID.fullmatch(job.id) and re.fullmatch(r"[\w-]+", job.writer):
                jobs.append(job)
    return jobs
