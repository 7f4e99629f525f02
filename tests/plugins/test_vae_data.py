"""The variational autoencoder on pictures, on data that is wrong, and along its latents."""

import pytest
import torch
import worlds

from gengauge import Budget, Dataset, FitRun, Split
from gengauge_plugins.vae.iwae import IWAE
from gengauge_plugins.vae.traversal import Survey
from gengauge_plugins.vae.vae import VAE


def run(steps: int = 10) -> FitRun:
    return FitRun(0, Budget.parse(f"{steps} steps"))


def dataset(x: torch.Tensor, levels: int | None = None) -> Dataset:
    kind = "points" if levels is None else "image"
    return Dataset("wrong", kind, Split(x), Split(x[:2]), Split(x[:2]), levels=levels)


WRONG = {
    "constant column": (torch.stack([torch.arange(9.0), torch.ones(9)], 1), None, "columns 1 are"),
    "nan": (torch.tensor([[0.0, float("nan")], [1.0, 2.0]]), None, "finite"),
    "one example": (torch.rand(1, 2), None, "the 1 of wrong are equal"),
    "empty": (torch.rand(0, 2), None, "training examples"),
    "all black": (torch.zeros(20, 1, 8, 8, dtype=torch.uint8), 17, "the 20 of wrong are equal"),
    "beyond the levels": (torch.full((4, 1, 2, 2), 9, dtype=torch.uint8), 5, "levels are 0 to 4"),
}


@pytest.mark.parametrize("model", [VAE, IWAE])
@pytest.mark.parametrize("flaw", WRONG)
def test_wrong_data_is_refused(flaw, model):
    x, levels, said = WRONG[flaw]
    with pytest.raises(ValueError, match=said):
        model().fit(dataset(x, levels), run())


def test_fewer_examples_than_components_are_learnt_all_the_same():
    data = dataset(torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0]]))
    model = VAE()
    model.fit(data, run())
    assert model.sample(5, None, torch.Generator().manual_seed(0)).isfinite().all()


def test_pictures_of_fashion_are_convolved():
    data = worlds.load("fashion-mnist").limited(200)
    model = VAE(width=4, hidden=64, latent=8)
    spent = run(60)
    model.fit(data.for_training(), spent)
    assert model.network.sizes.convolves
    assert model.network.observation.outputs == 9  # a mixture of three logistics on 256 levels
    losses = [point["validation_loss"] for point in spent.curve]
    assert losses[-1] < losses[0] - 0.15
    x = model.sample(7, None, torch.Generator().manual_seed(0))
    assert x.shape == (7, 1, 28, 28)
    assert x.dtype == torch.uint8
    weights = model.log_weights(data.test.x[:5], 6, torch.Generator().manual_seed(0))
    assert weights.shape == (6, 5)
    assert weights.isfinite().all()


def test_blocks_change_no_answer(monkeypatch):
    """As many numbers at once as memory allows, or a few: means agree within their errors."""
    data = worlds.load("digits")
    model = VAE(hidden=32, latent=4)
    model.fit(data.for_training(), run(50))
    k = 400
    whole = model.log_weights(data.test.x[:6], k, torch.Generator().manual_seed(0))
    monkeypatch.setattr("gengauge_plugins.vae.inference.VALUES", 128 * 7)
    few = model.log_weights(data.test.x[:6], k, torch.Generator().manual_seed(1))
    assert few.shape == whole.shape == (k, 6)
    error = ((whole.var(0) + few.var(0)) / k).sqrt()
    assert ((whole.mean(0) - few.mean(0)).abs() < 5 * error).all()


def test_a_survey_tells_used_latents_from_collapsed_ones():
    n = 4000
    mean = torch.zeros(n, 3)
    mean[:, 1] = 3.0 * torch.randn(n, generator=torch.Generator().manual_seed(0)) + 5
    log_std = torch.zeros(n, 3)
    log_std[:, 1] = -1.0
    survey = Survey(3)
    survey.take(mean, log_std, torch.arange(n))
    expected = 0.5 * torch.log(torch.tensor(9 + torch.e**-2)) + 1
    assert survey.information[1] == pytest.approx(float(expected), abs=0.03)
    assert survey.information[[0, 2]].abs().max() < 1e-6
    walks = survey.walks(rows=3, steps=5)
    assert walks.shape == (1, 5, 3)  # the two that tell nothing are left out
    assert walks[0, :, 1].diff().gt(0).all()
    assert float(walks[0, :, 1].mean()) == pytest.approx(5, abs=0.2)
    assert (walks[0, :, [0, 2]] == survey.code[[0, 2]]).all()
    assert mean[survey.label].allclose(survey.code)


@pytest.mark.parametrize("conditional", [False, True])
def test_a_traversal_is_a_row_of_pictures_for_each_latent(conditional):
    data = worlds.load("digits")
    model = VAE(hidden=64, latent=6, components=1, conditional=conditional)
    model.fit(data.for_training(), run(150))
    x = model.traverse(4, 7)
    assert 1 <= len(x) <= 4
    assert x.shape[1:] == (7, 1, 8, 8)
    assert (x >= 0).all()
    assert (x <= 1).all()
    moved = (x[:, -1] - x[:, 0]).abs().flatten(1).amax(1)
    assert float(moved.min()) > 0.05  # each row shows something


def test_where_no_latent_tells_anything_there_is_nothing_to_walk_along():
    data = worlds.load("digits")
    model = VAE(hidden=32, latent=3, components=1, network="conv", width=2)
    model.fit(data.for_training(), run(1))
    model.network.survey.information.zero_()
    assert model.traverse(4, 7).shape == (0, 7, 1, 8, 8)
