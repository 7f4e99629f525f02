"""Several processes that train one model: started for a fit, and gone with it.

The first is the trial's own process, which alone samples, scores and writes. The others are fresh
interpreters below it, so that whatever ends or limits the trial does so to all of them.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from torch import distributed
from torch._C._distributed_c10d import Store, TCPStore

from gengauge import seeds
from gengauge.budget import Budget
from gengauge.data import Dataset
from gengauge.errors import DivergedError, GengaugeError, UnsupportedError
from gengauge.parameters import Value
from gengauge.registry import load_target
from gengauge.training_run import FitRun

_CODE = "from gengauge.ranks import born; born()"
_HERE = "127.0.0.1"
_START = 300.0  # seconds until every rank has imported what it needs
_MEET = timedelta(minutes=30)  # that a rank waits for another, which may validate or restore
_GRACE = 20.0  # seconds for ranks to end by themselves, or to say why they failed
_STUCK = 71  # exit code of a trial that waits for a rank that is dead
_OURS = (DivergedError, UnsupportedError, GengaugeError, MemoryError)


@dataclass(frozen=True)
class Order:
    """What another rank is to fit: the same as the first."""

    target: str
    parameters: dict[str, Value]
    data: Dataset
    seed: int
    budget: Budget
    device: str
    precision: str
    accumulation: int
    ranks: int
    path: list[str] = field(default_factory=lambda: list(sys.path))

    def fit(self, rank: int) -> None:
        """Fit the model as rank ``rank``."""
        run = FitRun(
            self.seed, self.budget, device_of(self.device, rank), precision=self.precision,
            accumulation=self.accumulation,
        )  # fmt: skip
        with seeds.global_seed(self.seed):
            load_target(self.target)(**self.parameters).fit(self.data, run)


def device_of(kind: str, rank: int) -> torch.device:
    """Return the device of a rank: its own card, or the CPU that all share."""
    return torch.device("cuda", rank) if kind == "cuda" else torch.device(kind)


@contextmanager
def beside(order: Order) -> Iterator[None]:
    """Keep the other ranks of a fit while the block, which is the first rank, runs.

    What ended another rank is raised here, with that rank's number: ``DivergedError``,
    ``UnsupportedError`` or ``MemoryError`` as such, anything else as ``RuntimeError``.
    """
    if order.ranks == 1:
        yield
        return
    store = TCPStore(
        _HERE, 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=_START)
    )
    others = [_start(order, rank, store.port) for rank in range(1, order.ranks)]
    over = threading.Event()
    try:
        _await(store, others)
        threading.Thread(target=_guard, args=(others, over), daemon=True).start()
        with _member(store, 0, order):
            try:
                yield
            except Exception as error:
                if _is_link(error):
                    _blame(store, others)
                raise
            over.set()
            _wait(others)
    finally:
        over.set()
        for other in others:
            other.kill()
            other.wait()


def _start(order: Order, rank: int, port: int) -> subprocess.Popen[bytes]:
    """Start a rank, which lives until its standard input is closed."""
    other = subprocess.Popen([sys.executable, "-c", _CODE], stdin=subprocess.PIPE)
    assert other.stdin is not None
    head = {"path": order.path, "rank": rank, "port": port}
    with suppress(BrokenPipeError):  # why it has died is asked later
        other.stdin.write(json.dumps(head).encode() + b"\n")
        pickle.dump(order, other.stdin)
        other.stdin.flush()
    return other


def _await(store: TCPStore, others: list[subprocess.Popen[bytes]]) -> None:
    """Wait until all ranks are there to meet; none must be waited for that has died."""
    deadline = time.monotonic() + _START
    while not store.check([f"ready {rank}" for rank in range(1, len(others) + 1)]):
        if any(other.poll() is not None for other in others):
            _blame(store, others)
        if time.monotonic() > deadline:
            raise RuntimeError(f"the other processes did not start within {_START:g} seconds")
        time.sleep(0.02)


@contextmanager
def _member(store: Store, rank: int, order: Order) -> Iterator[None]:
    """Be a rank of the group, also in what the environment says, from which Accelerate reads."""
    ours: dict[str, int | str] = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": order.ranks,
            "LOCAL_WORLD_SIZE": order.ranks, "MASTER_ADDR": _HERE, "MASTER_PORT": 0}  # fmt: skip
    if sys.platform == "linux" and "GLOO_SOCKET_IFNAME" not in os.environ:
        ours["GLOO_SOCKET_IFNAME"] = "lo"  # all are on this machine
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update({name: str(value) for name, value in ours.items()})
    try:
        if order.device == "cuda":
            torch.cuda.set_device(rank)
        distributed.init_process_group(
            "nccl" if order.device == "cuda" else "gloo", store=store, rank=rank,
            world_size=order.ranks, timeout=_MEET,
        )  # fmt: skip
        yield
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _guard(others: list[subprocess.Popen[bytes]], over: threading.Event) -> None:
    """End this process when it waits for a rank that has died: a card's wait knows no error."""
    while not over.wait(0.5):
        if any(other.poll() not in (None, 0) for other in others):
            if over.wait(_GRACE):
                return
            print(f"[gengauge] {_ends(others)}, and the first waits for it", file=sys.stderr)
            sys.stderr.flush()
            os._exit(_STUCK)


