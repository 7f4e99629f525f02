"""A worker's own process: takes orders as lines of JSON and gives records as lines of JSON.

It has torch and the data loaded and no second thread, so that trials are forked from it as they
are from the harness: each in a process of its own, watched, within its limits.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from contextlib import closing, suppress
from typing import Any, NoReturn

import torch

from gengauge.data import Dataset
from gengauge.executors import local
from gengauge.isolation.census import census
from gengauge.loading import load_dataset, load_embedder
from gengauge.metric import Embedder
from gengauge.orders import Order, dataset_of, shift_of
from gengauge.record import first_line
from gengauge.registry import Registry
from gengauge.store import Record
from gengauge.turns import Silent

_LOOK = 0.25  # seconds between two looks whether the worker lives
_CARDS = "CUDA_VISIBLE_DEVICES"


class Workshop:
    """Runs one order after another; what several need is loaded once."""

    def __init__(self) -> None:
        self._registries: dict[tuple[str, ...], Registry] = {}
        self._datasets: dict[tuple[str, int | None], Dataset] = {}
        self._embedders: dict[str, Embedder] = {}

    def do(self, order: Order) -> Record:
        """Return the record of a trial, a failed one where it cannot even be begun."""
        try:
            torch.set_num_threads(order.threads)
            return self._run(order)
        except Exception as error:  # a dataset or a plugin may raise anything
            return order.failed(type(error).__name__, first_line(error))

    def _run(self, order: Order) -> Record:
        plugins = tuple(order.plugins)
        if plugins not in self._registries:
            self._registries[plugins] = Registry(plugins)
        registry = self._registries[plugins]
        for broken in (p for p in registry.broken if p.name in plugins):
            raise ValueError(f"the worker cannot use plugin '{broken.module}': {broken.error}")
        spec = dataset_of(order, registry)
        if (place := (spec.id, order.limit)) not in self._datasets:
            self._datasets[place] = load_dataset(spec, order.limit)
        names = {m["embedder"] for m in order.metrics if m["embedder"]}
        judges = [registry.embedder(name) for name in sorted(names)]
        for judge in judges:  # on the CPU: each trial moves its own
            if judge.id not in self._embedders:
                self._embedders[judge.id] = load_embedder(judge, torch.device("cpu"))
        embedders = {judge.id: self._embedders[judge.id] for judge in judges}
        shift = shift_of(order, registry, {spec.id: self._datasets[place]}, embedders)
        for module in local.modules_of(registry, shift.tasks, least=1):
            with suppress(Exception, SystemExit):
                importlib.import_module(module)
        with closing(local.start(shift)) as turns:
            [(task, record, _)] = turns.run(Silent())
        return {**record, **shift.stamp(task)}


def open_workshop() -> NoReturn:
    """Serve orders from standard input until it is closed or the worker is gone."""
    news = os.dup(1)
    os.dup2(2, 1)  # what anything prints is no news
    os.register_at_fork(after_in_child=lambda: os.close(news))  # nor can a trial forge any
    _leave_with(os.getppid())
    workshop = Workshop()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        if asked["cards"] is not None:
            os.environ[_CARDS] = asked["cards"]
        record = workshop.do(Order.from_json(asked["order"]))
        answer = memoryview(json.dumps(record, allow_nan=False).encode() + b"\n")
        while answer:
            answer = answer[os.write(news, answer) :]
    os._exit(0)


def _leave_with(parent: int) -> None:
    """End at once, and all trials with it, when the worker that started this has ended."""
    census()  # psutil is loaded before a signal could come in between

    def look(number: int, frame: Any) -> None:
        if os.getppid() != parent:
            os._exit(1)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK, _LOOK)
    for name in ("SIGINT", "SIGUSR2"):  # the worker hears them and decides
        signal.signal(getattr(signal, name), signal.SIG_IGN)
