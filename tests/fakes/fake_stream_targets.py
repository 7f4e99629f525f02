import hashlib
import os
import signal
from pathlib import Path

import numpy as np
import torch

from gengauge.collection import Collection
from gengauge.errors import UsageError

SHOWN = "FAKE_SHOWN"  # a file that counts examples, a line a call
DIE = "FAKE_DIE_AFTER"  # calls


def describe(path, options):
    file = Path(path)
    return {
        "labelled": file.with_suffix(".labels").exists(),
        "captioned": file.with_suffix(".captions").exists(),
    }


def open_bytes(path, options):
    if path.is_dir():
        return {p.stem: _opened(p, options) for p in sorted(path.glob("*.bytes"))}
    return {"all": _opened(path, options)}


def _opened(path, options):
    side = int(options["side"])
    size = path.stat().st_size
    count = -(-size // side**2)

    def read(start, stop):
        x = np.fromfile(path, np.uint8, (stop - start) * side**2, offset=start * side**2)
        if len(x) != (stop - start) * side**2:
            raise UsageError(f"'{path}' ends within picture {size // side**2}; write it again")
        return torch.from_numpy(x.reshape(-1, 1, side, side))

    labels, captions = path.with_suffix(".labels"), path.with_suffix(".captions")
    known = {}
    if labels.exists():
        known["labels"] = torch.tensor([int(line) for line in labels.read_text().split()])
    if captions.exists():
        known["captions"] = tuple(captions.read_text().splitlines())
    stamp = f"{size} {path.stat().st_mtime_ns} {path.name}"
    return Collection("image", count, (1, side, side), read, 256, stamp=stamp, **known)


class Counting:
    id = "counting"
    sha256 = hashlib.sha256(b"counting").hexdigest()
    prefix = ""

    def __init__(self):
        self.calls = 0

    def features(self, x):
        self.calls += 1
        if self.calls == int(os.environ.get(DIE, 0)):
            os.kill(os.getpid(), signal.SIGKILL)
        if SHOWN in os.environ:
            with Path(os.environ[SHOWN]).open("a") as handle:
                handle.write(f"{len(x)}\n")
        flat = x.flatten(1).float() / 255
        mix = torch.randn(flat.shape[1], 6, generator=torch.Generator().manual_seed(0))
        return flat @ mix

    def classes(self, x):
        mean = x.flatten(1).float().mean(1, keepdim=True)
        return -((mean - torch.tensor([[64.0, 192.0]])) ** 2)

    def text(self, captions):
        return torch.stack([torch.full((6,), float("light" in c) + 1) for c in captions])
