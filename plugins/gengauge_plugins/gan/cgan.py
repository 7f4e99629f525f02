"""The generative adversarial network that is told a class, or a caption."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gengauge import Dataset
from gengauge.model import Condition
from gengauge_plugins.gan.captioned import READ, CaptionDuel, pair_discriminator
from gengauge_plugins.gan.game import Duel
from gengauge_plugins.gan.gan import GAN, ROWS
from gengauge_plugins.gan.networks import CODE, Generator, ToldGenerator, discriminator
from gengauge_plugins.networks.captions import CaptionContext
from gengauge_plugins.networks.conditions import (
    Classes,
    Conditions,
    learned,
    remembered,
    restored,
)
from gengauge_plugins.networks.drawing import normal
from gengauge_plugins.networks.painting import Painter, painter_width

_CAPTIONED = 32  # examples a step: more and smaller steps see shapes sooner


class CGAN(GAN):
    """A GAN whose two networks are told the class, the discriminator through a projection.

    It assumes what :class:`gengauge_plugins.gan.gan.GAN` does, within each class. A class that is
    known by name but has no training example is never drawn, and refused when it is asked for.

    With ``condition=caption`` both are told a caption instead, read by one small network that the
    discriminator trains: from pictures and captions that belong together it learns to find each
    other's partner in a batch, and to guess the words of the caption, and the generator must pass
    the same two tests. For the first ``head_start`` of the steps the discriminator learns them by
    itself: a shape, which few pixels show, is asked for only when it is seen. Pictures that are
    convolved are drawn by a :class:`gengauge_plugins.networks.painting.Painter`. Words it never
    read count as one unknown word, with a warning; asked for nothing, it draws one of the training
    captions.

    As a decoder it has one latent more, standard normal, whose quantile chooses the class (or the
    caption): p(z) stays one density and its samples have the training labels' frequencies. The
    decoder jumps from class to class along it, so that annealed chains seldom change the class
    late; the ``ais`` bound is valid, and looser for it (13 nats on its own digits, where ``gan``
    loses 1.4).

    Good at: one sharp sample of the class it is asked for; labels steady the training too.
    Breaks at: variety within a class, which collapses sooner than the classes do, and classes of
    few examples, which are repeated. Of captions: scenes of several objects.

    References:
        | cGANs with Projection Discriminator (Miyato & Koyama, 2018)
        | https://arxiv.org/abs/1802.05637
        | Conditional Generative Adversarial Nets (Mirza & Osindero, 2014)
        | https://arxiv.org/abs/1411.1784
        | Cross-Modal Contrastive Learning for Text-to-Image Generation (Zhang et al., 2021)
        | https://arxiv.org/abs/2101.04702
        | Conditional Image Synthesis With Auxiliary Classifier GANs (Odena et al., 2016)
        | https://arxiv.org/abs/1610.09585

    Arguments:
        condition: ``class`` or ``caption``.
        matching: Weight of the two tests of captions.
        head_start: Share of the steps that teach them alone, before anything is drawn.
        settings: Those of :class:`gengauge_plugins.gan.gan.GAN`.

    Example:
        >>> from gengauge import Budget, FitRun, Split
        >>> y = torch.arange(256) % 2
        >>> x = torch.randn(256, 2, generator=torch.Generator().manual_seed(0)) + 9 * y[:, None]
        >>> data = Dataset("two", "points", *[Split(x, y)] * 3)
        >>> model = CGAN(hidden=32)
        >>> model.fit(data, FitRun(0, Budget.parse("100 steps")))
        >>> drawn = model.sample(4, torch.tensor([0, 1, 0, 1]), torch.Generator().manual_seed(0))
        >>> drawn.mean(1) > 4.5
        tensor([False,  True, False,  True])
    """

    name = "cgan"
    network: ToldGenerator
    conditions: Conditions

    def __init__(
        self,
        condition: str = "class",
        matching: float = 1.0,
        head_start: float = 0.4,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.condition, self.matching, self.head_start = condition, matching, head_start

    def _learned(self, data: Dataset) -> Conditions:
        found = learned(self.condition, data, self.name)
        assert found is not None
        self.conditions = found
        return found

    def _game(self, data: Dataset, rows: Tensor | None = None) -> Duel:
        assert rows is not None
        player = self._told(self._standards(data), *self._shares(rows))
        about = (self.shape, self._width, self._convolve, self.spectral_norm)
        if isinstance(player.reader, CaptionContext):
            pairs = pair_discriminator(player.reader, *about)
            return CaptionDuel(
                player, pairs, **self._rules, matching=self.matching, head_start=self.head_start
            )
        return Duel(player, discriminator(len(player.rows), *about), **self._rules)

    def _shares(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is drawn where nothing is asked for, and how often each comes."""
        if isinstance(self.conditions, Classes):
            count = self.conditions.count
            return torch.arange(count), rows.bincount(minlength=count) / len(rows)
        kept = remembered(rows)
        return kept, torch.full((len(kept),), 1 / len(kept))

    def _told(
        self, standards: tuple[Tensor, Tensor], rows: Tensor, frequency: Tensor
    ) -> ToldGenerator:
        if isinstance(self.conditions, Classes):
            return ToldGenerator(
                self._generator(standards, CODE), nn.Embedding(len(rows), CODE), rows, frequency
            )
        reader = self.conditions.context(READ)
        plain = self._generator(standards, READ)
        if self._convolve:
            plain.body = Painter(plain.latent + READ, self.shape, painter_width(self._width))
        return ToldGenerator(plain, reader, rows, frequency)

    @property
    def _batch(self) -> int:
        return super()._batch if self.condition == "class" else _CAPTIONED

    @torch.no_grad()
    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, of the classes ``condition`` ``[n]`` if given."""
        if condition is None:
            return super().sample(n, None, generator)
        rows = self.conditions.asked(condition, n).to(self._device)
        z = normal((n, self.network.latent), generator, self._device)
        pairs = zip(torch.split(z, ROWS), torch.split(rows, ROWS), strict=True)
        return self._finished([self.network.decode(*pair) for pair in pairs])

    def draw_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` standard normal latents ``[n, latent + 1]``; the last chooses the class."""
        return normal((n, self.network.latent + 1), generator, self._device)

    def decode(self, z: Tensor) -> Tensor:
        """Return data ``[n, *event]`` as floats; 0 to 1 on levelled data."""
        return self.network.decode(z[:, :-1], self.network.chosen(z[:, -1]))

    def _described(self) -> dict[str, Any]:
        about = {"conditions": self.conditions.described(), "rows": list(self.network.rows.shape)}
        return super()._described() | about

    def _restored(self, config: dict[str, Any]) -> Generator:
        self.shape, self.levels = tuple(config["shape"]), config["levels"]
        found = restored(config["conditions"], self.name)
        assert found is not None
        self.conditions = found
        rows = torch.zeros(config["rows"], dtype=torch.int64)
        return self._told(self._blank, rows, torch.zeros(len(rows)))
