"""What the players of the joint game minimise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gengauge_plugins.gan import losses
from gengauge_plugins.joint.networks import Generators, Judge
from gengauge_plugins.networks.adversarial import Batch
from gengauge_plugins.networks.drawing import normal
from gengauge_plugins.networks.matching import energy_distance

_LOSS = "non-saturating"


@dataclass(frozen=True)
class JointGame:
    """Real pairs against three kinds of made ones; a batch is pictures and captions' tokens.

    Made pairs are a real caption with a picture of it, a real picture with a code of it, and a
    code of noise with a picture of that. The judge learns from real pairs what belongs together,
    the painter from the judge; namer and writer also learn the captions of real pictures by heart
    (the conditional entropy of ALICE), which the judge alone leaves free. A code of noise is put
    into words, and its picture is that of those words. All such codes together must be distributed
    as those of captions are: by their scores alone they end at one. Codes of captions are given in
    the game: the reader learns from what matches, and not to trap the generators.
    """

    generator: Generators
    discriminator: Judge
    levels: int
    matching: float
    writing: float
    blur: float
    r1: float
    every: int
    head_start: float

    def prepare(self, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return what the judge loses on real pairs alone, and what the generators do.

        Namer and writer learn captions, and the painter each caption's mean picture: the game
        need not find the ground first.
        """
        x, tokens = batch
        real, codes = seen(x, self.levels), self.discriminator.read(tokens)
        unsaid = self._unread(codes, self.discriminator.features(real), tokens)
        named = self.generator.name(real, self._noise(real, noise))
        codes = codes.detach()
        drawn = self.generator.paint(codes, self._noise(codes, noise))
        words = self._unwritten(named, codes, tokens, noise)
        imagined = self.generator.imagine(self._noise(codes, noise))
        return unsaid, words + F.mse_loss(drawn, real) + energy_distance(imagined, codes)

    def discriminate(
        self, batch: Batch, noise: torch.Generator, penalised: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the judge's loss and its penalty, which is 0 unless ``penalised``."""
        judge, players, (x, tokens) = self.discriminator, self.generator, batch
        smooth = penalised and self.r1 > 0
        real = seen(x, self.levels).requires_grad_(smooth)
        codes, h = judge.read(tokens), judge.features(real)
        given = codes.detach()
        with torch.no_grad():
            imagined = players.imagine(self._noise(given, noise))[::2]
            asked = torch.cat([given, imagined])
            shown = torch.cat([given, judge.read(players.writer.say(imagined, noise))])
            fakes = players.paint(shown, self._noise(shown, noise))
            named = players.name(real, self._noise(x, noise))
        score = judge.score(given, h)
        # real features were made already; they stand by the codes that were made of them
        made = torch.cat([judge.features(fakes), h.detach()])
        told = judge.score(torch.cat([asked, named]), made)
        loss = losses.discriminator_loss(_LOSS, score, told)
        penalty = torch.zeros((), device=x.device)
        if smooth:
            penalty = losses.r1(score, real, self.r1 * self.every)
        return loss + self._unread(codes, h, tokens), penalty

    def generate(self, batch: Batch, noise: torch.Generator) -> Tensor:
        """Return the loss of all generators and of the writer."""
        judge, players, (x, tokens) = self.discriminator, self.generator, batch
        real = seen(x, self.levels)
        with torch.no_grad():  # neither reader nor features are the generators' to move
            codes, h = judge.read(tokens), judge.features(real)
        named = players.name(real, self._noise(x, noise))
        imagined = players.imagine(self._noise(codes, noise))
        asked = torch.cat([codes, imagined[::2]])
        # codes of noise are moved by their own scores: else they flee to what is easy to draw
        with torch.no_grad():
            said = players.writer.say(imagined[::2], noise)
            given = torch.cat([codes, judge.read(said)])
        drawn = judge.features(players.paint(given, self._noise(given, noise)))
        made = judge.score(torch.cat([asked, named]), torch.cat([drawn, h]))
        unsaid = judge.mismatch(given, drawn, torch.cat([tokens, said]))
        words = self._unwritten(named, codes, tokens, noise)
        astray = energy_distance(imagined, codes)
        return losses.generator_loss(_LOSS, made) + self.matching * unsaid + words + astray

    def _unread(self, codes: Tensor, h: Tensor, tokens: Tensor) -> Tensor:
        """Return how badly real pictures and codes say captions."""
        judge = self.discriminator
        return self.matching * (judge.mismatch(codes, h, tokens) + judge.unspelled(codes, tokens))

    def _unwritten(
        self, named: Tensor, codes: Tensor, tokens: Tensor, noise: torch.Generator
    ) -> Tensor:
        """Return how far the captions are from being written of pictures' codes and of their own.

        Of pictures' codes their words are guessed, too, whatever the order.
        """
        blurred = codes + self.blur * normal(tuple(codes.shape), noise, codes.device)
        nats = self.generator.writer.loss(torch.cat([named, blurred]), tokens.repeat(2, 1))
        return self.writing * (nats + self.discriminator.unspelled(named, tokens))

    def _noise(self, like: Tensor, noise: torch.Generator) -> Tensor:
        return normal((len(like), self.generator.latent), noise, like.device)


def seen(x: Tensor, levels: int) -> Tensor:
    """Return levels ``x`` as networks see them: their bins' centres, -1 to 1.

    >>> seen(torch.tensor([0, 1], dtype=torch.uint8), 2)
    tensor([-0.5000,  0.5000])
    """
    return (2 * x.float() + 1) / levels - 1
