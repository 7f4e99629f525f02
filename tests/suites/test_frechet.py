"""The Frechet distance against closed forms, and its intervals against simulation."""

import math

import pytest
import torch
from standins import evidence, normal

from gengauge.evidence import Evidence
from gengauge_suites.fidelity.extrapolation import line
from gengauge_suites.fidelity.few import left_out
from gengauge_suites.fidelity.frechet import PAIRS, Few, Many, fd, fd_infinity, measure, shared_rows
from gengauge_suites.fidelity.moments import Factor, Moments, distance, distance_of_few, moments


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


def blockwise(x, y, blocks=20):
    n, m = len(x), len(y)
    of_x, of_y = torch.arange(n) * blocks // n, torch.arange(m) * blocks // m
    return [distance_of_few(x[of_x != b], y[of_y != b]) for b in range(blocks)]


def test_bias_correction_leaves_out_real_blocks():
    x, y = normal(200, 8, 6) + 50, normal(240, 8, 7) + 50
    found = measure(x, y)
    assert isinstance(found, Many)
    assert found.value == pytest.approx(distance_of_few(x, y), rel=1e-8)
    expected = 20 * found.value - 19 * sum(blockwise(x, y)) / 20
    assert found.at_infinity("jackknife")[0] == pytest.approx(expected, rel=1e-6)


def test_left_out_blocks_of_few_examples_agree_with_measuring_the_rest():
    x, y = normal(60, 90, 6) + 50, normal(80, 90, 7) + 50.1
    value, parts = left_out(x, y)
    assert value == pytest.approx(distance_of_few(x, y), rel=1e-12)
    assert parts == pytest.approx(blockwise(x, y), rel=1e-6)
    assert isinstance(measure(x, y), Few)


def test_influences_are_derivatives_of_the_distance():
    """Weighting an example up by a little moves the distance by its influence over n."""
    x, y = 1.2 * normal(60, 4, 1) + 0.2, normal(50, 4, 2)
    found = measure(x, y, asked=y).linear
    for cloud, expected in ((0, found.of_samples), (1, found.of_reference)):
        z, slopes, step = (x, y)[cloud], [], 1e-4
        for i in range(len(z)):
            w = torch.ones(len(z), dtype=torch.float64)
            w[i] += step
            w /= w.sum()
            mean = w @ z
            cov = (z - mean).T @ ((z - mean) * w[:, None]) * len(z) / (len(z) - 1)
            one = (mean, cov) if cloud == 0 else moments(x)
            two = (mean, cov) if cloud == 1 else moments(y)
            slopes.append((distance(*one, *two) - found.value) / step * len(z))
        slope = torch.tensor(slopes)
        assert float(slope.var()) == pytest.approx(expected, rel=0.06)  # n or n - 1
    assert torch.corrcoef(torch.stack([slope, found.influence]))[0, 1] > 0.9999


@pytest.mark.parametrize(("n", "m", "d"), [(400, 1200, 8), (1200, 200, 32), (200, 200, 32)])
def test_pairs_of_models_share_what_the_reference_does_to_both(n, m, d):
    """Differences on the same reference are known better than from both intervals, and validly."""
    gaps, paired, apart = [], [], []
    for draw in range(120):
        y = normal(m, d, 3 * draw)
        models = [measure(normal(n, d, 3 * draw + k) + 0.2, y, shared_rows(y, "digits"))
                  for k in (1, 2)]  # fmt: skip
        gaps.append(models[1].value - models[0].value)
        pairs = [found.pairs(found.value) for found in models]
        errors = [found.interval().standard_error ** 2 for found in models]
        assert len(pairs[0]) == min(m, PAIRS)
        assert float(pairs[0].mean()) == pytest.approx(models[0].value, rel=1e-12)
        beyond = (max(0, e - float(p.var()) / len(p)) for e, p in zip(errors, pairs, strict=True))
        paired.append(float((pairs[1] - pairs[0]).var()) / len(pairs[0]) + sum(beyond))
        apart.append(sum(errors))
    truth = float(torch.tensor(gaps).var())  # known to 13 %, four times that at the ends
    assert truth * 0.65 < sum(paired) / 120 < truth * 1.9
    assert sum(paired) < 0.95 * sum(apart)


def test_pairs_are_of_the_same_examples_whatever_the_seed():
    found = evidence(samples=normal(500, 3, 0), test=normal(600, 3, 1))
    other = Evidence(found.dataset, found.model, found.samples, seed=1)
    one, two = fd(found, Plain()), fd(other, Plain())
    assert one.per_example.shape == (600,)
    assert torch.corrcoef(torch.stack([one.per_example, two.per_example]))[0, 1] > 0.9999


