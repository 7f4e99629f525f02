"""Over repeated draws a nominal 95 % interval contains the truth 90-99 % of the time.

The truth is the expectation at the sizes drawn: known, or the mean over the draws, whose own error
is a twentieth of an interval. The binomial error of a share of 0.95 over 300 draws is 0.013.
"""

import pytest
import torch

from gengauge.evidence import Features
from gengauge.statistics import mean_interval
from gengauge_suites.embedders.ngrams import NgramEmbedder
from gengauge_suites.fidelity.frechet import Few, Many, measure
from gengauge_suites.fidelity.kernel import _score, cubic, second_order, sums_of
from gengauge_suites.fidelity.neighbours import estimate, interval_of
from gengauge_suites.fidelity.passes import measured
from gengauge_suites.memorisation.vendi import score_of

DRAWS = 300


def clouds(kind, n, m, d, generator):
    """Samples and reference of one kind of model, float64."""
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    y = torch.randn(m, d, generator=generator, dtype=torch.float64)
    if kind == "shift":
        x += (2 / d) ** 0.5
    elif kind == "narrow":
        x *= 0.8
    elif kind == "wide":
        x *= 1.2
    elif kind == "decay":  # most variance in few directions, as features have it
        scale = torch.arange(1, d + 1, dtype=torch.float64) ** -0.7
        x, y = 1.1 * scale * x, scale * y
    elif kind == "modes":  # seven of the ten modes of the data
        centre = 4 * torch.randn(10, d, generator=torch.Generator().manual_seed(5)).double()
        x = 0.5 * x + centre[torch.randint(7, (n,), generator=generator)]
        y = 0.5 * y + centre[torch.randint(10, (m,), generator=generator)]
    return x, y


def draws(kind, n, m, d, seed=3, count=DRAWS):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        yield clouds(kind, n, m, d, generator)


def covered(found, truth=None):
    """Return the share of (value, interval) pairs whose interval holds the truth."""
    truth = sum(value for value, _ in found) / len(found) if truth is None else truth
    return sum(i.low <= truth <= i.high for _, i in found) / len(found)


@pytest.mark.parametrize(
    ("kind", "n", "m", "d"),
    [
        ("same", 359, 359, 64),
        ("shift", 359, 359, 64),
        ("modes", 359, 359, 64),
        ("same", 1000, 500, 16),
        ("narrow", 600, 600, 8),
        ("decay", 200, 200, 150),
    ],
)
def test_frechet_distance(kind, n, m, d):
    found = [measure(x, y) for x, y in draws(kind, n, m, d)]
    assert isinstance(found[0], Many)
    assert 0.9 <= covered([(f.value, f.interval()) for f in found]) <= 0.99


def test_frechet_distance_of_fewer_examples_than_features():
    found = [measure(x, y) for x, y in draws("decay", 60, 60, 120, count=200)]
    assert isinstance(found[0], Few)
    assert 0.9 <= covered([(f.value, f.interval()) for f in found]) <= 0.99


@pytest.mark.parametrize("method", ["jackknife", "line"])
@pytest.mark.parametrize("kind", ["same", "shift"])
def test_frechet_distance_at_infinity(kind, method):
    found = [measure(x, y).at_infinity(method) for x, y in draws(kind, 400, 400, 8)]
    truth = None if method == "line" else {"same": 0.0, "shift": 2.0}[kind]
    assert 0.9 <= covered(found, truth) <= 0.99


@pytest.mark.parametrize(
    ("kind", "n", "m", "d"),
    [("same", 359, 359, 64), ("shift", 359, 359, 64), ("shift", 500, 300, 8)],
)
def test_kernel_distance(kind, n, m, d):
    found = [
        _score(sums_of(cubic, x, y), second_order(cubic, x, y)) for x, y in draws(kind, n, m, d)
    ]
    truth = 0.0 if kind == "same" else None
    assert 0.9 <= covered([(s.value, s.interval) for s in found], truth) <= 0.99


@pytest.mark.parametrize(
    ("kind", "n", "m", "d"),
    [
        ("same", 359, 359, 64),
        ("wide", 359, 359, 64),
        ("modes", 359, 359, 64),
        ("decay", 400, 300, 4),
    ],
)
def test_neighbours(kind, n, m, d):
    """Shares from 0.07 to 0.99, balls that are a few hubs' or everyone's."""
    passes = [measured(Features(x, y))[2] for x, y in draws(kind, n, m, d)]
    for name, k, over in (
        ("precision", 3, n),
        ("recall", 3, m),
        ("density", 5, n),
        ("coverage", 5, m),
    ):
        found = [estimate(p, k, name) for p in passes]
        share = covered([(f.value, interval_of(f, name, over)) for f in found])
        assert 0.9 <= share <= 0.99, name


def texts(n, stays, generator):
    """Sequences of 64 of nine letters, each of which follows itself with the chance ``stays``."""
    moves = torch.rand(n, 64, generator=generator) >= stays
    steps = torch.randint(1, 9, (n, 64), generator=generator) * moves
    return steps.cumsum(1) % 9


@pytest.mark.slow
@pytest.mark.parametrize("stays", [0.2, 0.4])
def test_distances_of_texts(stays):
    """In the frequencies of runs, which are no more normal than text is: sparse and whole."""
    generator, features = torch.Generator().manual_seed(7), NgramEmbedder().features
    distances, kernels, shares = [], [], []
    for _ in range(200):
        x = features(texts(300, stays, generator))
        y = features(texts(300, 0.2, generator))
        found = measure(x, y)
        distances.append((found.value, found.interval()))
        score = _score(sums_of(cubic, x, y), second_order(cubic, x, y))
        kernels.append((score.value, score.interval))
        share = estimate(measured(Features(x, y))[2], 5, "coverage")
        shares.append((share.value, interval_of(share, "coverage", 300)))
    assert 0.9 <= covered(distances) <= 0.99
    # between equal sources the kernel's interval is wider than it need be
    assert 0.9 <= covered(kernels, 0.0 if stays == 0.2 else None) <= (1 if stays == 0.2 else 0.99)
    assert 0.9 <= covered(shares) <= 0.99


@pytest.mark.parametrize(("n", "d", "offset"), [(300, 8, 1.0), (300, 64, 1.0), (100, 200, 0.3)])
def test_vendi(n, d, offset):
    found = []
    for x, _ in draws("decay", n, 2, d):
        x = x + offset
        found.append(score_of((x / torch.linalg.vector_norm(x, dim=1, keepdim=True),)))
    assert 0.9 <= covered(found) <= 0.99


def test_mean_log_likelihood():
    """The mean over 200 test examples of a normal density whose expectation is known."""
    normal, d = torch.distributions.Normal(0.0, 1.0), 5
    truth = -d * float(normal.entropy())
    found = [(0.0, mean_interval(normal.log_prob(x).sum(1))) for x, _ in draws("same", 200, 2, d)]
    assert 0.9 <= covered(found, truth) <= 0.99
