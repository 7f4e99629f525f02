"""Distributions over levels: proper masses, draws that follow them, and their means."""

import pytest
import torch

from gengauge_plugins.networks.decoders import levelled, mixtures_for
from gengauge_plugins.networks.logistic import Bernoulli, DiscretisedLogistic, LogisticMixture

CASES = [(2, 0), (5, 1), (5, 3), (17, 0), (256, 0), (300, 2)]


def outputs(decoder, n: int, seed: int = 0) -> torch.Tensor:
    stream = torch.Generator().manual_seed(seed)
    return 1.5 * torch.randn(n, decoder.outputs, generator=stream, dtype=torch.float64)


def masses(decoder, h: torch.Tensor) -> torch.Tensor:
    every = torch.arange(decoder.levels).view(-1, 1, 1).expand(-1, len(h), 1)
    return decoder.log_likelihood(every, h.expand(decoder.levels, -1, -1)).exp().squeeze(-1)


@pytest.mark.parametrize(("levels", "mixtures"), CASES)
def test_the_levels_sum_to_one(levels, mixtures):
    decoder = levelled(levels, mixtures)
    total = masses(decoder, 4 * outputs(decoder, 50)).sum(0)
    assert torch.allclose(total, torch.ones_like(total), atol=1e-6)


@pytest.mark.parametrize(("levels", "mixtures"), CASES)
def test_draws_and_means_follow_the_mass(levels, mixtures):
    decoder = levelled(levels, mixtures)
    h = outputs(decoder, 3)
    mass, n = masses(decoder, h).T, 40000
    many = h.float().repeat_interleave(n, 0)
    drawn = decoder.sample(many, torch.Generator().manual_seed(1)).view(3, n).double()
    level = torch.arange(levels).double()
    mean = mass @ level
    spread = (mass @ level**2 - mean**2).sqrt()
    assert ((drawn.mean(1) - mean).abs() < 5 * spread / n**0.5 + 1e-3 * levels).all()
    seen = torch.stack([torch.bincount(d.long(), minlength=levels) / n for d in drawn])
    assert (seen - mass).abs().max() < 0.02
    assert torch.allclose(decoder.centre(h).flatten() * levels - 0.5, mean, atol=1e-4 * levels)
    assert (decoder.mean(h).flatten().double() - mean).abs().max() <= 0.5 + 1e-4


def test_values_lie_plane_after_plane():
    """Outputs of two values are those of each alone, taken in turn."""
    for decoder in (Bernoulli(), DiscretisedLogistic(9), LogisticMixture(9, 4)):
        one, other = outputs(decoder, 2)
        both = torch.stack([one, other], 1).flatten().unsqueeze(0)  # [1, outputs * 2]
        x = torch.tensor([[0, 1]])
        together = decoder.log_likelihood(x, both)
        apart = [
            decoder.log_likelihood(x[:, i : i + 1], h.unsqueeze(0))
            for i, h in enumerate(both[0].view(-1, 2).T)
        ]
        assert torch.allclose(together, torch.cat(apart, 1))


def test_equal_parts_are_one_logistic():
    one, many = DiscretisedLogistic(17), LogisticMixture(17, 3)
    h = outputs(one, 4)
    same = torch.cat([torch.zeros(4, 3).double(), h, h, h], 1)
    assert torch.allclose(masses(one, h), masses(many, same), atol=1e-12)


def test_a_logistic_of_two_levels_is_a_coin():
    logistic, coin = DiscretisedLogistic(2), Bernoulli()
    h = outputs(logistic, 20)
    location, inverse = logistic._location_scale(h)
    assert torch.allclose(masses(logistic, h), masses(coin, (location - 0.5) * inverse), atol=1e-9)


def test_the_distribution_suits_the_levels():
    assert isinstance(levelled(2, 5), Bernoulli)
    assert isinstance(levelled(17), DiscretisedLogistic)
    assert isinstance(levelled(256), LogisticMixture)
    assert isinstance(levelled(256, 1), DiscretisedLogistic)
    assert mixtures_for(17, 2) == 2


@pytest.mark.parametrize("mixtures", [1, 3])
def test_gradients_stay_finite_far_out(mixtures):
    decoder = levelled(256, mixtures)
    h = (50 * outputs(decoder, 200)).float().requires_grad_()
    x = torch.randint(256, (200, 1), generator=torch.Generator().manual_seed(2))
    decoder.log_likelihood(x, h).sum().backward()
    assert h.grad.isfinite().all()
