"""What fake_models names. Every fit adds a line to the file in FAKE_FITS."""

import os
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from gengauge.errors import NotReadyError


class Gaussian:
    """A normal distribution with the training data's mean and a scale."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def fit(self, data, run):
        if "FAKE_FITS" in os.environ:
            with Path(os.environ["FAKE_FITS"]).open("a") as log:
                log.write(f"{type(self).__name__} {data.id} {len(data.test)}\n")
        self.mean = data.train.x.mean(0).double()
        self.std = data.train.x.std().double() * self.scale
        while run.spend(1, 100):
            run.log(train_loss=1 / run.steps)

    def sample(self, n, condition, generator):
        noise = torch.randn(n, len(self.mean), generator=generator, dtype=torch.float64)
        return self.mean + self.std * noise

    def log_prob(self, x):
        return torch.distributions.Normal(self.mean, self.std).log_prob(x.double()).sum(1)

    def save(self, folder):
        save_file({"mean": self.mean, "std": self.std}, folder / "weights.safetensors")

    def load(self, folder, device):
        weights = load_file(folder / "weights.safetensors")
        self.mean, self.std = weights["mean"], weights["std"]


class Crash(Gaussian):
    def fit(self, data, run):
        if not os.environ.get("FAKE_MENDED"):
            raise RuntimeError("no luck today")
        super().fit(data, run)


class Exits(Gaussian):
    def fit(self, data, run):
        raise SystemExit(7)


class Dies(Gaussian):
    def fit(self, data, run):
        os._exit(3)  # what a crash inside a library looks like from outside


class NotANumber(Gaussian):
    def sample(self, n, condition, generator):
        return super().sample(n, condition, generator) * float("nan")


class WrongShape(Gaussian):
    def sample(self, n, condition, generator):
        return torch.zeros(n - 1, 2)


class Hungry(Gaussian):
    def fit(self, data, run):
        raise MemoryError("asked for 900 GiB")


class Slow(Gaussian):
    def fit(self, data, run):
        Path(os.environ["FAKE_FITS"]).write_text("started\n")
        time.sleep(60)


class HalfModel:
    def fit(self, data, run):
        pass


class Eyes:
    id, sha256 = "eyes", "1" * 64

    def __init__(self, stretch):
        if "FAKE_EYES" not in os.environ:
            raise NotReadyError("eyes.pt (2 bytes) is missing: put it into /there")
        self.stretch = stretch

    def features(self, x):
        return self.stretch * x.float()


class BrokenEyes:
    def __init__(self):
        raise RuntimeError("cannot see")


def lost(spec):
    raise FileNotFoundError("points.csv is not there")
