"""Models for tests of what happens when the machine under a trial is lost."""

import os
import time
from pathlib import Path

import psutil
from fake_targets import Gaussian


class LosesNode(Gaussian):
    """Kills the Ray worker that its trial was given to, the first time it is trained."""

    def fit(self, data, run):
        mark = Path(os.environ["FAKE_FITS"] + ".lost")
        if not mark.exists():
            mark.write_text("lost")
            ray = [p for p in psutil.Process().parents() if p.cmdline()[0].startswith("ray::")]
            ray[0].kill()
            time.sleep(60)
        super().fit(data, run)


class Waits(Gaussian):
    """Is trained only when it is told to go on."""

    def fit(self, data, run):
        super().fit(data, run)
        deadline = time.monotonic() + 120
        while not Path(os.environ["FAKE_FITS"] + ".go").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
