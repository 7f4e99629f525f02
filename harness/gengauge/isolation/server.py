"""Forks the trials' processes from one that has torch and the data, and buries them.

It has a single thread and never runs a plugin itself. It adopts what its trials leave behind, and
when the harness ends, however that came, nothing of what it started lives on.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import socket
import struct
import sys
import time
import traceback
from contextlib import suppress
from typing import NoReturn

import psutil

from gengauge.isolation.child import live
from gengauge.isolation.nursery import Nursery

NUMBER = struct.Struct("!i")
ORDER = struct.Struct("!i96s")  # which piece of work, and on which card
_DIE_WITH_PARENT, _ADOPT = 1, 36  # PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER of prctl(2)
_TRIES, _PATIENCE = 20, 5.0  # to fork; seconds until killed processes are taken for gone
_BROKEN = 70  # exit code of a trial whose process fell over outside of run_trial


def serve(orders: socket.socket, nursery: Nursery) -> NoReturn:
    """Start a trial for each order, until the other end of ``orders`` is closed; never returns.

    An order is an index into the nursery's work and a card, with three descriptors: for news, for
    what is printed, and for the process id and later the exit code.
    """
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0), os.dup2(nothing, 1)
        _prctl(_ADOPT, 1)
        nursery.warm()
        _Server(orders, nursery).run()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


class _Server:
    def __init__(self, orders: socket.socket, nursery: Nursery) -> None:
        self._orders, self._nursery = orders, nursery
        self._trials: dict[int, int] = {}  # process id, and where its end is told

    def run(self) -> None:
        """Obey until the harness is gone; then end everything."""
        rung, bell = os.pipe()
        for end in (rung, bell):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            self._private = [rung, bell, selector.fileno() if hasattr(selector, "fileno") else -1]
            selector.register(self._orders, selectors.EVENT_READ)
            selector.register(rung, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if rung in ready:
                    with suppress(BlockingIOError):
                        os.read(rung, 1 << 16)
                    self._bury()
                if self._orders in ready and not self._obey():
                    break
        for pid in self._trials:
            _kill(pid)
        self._trials.clear()
        _sweep(set())

    def _obey(self) -> bool:
        """Start the trial that is asked for; return whether anyone is left to ask."""
        order, descriptors, *_ = socket.recv_fds(self._orders, ORDER.size, 3)
        if len(order) < ORDER.size:
            return False
        news, log, ends = descriptors
        pid = _fork()
        if pid == 0:
            index, card = ORDER.unpack(order)
            self._become(index, card.rstrip(b"\0").decode(), news, log, ends)
        with suppress(OSError):
            os.write(ends, NUMBER.pack(max(pid, 0)) + (NUMBER.pack(_BROKEN) if pid < 0 else b""))
        for descriptor in (news, log):
            os.close(descriptor)
        if pid > 0:
            self._trials[pid] = ends
        else:
            os.close(ends)
        return True

    def _become(self, index: int, card: str, news: int, log: int, ends: int) -> NoReturn:
        """Be the trial from here on."""
        try:
            parent = os.getppid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (*self._private, *self._trials.values(), ends):
                with suppress(OSError):
                    os.close(descriptor)
            self._orders.close()
            os.setsid()
            _prctl(_ADOPT, 1)
            _prctl(_DIE_WITH_PARENT, signal.SIGKILL)
            if os.getppid() == parent:  # else the server died before it could be followed
                live(self._nursery, index, news, log, card)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(_BROKEN)

    def _bury(self) -> None:
        """Tell how trials have ended, once nothing that they started is left."""
        ended = {}
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                if found[0] in self._trials:
                    ended[found[0]] = os.waitstatus_to_exitcode(found[1])
        tell = {pid: self._trials.pop(pid) for pid in ended}
        for pid in ended:
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
        if ended:
            _sweep(set(self._trials))
        for pid, ends in tell.items():
            with suppress(OSError):
                os.write(ends, NUMBER.pack(ended[pid]))
            os.close(ends)


def _fork() -> int:
    """Fork; 0 in the child, -1 where the machine has no process to give for a while."""
    for _ in range(_TRIES):
        try:
            return os.fork()
        except OSError:
            time.sleep(0.1)
    return -1


def _sweep(keep: set[int]) -> None:
    """Kill every child but ``keep``, and whatever comes to this process by that.

    A living trial adopts what its own children leave behind, so that nothing of it is met here.
    """
    deadline = time.monotonic() + _PATIENCE
    while strangers := set(_children()) - keep:
        for pid in strangers:
            _kill(pid)
        time.sleep(0.001)
        for pid in strangers:
            with suppress(OSError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            return


def _children() -> list[int]:
    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process().children()]
    return []


def _kill(pid: int) -> None:
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    """Ask the kernel for what only Linux has; elsewhere the harness's end is the only signal."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
