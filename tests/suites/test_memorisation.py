"""FLD, its gap and C_T: against the authors' formulas, on known cases, and on bad input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from standins import evidence, normal

from gengauge_suites.memorisation.copying import c_t, compared, partitioned, statistic
from gengauge_suites.memorisation.likelihood import fld, fld_gap
from gengauge_suites.memorisation.mixture import Mixture, fitted


class Plain:
    id, sha256 = "plain", "0"

    def features(self, x):
        return x.flatten(1).double()


def made(samples, train, test):
    return evidence(samples=samples, train=train, test=test)


def stream():
    return torch.Generator().manual_seed(0)


def authors_log_variances(centres, x):
    """The fit of github.com/marcojira/fld, with autograd and torch's Adam, in float64."""
    d = x.shape[1]
    exact = "donot_use_mm_for_euclid_dist"
    table = torch.cdist(x, centres, compute_mode=exact) ** 2
    far = 0.9**2 * torch.cdist(x, x.mean(0, keepdim=True), compute_mode=exact) ** 2

    def logs(squared, log_variance):
        return (
            -0.5 * squared / log_variance.exp()
            - d / 2 * log_variance
            - d / 2 * math.log(2 * math.pi)
        )

    widths = ((table.min(0).values + 1e-3) / d).log().requires_grad_()
    origin = torch.zeros((), dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([widths, origin], lr=0.5)
    for _ in range(50):
        adam.zero_grad()
        every = torch.cat([logs(table, widths) - math.log(len(centres)), logs(far, origin)], 1)
        (-every.logsumexp(1).mean() / d).backward()
        adam.step()
        widths.data.clamp_(-40, 20)
    return widths.detach()


def authors_loss(centres, widths, x):
    """100 x nats a dimension of x, by torch's own mixture distribution."""
    normal_ = torch.distributions.Normal(centres, (widths / 2).exp()[:, None])
    parts = torch.distributions.Independent(normal_, 1)
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(len(centres), dtype=torch.float64)), parts
    )
    return -100 * mixture.log_prob(x) / x.shape[1]


@pytest.mark.parametrize("d", [2, 20])
def test_fit_and_likelihood_are_the_authors(d):
    centres, train, test = normal(150, d, 1), normal(260, d, 2), normal(120, d, 3)
    found = fitted(centres, train, stream())
    widths = authors_log_variances(centres, train)
    torch.testing.assert_close(found.log_variances, widths, rtol=1e-6, atol=1e-6)
    expected = authors_loss(centres, widths, test)
    torch.testing.assert_close(
        100 * found.negative_log_likelihood(test)[:, -1], expected, rtol=1e-6, atol=1e-6
    )


def test_fld_and_gap_are_the_authors_but_for_the_choice_of_half():
    """Standardise by the test split, fit on train, subtract the baseline, times 100."""
    samples, train, test = 1.2 * normal(200, 6, 1) + 3, normal(300, 6, 2) + 3, normal(240, 6, 3) + 3
    found = made(samples, train, test)
    score, gap = fld(found, Plain()), fld_gap(found, Plain())
    s, tr, te = ((z - test.mean(0)) / test.std(0) for z in (samples, train, test))
    widths = authors_log_variances(s, tr)
    loss = authors_loss(s, widths, te).mean() - score.details["baseline"]
    assert score.value == pytest.approx(float(loss), abs=1e-6)
    expected = authors_loss(s, widths, tr).mean() - authors_loss(s, widths, te).mean()
    assert gap.value == pytest.approx(float(expected), abs=1e-6)
    half = [float(authors_loss(a, authors_log_variances(a, b), te).mean())
            for a, b in ((tr[:150], tr[150:]), (tr[150:], tr[:150]))]  # fmt: skip
    assert score.details["baseline"] == pytest.approx(sum(half) / 2, abs=4)
    assert score.value == pytest.approx(float(score.per_example.mean()), abs=1e-9)


def test_one_gaussian_has_its_closed_form():
    mixture = Mixture(
        torch.zeros(1, 3).double(), torch.full((1,), math.log(4.0), dtype=torch.float64)
    )
    x = torch.tensor([[2.0, 0.0, 0.0]]).double()
    expected = (0.5 * 4 / 4 + 1.5 * math.log(2 * math.pi * 4)) / 3
    assert float(mixture.negative_log_likelihood(x)) == pytest.approx(expected, abs=1e-12)


def test_leaving_blocks_out_is_a_mixture_of_the_rest():
    centres, x = normal(90, 4, 1), normal(50, 4, 2)
    mixture = Mixture(centres, normal(90, 1, 3)[:, 0])
    block = torch.arange(90) % 7
    found = mixture.negative_log_likelihood(x, block)
    for b in (0, 6):
        kept = block != b
        rest = Mixture(centres[kept], mixture.log_variances[kept])
        torch.testing.assert_close(found[:, [b]], rest.negative_log_likelihood(x))
    torch.testing.assert_close(found[:, [-1]], mixture.negative_log_likelihood(x))


def test_theory_orders_the_cases():
    train, test = normal(400, 5, 1), normal(300, 5, 2)
    cases = {
        "real": normal(300, 5, 3),
        "copies": train[:300],
        "near copies": train[:300] + 0.05 * normal(300, 5, 4),
        "noise": 6 * normal(300, 5, 5),
    }
    scores = {k: fld(made(x, train, test), Plain()).value for k, x in cases.items()}
    gaps = {k: fld_gap(made(x, train, test), Plain()) for k, x in cases.items()}
    copying = {k: c_t(made(x, train, test), Plain(), 3) for k, x in cases.items()}
    assert abs(scores["real"]) < 5
    assert min(scores, key=scores.__getitem__) == "real"
    assert scores["copies"] > 1e6  # test data has no likelihood at a spike
    for copies in ("copies", "near copies"):
        assert gaps[copies].interval.high < -20
        assert copying[copies].interval.high < -5
    for honest in ("real", "noise"):
        assert gaps[honest].value > -10
    assert abs(copying["real"].value) < 2
    assert copying["noise"].interval.low > 5
    assert all(score.caveat for score in copying.values())


