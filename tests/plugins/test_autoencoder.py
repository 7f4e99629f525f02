"""The autoencoder: shorter than PCA at equal error, a denoiser, and sampled through its codes."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
import worlds
from sklearn.decomposition import PCA

from gengauge import Budget, Dataset, Evidence, FitRun, Split
from gengauge.errors import UnsupportedError
from gengauge.model import capabilities
from gengauge_plugins.autoencoder.autoencoder import Autoencoder
from gengauge_plugins.autoencoder.code_density import CodeDensity
from gengauge_plugins.autoencoder.network import Standardised
from gengauge_suites.utility.codes import code_size
from gengauge_suites.utility.restoration import psnr, reconstruction_mse

NOISE = 1.5


def fitted(data, budget="12 steps", seed=0, **parameters):
    model = Autoencoder(**parameters)
    run = FitRun(seed, Budget.parse(budget))
    model.fit(data.for_training(), run)
    return model, run


@cache
def on_digits(noise=0.0):
    return fitted(worlds.load("digits"), "800 steps" if noise else "300 steps", noise=noise)[0]


def scored(metric, model, data, **parameters):
    return metric(Evidence(data, model, data.test.x, seed=0), **parameters)


def made(x, modality="points", levels=None, labels=None):
    split = Split(x, labels)
    return Dataset("made", modality, split, split, split, levels)


def draws(n=400, d=3, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def linear_error(data, size):
    """The squared error of PCA with codes of this size, rounded to levels as ours is."""
    seen, asked = (s.x.flatten(1).double().numpy() for s in (data.train, data.test))
    pca = PCA(size).fit(seen)
    back = np.clip(np.round(pca.inverse_transform(pca.transform(asked))), 0, data.levels - 1)
    return float(((back - asked) ** 2).mean())


def test_it_beats_pca_of_the_same_code_size_on_digits():
    data = worlds.load("digits")
    score = scored(reconstruction_mse, on_digits(), data)
    assert score.interval.high < 0.8 * linear_error(data, 16)


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_it_begins_as_pca(network):
    data = worlds.load("digits")
    model, _ = fitted(data, "2 steps", network=network, lr=1e-6)
    found = scored(reconstruction_mse, model, data).value
    assert found == pytest.approx(linear_error(data, 16), rel=0.1)


def test_the_denoising_one_gains_five_decibels_and_beats_the_plain_one():
    data = worlds.load("digits")
    plain, denoising = (scored(psnr, on_digits(noise), data) for noise in (0.0, NOISE))
    rows = denoising.details["levels"]
    assert np.mean([row["value"] - row["noisy"] for row in rows]) > 5
    assert all(row["low"] > row["noisy"] for row in rows)
    for row, other in list(zip(rows, plain.details["levels"], strict=True))[1:]:
        assert row["low"] > other["high"]  # with little noise the plain one is nearly as good


def test_a_guess_stays_within_the_levels():
    x = 16 + 8 * torch.ones(5, 1, 8, 8)
    guess = on_digits().denoise(x, 8.0)
    assert guess.is_floating_point()
    assert 0 <= guess.min() <= guess.max() <= 16


def test_its_codes_are_standard_and_reconstruct():
    data = worlds.load("digits")
    model = on_digits()
    codes = model.encode(data.train.x)
    assert codes.shape == (len(data.train), 16)
    assert codes.mean(0).abs().max() < 1e-4
    assert (codes.std(0, correction=0) - 1).abs().max() < 1e-4
    assert torch.equal(model.decode_codes(codes), model.reconstruct(data.train.x))


def test_eight_bits_a_number_lose_nothing_and_half_of_them_little():
    score = scored(code_size, on_digits(), worlds.load("digits"), bits=8)
    assert score.value < score.details["fixed_length"] == 16 * 8 / 64
    at = {row["bits"]: row for row in score.details["rates"]}
    assert at[8]["mse"] == pytest.approx(score.details["mse_of_floats"], rel=0.02)
    assert at[4]["mse"] < 1.3 * at[8]["mse"] < 0.8 * at[2]["mse"]


def test_a_mixture_on_the_codes_draws_better_samples_than_one_gaussian():
    """Nearer to held-out data in energy distance, over the same networks."""
    from gengauge_suites.fidelity.energy import energy_distance

    data = worlds.load("points/eight-gaussians")
    found = {}
    for components in (1, 40):
        model, _ = fitted(data, "200 steps", components=components)
        x = model.sample(1000, None, torch.Generator().manual_seed(0))
        found[components] = energy_distance(Evidence(data, model, x, seed=0)).value
    assert found[40] < 0.3 * found[1]


def test_the_density_on_codes_integrates_to_one_and_is_that_of_its_draws():
    codes = torch.cat([draws(300, 2) * 0.2 + 1, draws(300, 2, 1) * 0.4 - 1])
    density = CodeDensity.fitted(codes, 3, 0)
    side = torch.linspace(-6, 6, 400, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1).view(-1, 2)
    mass = density.log_prob(grid).exp()
    cell = (12 / 399) ** 2
    assert float(mass.sum() * cell) == pytest.approx(1, abs=1e-3)
    mean = (mass[:, None] * grid).sum(0) * cell
    x = density.draw(20_000, torch.Generator().manual_seed(0)).double()
    assert (x.mean(0) - mean).abs().max() < 0.03


def test_there_is_no_likelihood_and_nothing_pretends_one():
    found = set(capabilities(Autoencoder()))
    assert found == {"latent-decoder", "reconstructor", "denoiser", "encoder"}
    with pytest.raises(UnsupportedError, match="unconditional"):
        on_digits().sample(2, torch.tensor([0, 1]), torch.Generator())


def test_a_constant_column_comes_back_exactly():
    x = draws()
    x[:, 1] = 0.1
    model, _ = fitted(made(x, "table"), latent=2)
    for given in (model.reconstruct(x), model.sample(50, None, torch.Generator())):
        assert (given[:, 1] == x[0, 1]).all()
        assert torch.isfinite(given).all()


def test_columns_of_unlike_size_count_alike():
    x = draws() * torch.tensor([1e-3, 1.0, 1e3])
    model, _ = fitted(made(x, "table"), "200 steps", latent=3)
    error = ((model.reconstruct(x) - x) ** 2).mean(0) / x.var(0)
    assert error.max() < 0.01


def test_pixels_have_one_deviation_and_columns_one_each():
    x = (draws(100, 16) * torch.arange(16)).view(100, 1, 4, 4)
    assert len(Standardised.of(made(x, "image")).scale.unique()) == 1
    assert len(Standardised.of(made(x.flatten(1), "table")).scale.unique()) == 16


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (made(torch.zeros(40, 1, 8, 8, dtype=torch.uint8), "image", 17), "are all alike"),
        (made(torch.full((40, 2), 0.1)), "are all alike"),
        (made(draws(1)), "are all alike"),
        (made(draws(0)), "needs training examples"),
        (made(draws().masked_fill(draws() > 2, torch.nan)), "cannot be trained: 35 of 1200"),
    ],
    ids=["black", "constant", "one example", "none", "nan"],
)
def test_data_that_cannot_be_learnt_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        fitted(data)


def test_fewer_examples_than_components_give_fewer_components():
    few = replace(worlds.load("digits"), train=worlds.load("digits").train.first(5))
    model, _ = fitted(few)
    assert len(model.density.means) == 1
    assert model.sample(7, None, torch.Generator()).shape == (7, 1, 8, 8)


def test_without_validation_the_last_weights_are_kept():
    data = made(draws())
    model, run = fitted(replace(data, validation=Split(draws(0))))
    assert run.steps == 12
    assert all("validation_loss" not in point for point in run.curve)
    assert torch.isfinite(model.reconstruct(data.test.x)).all()


def test_convolutions_are_refused_where_there_is_nothing_to_convolve():
    with pytest.raises(ValueError, match="take dense networks"):
        fitted(made(draws()), network="conv")


def test_fashion_is_convolved_coded_and_denoised():
    whole = worlds.load("fashion-mnist")
    data = replace(whole, train=whole.train.first(600), validation=whole.validation.first(100),
                   test=whole.test.first(200))  # fmt: skip
    model, _ = fitted(data, "12 steps", noise=1.0, latent=32, network="auto")
    assert model.network.convolves
    spread = float(data.test.x.double().var(0).mean())
    assert scored(reconstruction_mse, model, data).value < 0.5 * spread
    assert scored(code_size, model, data, bits=8).value < 32 * 8 / 784
    row = scored(psnr, model, data).details["levels"][-1]
    assert row["value"] > row["noisy"] + 5
