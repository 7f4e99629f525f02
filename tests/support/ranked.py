"""Models for trainings that several processes share, each with a fault that shows in one."""

import os
import signal

import torch
from torch import distributed, nn

from gengauge import train

TARGET = torch.tensor([1.0, -2.0, 0.5, 3.0])


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


class Line:
    """Learns a linear map, without noise; ``fault`` is what befalls rank 1 at its fifth step."""

    def __init__(self, fault: str = "", batch: int = 64):
        self.fault, self.batch = fault, batch

    def fit(self, data, run):
        self.network = nn.Linear(4, 1)

        def loss(x, generator):
            if run.steps == 4 and rank() == 1 and self.network.training:
                self._fail()
            spoilt = float("nan") if self.fault == "nan" and rank() == 1 else 1.0
            return spoilt * (self.network(x).squeeze(1) - x @ TARGET).pow(2).mean()

        train(run, self.network, loss, (data.train.x,), validation=(data.validation.x,),
              batch_size=self.batch, lr=0.05, clip=5.0)  # fmt: skip

    def _fail(self):
        if self.fault == "raises":
            raise ValueError("the second has had enough")
        if self.fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)


class Mean:
    """Trains in a loop of its own."""

    def fit(self, data, run):
        while run.spend(1, len(data.train)):
            pass