def _is_link(error: BaseException) -> bool:
    """Return whether an error says no more than that another rank is gone."""
    words = ("gloo", "nccl", "connection", "socket", "broken pipe", "tcpstore")
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in words)


def _blame(store: Store, others: list[subprocess.Popen[bytes]]) -> None:
    """Raise what another rank has failed by, if one has said so or has died."""
    deadline = time.monotonic() + _GRACE
    while not (told := _told(store)) and time.monotonic() < deadline:
        if any(other.poll() not in (None, 0) for other in others):
            told = _told(store)  # a last word
            break
        time.sleep(0.02)
    if told:
        _raise(told)
    if ends := _ends(others):
        raise RuntimeError(ends) from None


def _told(store: Store) -> dict[str, Any]:
    """Return what a rank says that it has failed by, empty if none has said anything."""
    with suppress(RuntimeError, ValueError):  # the store may be gone as well
        if store.check(["failed"]):
            told: dict[str, Any] = json.loads(store.get("failed"))
            return told
    return {}


def _raise(told: dict[str, Any]) -> None:
    kinds = {kind.__name__: kind for kind in (DivergedError, UnsupportedError, MemoryError)}
    text = f"rank {told['rank']}: {told['message']}"
    if told["type"] in kinds:
        raise kinds[told["type"]](text) from None
    raise RuntimeError(f"rank {told['rank']}: {told['type']}: {told['message']}") from None


def _ends(others: list[subprocess.Popen[bytes]]) -> str:
    """Say which ranks have died and how, empty if none has."""
    said = []
    for rank, other in enumerate(others, 1):
        if code := other.poll():
            named = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            said.append(f"rank {rank} ended with {named}")
    return ", ".join(said)


def _wait(others: list[subprocess.Popen[bytes]]) -> None:
    """Let the other ranks end; what they have learnt by now is of no use to anyone."""
    deadline = time.monotonic() + _GRACE
    while any(other.poll() is None for other in others) and time.monotonic() < deadline:
        time.sleep(0.005)


def born() -> None:
    """Be another rank: read from standard input what to fit, and fit it; never returns."""
    head = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = head["path"]
    order: Order = pickle.load(sys.stdin.buffer)
    rank = head["rank"]
    threading.Thread(target=_until_orphaned, daemon=True).start()
    store = TCPStore(_HERE, head["port"], is_master=False)
    code = 0
    try:
        store.set(f"ready {rank}", "")
        with _member(store, rank, order):
            try:
                order.fit(rank)
            except BaseException as error:
                code = 1
                if not _is_link(error):
                    _report(store, rank, error)
                    raise
    except BaseException:
        code = 1
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _report(store: Store, rank: int, error: BaseException) -> None:
    """Leave word of an error, the first one's: others may only follow from it."""
    kind = next((k.__name__ for k in _OURS if isinstance(error, k)), type(error).__name__)
    if isinstance(error, torch.OutOfMemoryError):
        kind = MemoryError.__name__
    told = {"rank": rank, "type": kind, "message": (str(error).splitlines() or [""])[0][:1000]}
    store.compare_set("failed", "", json.dumps(told))


def _until_orphaned() -> None:
    """End this process when the first rank's end of the pipe is closed, however that came."""
    while sys.stdin.buffer.read(1 << 16):
        pass
    os._exit(1)
