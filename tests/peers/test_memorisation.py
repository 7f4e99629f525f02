"""FLD, C_T and AuthPct beside their authors' formulas, written out; Vendi beside its package."""

import math

import pytest
import torch
from agreement import budget
from scipy.stats import mannwhitneyu
from shared_features import Itself, peer
from standins import evidence, normal

from gengauge_suites.memorisation.authenticity import auth_pct
from gengauge_suites.memorisation.copying import c_t, compared, partitioned, statistic
from gengauge_suites.memorisation.likelihood import fld, fld_gap
from gengauge_suites.memorisation.mixture import fitted
from gengauge_suites.memorisation.vendi import vendi


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
def test_the_fit_behind_fld_is_the_authors(d):
    centres, train, test = normal(150, d, 1), normal(260, d, 2), normal(120, d, 3)
    found = fitted(centres, train, torch.Generator().manual_seed(0))
    widths = authors_log_variances(centres, train)
    allowed = budget("fld", "the authors' fit")
    assert found.log_variances.tolist() == pytest.approx(widths.tolist(), **allowed)
    ours = 100 * found.negative_log_likelihood(test)[:, -1]
    theirs = authors_loss(centres, widths, test)
    assert ours.tolist() == pytest.approx(theirs.tolist(), **allowed)


def test_fld_and_gap_are_the_authors_but_for_the_choice_of_half():
    """Standardise by the test split, fit on train, subtract the baseline, times 100."""
    samples, train, test = 1.2 * normal(200, 6, 1) + 3, normal(300, 6, 2) + 3, normal(240, 6, 3) + 3
    found = evidence(samples=samples, train=train, test=test)
    score, gap = fld(found, Itself()), fld_gap(found, Itself())
    s, tr, te = ((z - test.mean(0)) / test.std(0) for z in (samples, train, test))
    widths = authors_log_variances(s, tr)
    loss = float(authors_loss(s, widths, te).mean())
    allowed = budget("fld", "the authors' formula, our half of the training data")
    assert score.value + score.details["baseline"] == pytest.approx(loss, **allowed)
    expected = float(authors_loss(s, widths, tr).mean()) - loss
    assert gap.value == pytest.approx(expected, **budget("fld_gap", "the authors' formula"))
    half = [float(authors_loss(a, authors_log_variances(a, b), te).mean())
            for a, b in ((tr[:150], tr[150:]), (tr[150:], tr[:150]))]  # fmt: skip
    # which half is a matter of the draw: theirs is another one
    assert score.details["baseline"] == pytest.approx(sum(half) / 2, abs=4)


def authors_c_t(samples, test, partition):
    """C_T of github.com/casey-meehan/data-copying on given cells, scipy's Mann-Whitney inside."""
    parts = []
    for c in range(len(partition.means)):
        inside = partition.points[partition.cell == c]
        far = []
        for x in (samples, test):
            points, own = partition.placed(x)
            far.append(torch.cdist(points[own == c], inside).min(1).values.numpy())
        (q, p), (n, m) = far, map(len, far)
        u, _ = mannwhitneyu(q, p, alternative="less")
        parts.append((m, (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)))
    return sum(m * z for m, z in parts) / sum(m for m, _ in parts)


def test_c_t_is_the_authors():
    train, test, samples = normal(600, 4, 1), normal(300, 4, 2), 1.1 * normal(260, 4, 3)
    found = evidence(samples=samples, train=train, test=test)
    allowed = budget("c_t", "the authors' formula, scipy's Mann-Whitney")
    partition = partitioned(train, 3, "x")
    theirs = authors_c_t(samples, test, partition)
    assert statistic(compared(found, samples, test, partition), None) == pytest.approx(
        theirs, **allowed
    )
    theirs = authors_c_t(samples, test, partitioned(train, 3, found.dataset.fingerprint))
    assert c_t(found, Itself(), 3).value == pytest.approx(theirs, **allowed)


@pytest.mark.parametrize("d", [3, 32])
def test_auth_pct_is_that_of_dgm_eval(d):
    """authpct.py of github.com/layer6ai-labs/dgm-eval, as a share and not in per cent."""
    samples, train = normal(300, d, 1), normal(250, d, 2)
    samples[:60] = train[:60] + 0.01  # copies but for a little
    own = torch.cdist(train, train).fill_diagonal_(torch.inf).min(0).values
    gap = torch.cdist(train, samples).min(0)
    theirs = float((own[gap.indices] < gap.values).double().mean())
    found = evidence(samples=samples, train=train, test=normal(90, d, 3))
    assert 0 < theirs < 1
    ours = auth_pct(found, Itself()).value
    assert ours == pytest.approx(theirs, **budget("auth_pct", "dgm-eval's formula"))


@pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning")
@pytest.mark.parametrize("d", [8, 200])
def test_vendi_is_its_authors(d):
    x = normal(120, d, 1) + 0.5
    theirs = float(peer("vendi_score.vendi").score_X(x.numpy()))
    ours = vendi(evidence(samples=x, test=x), Itself()).value
    assert ours == pytest.approx(theirs, **budget("vendi", "vendi-score"))
