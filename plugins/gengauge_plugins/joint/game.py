"""What the players of the joint game minimise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge_plugins.gan import losses
from gengauge_plugins.joint.networks import Generators, Judge
from gengauge_plugins.networks.adversarial import Batch
from gengauge_plugins.networks.drawing import normal

_LOSS = "non-saturating"


@dataclass(frozen=True)
class JointGame:
    """Real pairs against three kinds of made ones; a batch is pictures and captions' tokens.

    Made pairs are a real caption with a picture of it, a real picture with a code of it, and a
    code of noise with a picture of that. The judge learns from real pairs what belongs together,
    the painter from the judge; namer and writer also learn the captions of real pictures by heart
    (the conditional entropy of ALICE), which the judge alone leaves free.
    """

    generator: Generators
    discriminator: Judge
    levels: int
    matching: float
    writing: float
    blur: float
    r1: float
    every: int

    def discriminate(
        self, batch: Batch, noise: torch.Generator, penalised: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the judge's loss and its penalty, which is 0 unless ``penalised``."""
        judge, (x, tokens) = self.discriminator, batch
        real = seen(x, self.levels).requires_grad_(penalised and self.r1 > 0)
        codes = judge.read(tokens)
        h = judge.features(real)
        with torch.no_grad():
            imagined = self.generator.imagine(self._noise(x, noise))
            asked = torch.cat([codes, imagined])
            fakes = self.generator.paint(asked, self._noise(asked, noise))
            named = self.generator.name(h, self._noise(x, noise))
        score = judge.score(codes, h)
        # real features were made already; they stand by the codes that were made of them
        made = judge.score(torch.cat([asked, named]), torch.cat([judge.features(fakes), h]))
        loss = losses.discriminator_loss(_LOSS, score, made)
        penalty = torch.zeros((), device=x.device)
        if real.requires_grad:
            penalty = losses.r1(score, real, self.r1 * self.every)
        return loss + self.matching * judge.mismatch(codes, h, tokens), penalty

    def generate(self, batch: Batch, noise: torch.Generator) -> Tensor:
        """Return the loss of all generators and of the writer."""
        judge, players, (x, tokens) = self.discriminator, self.generator, batch
        with torch.no_grad():  # neither reader nor features are the generators' to move
            codes, h = judge.read(tokens), judge.features(seen(x, self.levels))
        named = players.name(h, self._noise(x, noise))
        asked = torch.cat([codes, self.generator.imagine(self._noise(x, noise))])
        drawn = judge.features(players.paint(asked, self._noise(asked, noise)))
        made = judge.score(torch.cat([asked, named]), torch.cat([drawn, h]))
        unsaid = judge.mismatch(codes, drawn[: len(x)], tokens)
        blurred = codes + self.blur * normal(tuple(codes.shape), noise, codes.device)
        words = players.writer.loss(torch.cat([named, blurred]), tokens.repeat(2, 1))
        loss = losses.generator_loss(_LOSS, made)
        return loss + self.matching * unsaid + self.writing * words

    def _noise(self, like: Tensor, noise: torch.Generator) -> Tensor:
        return normal((len(like), self.generator.latent), noise, like.device)


def seen(x: Tensor, levels: int) -> Tensor:
    """Return levels ``x`` as networks see them: their bins' centres, -1 to 1.

    >>> seen(torch.tensor([0, 1], dtype=torch.uint8), 2)
    tensor([-0.5000,  0.5000])
    """
    return (2 * x.float() + 1) / levels - 1
