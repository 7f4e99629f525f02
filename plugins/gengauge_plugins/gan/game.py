"""What generator and discriminator minimise, on batches as the adversarial loop hands them out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge_plugins.gan import losses
from gengauge_plugins.gan.networks import Discriminator, Generator
from gengauge_plugins.networks.adversarial import Batch
from gengauge_plugins.networks.drawing import normal, uniform


@dataclass(frozen=True)
class Duel:
    """A game of one of the ``losses``; a batch is data and, for a conditional pair, its labels.

    ``levels`` is that of the data, None when continuous. Levels are taken at their bins' centres.
    """

    generator: Generator
    discriminator: Discriminator
    kind: str
    r1: float
    r1_every: int
    gp: float
    levels: int | None

    @property
    def every(self) -> int:
        """Discriminator steps from one with a penalty to the next."""
        return 1 if self.kind == "wgan-gp" else self.r1_every

    def discriminate(
        self, batch: Batch, noise: torch.Generator, penalised: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the discriminator's loss and its penalty, which is 0 unless ``penalised``."""
        labels = batch[1] if len(batch) > 1 else None
        real = self._seen(batch[0])
        with torch.no_grad():
            fake = self._drawn(len(real), labels, noise)
        smooth = penalised and self.kind != "wgan-gp" and self.r1 > 0
        real.requires_grad_(smooth)
        scores, unsaid = self._judged(real, labels)
        told = self.discriminator(fake, labels)
        loss = losses.discriminator_loss(self.kind, scores, told) + unsaid
        penalty = torch.zeros((), device=real.device)
        if smooth:  # seldom, and the stronger for it (Karras et al. 2020, section 3.1)
            penalty = losses.r1(scores, real, self.r1 * self.r1_every)
        elif penalised and self.kind == "wgan-gp":
            u = uniform((len(real),), noise, real.device)
            penalty = losses.gradient_penalty(
                lambda x: self.discriminator(x, labels), real, fake, u, self.gp
            )
        return loss, penalty

    def generate(self, batch: Batch, noise: torch.Generator) -> Tensor:
        """Return the generator's loss on as many samples, of the batch's labels."""
        labels = batch[1] if len(batch) > 1 else None
        scores, unsaid = self._judged(self._drawn(len(batch[0]), labels, noise), labels)
        return losses.generator_loss(self.kind, scores) + unsaid

    def _judged(self, x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | float]:
        """Return scores ``[n]``, and what else both players lose by ``x``."""
        return self.discriminator(x, labels), 0.0

    def _seen(self, x: Tensor) -> Tensor:
        centre = x.float() if self.levels is None else (x.float() + 0.5) / self.levels
        return self.generator.normalised(centre)

    def _drawn(self, n: int, labels: Tensor | None, noise: torch.Generator) -> Tensor:
        z = normal((n, self.generator.latent), noise, self.generator.shift.device)
        out: Tensor = self.generator(z, labels)
        return out
