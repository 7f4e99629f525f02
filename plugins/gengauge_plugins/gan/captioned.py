"""What a GAN of captions has beside one of classes: a reader, and a contrast of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.gan.game import Duel
from gengauge_plugins.gan.networks import Discriminator, pair_features
from gengauge_plugins.networks.adversarial import Batch
from gengauge_plugins.networks.captions import CaptionContext
from gengauge_plugins.networks.matching import agreeing, contrast, word_loss

READ = 128  # numbers of a caption's vector


class PairDiscriminator(Discriminator):
    """Data ``[n, *shape]`` and captions' tokens ``[n, length]`` to scores ``[n]``.

    The score is psi(phi(x)) + <reader(tokens), M phi(x)>. The reader is shared with the generator,
    which is not allowed to move it. From the same features the words of the caption are guessed,
    whatever their order.
    """

    def __init__(
        self, features: nn.Module, width: int, reader: CaptionContext, *, spectral: bool = False
    ) -> None:
        super().__init__(features, width, spectral=spectral)
        self.reader = reader
        self.image = nn.Linear(width, READ)
        self.words = nn.Linear(width, reader.vectors.num_embeddings - 1)

    def judged(self, x: Tensor, tokens: Tensor) -> Judged:
        """Return all that is thought of pictures and captions."""
        h = self.features(x)
        image, text = self.image(h), self.reader(tokens)
        score = self.score(h)[:, 0] + agreeing(image, text)
        return Judged(score, image, text, self.words(h))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the score of each ``x`` with its caption's tokens, high for data."""
        assert labels is not None
        return self.judged(x, labels).score


@dataclass(frozen=True)
class Judged:
    """Scores ``[n]``, vectors of pictures and captions ``[n, d]``, logits of words ``[n, v]``."""

    score: Tensor
    image: Tensor
    text: Tensor
    words: Tensor

    def mismatch(self, tokens: Tensor) -> Tensor:
        """Return how badly pictures say their captions' ``tokens``, in nats."""
        return contrast(self.image, self.text, tokens) + word_loss(self.words, tokens)


@dataclass(frozen=True)
class CaptionDuel(Duel):
    """A game in which both players also lose, ``matching`` times as much, by what is not said.

    The discriminator learns from real pairs what matches, the generator from the discriminator,
    which begins alone: what it cannot tell yet it cannot teach.
    """

    discriminator: PairDiscriminator
    matching: float = 1.0
    head_start: float = 0.0

    def prepare(self, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return how badly real pictures say captions, and the generator's error as a mean of them.

        From the mean picture of each caption on, the game need not find the ground first.
        """
        x, tokens = self._seen(batch[0]), batch[1]
        unsaid = self.matching * self.discriminator.judged(x, tokens).mismatch(tokens)
        return unsaid, F.mse_loss(self._drawn(len(x), tokens, noise), x)

    def _judged(self, x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | float]:
        assert labels is not None
        seen = self.discriminator.judged(x, labels)
        return seen.score, self.matching * seen.mismatch(labels)


def pair_discriminator(
    reader: CaptionContext, shape: tuple[int, ...], hidden: int, convolve: bool, spectral: bool
) -> PairDiscriminator:
    """Return the opponent of a generator of ``shape`` that shares its ``reader``."""
    features = pair_features(shape, hidden, convolve)
    return PairDiscriminator(features, hidden, reader, spectral=spectral)
