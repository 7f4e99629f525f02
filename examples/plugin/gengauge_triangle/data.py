"""Points on a triangle, whose density is known."""

import math

import torch

from gengauge import Dataset, Split, seeds

CORNERS = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
AREA = 1.0


class Triangle:
    """The uniform density on the triangle: what no model can beat."""

    entropy = math.log(AREA)  # nats

    def log_prob(self, x):
        """Return the log-density of ``x`` ``[n, 2]`` in nats ``[n]``."""
        x = x.double()
        inside = (x >= 0).all(1) & (x[:, 0] / 2 + x[:, 1] <= 1)
        return torch.where(inside, -math.log(AREA), -torch.inf)

    def sample(self, n, generator):
        """Return ``n`` points ``[n, 2]``."""
        u = torch.rand(n, 2, generator=generator, dtype=torch.float64)
        beyond = u.sum(1, keepdim=True) > 1  # the diagonal, along which the square is folded
        u = torch.where(beyond, 1 - u, u)
        return (u @ (CORNERS[1:] - CORNERS[0]) + CORNERS[0]).float()


def load(spec):
    """Return the data set; every split from a stream of its own name."""

    def split(name, n):
        return Split(Triangle().sample(n, seeds.generator(spec.id, spec.revision, name)))

    return Dataset(
        id=spec.id,
        modality="points",
        train=split("train", 4000),
        validation=split("validation", 2000),
        test=split("test", 2000),
        truth=Triangle(),
        revision=spec.revision,
    )
