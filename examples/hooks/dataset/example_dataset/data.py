"""Points on the dark squares of a board, whose density is known."""

import math

import torch

from gengauge import Dataset, Split, seeds

SIDE = 4  # squares along each side of the board, each one unit wide


class Checkerboard:
    """The uniform density on the dark squares."""

    entropy = math.log(SIDE**2 / 2)  # nats

    def log_prob(self, x):
        """Return the log-density of ``x`` ``[n, 2]`` in nats ``[n]``."""
        square = x.double().floor()
        inside = ((square >= 0) & (square < SIDE)).all(1)
        return torch.where(inside & (square.sum(1) % 2 == 0), -self.entropy, -torch.inf)

    def sample(self, n, generator):
        """Return ``n`` points ``[n, 2]``."""
        row = torch.randint(SIDE, (n,), generator=generator)
        column = 2 * torch.randint(SIDE // 2, (n,), generator=generator) + row % 2
        corner = torch.stack([row, column], 1)
        return corner + 0.999 * torch.rand(n, 2, generator=generator)  # 4.0 is off the board


def load(spec):
    """Return the data set, in classes of the left and the right half."""

    def split(name, n):
        x = Checkerboard().sample(n, seeds.generator(spec.id, spec.revision, name))
        return Split(x, labels=(x[:, 0] >= SIDE / 2).long())

    return Dataset(
        id=spec.id,
        modality="points",
        train=split("train", 3000),
        validation=split("validation", 1000),
        test=split("test", 1000),
        class_names=("left", "right"),
        truth=Checkerboard(),
        revision=spec.revision,
    )
