"""What the mixture chooses by itself: components, regularisation, copies, engine, subspace."""

import math

import pytest
import torch
import worlds

from gengauge import Budget, Dataset, FitRun, Split, dequantise
from gengauge.registry import Registry, load_target
from gengauge_plugins.mixture.gmm import GaussianMixture
from gengauge_plugins.mixture.search import CANDIDATES
from gengauge_plugins.mixture.subspace import Subspace


def points(x: torch.Tensor, modality: str = "points") -> Dataset:
    half, quarter = len(x) // 2, len(x) // 4
    parts = (slice(half), slice(half, half + quarter), slice(half + quarter, None))
    return Dataset("x", modality, *(Split(x[part]) for part in parts))


def fitted(data: Dataset, budget: str = "120 steps", seed: int = 0, **parameters):
    model, run = GaussianMixture(**parameters), FitRun(seed=seed, budget=Budget.parse(budget))
    model.fit(data, run)
    return model, run


def clusters(k: int, n: int = 1200, spread: float = 0.3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(k)
    angles = 2 * math.pi * torch.arange(k) / k
    centres = 4 * torch.stack([angles.cos(), angles.sin()], 1)
    which = torch.arange(n) % k
    x = centres[which] + spread * torch.randn(n, 2, generator=generator)
    return x[torch.randperm(n, generator=generator)]


@pytest.mark.parametrize("select", ["bic", "validation"])
@pytest.mark.parametrize("seed", [0, 1])
def test_five_clusters_are_found(select, seed):
    model, run = fitted(points(clusters(5)), seed=seed, components=0, select=select)
    looked_at = {point["components"]: point[select] for point in run.curve if select in point}
    assert {4, 5, 6, 8} <= set(looked_at)  # its neighbours were tried, and the curve says so
    found = len(model.gaussians.means)
    assert found == 5
    if select == "bic":
        assert looked_at[5] == min(looked_at.values())
    assert run.steps <= 120


@pytest.mark.parametrize("k", [1, 3, 11])
def test_bic_finds_other_numbers(k):
    model, _ = fitted(points(clusters(k, spread=0.2)), components=0)
    assert len(model.gaussians.means) == k


@pytest.mark.parametrize("components", [0, 8])
def test_eight_gaussians_are_clustered(components):
    from sklearn.metrics import adjusted_rand_score

    spec = Registry().datasets["points/eight-gaussians"]
    data = load_target(spec.target)(spec)
    model, _ = fitted(data, components=components)
    soft = model.responsibilities(data.test.x)
    torch.testing.assert_close(soft.sum(1), torch.ones(len(soft), dtype=torch.float64))
    assert soft.shape[1] == 8
    assert adjusted_rand_score(data.test.labels, soft.argmax(1)) > 0.99


@pytest.mark.parametrize("budget", ["1 steps", "7 steps", "20 steps"])
def test_a_search_stays_within_its_budget(budget):
    model, run = fitted(points(clusters(5)), budget, components=0)
    assert 1 <= run.steps <= Budget.parse(budget).amount
    assert torch.isfinite(model.log_prob(clusters(5))).all()


def test_restarts_are_judged_and_never_worse_on_validation():
    data = points(clusters(20, spread=0.5))
    one, _ = fitted(data, "6 steps", components=20, regularisation=1e-4)
    six, run = fitted(data, "31 steps", components=20, regularisation=1e-4, restarts=6)
    held_out = data.validation.x
    assert six.log_prob(held_out).mean() >= one.log_prob(held_out).mean() - 1e-9
    assert run.steps == 31


def test_without_validation_data_the_smoothest_is_taken():
    x = clusters(5)
    none = Dataset("x", "points", Split(x), Split(x[:0]), Split(x))
    model, _ = fitted(none, components=5)
    strong, _ = fitted(none, components=5, regularisation=max(CANDIDATES))
    torch.testing.assert_close(model.log_prob(x), strong.log_prob(x))
    chosen, run = fitted(none, components=0, select="validation", regularisation=1e-4)
    assert len(chosen.gaussians.means) == 5
    assert any("bic" in point for point in run.curve)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_engines_give_the_same_model(kind):
    data = points(clusters(5))
    first, second = (
        fitted(data, covariance=kind, components=6, engine=engine)[0]
        for engine in ("sklearn", "torch")
    )
    x = data.test.x
    torch.testing.assert_close(first.log_prob(x), second.log_prob(x), rtol=1e-6, atol=1e-6)


def test_large_data_is_tried_on_a_subset_and_fitted_whole():
    """Trials see 20,000 of the 30,000 examples and cost as much less; one full sweep remains."""
    x = clusters(5, 60_000)
    model, run = fitted(points(x), "1 steps", components=5, regularisation=1e-4)
    assert (run.steps, run.examples) == (1, 20_000 + 30_000)
    model, run = fitted(points(x), "20 steps", components=5)
    assert run.steps <= 20
    centre = model.log_prob(torch.tensor([[4.0, 0.0]]))  # a fifth of a Gaussian of spread .3
    assert float(centre) == pytest.approx(math.log(1 / 5 / (2 * math.pi * 0.09)), abs=0.1)


def wide(n: int = 800, d: int = 12) -> torch.Tensor:
    """Clusters in a plane that lies askew in a wider space, with small noise about it."""
    generator = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(d, d, generator=generator))[0][:, :2]
    return clusters(5, n) @ axes.T + 0.05 * torch.randn(n, d, generator=generator)


