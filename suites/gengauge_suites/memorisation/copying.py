"""C_T: a rank test of whether samples lie closer to the training data than test data does.

Source: Meehan, Chaudhuri & Dasgupta 2020, A Non-Parametric Test to Detect Data-Copying in
Generative Models, section 4, https://arxiv.org/abs/2004.05675; cells by k-means in at most 64
principal directions of the training data, as the authors' experiments and the FLD code have it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor

from gengauge import seeds
from gengauge.evidence import Evidence
from gengauge.gallery import nearest
from gengauge.metric import Embedder, Score, unscored
from gengauge.statistics import Array, block_jackknife, block_of
from gengauge_suites.memorisation.problems import problem

BLOCKS = 20
_DIRECTIONS = 64
_FEWEST = 20  # samples in a cell that counts
_STARTS = 10
_CAVEAT = "zero is right: below it is copying, far above it is too far from the training data"


@dataclass(frozen=True)
class Cell:
    """Wins ``[b, b]`` of samples over test data by block, and how many of each ``[b]`` it holds.

    A win is a pair whose sample is farther from the training data; a tie is half a win.
    """

    wins: Array
    samples: Array
    test: Array


def c_t(evidence: Evidence, embedder: Embedder, cells: int) -> Score:
    """Return the mean over cells of z-scored Mann-Whitney statistics of distances to training data.

    The weight of a cell is its share of the test data. The interval is for other samples and
    other test data at these sizes, training data and cells being held. The value has its best in
    the middle, so it is shown and not ranked.
    """
    if reason := problem(evidence, embedder):
        return unscored(reason)
    found = evidence.features(embedder)
    partition = _partition(evidence, embedder, cells)
    parts = compared(evidence, found.samples, found.reference, partition)
    counted = [cell for cell in parts if cell.samples.sum() >= _FEWEST and cell.test.sum() > 0]
    if not counted:
        return unscored(f"no cell holds test data and at least {_FEWEST} samples")
    value, interval, _ = block_jackknife(lambda b: statistic(counted, b), BLOCKS)
    details = {
        "cells": [
            {"samples": int(c.samples.sum()), "test": int(c.test.sum()), "z": z_score(c, None)}
            for c in parts if c.samples.sum() and c.test.sum()
        ],
        "left_out": len(parts) - len(counted),
    }  # fmt: skip
    n, m = len(found.samples), len(found.reference)
    protocol = {"cells": cells, "dimensions": partition.points.shape[1]}
    return Score(
        value, interval, n_samples=n, n_reference=m, caveat=_CAVEAT, details=details,
        protocol=protocol,
    )  # fmt: skip


@dataclass(frozen=True)
class Partition:
    """The training data ``[l, d]`` on its principal directions, and the cell of each ``[l]``."""

    centre: Tensor
    directions: Tensor
    points: Tensor
    cell: Tensor
    means: Tensor  # [cells, d]

    def placed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``x`` ``[n, D]`` on the directions ``[n, d]``, and its cells ``[n]``."""
        points = (x - self.centre) @ self.directions
        return points, nearest(points, self.means)[1]


def _partition(evidence: Evidence, embedder: Embedder, cells: int) -> Partition:
    key = ("c_t cells", embedder.id, embedder.sha256, cells)
    train = evidence.features_of(embedder, "train")
    return evidence.once(key, lambda: partitioned(train, cells, evidence.dataset.fingerprint))


def partitioned(train: Tensor, cells: int, name: str) -> Partition:
    """Return ``train`` ``[l, D]`` in k-means ``cells``; the same for every model and seed."""
    centre = train.mean(0)
    directions = torch.eye(train.shape[1], dtype=torch.float64)
    if train.shape[1] > _DIRECTIONS:
        covariance = (train - centre).T @ (train - centre)
        directions = torch.linalg.eigh(covariance).eigenvectors[:, -_DIRECTIONS:]
    points = (train - centre) @ directions
    seed = seeds.named_seed("c_t", name) % 2**32
    means = KMeans(cells, n_init=_STARTS, random_state=seed).fit(points.numpy()).cluster_centers_
    means = torch.from_numpy(np.asarray(means, dtype=np.float64))
    return Partition(centre, directions, points, nearest(points, means)[1], means)


def compared(evidence: Evidence, samples: Tensor, test: Tensor, partition: Partition) -> list[Cell]:
    """Return what each cell says of ``samples`` ``[n, D]`` against ``test`` ``[m, D]``."""
    placed = []
    for x in (samples, test):
        points, cell = partition.placed(x)
        order = torch.randperm(len(x), generator=evidence.generator("order"))
        block = np.empty(len(x), dtype=np.int64)
        block[order.numpy()] = block_of(len(x), BLOCKS)
        placed.append((points, cell, block))
    cells = []
    for c in range(len(partition.means)):
        members = partition.points[partition.cell == c]
        (q, block_q), (p, block_p) = (_within(c, members, *z) for z in placed)
        cells.append(_cell(q, block_q, p, block_p))
    return cells


def _within(
    c: int, members: Tensor, points: Tensor, cell: Tensor, block: NDArray[np.int64]
) -> tuple[Array, NDArray[np.int64]]:
    """Return distances to the nearest member and blocks of the points in cell ``c``."""
    mine = cell == c
    return nearest(points[mine], members)[0].numpy(), block[mine.numpy()]


def _cell(q: Array, block_q: NDArray[np.int64], p: Array, block_p: NDArray[np.int64]) -> Cell:
    wins = np.zeros((BLOCKS, BLOCKS))
    for b in range(BLOCKS):
        against = np.sort(p[block_p == b])
        lower, upper = (np.searchsorted(against, q, side) for side in ("left", "right"))
        wins[:, b] = np.bincount(block_q, (lower + upper) / 2, minlength=BLOCKS)
    return Cell(
        wins,
        np.bincount(block_q, minlength=BLOCKS).astype(np.float64),
        np.bincount(block_p, minlength=BLOCKS).astype(np.float64),
    )


def z_score(cell: Cell, left_out: int | None) -> float:
    """Return ``(U - nm / 2) / sqrt(nm (n + m + 1) / 12)``, a block of both sides left out."""
    kept = np.arange(BLOCKS) != (BLOCKS if left_out is None else left_out)
    n, m = cell.samples[kept].sum(), cell.test[kept].sum()
    if n == 0 or m == 0:
        return 0.0
    wins = cell.wins[np.ix_(kept, kept)].sum()
    return float((wins - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12))


def statistic(cells: list[Cell], left_out: int | None) -> float:
    """Return the mean z-score of ``cells``, weighted by their test data."""
    kept = np.arange(BLOCKS) != (BLOCKS if left_out is None else left_out)
    weights = np.array([cell.test[kept].sum() for cell in cells])
    return float(np.average([z_score(cell, left_out) for cell in cells], weights=weights))
