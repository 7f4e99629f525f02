"""The diffusion model: guidance and its trap, both ends of its likelihood, and what it counts."""

import math

import pytest
import torch

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError
from gengauge_plugins.diffusion import samplers
from gengauge_plugins.diffusion.ddpm import DDPM
from gengauge_plugins.diffusion.denoising import Denoising, LevelDenoising, degree
from gengauge_plugins.diffusion.guidance import Guide
from gengauge_plugins.diffusion.inpainting import inpaint
from gengauge_plugins.diffusion.likelihoods import Flow
from gengauge_plugins.diffusion.objective import drawn_ratios, without_some
from gengauge_plugins.diffusion.schedule import Schedule, alpha_sigma

CPU = torch.device("cpu")
COSINE = Schedule.of("cosine", 1000)
CENTRES = torch.tensor([[-0.9, -0.9], [0.9, -0.9], [0.0, 0.9]])


class Says(torch.nn.Module):
    """A network that answers what a function does."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x, times, condition=None):
        return self.answer(x)


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(n=600):
    """Three classes of two pixels, 16 levels apart."""
    y = torch.arange(n) % 3
    x = ((CENTRES[y] + 1) / 2 * 16 + torch.randn(n, 2, generator=stream())).round().clamp(0, 16)
    split = Split(x.to(torch.uint8).view(n, 1, 1, 2), y)
    return Dataset("blobs", "image", split, split.first(100), split.first(100), levels=17)


def fitted(data, steps, **parameters):
    model = DDPM(**{"hidden": 48, "blocks": 2, **parameters})
    model.fit(data, FitRun(0, Budget.parse(f"{steps} steps")))
    return model


def share_in_class(samples, labels):
    scaled = (samples.flatten(1) * 17 - 0.5) / 8 - 1
    return float((torch.cdist(scaled, CENTRES).argmin(1) == labels).double().mean())


@pytest.fixture(scope="module")
def conditional():
    return fitted(blobs(), 250, conditional=True, prediction="v")


@pytest.mark.parametrize("sampler", samplers.SAMPLERS)
def test_guided_samples_keep_their_class(conditional, sampler):
    conditional.sampler, conditional.guidance = sampler, 2.0
    labels = torch.arange(300) % 3
    assert share_in_class(conditional.sample(300, labels, stream()), labels) > 0.97
    assert conditional.evaluations_per_sample == 2 * samplers.evaluations(sampler, 16)


def test_clipped_ddim_loses_what_guided_ddim_keeps():
    """diffusers' DDIM clips x_0 and goes on with the noise it had: guidance then overshoots."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    def exact(labels):
        return lambda x, ratios: _posterior(x, ratios, labels)

    labels = torch.arange(600) % 3

    def guided(x, ratios):
        towards, without = exact(labels)(x, ratios), exact(None)(x, ratios)
        return without + 4.0 * (towards - without)

    chain = samplers.grid(COSINE, 20, "ddim")
    ours = samplers.scheduler("ddim", chain)
    clipped = DDIMScheduler.from_config(ours.config, clip_sample=True)
    clipped.alphas_cumprod = ours.alphas_cumprod
    clipped.set_timesteps(20)
    assert not ours.config.clip_sample
    noise = torch.randn(600, 2, generator=stream())
    found = {}
    for name, scheduler in (("ours", ours), ("clipped", clipped)):
        x = samplers.run(scheduler, chain, guided, noise, stream())
        found[name] = float((x - CENTRES[labels]).norm(dim=1).mean())
    assert found["ours"] < 0.5 * found["clipped"], found


def _posterior(x, ratios, labels, deviation=0.1):
    """E[x_0 | x_t] of three round classes at ``CENTRES``, or of the one that is asked for."""
    alpha, sigma = alpha_sigma(ratios, x)
    variance = alpha**2 * deviation**2 + sigma**2
    gap = x[:, None] - alpha[:, :, None] * CENTRES
    share = (-gap.square().sum(2) / (2 * variance)).softmax(1)
    if labels is not None:
        share = torch.nn.functional.one_hot(labels, 3).to(x)
    pull = (alpha * deviation**2 / variance)[:, :, None]
    return (share[:, :, None] * (CENTRES + pull * gap)).sum(1)


def test_a_classifier_guides_too():
    model = fitted(blobs(), 250, conditional=True, guidance_kind="classifier", sampler="ddim")
    labels = torch.arange(300) % 3
    assert share_in_class(model.sample(300, labels, stream()), labels) > 0.9
    assert model.evaluations_per_sample == 32
    model.guidance = 0.0
    assert share_in_class(model.sample(300, labels, stream()), labels) < 0.6
    assert model.evaluations_per_sample == 16


def test_guidance_is_a_line_through_both_guesses():
    def says(x, ratios, condition):
        return condition[:, None].to(x).expand_as(x)

    x, ratios = torch.zeros(2, 3), torch.zeros(2)
    asked, nothing = torch.tensor([1, 2]), torch.tensor([0, 0])
    for weight, looks in ((0.0, 1), (1.0, 1), (2.5, 2)):
        guide = Guide(says, asked, nothing, weight)
        assert guide.looks == looks
        assert torch.equal(guide(x, ratios)[:, 0], weight * asked.to(x))


@pytest.mark.parametrize("prediction", ["epsilon", "v", "x0"])
def test_perfect_answers_give_the_clean_state_and_no_loss(prediction):
    x, eps = torch.randn(2, 7, 4, generator=stream())
    ratios = drawn_ratios(COSINE, 7, stream(), CPU)
    alpha, sigma = alpha_sigma(ratios, x)
    right = {"epsilon": eps, "v": alpha * eps - sigma * x, "x0": x}[prediction]
    denoising = Denoising(Says(lambda states: right), COSINE, prediction)
    torch.testing.assert_close(denoising(alpha * x + sigma * eps, ratios), x, atol=1e-3, rtol=1e-3)
    assert float(denoising.losses(x, eps, ratios, None).max()) == 0


