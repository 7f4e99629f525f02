"""The Gaussian mixture."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Estimator
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from gengauge import Dataset, FitRun, dequantise, seeds
from gengauge.errors import DivergedError
from gengauge_plugins.networks.drawing import below_one, normal, refuse_condition
from gengauge_plugins.networks.storage import load_state, save_state

_CHUNK = 5  # EM iterations between looks at the budget and points of the learning curve
_CANDIDATES = (1e-4, 1e-2, 3e-2, 1e-1)  # the planar sets want the first, 64 pixels the last two


class GaussianMixture:
    """A mixture of Gaussians, exact in density, in sampling and in cluster probabilities.

    Levelled data is dequantised into several copies with fresh noise before EM: a Gaussian can
    otherwise shrink onto one draw of the noise. EM runs in scikit-learn, float64, on values
    standardised one by one; what is kept are means and precision factors in the data's units.

    References:
        | Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster et al., 1977)
        | https://doi.org/10.1111/j.2517-6161.1977.tb01600.x

    Arguments:
        components: Number of Gaussians; never more than there are training examples.
        covariance: ``full``, ``tied`` (one for all), ``diag`` or ``spherical``.
        regularisation: Added to each variance, as a share of that value's own variance; at 0
            the best of four on the validation split after five iterations.
        copies: Noisy copies of levelled data; continuous data is taken as it is.
        restarts: Starts from different seeds, of which the best after five iterations goes on.
    """

    means: Tensor  # [k, d]
    factors: Tensor  # U of precision = U U^T: [k, d, d], [1, d, d] tied, or diagonals [k, d]
    log_mixing: Tensor  # [k]

    def __init__(
        self,
        components: int = 20,
        covariance: str = "full",
        regularisation: float = 0.0,
        copies: int = 5,
        restarts: int = 1,
    ) -> None:
        self.components, self.covariance, self.regularisation = (
            components, covariance, regularisation,
        )  # fmt: skip
        self.copies, self.restarts = copies, restarts
        self.shape: tuple[int, ...] = ()
        self.levels: int | None = None

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Run EM on ``data.train`` until it converges or the budget is spent; a step is a sweep.

        The iteration that does best on ``data.validation`` is kept.
        """
        self.shape, self.levels = data.event_shape, data.levels
        noise = run.generator("dequantise")
        x = torch.cat([self._floats(data.train.x, noise) for _ in range(self._n_copies())])
        held_out = self._floats(data.validation.x, noise)
        steps = _Steps(self, x, held_out if len(held_out) else x, run)
        # k-means sums in the order its threads finish, so that only one thread is reproducible; on
        # matrices this small a second one costs more than it brings
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            steps.run_all()

    def _n_copies(self) -> int:
        return self.copies if self.levels is not None else 1

    def _floats(self, x: Tensor, noise: torch.Generator) -> Tensor:
        x = dequantise(x, self.levels, noise) if self.levels is not None else x.double()
        return x.flatten(1)

    def take(self, estimator: Estimator, shift: Tensor, scale: Tensor) -> None:
        """Take over a fit of ``(x - shift) / scale``, turned back into the units of x."""
        factors = torch.as_tensor(estimator.precisions_cholesky_, dtype=torch.float64)
        if self.covariance in ("full", "tied"):
            factors = factors.view(-1, len(shift), len(shift)) / scale[:, None]
        else:
            factors = factors.view(len(factors), -1) / scale
        self.factors = factors
        self.means = torch.as_tensor(estimator.means_) * scale + shift
        self.log_mixing = torch.as_tensor(estimator.weights_).log()

    def _log_joint(self, x: Tensor) -> Tensor:
        """Return log p(x, component) in nats ``[k, n]`` of flat float64 ``x`` ``[n, d]``."""
        parts = []
        for k, mean in enumerate(self.means):
            factor = self.factors[min(k, len(self.factors) - 1)]
            flat = factor.ndim == 1
            z = (x - mean) * factor if flat else (x - mean) @ factor
            log_det = (factor if flat else factor.diagonal()).log().sum()
            parts.append(self.log_mixing[k] + log_det - 0.5 * (z**2).sum(-1))
        return torch.stack(parts) - 0.5 * x.shape[1] * math.log(2 * math.pi)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return exact log p(x) in nats ``[n]``, float64."""
        flat = x.flatten(1).to(self.means.device, torch.float64)
        return self._log_joint(flat).logsumexp(0)

    def responsibilities(self, x: Tensor) -> Tensor:
        """Return p(component | x) ``[n, k]``; integer levels are taken at their bins' centres."""
        flat = x.flatten(1).to(self.means.device, torch.float64)
        if self.levels is not None and not x.is_floating_point():
            flat = (flat + 0.5) / self.levels
        return self._log_joint(flat).softmax(0).T

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Return the posterior mean of clean data given ``x`` ``[n, *event]`` with noise ``sigma``.

        Exact under the mixture: each component answers as a Wiener filter, weighted by how well it
        explains the noisy example. Levels stand at their bins' centres; that they are spread over
        the bins, a deviation of 0.29 levels, counts as data and not as noise.
        """
        flat = x.flatten(1).to(self.means.device, torch.float64)
        if self.levels is not None:
            flat, sigma = (flat + 0.5) / self.levels, sigma / self.levels
        logs, guesses = [], []
        for k, mean in enumerate(self.means):
            axes, variances = self._principal(self.factors[min(k, len(self.factors) - 1)])
            z = (flat - mean) @ axes if axes is not None else flat - mean
            total = variances + sigma**2
            logs.append(self.log_mixing[k] - 0.5 * (z**2 / total + total.log()).sum(-1))
            z = z * (variances / total)
            guesses.append(mean + (z @ axes.T if axes is not None else z))
        weights = torch.stack(logs).softmax(0)
        guess = (weights[..., None] * torch.stack(guesses)).sum(0).view(x.shape)
        return guess if self.levels is None else guess * self.levels - 0.5

    @staticmethod
    def _principal(factor: Tensor) -> tuple[Tensor | None, Tensor]:
        """Return principal axes ``[d, d]``, None for the coordinates, and their variances."""
        if factor.ndim == 1:
            return None, factor**-2.0
        axes, values, _ = torch.linalg.svd(factor)  # the precision is U U^T
        return axes, values**-2.0

    def sample(self, n: int, condition: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, float32; in ``[0, 1)`` for levelled data."""
        refuse_condition(condition, "gmm")
        weights = self.log_mixing.exp().to(generator.device)
        which = torch.multinomial(weights, n, replacement=True, generator=generator)
        which = which.to(self.means.device)
        z = normal((n, self.means.shape[1]), generator, self.means.device, torch.float64)
        x = torch.empty_like(z)
        for k, mean in enumerate(self.means):
            factor, mine = self.factors[min(k, len(self.factors) - 1)], which == k
            if factor.ndim == 1:
                x[mine] = mean + z[mine] / factor
            else:  # x - mean = U^-T z, as (U U^T)^-1 is the covariance
                x[mine] = mean + torch.linalg.solve_triangular(factor.T, z[mine].T, upper=False).T
        x = x.to(torch.float32).view(n, *self.shape)
        return x if self.levels is None else below_one(x)

    @property
    def n_parameters(self) -> int:
        """Free numbers: weights less one, means, and the distinct covariance entries."""
        k, d = self.means.shape
        entries = {"full": k * d * (d + 1) // 2, "tied": d * (d + 1) // 2,
                   "diag": k * d, "spherical": k}  # fmt: skip
        return k - 1 + k * d + entries[self.covariance]

    def save(self, folder: Path) -> None:
        """Write means, precision factors and weights into ``folder``."""
        tensors = {"means": self.means, "factors": self.factors, "log_mixing": self.log_mixing}
        save_state(folder, tensors, {"shape": list(self.shape), "levels": self.levels})

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        tensors, config = load_state(folder, device)
        self.means, self.factors = tensors["means"], tensors["factors"]
        self.log_mixing = tensors["log_mixing"]
        self.shape, self.levels = tuple(config["shape"]), config["levels"]


