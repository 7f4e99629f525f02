"""Log-weights of many examples and samples in little memory, with labels given or summed out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge_plugins.networks.drawing import normal
from gengauge_plugins.vae.classes import Classes
from gengauge_plugins.vae.network import Network

VALUES = 1 << 21  # numbers decoded at once
_FAR = 50.0  # nats by which a class lies behind the likeliest when it is left out
_DRAWS = 16  # latents a class that is a candidate, for its posterior


@dataclass(frozen=True)
class Inference:
    """A trained network's importance weights; ``classes`` is None where it knows no labels."""

    network: Network
    classes: Classes | None

    @property
    def _rows(self) -> int:
        a_row = self.network.observation.outputs * self.network.sizes.dimensions
        return max(1, VALUES // a_row)

    def given(self, x: Tensor, y: Tensor | None, k: int, generator: torch.Generator) -> Tensor:
        """Return log-weights ``[k, n]`` of ``x`` ``[n, d]``, each with its label ``y`` ``[n]``."""
        if not len(x):
            return torch.zeros(k, 0, dtype=torch.float64, device=x.device)

        def weights(block: Tensor, labels: Tensor | None, draws: int) -> Tensor:
            noise = normal((draws, len(block), self.network.latent), generator, x.device)
            return self.network.log_weights(block, labels, noise)

        pieces = [min(self._rows, k - start) for start in range(0, k, self._rows)]
        return torch.cat([
            torch.cat([weights(x[s], None if y is None else y[s], draws) for draws in pieces])
            for s in self._blocks(len(x), k)
        ], dim=1)  # fmt: skip

    def summed(self, x: Tensor, k: int, generator: torch.Generator) -> Tensor:
        """Return log-weights ``[k, n]`` of ``x`` ``[n, d]`` without a label.

        Each weight is a sum over the classes, sum_y p(y) p(x, z_y | y) / q(z_y | x, y), with z_y
        from q(z | x, y): its mean is p(x), so that what bounds log p(x) without labels does with
        them. A class whose weight at the posterior's mean is e^50 times smaller than the best is
        left out, which can only lower the sum: a bound it remains.
        """
        if self.classes is None:
            return self.given(x, None, k, generator)
        total = torch.full((k, len(x)), -math.inf, dtype=torch.float64, device=x.device)
        for label, log_prior, rows in self._candidates(x):
            weights = self.given(x[rows], torch.full_like(rows, label), k, generator)
            total[:, rows] = torch.logaddexp(total[:, rows], log_prior + weights)
        return total

    def posteriors(self, x: Tensor) -> Tensor:
        """Return the probability ``[n, classes]`` of each class by Bayes' rule, float64.

        p(x | y) is bounded with the same 16 latents for every example and every call: the answer
        depends on nothing else.
        """
        assert self.classes is not None
        stream = torch.Generator().manual_seed(0)
        noise = normal((_DRAWS, 1, self.network.latent), stream, x.device)
        joint = torch.full(
            (len(x), self.classes.count), -math.inf, dtype=torch.float64, device=x.device
        )
        for label, log_prior, rows in self._candidates(x):
            for s in self._blocks(len(rows), _DRAWS):
                few = rows[s]
                weights = self.network.log_weights(x[few], torch.full_like(few, label), noise)
                joint[few, label] = log_prior + weights.logsumexp(0)
        return joint.softmax(1)

    def _candidates(self, x: Tensor) -> Iterator[tuple[int, float, Tensor]]:
        """Yield each class, its log-prior, and the examples it is not hopeless for."""
        assert self.classes is not None
        labels, log_prior = self.classes.seen.tolist(), self.classes.frequency.log().tolist()
        scores = torch.stack([
            p + self._at_mean(x, label) for label, p in zip(labels, log_prior, strict=True)
        ])  # fmt: skip
        near = scores >= scores.amax(0) - _FAR
        for i, label in enumerate(labels):
            rows = near[i].nonzero().flatten()
            if len(rows):
                yield label, log_prior[i], rows

    def _at_mean(self, x: Tensor, label: int) -> Tensor:
        """Return the log-weight ``[n]`` at the posterior's mean under ``label``."""
        noise = torch.zeros(1, 1, self.network.latent, device=x.device)
        y = torch.full((len(x),), label, device=x.device)
        parts = [
            self.network.log_weights(x[s], y[s], noise)[0] for s in self._blocks(len(x), 1)
        ]  # fmt: skip
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64, device=x.device)

    def _blocks(self, n: int, draws: int) -> list[slice]:
        size = max(1, self._rows // draws)
        return [slice(start, start + size) for start in range(0, n, size)]
