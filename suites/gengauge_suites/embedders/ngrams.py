"""What stands beside what in a text: frequencies of short runs of its tokens, hashed.

The inner product of two texts' frequencies is the spectrum kernel of Leslie, Eskin & Noble 2002,
The Spectrum Kernel: A String Kernel for SVM Protein Classification. Hashing with signs keeps it, on
average, in few dimensions: Weinberger et al. 2009, Feature Hashing for Large Scale Multitask
Learning, https://arxiv.org/abs/0902.2206.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WIDTH = 256
LONGEST = 3  # tokens of a run
_WORDS = f"ngrams: runs of 1 to {LONGEST} tokens, {WIDTH} signed buckets of splitmix64, times 16, 1"


class NgramEmbedder:
    """Frequencies ``[n, 256]`` of runs of one, two and three tokens, in signed buckets, times 16.

    With that factor an inner product over its 256 terms, as KID takes it, is the spectrum kernel.
    Nothing is learned and no order beyond three tokens is seen: it tells spelling from meaning no
    better than a reader who sees three letters at a time.
    """

    id = "ngrams"
    sha256 = hashlib.sha256(_WORDS.encode()).hexdigest()

    def features(self, x: Tensor) -> Tensor:
        """Return the features of tokens ``x`` ``[n, length]``, float64.

        >>> a, b = NgramEmbedder().features(torch.tensor([[1, 2, 1, 2], [1, 2, 1, 3]]))
        >>> bool(a @ a > a @ b > 0)
        True
        """
        tokens = x.numpy().astype(np.uint64)
        found = np.zeros((len(tokens), WIDTH))
        for length in range(1, min(LONGEST, tokens.shape[1]) + 1):
            found += _frequencies(tokens, length)
        return torch.from_numpy(found * WIDTH**0.5)


def _frequencies(tokens: NDArray[np.uint64], length: int) -> NDArray[np.float64]:
    """Return how often each bucket's runs of ``length`` occur in each row, over all its runs."""
    n, runs = len(tokens), tokens.shape[1] - length + 1
    keys = np.full((n, runs), length, np.uint64)
    for i in range(length):
        keys = _mixed(keys ^ tokens[:, i : i + runs])
    buckets = (keys >> np.uint64(1)) % np.uint64(WIDTH)
    signs = 1.0 - 2.0 * (keys & np.uint64(1))
    places = buckets.astype(np.int64) + WIDTH * np.arange(n)[:, None]
    counts = np.bincount(places.ravel(), signs.ravel(), n * WIDTH)
    return np.asarray(counts.reshape(n, WIDTH) / runs)


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return well mixed numbers, different for different ones (splitmix64, Steele et al. 2014)."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)  # beyond 64 bits it wraps around
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