def test_an_untrained_softmax_is_bayes_rule_for_each_value():
    frequency = torch.tensor([0.5, 0.2, 0.3])
    silent = Says(lambda seen: torch.zeros(len(seen), degree(3)))
    denoising = LevelDenoising(silent, COSINE, 3, frequency.log()[None])
    x_t, ratio = torch.tensor([[0.4]]), torch.tensor([0.0])
    likely = torch.exp(-0.5 * (0.4 - 0.5**0.5 * torch.tensor([-1.0, 0.0, 1.0])) ** 2 / 0.5)
    right = frequency * likely / (frequency * likely).sum()
    found = denoising.logits(x_t, ratio, None).softmax(2).flatten()
    torch.testing.assert_close(found, right)
    logs = denoising.log_levels(torch.tensor([[2]]), x_t, ratio, None)
    assert float(logs.exp()) == pytest.approx(float(right[2]), rel=1e-5)


def test_schedules_fall_and_meet_their_formulas():
    for kind in ("linear", "cosine"):
        for steps in (2, 10, 1000):
            signal = Schedule.of(kind, steps).alphas_cumprod
            assert len(signal) == steps
            assert bool((signal.diff() < 0).all())
            assert 0 < float(signal.min()) < float(signal.max()) < 1
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    ho = torch.cumprod(1 - betas, 0)
    torch.testing.assert_close(Schedule.of("linear", 1000).alphas_cumprod, ho, rtol=0.01, atol=1e-4)


def test_the_flow_of_a_normal_distribution_is_exact():
    """Under the exact denoiser the density along the flow is the data's, blurred by the start."""
    from gengauge_suites.likelihood.flow_ode import log_density

    deviation, mean = 2.0, 3.0

    def denoise(states, ratios):
        alpha, sigma = alpha_sigma(ratios, states)  # states have deviation 1
        return alpha * states / (alpha**2 + sigma**2)

    shift, spread = torch.tensor([mean]).double(), torch.tensor([deviation]).double()
    flow = Flow(denoise, COSINE.least, COSINE.most, shift, spread)
    x = torch.linspace(-2, 8, 9)[:, None]
    found, _ = log_density(flow, x, 50, None)
    blurred = deviation * math.sqrt(1 + math.exp(2 * COSINE.least))
    right = torch.distributions.Normal(mean, blurred).log_prob(x.double()).flatten()
    torch.testing.assert_close(found, right, atol=1e-3, rtol=1e-3)


def test_inpainting_a_correlated_pair_follows_what_is_known():
    """The unknown of two values of correlation .8 has mean .8 times the known, deviation .6."""
    covariance, one = torch.tensor([[1.0, 0.8], [0.8, 1.0]]), torch.eye(2)

    def denoise(states, ratios):
        alpha, sigma = (v[0, 0] for v in alpha_sigma(ratios, states))
        gain = alpha * covariance @ torch.linalg.inv(alpha**2 * covariance + sigma**2 * one)
        return states @ gain.T

    clean = torch.tensor([[1.5, 0.0]]).repeat(2000, 1)
    known = torch.tensor([[True, False]]).expand(2000, 2)
    found = inpaint(denoise, COSINE, clean, known, 50, stream())
    assert torch.equal(found[:, 0], clean[:, 0])
    assert float(found[:, 1].mean()) == pytest.approx(1.2, abs=0.1)
    assert float(found[:, 1].std()) == pytest.approx(0.6, abs=0.1)


def test_steps_are_drawn_one_from_each_part_of_the_chain():
    ratios = drawn_ratios(COSINE, 50, stream(), CPU)
    parts = torch.searchsorted(COSINE.log_ratios, ratios).div(20, rounding_mode="floor")
    assert parts.tolist() == list(range(50))


def test_a_tenth_of_labels_is_left_out():
    labels = without_some(torch.zeros(20_000, dtype=torch.int64), 7, 0.1, stream())
    assert float((labels == 7).double().mean()) == pytest.approx(0.1, abs=0.01)


def test_levels_need_levels_and_a_unet_pictures():
    x = torch.randn(50, 2, generator=stream())
    points = Dataset("cloud", "points", Split(x), Split(x), Split(x))
    with pytest.raises(ValueError, match="prediction=levels needs levelled data"):
        fitted(points, 2, prediction="levels")
    with pytest.raises(ValueError, match="network=mlp"):
        fitted(points, 2, network="unet")
    with pytest.raises(UnsupportedError, match="unconditional"):
        fitted(points, 2).sample(1, torch.zeros(1), stream())


def test_sample_in_takes_its_steps_and_counts_them(conditional):
    conditional.sampler, conditional.guidance = "heun", 1.5
    x, cost = conditional.sample_in(3, 5, None, stream())
    assert (len(x), cost) == (5, 10.0)


def test_a_unet_denoises_pictures():
    x = torch.randint(17, (40, 1, 7, 9), generator=stream(), dtype=torch.uint8)
    data = Dataset("noise", "image", Split(x), Split(x[:9]), Split(x[:9]), levels=17)
    for prediction in ("levels", "epsilon"):
        model = fitted(data, 2, network="unet", prediction=prediction, hidden=64, blocks=1)
        drawn = model.sample(3, None, stream())
        assert drawn.shape == (3, 1, 7, 9)
        assert bool(((drawn >= 0) & (drawn < 1)).all())
        assert model.denoise(x[:2].float(), 2.0).shape == (2, 1, 7, 9)
