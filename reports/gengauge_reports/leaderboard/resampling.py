"""How far mean ranks could be off: boards are drawn anew, and so is the luck of each model.

Two things could have come out otherwise. Other boards might have been chosen: they are drawn with
replacement (the bootstrap of Efron 1979), as a data set and a quality stand for others like them.
And the measurements have errors: each model's luck on a data set is one normal number, which moves
its scores on all boards of that data set together by that many standard errors, since they rest on
the same trainings. Fully shared luck does not average out, which is the cautious choice. The ranks
on the boards hold one draw of luck already; drawing it again widens an interval, never narrows it.

Ranks drawn with luck lie nearer to the middle than those without it, so the draws give the width
of an interval alone: it is the mean rank plus and minus Student's t of one degree less than there
are boards, times the bootstrap's standard error with the factor n / (n - 1) for its variance
(Efron & Tibshirani 1993, section 5.3) and 1/12 a board for what whole numbers hide. It holds for
the rank that is expected on another board like these, measured anew.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from gengauge.aggregate import Estimate, quantile
from gengauge_reports.leaderboard.board import Board, DatasetBoards, Standing
from gengauge_reports.leaderboard.tracks import Average
from gengauge_reports.table import Rank

DRAWS = 400
FEWEST = 3  # boards for an interval
LEVEL = 0.95
_WHOLE = 1 / 12  # variance of what rounding to whole numbers hides
Array = NDArray[np.float64]


def generator(name: str) -> np.random.Generator:
    """Return the stream of random numbers that belongs to ``name``, the same on every machine."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


@dataclass(frozen=True)
class _Drawn:
    """One board: who is on it, their ranks, their shares of duels, their ranks with other luck."""

    index: dict[str, int]
    ranks: Array  # [models]
    shares: Array  # [models]
    drawn: Array  # [draws, models]


class Lots:
    """The boards' ranks of current models, each drawn once and used by every aggregate.

    Current on a board is who has no later version on its data set.
    """

    def __init__(self, datasets: Sequence[DatasetBoards]) -> None:
        self._of = {b.slug: d for d in datasets for b in d.boards}
        self._models = sorted({slug for d in datasets for slug in d.entrants})
        self._index = {slug: i for i, slug in enumerate(self._models)}
        self._luck: dict[str, Array] = {}
        self._boards: dict[str, _Drawn] = {}

    def ranks(self, board: Board) -> dict[str, float]:
        """Return the rank of each current model on a board, by value."""
        standings = self._standings(board)
        found = _ranks(_goodness(board, standings))
        return {s.entrant.slug: float(r) for s, r in zip(standings, found, strict=True)}

    def stage(self, name: str, items: Sequence[Board], models: Sequence[str]) -> Stage:
        """Return models that are on all of ``items``, ready to be placed."""
        boards = [self._drawn(b) for b in items]
        at = [[b.index[m] for m in models] for b in boards]
        each = list(zip(boards, at, strict=True))
        return Stage(
            name, len(models), [len(b.index) for b in boards],
            np.stack([b.ranks[k] for b, k in each]), np.stack([b.shares[k] for b, k in each]),
            np.stack([b.drawn[:, k] for b, k in each]),
        )  # fmt: skip

    def notes(self, items: Sequence[Board]) -> tuple[str, ...]:
        """Say of which boards something is not known, or their number is small."""
        silent = sum(
            s.estimate is not None and s.estimate.standard_error is None
            for b in items for s in self._standings(b)
        )  # fmt: skip
        return tuple(
            text
            for text, holds in (
                (f"{len(items)} boards are too few for intervals", len(items) < FEWEST),
                (f"{silent} scores state no error: their luck is not drawn anew", silent > 0),
            )
            if holds
        )

    def _standings(self, board: Board) -> list[Standing]:
        current = self._of[board.slug].current
        return [s for s in board.ranked if s.entrant.slug in current]

    def _drawn(self, board: Board) -> _Drawn:
        if board.slug not in self._boards:
            standings = self._standings(board)
            slugs = [s.entrant.slug for s in standings]
            good = _goodness(board, standings)
            errors = np.array([_error(s.estimate) for s in standings if s.estimate])
            luck = self._lucky(board.dataset)[:, [self._index[slug] for slug in slugs]]
            self._boards[board.slug] = _Drawn(
                {slug: i for i, slug in enumerate(slugs)}, _ranks(good),
                self._shares(board, slugs), _ranks(good + errors * luck),
            )  # fmt: skip
        return self._boards[board.slug]

    def _lucky(self, dataset: str) -> Array:
        if dataset not in self._luck:
            shape = (DRAWS, len(self._models))
            self._luck[dataset] = generator(f"luck on {dataset}").standard_normal(shape)
        return self._luck[dataset]

    def _shares(self, board: Board, slugs: Sequence[str]) -> Array:
        """Return the share of duels that each model wins, one within noise counting half."""
        if len(slugs) < 2:
            return np.full(len(slugs), 0.5)
        boards = self._of[board.slug]
        fought = boards.table.fought[board.column.key]
        row_at = {id(row): i for i, row in enumerate(fought.rows)}
        at = [row_at[id(boards.rows[slug])] for slug in slugs]
        wins = fought.wins[np.ix_(at, at)]
        net = wins.sum(1, dtype=np.float64) - wins.sum(0)
        return np.asarray(0.5 + net / (2 * (len(slugs) - 1)), dtype=np.float64)


