"""A trial's own process: runs it, sends its progress and its record, and leaves."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from gengauge.execute import run_trial
from gengauge.isolation.nursery import Nursery
from gengauge.store import RunStore

_LOOK = 0.2  # seconds between two pieces of news
_EASY = "800"  # for the kernel: of all processes, end this one first when memory runs out
WHERE = signal.SIGUSR1  # asks a trial to write into its log what it is doing


def live(nursery: Nursery, index: int, news: int, log: int, card: str = "") -> NoReturn:
    """Run a piece of work; what it prints goes to the descriptor ``log``, its record to ``news``.

    ``card`` is the only one that it will see, where one is named. Never returns.
    """
    _alone(log)
    if card:  # before anything in this process has asked CUDA what there is
        os.environ["CUDA_VISIBLE_DEVICES"] = card
    work, teller = nursery.work[index], _Teller(news)
    store = RunStore(nursery.setting.store.folder.resolve())  # a plugin may change the folder
    setting = replace(nursery.setting, store=store, on_progress=teller.stage, alone=True)
    setting.embedders.update({s.id: nursery.embedder(s) for s in nursery.embedders})
    data = nursery.dataset(work.job.dataset)
    record = run_trial(work.trial, work.job, data, list(work.missing), setting)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    teller.record(record)
    os._exit(0)  # threads and children that a plugin left behind must not delay the next trial


def _alone(log: int) -> None:
    """Write into the log from here on; what a plugin does to its streams hurts the plugin alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the harness hears it and decides
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    sys.stdout, sys.stderr = (
        os.fdopen(n, "w", buffering=1, errors="backslashreplace", closefd=False) for n in (1, 2)
    )
    faulthandler.enable(log)
    faulthandler.register(WHERE, log)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_EASY)


class _Teller:
    """Sends news as lines of JSON: the harness reads no object that a plugin could have made."""

    def __init__(self, news: int) -> None:
        self._news, self._told, self._owner = news, 0.0, os.getpid()

    def stage(self, stage: str, fraction: float) -> None:
        """Report progress a few times a second at most."""
        if (now := time.perf_counter()) - self._told > _LOOK:
            self._told = now
            self._send({"stage": stage, "fraction": float(fraction)})

    def record(self, record: dict[str, Any]) -> None:
        """Send the record; one that is no JSON is a failed trial."""
        try:
            self._send({"record": record})
        except (TypeError, ValueError, RecursionError) as error:
            reason = f"the record is no valid JSON: {error}"
            self._send({"failed": {"type": type(error).__name__, "message": reason}})

    def _send(self, content: dict[str, Any]) -> None:
        if os.getpid() != self._owner:
            os._exit(0)  # a copy that a plugin has forked and lost: the trial is another
        # a line of its own, whatever a plugin may have written into this pipe before
        line = memoryview(b"\n" + json.dumps(content, allow_nan=False).encode() + b"\n")
        while line:
            line = line[os.write(self._news, line) :]
