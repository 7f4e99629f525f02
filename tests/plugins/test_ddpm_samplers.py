"""Samplers agree in distribution on a planar density whose score is known in closed form."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from gengauge_plugins.diffusion import samplers
from gengauge_plugins.diffusion.schedule import Schedule, alpha_sigma

CPU = torch.device("cpu")
MEANS = torch.tensor([[-1.2, 0.3], [0.8, 1.0], [0.6, -1.1]], dtype=torch.float64)
WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
DEVIATIONS = torch.tensor([0.3, 0.15, 0.4], dtype=torch.float64)


def exact(x_t, log_ratios):
    """E[x_0 | x_t] of the mixture: what a perfect network would say."""
    x = x_t.double()
    alpha, sigma = alpha_sigma(log_ratios, x)
    variance = alpha**2 * DEVIATIONS**2 + sigma**2  # [n, 3]
    gap = x[:, None] - alpha[:, :, None] * MEANS
    logs = WEIGHTS.log() - gap.square().sum(2) / (2 * variance) - variance.log()
    pull = (alpha * DEVIATIONS**2 / variance)[:, :, None]
    return (logs.softmax(1)[:, :, None] * (MEANS + pull * gap)).sum(1).to(x_t.dtype)


def truth(n, seed):
    generator = torch.Generator().manual_seed(seed)
    which = torch.multinomial(WEIGHTS, n, replacement=True, generator=generator)
    noise = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return MEANS[which] + DEVIATIONS[which, None] * noise


def w2(x, y):
    cost = torch.cdist(x.double(), y.double()).square().numpy()
    return math.sqrt(cost[linear_sum_assignment(cost)].mean())


N = 400


@pytest.fixture(scope="module")
def floor():
    """W2 between pairs of true samples: mean and deviation."""
    values = [w2(truth(N, 2 * seed), truth(N, 2 * seed + 1)) for seed in range(100, 116)]
    return float(np.mean(values)), float(np.std(values, ddof=1))


@pytest.mark.parametrize("kind", ["cosine", "linear"])
@pytest.mark.parametrize(
    ("sampler", "steps"), [("ddpm", 400), ("ddim", 100), ("dpm++", 30), ("heun", 30)]
)
def test_w2_to_the_truth_lies_within_its_noise_floor(sampler, steps, kind, floor):
    found = []
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        x = samplers.sample(exact, Schedule.of(kind, 1000), (N, 2), sampler, steps, generator, CPU)
        found.append(w2(x, truth(N, seed)))
    mean, deviation = floor
    assert np.mean(found) < mean + 3 * deviation / math.sqrt(3)
    assert np.mean(found) > mean - 4 * deviation / math.sqrt(3)  # no copies of the truth either


def test_a_wrong_denoiser_lies_outside(floor):
    def narrow(x, ratios):
        return 0.9 * exact(x, ratios)

    generator = torch.Generator().manual_seed(0)
    x = samplers.sample(narrow, Schedule.of("cosine", 1000), (N, 2), "dpm++", 30, generator, CPU)
    mean, deviation = floor
    assert w2(x, truth(N, 0)) > mean + 3 * deviation


@pytest.mark.parametrize("sampler", samplers.SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_evaluations_are_counted(sampler, steps):
    calls = []

    def counted(x, ratios):
        calls.append(float(ratios[0]))
        return exact(x, ratios)

    schedule = Schedule.of("cosine", 1000)
    x = samplers.sample(counted, schedule, (4, 2), sampler, steps, torch.Generator(), CPU)
    assert bool(torch.isfinite(x).all())
    assert len(calls) == samplers.evaluations(sampler, steps)
    assert calls[0] == pytest.approx(schedule.most)
    assert calls == sorted(calls, reverse=True)


def test_the_whole_chain_stops_at_every_step():
    schedule = Schedule.of("linear", 50)
    assert torch.equal(samplers.grid(schedule, 50, "ddpm"), schedule.log_ratios)


def test_samplers_without_randomness_follow_their_noise_alone():
    schedule = Schedule.of("cosine", 200)
    for sampler, same in (("ddim", True), ("heun", True), ("dpm++", True), ("ddpm", False)):
        chain = samplers.grid(schedule, 10, sampler)
        noise = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
        one, other = (
            samplers.run(samplers.scheduler(sampler, chain), chain, exact, noise,
                         torch.Generator().manual_seed(seed))
            for seed in (1, 2)
        )  # fmt: skip
        assert torch.equal(one, other) == same, sampler


def test_an_unknown_sampler_is_refused():
    with pytest.raises(ValueError, match="sampler must be one of"):
        samplers.scheduler("euler", torch.zeros(2))
