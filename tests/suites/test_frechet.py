"""The Frechet distance against closed forms, and its intervals against simulation."""

import math

import pytest
import torch
from standins import evidence, normal

from gengauge_suites.fidelity.frechet import (
    distance,
    distance_of_few,
    fd,
    fd_infinity,
    jackknifed,
    moments,
)


def diagonal(values):
    return torch.diag(torch.tensor(values, dtype=torch.float64))


def between(x, y):
    return distance(*moments(x), *moments(y))


def test_diagonal_gaussians():
    mean = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    a, b = [4.0, 9.0, 1.0], [1.0, 16.0, 1.0]
    expected = float((mean**2).sum()) + sum(
        (math.sqrt(p) - math.sqrt(q)) ** 2 for p, q in zip(a, b, strict=True)
    )
    found = distance(mean, diagonal(a), torch.zeros(3, dtype=torch.float64), diagonal(b))
    assert found == pytest.approx(expected, rel=1e-12)


def test_commuting_covariances_that_are_not_diagonal():
    basis, _ = torch.linalg.qr(normal(6, 6, 0))
    a, b = torch.arange(1.0, 7).double(), torch.arange(6.0, 0, -1).double() ** 2
    zero = torch.zeros(6, dtype=torch.float64)
    found = distance(zero, basis @ a.diag() @ basis.T, zero, basis @ b.diag() @ basis.T)
    assert found == pytest.approx(float(((a.sqrt() - b.sqrt()) ** 2).sum()), rel=1e-10)


def test_singular_covariances_fall_back_to_the_eigenvectors():
    zero = torch.zeros(3, dtype=torch.float64)
    found = distance(zero, diagonal([4.0, 1.0, 0.0]), zero, diagonal([1.0, 0.0, 0.0]))
    assert found == pytest.approx(1 + 1, abs=1e-12)
    assert distance(zero, diagonal([0.0] * 3), zero, diagonal([0.0] * 3)) == 0


@pytest.mark.parametrize("n", [400, 20])
def test_rotation_shift_and_scale(n):
    measure = between if n > 30 else distance_of_few
    x, y = normal(n, 30, 1), normal(n, 30, 2, scale=1.5) + 0.3
    basis, _ = torch.linalg.qr(normal(30, 30, 3))
    value = measure(x, y)
    assert measure(x @ basis + 100, y @ basis + 100) == pytest.approx(value, rel=1e-9)
    assert measure(3 * x, 3 * y) == pytest.approx(9 * value, rel=1e-10)
    assert measure(y, x) == pytest.approx(value, rel=1e-9)
    assert measure(x, x) == pytest.approx(0, abs=1e-9)


def test_both_forms_agree_where_both_are_exact():
    x, y = normal(90, 20, 4), normal(110, 20, 5) + 0.2
    assert distance_of_few(x, y) == pytest.approx(between(x, y), rel=1e-10)


def test_left_out_moments_are_those_of_the_rest():
    x, y = normal(200, 8, 6) + 50, normal(240, 8, 7) + 50
    few = [distance_of_few(x, y)]
    blocks_x, blocks_y = torch.arange(200) * 20 // 200, torch.arange(240) * 20 // 240
    few += [distance_of_few(x[blocks_x != b], y[blocks_y != b]) for b in range(20)]
    value, _, corrected = jackknifed(x, y)
    assert value == pytest.approx(few[0], rel=1e-8)
    assert corrected == pytest.approx(20 * few[0] - 19 * sum(few[1:]) / 20, rel=1e-6)


def test_expected_bias_of_a_standard_normal():
    """E[FD] = (D + D (D + 1) / 4) / N against N(0, I) to first order (METRICS: measured bias)."""
    d, n, repeats = 8, 2000, 60
    zero, one = torch.zeros(d, dtype=torch.float64), torch.eye(d, dtype=torch.float64)
    values = torch.tensor(
        [distance(*moments(normal(n, d, 10 + i)), zero, one) for i in range(repeats)]
    )
    expected = (d + d * (d + 1) / 4) / n
    assert abs(float(values.mean()) - expected) < 4 * float(values.std()) / repeats**0.5


def simulate(shift, repeats=80, n=600, d=8):
    """Return value, interval and corrected value of draws of one known pair of populations."""
    out = []
    for i in range(repeats):
        value, interval, corrected = jackknifed(
            normal(n, d, 2 * i) * 1.2 + shift, normal(n, d, 2 * i + 1)
        )
        out.append((value, interval.low, interval.high, corrected))
    return torch.tensor(out, dtype=torch.float64).T


def test_intervals_cover_what_they_claim():
    """95 % intervals, 80 draws, D = 8, n = 600: between 88 % and all must cover."""
    shift, d = 0.1, 8
    value, low, high, corrected = simulate(shift)
    centre = value.mean()
    assert float(((low <= centre) & (centre <= high)).double().mean()) >= 0.88
    population = d * (shift**2 + 0.2**2)
    move = corrected - value
    covered = (low + move <= population) & (population <= high + move)
    assert float(covered.double().mean()) >= 0.88
    assert centre > population * 1.03  # the plain value is biased,
    error = float(corrected.std()) / len(corrected) ** 0.5
    assert abs(float(corrected.mean()) - population) < 4 * error  # the corrected one is not
    assert float((high - low).mean()) < population  # and the intervals say something


class Plain:
    id, sha256 = "plain", "0"

    def features(self, x):
        return x.flatten(1).double()


def test_scores_carry_sizes_and_share_one_measurement():
    x, y = normal(100, 4, 1), normal(120, 4, 2)
    found = evidence(samples=x, test=y)
    plain, corrected = fd(found, Plain()), fd_infinity(found, Plain())
    assert (plain.n_samples, plain.n_reference) == (100, 120)
    assert plain.value == pytest.approx(between(x, y), rel=1e-10)  # the order does not matter
    assert plain.interval.low < plain.value < plain.interval.high
    width = plain.interval.high - plain.interval.low
    assert corrected.interval.high - corrected.interval.low == pytest.approx(width)
    assert corrected.value < plain.value


def test_samples_sorted_by_class_get_the_interval_of_shuffled_ones():
    x = normal(400, 3, 1)
    x = x[x[:, 0].argsort()]
    ordered = fd(evidence(samples=x, test=normal(400, 3, 2)), Plain()).interval
    mixed = fd(evidence(samples=x[torch.randperm(400)], test=normal(400, 3, 2)), Plain()).interval
    assert ordered.standard_error < 3 * mixed.standard_error


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_samples_that_are_not_finite_are_unscored(bad):
    x = normal(100, 4, 1)
    x[3, 1] = x[7, 0] = bad
    assert fd(evidence(samples=x, test=normal(99, 4, 2)), Plain()).reason == (
        "2 of 100 samples are not finite"
    )


def test_too_few_samples_are_unscored():
    assert (
        "at least 40"
        in fd(evidence(samples=normal(9, 4, 1), test=normal(99, 4, 2)), Plain()).reason
    )
