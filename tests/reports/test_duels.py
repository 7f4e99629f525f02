"""All pairs tested at once say what the tests of single pairs say."""

from __future__ import annotations

import math
import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gengauge.aggregate import Estimate, difference_p, holm
from gengauge.examples import Examples
from gengauge.statistics import paired_difference
from gengauge_reports.comparing import Entry, duels, may_beat, p_values
from gengauge_reports.table import Column

KINDS = ("exact", "estimate", "upper_bound", "lower_bound")


def column(direction: str = "lower") -> Column:
    return Column(("k",), "s", "m", "", "test", "k", "", direction, "m")


def entry(value, error, *, between=0.0, seeds=1, kind="estimate", examples=None) -> Entry:
    estimate = Estimate(value, None, None, 0.95, error, between, kind, "", seeds, 100, 100)
    return Entry(estimate, examples)


def of_one_pair(a: Entry, b: Entry) -> float:
    x, y = a.examples, b.examples
    if x is None or y is None or x.values.shape[1] != y.values.shape[1]:
        return difference_p(a.estimate, b.estimate)
    return paired_difference(x.values, y.values, hidden=x.hidden + y.hidden).p


def one_by_one(column: Column, entries: list[Entry]) -> np.ndarray:
    """What the ranks are defined by: a loop over the pairs."""
    pairs = list(combinations(range(len(entries)), 2))
    adjusted = holm([of_one_pair(entries[i], entries[j]) for i, j in pairs])
    wins = np.zeros((len(entries), len(entries)), dtype=bool)
    for (i, j), p in zip(pairs, adjusted, strict=True):
        a, b = entries[i].estimate, entries[j].estimate
        ahead, behind = (i, j) if (a.value > b.value) == (column.direction == "higher") else (j, i)
        beaten = may_beat(column, entries[ahead].estimate, entries[behind].estimate)
        wins[ahead, behind] = p <= 0.05 and beaten
    return wins


def mixed(seed: int, n: int = 14) -> list[Entry]:
    """Models of every sort: with and without errors, seeds, examples, of all kinds, and twins."""
    random = np.random.default_rng(seed)
    hard = {size: random.normal(size=size) for size in (20, 33)}
    found = []
    for _ in range(n):
        seeds, size = int(random.integers(1, 4)), int(random.choice([0, 20, 33]))
        examples, value = None, float(random.normal())
        if size:
            values = value + hard[size] + 0.3 * random.normal(size=(seeds, size))
            examples, value = Examples(values, float(random.choice([0, 0.01]))), values.mean()
        error = None if random.random() < 0.1 else float(random.choice([0.0, 0.1, 0.4]))
        between = 0.0 if seeds == 1 or error is None else 0.3 * error**2
        kind = str(random.choice(KINDS))
        found.append(entry(float(value), error, between=between, seeds=seeds, kind=kind,
                           examples=examples))  # fmt: skip
    return [*found, found[0], found[3]]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["lower", "higher"]))
def test_all_at_once_is_one_by_one(seed, direction):
    entries = mixed(seed)
    first, second = np.triu_indices(len(entries), 1)
    p, _ = p_values(entries, first, second)
    single = [of_one_pair(entries[i], entries[j]) for i, j in zip(first, second, strict=True)]
    assert p == pytest.approx(np.array(single), rel=1e-7, abs=1e-300)
    assert (duels(column(direction), entries).wins == one_by_one(column(direction), entries)).all()


def test_nearly_equal_models_are_told_apart_as_exactly():
    # their difference is 1e-9 of what both share: a product of sums would lose it
    random = np.random.default_rng(0)
    hard = 1e3 * random.normal(size=500)
    small = 1e-6 * random.normal(size=500)
    a, b = Examples((hard + small + 2e-7)[None], 0.0), Examples(hard[None], 0.0)
    p, paired = p_values([entry(0.0, 1.0, examples=a), entry(0.0, 1.0, examples=b)],
                         np.array([0]), np.array([1]))  # fmt: skip
    assert paired.all()
    assert p[0] == pytest.approx(paired_difference(a.values, b.values).p, rel=1e-5)


def test_one_model_fights_nobody():
    for entries in ([], [entry(1.0, 0.1)]):
        found = duels(column(), entries)
        assert found.wins.shape == (len(entries), len(entries))
        assert (found.better, found.worse) == ([0] * len(entries), [0] * len(entries))


def test_the_cost_of_all_pairs_is_not_that_of_a_loop():
    entries = [entry(float(v), 0.1, between=0.003, seeds=3) for v in np.linspace(0, 9, 200)]
    pairs = list(combinations(entries, 2))
    begun = time.process_time()
    for a, b in pairs:
        difference_p(a.estimate, b.estimate)
    loop = time.process_time() - begun
    begun = time.process_time()
    assert duels(column(), entries).wins.any()
    assert time.process_time() - begun < loop
    assert len(pairs) == math.comb(200, 2)