class _Steps:
    """EM in chunks through scikit-learn's warm start, so that budget and curve are served."""

    def __init__(self, model: GaussianMixture, x: Tensor, held_out: Tensor, run: FitRun) -> None:
        self.model, self.x, self.held_out, self.run = model, x, held_out, run
        self.shift, self.scale = x.mean(0), x.std(0).clamp_min(1e-9)
        self.z = ((x - self.shift) / self.scale).numpy()
        # scikit-learn scores standardised values; the log-Jacobian turns them back
        self.jacobian = float(self.scale.log().sum())
        self.left = run.budget.steps(len(x))
        self.best = -math.inf

    def run_all(self) -> None:
        """Start with each regularisation that is allowed, then go on with the best."""
        given = self.model.regularisation
        scores: dict[float, float] = {}
        starts: dict[float, Estimator] = {}
        for regularisation in (given,) if given else _CANDIDATES:
            if not starts or self.allowed:
                starts[regularisation], scores[regularisation] = self._start(regularisation)
        best = max(scores, key=lambda r: scores[r])
        chosen = starts[best]
        self._log(chosen, scores[best])  # the curve is of the start that went on
        while self.allowed and not chosen.converged_:
            self._log(chosen, self._advance(chosen, _CHUNK))

    @property
    def allowed(self) -> bool:
        """Whether the budget has room for another iteration."""
        return self.left >= 1 and self.run.fraction < 1

    def _start(self, regularisation: float) -> tuple[Estimator, float]:
        """Return an estimator after its first chunk, and its validation log-likelihood.

        A component that shrank onto too few points is no reason to fail: the regularisation
        rises tenfold until scikit-learn can factorise every covariance.
        """
        for attempt in range(8):
            estimator = self._estimator(regularisation * 10.0**attempt)
            try:
                return estimator, self._advance(estimator, _CHUNK)
            except ValueError as error:
                if "ill-defined" not in str(error):
                    raise
        raise DivergedError(f"no positive definite covariance with regularisation {regularisation}")

    def _estimator(self, regularisation: float) -> Estimator:
        model = self.model
        return Estimator(
            min(model.components, len(self.x)), covariance_type=model.covariance,
            reg_covar=regularisation, n_init=model.restarts, warm_start=True, tol=1e-4,
            random_state=seeds.named_seed(self.run.seed, "em") % 2**32,
        )  # fmt: skip

    def _log(self, estimator: Estimator, score: float) -> None:
        train = self.jacobian - estimator.lower_bound_
        self.run.log(train_loss=train, validation_loss=-score)

    def _advance(self, estimator: Estimator, iterations: int) -> float:
        """Run EM for up to ``iterations`` and keep the result if validation finds it the best."""
        estimator.max_iter = int(max(1, min(iterations, self.left)))
        estimator.fit(self.z)
        done = int(estimator.n_iter_)
        self.left -= done
        self.run.spend(done, done * len(self.x))
        z = ((self.held_out - self.shift) / self.scale).numpy()
        score = float(estimator.score(z)) - self.jacobian
        self.run.on_progress(self.run.fraction)
        if score > self.best:
            self.best = score
            self.model.take(estimator, self.shift, self.scale)
        return score
