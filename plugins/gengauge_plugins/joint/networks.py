"""The players of the joint game: three generators with a writer, and one judge of pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.gan.networks import leaky, pair_features
from gengauge_plugins.joint.writer import Writer
from gengauge_plugins.networks.captions import CaptionContext
from gengauge_plugins.networks.conv import convolves
from gengauge_plugins.networks.matching import agreeing, contrast, word_loss
from gengauge_plugins.networks.mlp import mlp
from gengauge_plugins.networks.painting import Painter, painter_width


def _levelled(code: Tensor) -> Tensor:
    """Return codes with mean 0 and variance 1 each, so that none wins by its length."""
    return F.layer_norm(code, code.shape[1:])


@dataclass(frozen=True)
class Sizes:
    """What the networks are built from: shapes, widths, and the words there are."""

    shape: tuple[int, ...]
    words: int
    length: int
    code: int
    latent: int
    hidden: int
    network: str


class Judge(nn.Module):
    """Scores pairs of codes and pictures: D(e, x) = u(x) + v(e) + <e, M phi(x)>.

    With it learns the reader that makes codes of captions; both generators and writer share it,
    and the features phi, without moving them. From phi the words of the caption are guessed, too.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        shape, hidden, code = sizes.shape, sizes.hidden, sizes.code
        inner = pair_features(shape, hidden, convolves(sizes.network, shape))
        self.features = nn.Sequential(inner, leaky())
        self.reader = CaptionContext(sizes.words, sizes.length, code)
        self.real = nn.Linear(hidden, 1)
        self.image = nn.Linear(hidden, code)
        self.words = nn.Linear(hidden, sizes.words + 2)
        self.spelled = nn.Linear(code, sizes.words + 2)
        self.told = mlp(code, (hidden,) * 2, 1, leaky)

    def read(self, tokens: Tensor) -> Tensor:
        """Return the codes ``[n, code]`` of captions."""
        return _levelled(self.reader(tokens))

    def score(self, codes: Tensor, h: Tensor) -> Tensor:
        """Return the score ``[n]`` of codes with pictures of features ``h``, high for data."""
        return cast(
            Tensor,
            self.real(h)[:, 0] + self.told(codes)[:, 0] + agreeing(self.image(h), codes),
        )

    def mismatch(self, codes: Tensor, h: Tensor, tokens: Tensor) -> Tensor:
        """Return how badly features ``h`` say what captions say, in nats."""
        return contrast(self.image(h), codes, tokens) + word_loss(self.words(h), tokens)

    def unspelled(self, codes: Tensor, tokens: Tensor) -> Tensor:
        """Return how badly the words of captions are guessed of codes, in nats a caption.

        What is a sum of its words' directions is read of a new combination of words as well.
        """
        return word_loss(self.spelled(codes), tokens)


class Generators(nn.Module):
    """Pictures of codes, codes of pictures, codes of nothing but noise, and words of codes."""

    def __init__(self, sizes: Sizes, judge: Judge) -> None:
        super().__init__()
        self.shape, self.latent = sizes.shape, sizes.latent
        noisy, convolve = sizes.code + sizes.latent, convolves(sizes.network, sizes.shape)
        self.judge = judge
        self.painter = (
            Painter(noisy, sizes.shape, painter_width(sizes.hidden))
            if convolve
            else mlp(noisy, (2 * sizes.hidden,) * 2, math.prod(sizes.shape))
        )
        self.eyes = nn.Sequential(pair_features(sizes.shape, sizes.hidden, convolve), leaky())
        self.namer = mlp(sizes.hidden + sizes.latent, (sizes.hidden,), sizes.code)
        self.prior = mlp(sizes.latent, (sizes.hidden,) * 2, sizes.code)
        self.writer = Writer(sizes.code, sizes.words + 2, sizes.length)

    def paint(self, codes: Tensor, z: Tensor) -> Tensor:
        """Return pictures ``[n, *shape]``, -1 to 1, of codes and noise ``z`` ``[n, latent]``."""
        out: Tensor = self.painter(torch.cat([codes, z], 1)).tanh()
        return out.view(len(codes), *self.shape)

    def name(self, x: Tensor, z: Tensor) -> Tensor:
        """Return codes of pictures ``x``, -1 to 1, and of noise ``z`` ``[n, latent]``."""
        return _levelled(self.namer(torch.cat([self.eyes(x), z], 1)))

    def imagine(self, z: Tensor) -> Tensor:
        """Return codes of noise ``z`` ``[n, latent]`` alone."""
        return _levelled(self.prior(z))
