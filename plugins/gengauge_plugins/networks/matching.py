"""Which caption belongs to which picture: a contrast of vectors within a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_SHARE = 1.0


def contrast(images: Tensor, texts: Tensor, rows: Tensor, scale: float = 8.0) -> Tensor:
    """Return how hard it is to find each other's partner, in nats, the mean of both ways.

    Vectors ``images`` and ``texts`` ``[n, d]`` are compared by ``scale`` times their cosine; equal
    ``rows`` ``[n, ...]`` of tokens ask for the same, and any of them is right.

    References:
        | Learning Transferable Visual Models From Natural Language Supervision (Radford et al.,
        | 2021), figure 3, https://arxiv.org/abs/2103.00020
        | Cross-Modal Contrastive Learning for Text-to-Image Generation (Zhang et al., 2021),
        | equation 5, https://arxiv.org/abs/2101.04702

    Example:
        >>> vectors, rows = torch.eye(4), torch.arange(4)[:, None]
        >>> round(abs(float(contrast(vectors, vectors, rows, scale=100.0))), 4)
        0.0
        >>> round(float(contrast(vectors.roll(1, 0), vectors, rows, scale=100.0)), 4)
        100.0
        >>> round(float(contrast(vectors.roll(1, 0), vectors, 0 * rows, scale=100.0)), 4)
        75.0
    """
    cosine = scale * F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T
    flat = rows.flatten(1)
    same = (flat[:, None] == flat[None]).all(2).to(cosine)
    right = same / same.sum(1, keepdim=True)
    ways = (F.log_softmax(cosine, 1), F.log_softmax(cosine.T, 1))
    return -(right * (ways[0] + ways[1])).sum(1).mean() / 2


def word_loss(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return how badly ``logits`` ``[n, v]`` guess which of v tokens each of ``tokens`` holds.

    Nats a caption: those of a softmax over all words, summed over the caption's different ones.
    Order does not count, and every word weighs the same, so that the attribute that is hardest to
    see is not drowned by those that tell pairs apart (shapes come into view after 400 steps so,
    and not in 450 by contrast alone).

    >>> tokens = torch.tensor([[2, 3, 0], [3, 3, 2]])
    >>> round(float(word_loss(torch.tensor([[0.0, 0.0, 99.0, 99.0, -99.0]] * 2), tokens)), 4)
    1.3863
    """
    there = torch.zeros_like(logits).scatter_(1, tokens, 1.0)
    there[:, 0] = 0  # no word
    nats: Tensor = -(F.log_softmax(logits, 1) * there).sum(1).mean()
    return nats


def energy_distance(x: Tensor, y: Tensor) -> Tensor:
    """Return 2 E|x - y| - E|x - x'| - E|y - y'| of rows ``[n, d]`` and ``[m, d]``, unbiased.

    Its expectation is 0 where both have one distribution, and above it otherwise.

    References:
        | Energy statistics: A class of statistics based on distances (Szekely & Rizzo, 2013)
        | Generative Moment Matching Networks (Li et al., 2015), https://arxiv.org/abs/1502.02761

    Example:
        >>> a, b = torch.zeros(4, 1), torch.tensor([[0.0], [0.0], [3.0], [3.0]])
        >>> abs(round(float(energy_distance(a, a)), 3)), round(float(energy_distance(a, b)), 3)
        (0.0, 1.0)
    """
    between = _distances(x, y).mean()
    n, m = len(x), len(y)
    within = _distances(x, x).sum() / (n * (n - 1)) + _distances(y, y).sum() / (m * (m - 1))
    return 2 * between - within


def _distances(x: Tensor, y: Tensor) -> Tensor:
    # the root has no slope at 0, where every row meets itself
    return ((x[:, None] - y[None]).square().sum(2) + 1e-12).sqrt()


def agreeing(images: Tensor, texts: Tensor) -> Tensor:
    """Return the inner product of each pair of vectors ``[n, d]``, of order one: ``[n]``."""
    product: Tensor = (images * texts).sum(1) / images.shape[1] ** 0.5
    return product
