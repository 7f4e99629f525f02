"""EM in blocks beside scikit-learn's: the same mixture after as many sweeps, in little memory."""

import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from sklearn.mixture import GaussianMixture as Estimator

from gengauge_plugins.mixture import em
from gengauge_plugins.mixture.forms import IllDefinedError, Mixture, factors, form_of

KINDS = ("full", "tied", "diag", "spherical")


def clouds(n: int = 3000, d: int = 6, k: int = 5) -> torch.Tensor:
    """Overlapping clusters, standardised, so that responsibilities are far from hard."""
    generator = torch.Generator().manual_seed(0)
    centres = 1.5 * torch.randn(k, d, generator=generator, dtype=torch.float64)
    which = torch.randint(k, (n,), generator=generator)
    x = centres[which] + torch.randn(n, d, generator=generator, dtype=torch.float64)
    return (x - x.mean(0)) / x.std(0)


def begun(z: torch.Tensor, kind: str, regularisation: float = 1e-4) -> Mixture:
    return em.start(z, em.clusters(z, 5, seed=0), kind, regularisation)


def assert_same(first: Mixture, second: Mixture, tolerance: float = 1e-6) -> None:
    for name in ("weights", "means", "covariances"):
        a, b = getattr(first, name).cpu(), getattr(second, name).cpu()
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * float(b.abs().max()))


@pytest.mark.parametrize("kind", KINDS)
def test_torch_and_scikit_learn_agree_sweep_for_sweep(kind, monkeypatch):
    monkeypatch.setitem(em._BLOCK, "cpu", 5000)  # many blocks, the last of another size
    z = clouds()
    first, second = (build(z, begun(z, kind), kind, 1e-4) for build in (em.ScikitLearn, em.Blocks))
    for sweeps in (1, 2, 9):
        assert first.advance(sweeps) == second.advance(sweeps)
        assert_same(second.mixture, first.mixture, 1e-9)
        assert second.lower_bound == pytest.approx(first.lower_bound, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_both_converge_at_the_same_sweep(kind):
    z = clouds(800)
    first, second = (build(z, begun(z, kind), kind, 1e-2) for build in (em.ScikitLearn, em.Blocks))
    assert first.advance(200) == second.advance(200) < 200
    assert first.converged
    assert second.converged
    assert_same(second.mixture, first.mixture)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_agrees_with_scikit_learn(kind):
    z = clouds(20_000, d=16)
    first = em.ScikitLearn(z, begun(z, kind), kind, 1e-4)
    there = z.to("cuda")
    second = em.Blocks(there, begun(there, kind), kind, 1e-4)
    assert first.advance(12) == second.advance(12)
    assert second.mixture.means.device.type == "cuda"
    assert_same(second.mixture, first.mixture)
    assert second.lower_bound == pytest.approx(first.lower_bound, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_start_is_scikit_learns(kind):
    """Hard clusters give the parameters that scikit-learn's own start has before any sweep."""
    z = clouds()
    which = em.clusters(z, 5, seed=0)
    found = em.start(z, which, kind, 1e-3)
    peer = Estimator(5, covariance_type=kind, reg_covar=1e-3)
    peer._initialize(z.numpy(), torch.eye(5, dtype=torch.float64)[which].numpy())
    expected = (peer.weights_, peer.means_, peer.covariances_)
    assert_same(found, Mixture(*(torch.as_tensor(a) for a in expected)), 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_never_falls(kind):
    z = clouds()
    engine, bounds = em.Blocks(z, begun(z, kind, 1e-8), kind, 1e-8), []
    for _ in range(15):
        engine.advance(1)
        bounds.append(engine.lower_bound)
    assert all(b >= a - 1e-7 for a, b in pairwise(bounds))
    assert em.log_likelihoods(engine.mixture, kind, z).mean() >= bounds[-1] - 1e-7


@pytest.mark.parametrize("kind", KINDS)
def test_features_give_the_density(kind):
    """Linear in features, against the density that torch computes from the covariance."""
    z = clouds(50)
    mixture = begun(z, kind)
    weights, constant = (form := form_of(kind, z)).prepare(mixture)
    found = constant[:, None] + weights @ form.features(z.T.contiguous())
    spread, d = mixture.covariances, z.shape[1]
    full = {
        "full": lambda: spread, "tied": lambda: spread.expand(5, d, d),
        "diag": lambda: torch.diag_embed(spread),
        "spherical": lambda: torch.diag_embed(spread[:, None].expand(5, d)),
    }[kind]()  # fmt: skip
    each = torch.distributions.MultivariateNormal(mixture.means, full)
    torch.testing.assert_close(found, (each.log_prob(z[:, None]) + mixture.weights.log()).T)


def test_engines_are_chosen_by_size_and_device():
    assert em.engine_for("auto", torch.zeros(100, 2)) is em.ScikitLearn
    assert em.engine_for("auto", torch.zeros(50_001, 2)) is em.Blocks
    assert em.engine_for("auto", torch.zeros(1, 2)) is em.Blocks  # scikit-learn asks for two
    assert em.engine_for("auto", torch.zeros(100, 2, device="meta")) is em.Blocks
    assert em.engine_for("torch", torch.zeros(100, 2)) is em.Blocks


def test_a_singular_covariance_is_said():
    with pytest.raises(IllDefinedError, match="not positive definite"):
        factors(torch.zeros(2, 3, 3))
    one = Mixture(torch.ones(1), torch.zeros(1, 2), torch.zeros(1, 2))
    with pytest.raises(IllDefinedError, match="not positive"):
        form_of("diag", torch.zeros(4, 2)).prepare(one)


MILLION = """
import torch
from gengauge import Budget, Dataset, FitRun, Split
from gengauge.provenance import peak_host_memory
from gengauge_plugins.mixture.gmm import GaussianMixture
generator = torch.Generator().manual_seed(0)
x = torch.randn(1_010_000, 64, generator=generator)
x += 2 * torch.randn(64, 64, generator=generator)[torch.arange(len(x)) % 64]
data = Dataset("m", "points", Split(x[:1_000_000]), Split(x[1_000_000:]), Split(x[:1]))
model = GaussianMixture(components=64)
model.fit(data, FitRun(0, Budget.parse("3 steps")))
assert model.gaussians.means.shape == (64, 64)
assert float(model.log_prob(data.validation.x).mean()) > -97  # truth -95.0, one Gaussian -142
print(peak_host_memory())
"""


@pytest.mark.slow
def test_a_million_points_fit_into_four_gigabytes():
    done = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 4e9