def _goodness(board: Board, standings: Sequence[Standing]) -> Array:
    """Return values that are the better the higher."""
    sign = 1.0 if board.column.direction == "higher" else -1.0
    return np.array([sign * s.estimate.value for s in standings if s.estimate])


def _ranks(good: Array) -> Array:
    """Return ranks along the last axis, 1 for the best, equal values sharing the middle."""
    return np.asarray(stats.rankdata(-good, axis=-1), dtype=np.float64)


def _error(estimate: Estimate) -> float:
    """Return the normal error whose interval is as wide as the one that was stated.

    So an error that was itself estimated from a few seeds counts as more.
    """
    width = quantile(estimate.level, math.inf)
    if estimate.half is not None and width > 0:
        return estimate.half / width
    return estimate.standard_error or 0.0


@dataclass(frozen=True)
class Stage:
    """Complete models on several boards ``[items, models]``, ``drawn`` ``[items, draws, models]``.

    ``sizes`` are the numbers of models on the boards, complete or not.
    """

    name: str
    n: int
    sizes: Sequence[int]
    ranks: Array
    shares: Array
    drawn: Array

    @cached_property
    def _weights(self) -> Array:
        """How often each board is drawn, as a share ``[draws, items]``."""
        k = len(self.ranks)
        return generator(f"boards of {self.name}").multinomial(k, [1 / k] * k, DRAWS) / k

    @cached_property
    def _draws(self) -> Array:
        return np.asarray(np.einsum("di,idm->dm", self._weights, self.drawn), dtype=np.float64)

    def mean_ranks(self) -> list[Average]:
        """Return the mean rank of each model."""
        return self._averages(self.ranks.mean(0), self._draws, _WHOLE, (1, max(self.sizes)))

    def bordas(self) -> list[Average]:
        """Return the mean share of duels won; boards are drawn anew, errors are in the duels."""
        step = 1 / max(1, min(self.sizes) - 1)
        draws = self._weights @ self.shares
        return self._averages(self.shares.mean(0), draws, _WHOLE * step * step, (0, 1))

    def _averages(
        self, values: Array, draws: Array, hidden: float, ends: tuple[float, float]
    ) -> list[Average]:
        k = len(self.ranks)
        if k < FEWEST:
            return [Average(float(v), None, None) for v in values]
        half = quantile(LEVEL, k - 1) * np.sqrt(draws.var(0, ddof=1) * k / (k - 1) + hidden / k)
        low, high = np.clip(values - half, *ends), np.clip(values + half, *ends)
        return [Average(*map(float, found)) for found in zip(values, low, high, strict=True)]

    def places(self, models: int) -> list[Rank]:
        """Return shared places: every pair of mean ranks is tested at 5 %, Holm-corrected.

        The correction counts the pairs of all ``models``, incomplete ones too, so that nobody's
        place depends on how many are complete.
        """
        n, k = self.n, len(self.ranks)
        first, second = np.triu_indices(n, 1)
        means = self.ranks.mean(0)
        gap = means[first] - means[second]
        spread = np.atleast_2d(np.cov(self._draws.T)) * k / (k - 1) + np.eye(n) * _WHOLE / k
        own = np.diag(spread)
        error = np.sqrt(np.maximum(own[first] + own[second] - 2 * spread[first, second], 0))
        p = 2 * special.stdtr(k - 1, -np.abs(gap) / error)
        order = np.argsort(p, kind="stable")
        scaled = (models * (models - 1) / 2 - np.arange(len(p))) * p[order]
        told = np.zeros(len(p), dtype=np.bool_)
        told[order] = np.maximum.accumulate(scaled) <= 1 - LEVEL
        ahead = np.where(gap < 0, first, second)[told]
        behind = np.where(gap < 0, second, first)[told]
        better = np.bincount(behind, minlength=n).tolist()
        worse = np.bincount(ahead, minlength=n).tolist()
        return [Rank(1 + b, n - w, n) for b, w in zip(better, worse, strict=True)]