@pytest.mark.parametrize("d", [12, 40])
def test_a_subspace_holds_the_clusters(d, monkeypatch):
    """Both ways to the axes: all of them, and beyond a size the leading ones."""
    monkeypatch.setattr("gengauge_plugins.mixture.subspace._EXACT", 20)
    data = points(wide(d=d))
    model, _ = fitted(data, components=5, subspace=2)
    known, _ = fitted(points(clusters(5, 800)), components=5)
    # density = that of the plane, times that of the noise in the other directions
    beside = (d - 2) * (math.log(0.05 * math.sqrt(2 * math.pi)) + 0.5)
    plane = float(known.log_prob(clusters(5, 800)).mean())
    assert float(model.log_prob(data.test.x).mean()) == pytest.approx(plane - beside, abs=0.3)
    x = model.sample(4000, None, torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(x.T.cov(), data.train.x.double().T.cov(), atol=0.4, rtol=0)
    again = model.sample(4000, None, torch.Generator().manual_seed(1)).double()
    assert abs(float(model.log_prob(x).mean() - model.log_prob(again).mean())) < 0.15


@pytest.mark.parametrize("columns", [3, 5])
def test_a_subspace_of_one_gaussian_is_that_gaussian(columns):
    """Axes, variances and a rest against the covariance that they stand for, with columns left."""
    generator = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64))[0]
    variances, rest = torch.tensor([0.5, 0.2, 0.1]).double()[: columns - 2], 0.05
    centre = torch.arange(5).double()
    space = Subspace(centre, axes[:, :columns], variances, rest, size=2)
    spectrum = torch.tensor([3.0, 2.0, *variances.tolist(), rest, rest])[:5].double()
    covariance = (axes * spectrum) @ axes.T
    truth = torch.distributions.MultivariateNormal(centre, covariance)
    x = truth.sample((50,))
    u, log_rest = space.split(x)
    lead = torch.distributions.Normal(0.0, spectrum[:2].sqrt()).log_prob(u).sum(1)
    torch.testing.assert_close(lead + log_rest, truth.log_prob(x))
    # its denoiser is the Wiener filter of the whole covariance
    gain = covariance @ torch.linalg.inv(covariance + 0.3**2 * torch.eye(5))
    shrunk = u * (spectrum[:2] / (spectrum[:2] + 0.3**2))
    torch.testing.assert_close(space.denoised(x, shrunk, 0.3), centre + (x - centre) @ gain.T)
    drawn = torch.randn(100_000, 2, generator=generator, dtype=torch.float64) * spectrum[:2].sqrt()
    placed = space.place(drawn, generator)
    torch.testing.assert_close(placed.T.cov(), covariance, atol=0.05, rtol=0)
    loaded = Subspace.restored(*space.state())
    torch.testing.assert_close(loaded.split(x)[1], log_rest)


def test_a_subspace_of_levels_is_saved_and_denoises(tmp_path):
    generator = torch.Generator().manual_seed(0)
    shade = torch.rand(300, 1, 1, 1, generator=generator)
    x = (shade * 15 + torch.rand(300, 1, 5, 5, generator=generator)).to(torch.uint8)
    data = Dataset("x", "image", Split(x[:200]), Split(x[200:250]), Split(x[250:]), levels=16)
    model, _ = fitted(data, components=3, subspace=4)
    model.save(tmp_path)
    loaded = GaussianMixture()
    loaded.load(tmp_path, torch.device("cpu"))
    y = dequantise(x[250:], 16, generator)
    torch.testing.assert_close(loaded.log_prob(y), model.log_prob(y))
    assert loaded.subspace is not None
    assert model.responsibilities(x[:7]).shape == (7, 3)
    noisy = x[250:].double() + 2 * torch.randn(x[250:].shape, generator=generator)
    error = (loaded.denoise(noisy, 2.0) - x[250:]).pow(2).mean()
    assert float(error) < 0.35 * float((noisy - x[250:]).pow(2).mean())


def test_tables_are_taken():
    spec = Registry().models["gmm"]
    assert "table" in spec.modalities
    x = clusters(4)
    model, _ = fitted(points(torch.cat([x, 1000 * x[:, :1] + 5], 1), "table"), components=4)
    assert model.sample(3, None, torch.Generator().manual_seed(0)).shape == (3, 3)


def test_fashion_mnist_is_fitted_in_a_subspace():
    """Six hundred pictures do better than 7.2 bits, of 8, and tell trousers from shirts."""
    data = worlds.load("fashion-mnist")
    few = Dataset("few", "image", data.train.first(600), data.validation.first(300),
                  data.test.first(300), levels=256)  # fmt: skip
    model, run = fitted(few, "20 steps", components=10, conditional=True)
    assert run.steps <= 20
    assert model.subspace is not None
    assert model.gaussians.means.shape[1] == 100
    y = dequantise(few.test.x, 256, torch.Generator().manual_seed(0))
    bits = 8 - float(model.log_prob(y).mean()) / 784 / math.log(2)
    assert 6.0 < bits < 7.2
    right = model.class_probabilities(few.test.x).argmax(1) == few.test.labels
    assert float(right.double().mean()) > 0.65
    x = model.sample(10, torch.arange(10), torch.Generator().manual_seed(0))
    assert x.shape == (10, 1, 28, 28)