def test_intervals_cover_other_draws():
    """95 % intervals, 40 draws of 250 samples and test examples: at least 85 % must cover."""
    train = normal(500, 6, 0)
    measures = {"fld": fld, "gap": fld_gap, "c_t": lambda e, f: c_t(e, f, 3)}
    found = [made(0.9 * normal(250, 6, 2 * i + 1), train, normal(250, 6, 2 * i + 2))
             for i in range(40)]  # fmt: skip
    for name, measure in measures.items():
        scores = [measure(e, Plain()) for e in found]
        centre = sum(s.value for s in scores) / len(scores)
        covered = sum(s.interval.low <= centre <= s.interval.high for s in scores)
        assert covered >= 0.85 * len(found), (name, covered)
        spread = np.std([s.value for s in scores])
        errors = np.mean([s.interval.standard_error for s in scores])
        assert errors == pytest.approx(spread, rel=0.5), name


def authors_c_t(samples, test, partition):
    """C_T of github.com/casey-meehan/data-copying on given cells, scipy's Mann-Whitney inside."""
    train, cell = partition.points.numpy(), partition.cell.numpy()
    parts = []
    for c in range(len(partition.means)):
        inside = [partition.points[partition.cell == c]]
        far = []
        for x in (samples, test):
            points, own = partition.placed(x)
            table = torch.cdist(points[own == c], inside[0])
            far.append(table.min(1).values.numpy())
        (q, p), (n, m) = far, map(len, far)
        u, _ = mannwhitneyu(q, p, alternative="less")
        parts.append((m, (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)))
    assert len(train) == len(cell)
    return sum(m * z for m, z in parts) / sum(m for m, _ in parts)


def test_c_t_is_the_authors():
    train, test, samples = normal(600, 4, 1), normal(300, 4, 2), 1.1 * normal(260, 4, 3)
    partition = partitioned(train, 3, "x")
    cells = compared(made(samples, train, test), samples, test, partition)
    expected = authors_c_t(samples, test, partition)
    assert statistic(cells, None) == pytest.approx(expected, abs=1e-9)


def test_c_t_is_about_standard_normal_over_cells_for_fresh_data():
    """Each cell is N(0, 1) given the training data, so three average to a deviation of 0.58."""
    train = normal(1500, 3, 1000)
    values = [c_t(made(normal(240, 3, 2 * i), train, normal(240, 3, 2 * i + 1)), Plain(), 3).value
              for i in range(60)]  # fmt: skip
    assert np.mean(values) == pytest.approx(0, abs=0.25)
    assert np.std(values) == pytest.approx(1 / math.sqrt(3), rel=0.3)


def test_many_features_are_brought_to_64_directions():
    train = normal(300, 80, 1) * torch.linspace(0.1, 2, 80)
    partition = partitioned(train, 2, "x")
    assert partition.points.shape == (300, 64)
    variance = partition.points.var(0).sum() / train.var(0).sum()
    assert 0.9 < float(variance) <= 1


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0.05, 50), st.floats(-100, 100))
def test_scale_and_place_of_features_do_not_matter(seed, scale, shift):
    clouds = [normal(60, 3, seed + i) for i in range(3)]
    one, other = made(*clouds), made(*[scale * z + shift for z in clouds])
    for measure in (fld, fld_gap, lambda e, f: c_t(e, f, 1)):
        a, b = measure(one, Plain()).value, measure(other, Plain()).value
        assert a == pytest.approx(b, abs=1e-3)


@pytest.mark.parametrize("measure", [fld, fld_gap, lambda e, f: c_t(e, f, 3)])
def test_bad_input_is_unscored_with_the_reason(measure):
    x = normal(60, 3, 1)
    broken = x.clone()
    broken[3, 1] = math.nan

    class Failing(Plain):
        def features(self, x):
            return x.flatten(1).double() / 0

    cases = (
        (made(x[:10], x, x), Plain(), "at least 40 samples"),
        (made(x, x[:10], x), Plain(), "at least 40 training examples, got 10"),
        (made(broken, x, x), Plain(), "1 of 60 samples are not finite"),
        (made(x, x, x), Failing(), "features of 60 of 60 samples are not finite"),
        (made(x, x, x * 0), Plain(), "all features of the test examples are constant"),
    )
    for found, embedder, reason in cases:
        score = measure(found, embedder)
        assert score.value is None
        assert reason in score.reason


def test_a_constant_feature_and_repeated_samples_keep_finite_values():
    train, test = normal(80, 3, 1), normal(80, 3, 2)
    for z in (train, test):
        z[:, 2] = 4.0
    samples = train[:1].repeat(50, 1)
    score = fld(made(samples, train, test), Plain())
    assert math.isfinite(score.value)
    assert score.details["constant_features"] == 1
    assert math.isfinite(fld_gap(made(samples, train, test), Plain()).value)


def test_samples_that_reach_no_cell_are_unscored():
    train, test = normal(90, 2, 1), normal(90, 2, 2)
    found = c_t(made(normal(45, 2, 3), train, test), Plain(), 12)
    assert found.value is None or found.details["left_out"] > 0