def test_an_eigenvector_factor_gives_what_a_triangular_one_gives():
    x, y = normal(300, 5, 1) + 0.3, 1.1 * normal(280, 5, 2)
    plain = measure(x, y)
    wide = [torch.cat([z, z[:, :2] * 2, torch.ones(len(z), 1)], 1) for z in (x, y)]
    whole = torch.cat([torch.eye(5), 2 * torch.eye(5)[:2]]).double()
    turned = [torch.cat([z @ whole.T, torch.ones(len(z), 1).double()], 1) for z in (x, y)]
    assert torch.allclose(wide[0], turned[0])
    singular = measure(*wide)
    assert not singular.factor.triangular
    _, r = torch.linalg.qr(whole)  # the same clouds in five dimensions, lengths kept
    full = measure(*(z @ r.T for z in (x, y)))
    assert full.factor.triangular
    assert singular.value == pytest.approx(full.value, rel=1e-9)
    assert singular.linear.of_reference == pytest.approx(full.linear.of_reference, rel=1e-6)
    assert singular.linear.noise == pytest.approx(full.linear.noise, rel=1e-6)
    assert plain.factor.triangular


def test_constant_features_are_at_the_distance_of_their_points():
    found = evidence(samples=torch.ones(60, 3), test=torch.ones(50, 3) * 3)
    score = fd(found, Plain())
    assert score.value == pytest.approx(12)
    assert score.interval.high == pytest.approx(12)


def test_moments_join_and_part():
    x = normal(90, 4, 1) + 7
    one, two, both = Moments.of(x[:30]), Moments.of(x[30:]), Moments.of(x)
    for found, expected in ((one.joined(two), both), (both.without(one), two)):
        assert found.n == expected.n
        assert torch.allclose(found.mean, expected.mean, rtol=1e-12)
        assert torch.allclose(found.scatter, expected.scatter, rtol=1e-10)


def test_a_line_removes_the_samples_bias_and_leaves_the_references():
    """Against the truth as reference both biases are of the samples: the intercept is near 0."""
    d, n = 8, 2000
    truth = Moments(10**9, torch.zeros(d).double(), torch.eye(d).double() * (10**9 - 1))
    found = [line(normal(n, d, i), truth, Factor.of(truth.covariance))[0] for i in range(30)]
    found = torch.tensor(found)
    plain = (d + d * (d + 1) / 4) / n
    assert abs(float(found.mean())) < min(4 * float(found.std()) / 30**0.5, plain / 2)


def test_the_method_is_part_of_the_protocol():
    x, y = normal(200, 3, 1), normal(150, 3, 2)
    found = evidence(samples=x, test=y)
    by = {m: fd_infinity(found, Plain(), m) for m in ("jackknife", "line")}
    assert by["line"].protocol == {"method": "line"}
    assert by["line"].value > by["jackknife"].value  # the reference's bias is still in it
    few = evidence(samples=normal(50, 60, 1), test=normal(50, 60, 2))
    assert "well over 60 examples" in fd_infinity(few, Plain(), "line").reason
    assert fd_infinity(few, Plain(), "jackknife").value is not None


def test_expected_bias_of_a_standard_normal():
    """E[FD] = (D + D (D + 1) / 4) / N against N(0, I) to first order (METRICS: measured bias)."""
    d, n, repeats = 8, 2000, 60
    zero, one = torch.zeros(d, dtype=torch.float64), torch.eye(d, dtype=torch.float64)
    values = torch.tensor(
        [distance(*moments(normal(n, d, 10 + i)), zero, one) for i in range(repeats)]
    )
    expected = (d + d * (d + 1) / 4) / n
    assert abs(float(values.mean()) - expected) < 4 * float(values.std()) / repeats**0.5


def test_the_corrected_distance_is_that_of_the_populations():
    shift, d, repeats = 0.1, 8, 80
    found = [
        measure(normal(600, d, 2 * i) * 1.2 + shift, normal(600, d, 2 * i + 1))
        for i in range(repeats)
    ]
    corrected = torch.tensor([f.at_infinity("jackknife")[0] for f in found]).double()
    population = d * (shift**2 + 0.2**2)
    assert sum(f.value for f in found) / repeats > population * 1.03  # the plain value is biased,
    error = float(corrected.std()) / repeats**0.5
    assert abs(float(corrected.mean()) - population) < 4 * error  # the corrected one is not
    widths = [f.interval().high - f.interval().low for f in found]
    assert sum(widths) / repeats < population  # and the intervals say something


class Plain:
    id, sha256 = "plain", "0"

    def features(self, x):
        return x.flatten(1).double()


def test_scores_carry_sizes_and_share_one_measurement():
    x, y = normal(100, 4, 1), normal(120, 4, 2)
    found = evidence(samples=x, test=y)
    plain, corrected = fd(found, Plain()), fd_infinity(found, Plain(), "jackknife")
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
