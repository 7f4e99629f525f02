"""Graphs from noise to samples, however they are run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge.errors import UsageError
from gengauge.model import Condition
from gengauge_plugins.brought import keeping
from gengauge_plugins.brought.outputs import as_tensor, in_levels, shaped
from gengauge_plugins.networks.drawing import normal, uniform


@dataclass(frozen=True)
class Inputs:
    """What a graph says of its inputs: the noise's shape, a fixed batch, if labels go in."""

    latent: tuple[int, ...] | None = None
    batch: int | None = None
    labels: bool = False


class Graph(keeping.Brought):
    """A graph that makes samples out of noise, and of labels where it has a second, integer input.

    Arguments:
        path: Of the file.
        latent: Shape of the noise, ``100`` or ``100x1x1``; empty where the file says it.
        noise: ``normal``, or ``uniform`` from -1 to 1.
        range: What stands for black and white: ``-1..1``, ``0..1`` or ``levels``.
        batch: Samples a call, where the graph leaves that free.
        resize: Rule for pictures of another size than the data's.
    """

    kind = "graph"
    inputs: Inputs

    def __init__(
        self, path: str, latent: str = "", noise: str = "normal", range: str = "unsaid",
        batch: int = 64, resize: str = "none",
    ) -> None:  # fmt: skip
        super().__init__(f"{self.kind}:{path}")
        self.path, self.noise, self.range, self.batch, self.resize = (
            path, noise, range, batch, resize,
        )  # fmt: skip
        self.latent = _shape(latent)

    @abstractmethod
    def run(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Return the graph's output ``[n, ...]`` for noise ``[n, *latent]`` and labels ``[n]``."""

    def check(self) -> None:
        """Raise ``UsageError`` where nobody says the noise's shape, or one says another."""
        said = self.inputs.latent
        if said is None and self.latent is None:
            raise UsageError(f"{self.name} does not say how long its noise is; give latent=100, or "
                             "latent=100x1x1 for noise with sides")  # fmt: skip
        if said is not None and self.latent not in (None, said):
            shape = "x".join(map(str, said))
            raise UsageError(f"{self.name} takes noise of shape {shape}; leave latent away")

    @property
    def taken_conditions(self) -> Sequence[str]:
        """Classes, where labels go in."""
        return ("class",) if self.inputs.labels else ()

    @property
    def evaluations_per_sample(self) -> float:
        """One call of the graph."""
        return 1.0

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return samples ``[n, *event]``, levels where the data has them."""
        self.check()
        asked, made = self.asked(n, condition, generator), []
        draw = normal if self.noise == "normal" else uniform
        latent = self.inputs.latent or self.latent or ()
        with torch.no_grad():
            for start, stop in keeping.blocks(n, self.inputs.batch or self.batch):
                size = self.inputs.batch or stop - start  # a fixed one is filled, and cut
                z = draw((size, *latent), generator, torch.device("cpu"))
                z = z if self.noise == "normal" else 2 * z - 1
                labels = keeping.part(asked, start, stop)
                if labels is not None and len(labels) < size:
                    labels = torch.cat([labels, labels[-1:].expand(size - len(labels))])
                with keeping.seeded_by(generator):
                    x = as_tensor(self.run(z, labels), self.name)
                x = shaped(x, size, self.shape, self.known["data"], self.name, self.resize)
                made.append(x[: stop - start])
        return in_levels(torch.cat(made), self.range, self.levels, self.name)


def _shape(text: str) -> tuple[int, ...] | None:
    """Return the shape that ``100x1x1`` names.

    >>> _shape("100x1x1"), _shape("")
    ((100, 1, 1), None)
    """
    if not text.strip():
        return None
    sides = text.lower().split("x")
    if not all(side.strip().isdecimal() and int(side) > 0 for side in sides):
        raise UsageError(f"latent={text} is no shape of noise; write 100, or 100x1x1")
    return tuple(map(int, sides))
