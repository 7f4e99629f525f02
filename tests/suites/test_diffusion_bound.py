"""The diffusion's bound against data whose reverse chain is known exactly."""

import math

import pytest
import torch
from scipy import stats
from standins import StandIn, evidence, normal

from gengauge_suites.likelihood.metrics import bits_per_dim, elbo, excess_nll, nll
from gengauge_suites.likelihood.normal_levels import log_normal_mass

SHIFT, SPREAD = torch.tensor([3.0, -1.0]), torch.tensor([2.0, 0.5])


class Exact(StandIn):
    """The true reverse chain of N(SHIFT, SPREAD^2): scaled data is standard normal.

    E[x_0 | x_t] = sqrt(abar) x_t, its variance is 1 - abar, and a reverse step's is the
    posterior's plus weight^2 times that: here exactly beta_t.
    """

    def __init__(self, steps, learned=True):
        self.signal = torch.linspace(0.999, 1e-4, steps, dtype=torch.float64)
        self.learned = learned

    def alphas_cumprod(self):
        return self.signal

    def scaling(self):
        return SHIFT, SPREAD

    def predict(self, x_t, t):
        signal = self.signal[t][:, None]
        before = torch.cat([torch.ones(1).double(), self.signal[:-1]])[t][:, None]
        log_variance = (1 - signal / before).log() if self.learned else None
        return signal.sqrt() * x_t, log_variance


def data(n=3000):
    return SHIFT.double() + SPREAD.double() * normal(n, 2, seed=1)


def truth(x):
    law = torch.distributions.Normal(SHIFT.double(), SPREAD.double())
    return law.log_prob(x).sum(1)


@pytest.mark.parametrize("steps", [1, 2, 20])
def test_the_true_reverse_chain_makes_the_bound_the_likelihood(steps):
    x = data()
    score = elbo(evidence(Exact(steps), test=x), k=1, terms=50)
    gap = score.per_example - truth(x)
    assert float(gap.mean()) == pytest.approx(0, abs=4 * float(gap.std()) / math.sqrt(len(x)))
    assert score.kind == "lower_bound"
    assert f"all {steps} steps" in score.details["method"]


def test_drawn_steps_estimate_the_whole_sum_without_bias():
    x = data(4000)
    whole = elbo(evidence(Exact(200, learned=False), test=x), k=1, terms=200)
    drawn = elbo(evidence(Exact(200, learned=False), test=x), k=1, terms=10)
    difference = (drawn.per_example - whole.per_example).numpy()
    error = float(stats.sem(difference))
    assert whole.value - drawn.value == pytest.approx(0, abs=4 * error)
    # what the two halves say of the drawing's error is the error it has
    assert drawn.details["step_drawing_standard_error"] == pytest.approx(error, rel=0.3)
    assert "10 of 200 steps" in drawn.details["method"]
    assert whole.value < float(truth(x).mean())  # a smaller variance than the true one costs


def test_the_fixed_variance_is_the_posteriors():
    class Spelt(Exact):
        def predict(self, x_t, t):
            before = torch.cat([torch.ones(1).double(), self.signal[:-1]])
            variance = (1 - self.signal / before) * (1 - before) / (1 - self.signal)
            variance[0] = variance[1]
            return super().predict(x_t, t)[0], variance.log()[t][:, None]

    x = data(50)
    told, left_out = (elbo(evidence(Exact_, test=x), k=1, terms=50)
                      for Exact_ in (Spelt(9), Exact(9, learned=False)))  # fmt: skip
    assert told.value == pytest.approx(left_out.value, abs=1e-9)


