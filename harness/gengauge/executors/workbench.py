"""A worker's end of the pipe to its workshop; imports nothing heavy, for it runs inside others."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

_TRIES = 3  # of a trial whose workshop is killed from outside
_CODE = (
    "import json, os, sys\n"
    "begin = json.loads(sys.stdin.buffer.readline())\n"
    "sys.path += [p for p in begin['path'] if p not in sys.path]\n"
    "os.path.isdir(begin['folder']) and os.chdir(begin['folder'])\n"
    "from gengauge.executors.workshop import open_workshop\n"
    "open_workshop()\n"
)


class Workbench:
    """Runs orders in a workshop of its own, which it starts when it is first needed."""

    def __init__(self) -> None:
        self._shop: subprocess.Popen[bytes] | None = None
        self._run = ""

    def do(self, text: str, cards: str | None = None) -> tuple[dict[str, Any], float]:
        """Return the record of an order, given as JSON, and the seconds it took.

        ``cards`` is what CUDA may see. ``RuntimeError`` when the workshop dies again and again.
        """
        order, started = json.loads(text), time.perf_counter()
        for _ in range(_TRIES):
            shop = self._open(order)
            with suppress(BrokenPipeError):
                self._send(shop, {"order": text, "cards": cards})
            if line := shop.stdout.readline():  # type: ignore[union-attr]
                return json.loads(line), time.perf_counter() - started
            self.close()
        raise RuntimeError(f"the process that starts trials has died {_TRIES} times")

    def _open(self, order: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Return the workshop; another run's may have older code and other data loaded."""
        if self._shop is not None and self._run == order["setting"]["run_id"]:
            return self._shop
        self.close()
        threads = {f"{k}_NUM_THREADS": str(order["threads"]) for k in ("OMP", "MKL", "OPENBLAS")}
        self._shop = subprocess.Popen(
            [sys.executable, "-c", _CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, **threads, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"},
        )  # fmt: skip
        self._run = order["setting"]["run_id"]
        atexit.register(self.close)
        self._send(self._shop, {"path": order["path"], "folder": order["folder"]})
        return self._shop

    @staticmethod
    def _send(shop: subprocess.Popen[bytes], content: dict[str, Any]) -> None:
        assert shop.stdin is not None
        shop.stdin.write(json.dumps(content).encode() + b"\n")
        shop.stdin.flush()

    def close(self) -> None:
        """End the workshop and what it runs."""
        atexit.unregister(self.close)
        if self._shop is not None:
            self._shop.kill()
            for pipe in (self._shop.stdin, self._shop.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            self._shop.wait()
        self._shop = None
