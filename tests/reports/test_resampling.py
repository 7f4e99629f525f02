"""Whether the intervals of mean ranks hold: simulated leaderboards whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from leaderboards import board_of, record, score
from scipy import stats

from gengauge_reports.leaderboard.resampling import Stage, generator

MODELS, ITEMS, WORLDS = 8, 6, 50
EFFECT = np.linspace(0, 1.5, MODELS)  # how good each model is on the whole
TASTE, NOISE = 0.7, 0.4  # how boards differ about it, and errors of measurement


def measured(random: np.random.Generator, items: int) -> np.ndarray:
    """Values ``[items, models]`` on new boards, measured once; better the higher."""
    taste = TASTE * random.normal(size=(items, MODELS))
    return EFFECT + taste + NOISE * random.normal(size=(items, MODELS))


def simulated(random: np.random.Generator) -> list:
    """An aggregate of six data sets."""
    values = measured(random, ITEMS)
    found = board_of(*(
        record(f"m{j}", f"d{i}", [score("recall", float(values[i, j]), NOISE)])
        for i in range(ITEMS) for j in range(MODELS)
    )).aggregates  # fmt: skip
    return sorted(found[-1].totals, key=lambda t: t.label)


@pytest.fixture(scope="module")
def worlds() -> list[list]:
    random = np.random.default_rng(0)
    return [simulated(random) for _ in range(WORLDS)]


def test_the_interval_of_the_mean_rank_covers_the_expected_rank(worlds):
    many = measured(np.random.default_rng(1), 40_000)
    truth = stats.rankdata(-many, axis=1).mean(0)
    held = [t.mean_rank.low <= r <= t.mean_rank.high
            for totals in worlds for t, r in zip(totals, truth, strict=True)]  # fmt: skip
    assert np.mean(held) > 0.94  # of 400
    widths = [t.mean_rank.high - t.mean_rank.low for totals in worlds for t in totals]
    assert np.mean(widths) < 0.75 * (MODELS - 1)


def test_borda_covers_the_expected_share_of_duels(worlds):
    truth = np.mean([[t.borda.value for t in totals] for totals in worlds], axis=0)
    held = [t.borda.low <= share <= t.borda.high
            for totals in worlds for t, share in zip(totals, truth, strict=True)]  # fmt: skip
    assert np.mean(held) > 0.93


def test_equal_models_share_all_places_in_most_worlds():
    random = np.random.default_rng(2)
    wrong = 0
    for world in range(200):
        ranks = np.stack([random.permutation(MODELS) + 1.0 for _ in range(ITEMS)])
        drawn = np.repeat(ranks[:, None], 400, axis=1)
        stage = Stage(f"{world}", MODELS, [MODELS] * ITEMS, ranks, ranks, drawn)
        wrong += any(place.low > 1 for place in stage.places(MODELS))
    assert wrong <= 200 * 0.05 + 2 * np.sqrt(200 * 0.05 * 0.95)


def test_a_model_that_leads_everywhere_is_placed_first():
    ranks = np.tile(np.arange(1.0, 5.0), (12, 1))
    stage = Stage("s", 4, [4] * 12, ranks, ranks, np.repeat(ranks[:, None], 400, axis=1))
    assert [(p.low, p.high) for p in stage.places(4)] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert [(a.value, a.low < a.value < a.high) for a in stage.mean_ranks()][1:3] == [
        (2.0, True), (3.0, True),
    ]  # fmt: skip


def test_larger_errors_widen_the_interval():
    def width(error: float) -> float:
        found = board_of(*(
            record(f"m{j}", f"d{i}", [score("recall", j + 0.1 * (i % 2), error)])
            for i in range(4) for j in range(5)
        )).aggregates  # fmt: skip
        total = next(t for t in found[-1].totals if t.label == "m2")
        return total.mean_rank.high - total.mean_rank.low

    assert width(2.0) > 2 * width(0.001)


def test_random_numbers_belong_to_their_name():
    assert generator("a").integers(1 << 60) == generator("a").integers(1 << 60)
    assert generator("a").integers(1 << 60) != generator("b").integers(1 << 60)
