"""Starts the server that trials are forked from."""

from __future__ import annotations

import gc
import json
import os
import pickle
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch

from gengauge.isolation.nursery import Nursery
from gengauge.isolation.server import NUMBER, ORDER, serve

_PATIENCE = 15.0  # seconds until a server that does not end is killed
_CODE = "from gengauge.isolation.birth import born; born({})"


class ServerDied(Exception):
    """The server is gone, and with it every trial that was running."""


class Server:
    """The process that trials are forked from.

    It is forked from this one, which has everything loaded, where that is safe: on Linux, with a
    single thread and no graphics card. Elsewhere, or if ``afresh``, it is a new program that
    imports and loads for itself, which takes seconds.
    """

    def __init__(self, nursery: Nursery, afresh: bool = False) -> None:
        self._orders, theirs = socket.socketpair()
        forks = not afresh and _may_fork(nursery)
        self._pid = self._fork(theirs, nursery) if forks else _execute(theirs, nursery)
        theirs.close()

    def _fork(self, theirs: socket.socket, nursery: Nursery) -> int:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        gc.collect()
        gc.freeze()  # objects that the collector does not touch stay shared
        if pid := os.fork():
            gc.unfreeze()
            return pid
        self._orders.close()
        serve(theirs, nursery)

    def start(self, index: int, news: int, log: int, card: str = "") -> tuple[int, int]:
        """Start a piece of work; return its process id and where its exit code will be told.

        ``news`` and ``log`` are descriptors it writes to, ``card`` is the only one that it sees.
        The process id is 0 where the machine had no process to give. ``ServerDied`` when the
        server is gone.
        """
        ends, told = os.pipe()
        try:
            socket.send_fds(self._orders, [ORDER.pack(index, card.encode())], [news, log, told])
        except OSError:
            os.close(ends)
            raise ServerDied from None
        finally:
            os.close(told)
        answer = os.read(ends, NUMBER.size)
        if len(answer) < NUMBER.size:
            os.close(ends)
            raise ServerDied
        return NUMBER.unpack(answer)[0], ends

    def close(self) -> None:
        """End the server and every trial that still runs, and wait for that."""
        self._orders.close()
        deadline = time.monotonic() + _PATIENCE
        with suppress(ChildProcessError):
            while os.waitpid(self._pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > deadline:
                    os.kill(self._pid, 9)
                time.sleep(0.005)


def possible() -> bool:
    """Return whether this system can fork at all."""
    return hasattr(os, "fork")


def _may_fork(nursery: Nursery) -> bool:
    tasks = Path("/proc/self/task")
    return (
        tasks.is_dir()
        and len(list(tasks.iterdir())) == 1
        and nursery.setting.device.type == "cpu"
        and not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    )


def _execute(theirs: socket.socket, nursery: Nursery) -> int:
    """Start a new program and send it what it needs to know."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE.format(theirs.fileno())],
        stdin=subprocess.PIPE,
        pass_fds=[theirs.fileno()],
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(json.dumps(sys.path).encode() + b"\n")
        pickle.dump(nursery.to_send(), pipe)
    process.returncode = 0  # it is waited for by its id
    return process.pid


def born(descriptor: int) -> None:
    """Be a server that was not forked: read what it needs from standard input."""
    sys.path[:] = json.loads(sys.stdin.buffer.readline())
    nursery = pickle.load(sys.stdin.buffer)  # from the process that started this one, by a pipe
    nursery.load()
    serve(socket.socket(fileno=descriptor), nursery)