def test_every_metric_knows_the_bound():
    x = data(200)
    found = evidence(Exact(5), test=x)
    upper, lower = nll(found, k=4, terms=8), elbo(found, k=4, terms=8)
    assert upper.kind == "upper_bound"
    assert upper.value == pytest.approx(-lower.value, abs=1e-12)

    class Known:
        entropy = float(math.log(2 * math.pi * math.e) + SPREAD.log().sum())

        def log_prob(self, y):
            return truth(y)

    excess = excess_nll(evidence(Exact(5), test=x, truth=Known()), k=4, terms=8)
    assert excess.kind == "upper_bound"
    assert abs(excess.value) < 4 * excess.interval.standard_error


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
@pytest.mark.parametrize("deviation", [1e-3, 0.2, 5.0, 1e3])
def test_the_discretised_normal_sums_to_one(levels, deviation):
    every = torch.arange(levels)[:, None]
    mean = torch.tensor([-40.0, -0.5, 0.0, 0.37, 0.5 * levels, levels - 1.0, levels + 90.0])
    mass = log_normal_mass(every, mean, torch.tensor(deviation), levels).exp()
    assert torch.allclose(mass.sum(0), torch.ones(7).double(), atol=1e-12)


def test_the_discretised_normal_is_accurate_far_out_and_has_finite_slopes():
    mean = torch.tensor([0.0, 8.0, -300.0], requires_grad=True)
    x, deviation = torch.tensor([5, 3, 7]), torch.tensor([0.4, 0.3, 1.0])
    found = log_normal_mass(x, mean, deviation, 17)
    expected = []
    for level, centre, scale in zip(x.tolist(), mean.tolist(), deviation.tolist(), strict=True):
        ends = [abs(level - centre) - 0.5, abs(level - centre) + 0.5]
        near, far = (stats.norm.logsf(e / scale) for e in ends)
        expected.append(near + math.log(-math.expm1(far - near)))
    assert found.tolist() == pytest.approx(expected, rel=1e-6)
    [slope] = torch.autograd.grad(found.sum(), mean)
    assert bool(torch.isfinite(slope).all())
    assert slope.sign().tolist() == [1, -1, 1]


class Guessing(StandIn):
    """Levelled data scaled to -1 .. 1, every guess the middle: an untrained diffusion."""

    def __init__(self, levels, signal):
        self.levels, self.signal = levels, torch.tensor(signal, dtype=torch.float64)

    def alphas_cumprod(self):
        return self.signal

    def scaling(self):
        half = (self.levels - 1) / 2
        return torch.tensor(half), torch.tensor(half)

    def predict(self, x_t, t):
        return 0.3 * x_t, None


def test_bounds_on_every_level_sum_to_less_than_one():
    """exp(bound) <= P(x), and P sums to one: a term left out or halved would break it."""
    model = Guessing(5, [0.99, 0.9, 0.5, 0.1])
    every = torch.arange(5, dtype=torch.uint8).repeat_interleave(2000)[:, None]
    score = elbo(evidence(model, test=every, levels=5), k=1, terms=9)
    total = float(score.per_example.view(5, 2000).mean(1).exp().sum())
    assert 0.05 < total < 1
    assert bits_per_dim(
        evidence(model, test=every, levels=5), k=1, draws=1, dequantise="importance", terms=9
    ).value == pytest.approx(-score.value / math.log(2))


def test_a_decoder_of_its_own_is_asked():
    class Softmax(Guessing):
        def log_reconstruction(self, x, x_1):
            value = -x[0].numel() * math.log(self.levels)
            return torch.full((len(x),), value, dtype=torch.float64)

    x = torch.randint(9, (40, 1, 2, 2), generator=torch.Generator().manual_seed(0))
    found = evidence(Softmax(9, [1e-12]), test=x.to(torch.uint8), levels=9)
    score = bits_per_dim(found, k=1, draws=1, dequantise="importance", terms=4)
    # one step into pure noise and back: the prior costs nothing, the decoder log2(9) a value
    assert score.value == pytest.approx(math.log2(9), abs=1e-9)
    assert score.kind == "upper_bound"


@pytest.mark.parametrize("signal", [[], [0.5, 0.6], [1.0, 0.5], [0.5, 0.0], [[0.5]]])
def test_a_schedule_that_is_none_is_refused(signal):
    with pytest.raises(ValueError, match="alphas_cumprod must be"):
        elbo(evidence(Guessing(5, signal), test=torch.zeros(3, 1, dtype=torch.uint8), levels=5),
             k=1, terms=4)  # fmt: skip
