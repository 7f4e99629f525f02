"""Expectation-maximisation, through scikit-learn or in blocks through torch, with equal results."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Estimator
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from gengauge_plugins.mixture.forms import Form, IllDefinedError, Mixture, factors, form_of

_TOLERANCE = 5e-5  # nats a value: EM has converged when a sweep changes less
_MODERATE = 50_000  # examples up to which scikit-learn's tables [n, k] and [n, d] do no harm
_BLOCK = {"cpu": 2**20, "cuda": 2**26}  # features held at once; on a CPU they stay in its cache
_FITTED = ("weights_", "means_", "covariances_", "precisions_cholesky_")  # of scikit-learn's
_CLUSTERINGS = 3  # runs of k-means, of which the tightest is the start


class Engine(Protocol):
    """EM on some data, to be carried on sweep by sweep."""

    mixture: Mixture
    lower_bound: float  # mean log-likelihood, in nats, before the last sweep
    converged: bool

    def advance(self, sweeps: int) -> int:
        """Run EM until it converges, up to ``sweeps``; return how many there were.

        ``IllDefinedError`` where a component shrank onto too few points.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next sweep depends on but the data."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned."""
        ...


def engine_for(name: str, z: Tensor) -> type[ScikitLearn] | type[Blocks]:
    """Return what ``name`` (auto, sklearn, torch) stands for on data ``z`` ``[n, d]``."""
    moderate = z.device.type == "cpu" and 2 <= len(z) <= _MODERATE
    use_sklearn = moderate if name == "auto" else name == "sklearn"
    return ScikitLearn if use_sklearn else Blocks


def clusters(z: Tensor, k: int, seed: int) -> Tensor:
    """Return the cluster ``[n]`` of each example of ``z`` ``[n, d]``, of up to ``k``, from 0 on.

    k-means starts by k-means++; there are fewer clusters where there are fewer different examples.
    """
    # k-means sums in the order its threads finish, so that only one thread is reproducible
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        means = KMeans(min(k, len(z)), n_init=_CLUSTERINGS, max_iter=100, random_state=seed)
        found = means.fit(z.cpu().numpy()).labels_
    return torch.from_numpy(np.unique(found, return_inverse=True)[1]).to(z.device)


def start(z: Tensor, which: Tensor, kind: str, regularisation: float) -> Mixture:
    """Return the mixture of the clusters ``which`` ``[n]`` of ``z`` ``[n, d]``, on its device."""
    weights = torch.eye(int(which.max()) + 1, dtype=z.dtype, device=z.device)[which]
    form, sums = form_of(kind, z), torch.zeros((), dtype=z.dtype, device=z.device)
    for rows in blocks(z, kind):
        sums = weights[rows].T @ form.features(z[rows].T.contiguous()).T + sums
    return form.mixture(sums, weights.sum(0), regularisation)


def blocks(z: Tensor, kind: str) -> Iterator[slice]:
    """Yield slices of the rows of ``z`` whose features fit into the cache."""
    d = z.shape[1]
    features = d * (d + 3) // 2 if kind == "full" else 2 * d
    size = max(64, min(2**16, _BLOCK.get(z.device.type, _BLOCK["cpu"]) // features))
    for first in range(0, len(z), size):
        yield slice(first, first + size)


class Blocks:
    """EM in torch, exact and over all of the data, that never holds a table of all examples.

    A sweep goes through ``z`` ``[n, d]``, float64 on any device, in blocks and keeps sums alone:
    of responsibilities, and of those times features (Bishop 2006, Pattern Recognition and Machine
    Learning, eqs. 9.23-9.27). Those sums lose about sixteen digits less those of a variance:
    regularisation should be above 1e-9.
    """

    def __init__(self, z: Tensor, begun: Mixture, kind: str, regularisation: float) -> None:
        self.z, self.mixture, self.kind, self.regularisation = z, begun, kind, regularisation
        self.form, self.lower_bound, self.converged = form_of(kind, z), -math.inf, False

    def advance(self, sweeps: int) -> int:
        """See ``Engine``."""
        for done in range(1, sweeps + 1):
            before, self.lower_bound = self.lower_bound, self._sweep()
            self.converged = abs(self.lower_bound - before) < _TOLERANCE * self.z.shape[1]
            if self.converged:
                return done
        return sweeps

    def state_dict(self) -> dict[str, Any]:
        """See ``Engine``."""
        return _state(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Engine``."""
        _take(self, state, self.z.device)

    def _sweep(self) -> float:
        sums = counts = total = torch.zeros((), dtype=self.z.dtype, device=self.z.device)
        for features, joint in _joints(self.form, self.mixture, self.kind, self.z):
            likelihood = joint.logsumexp(0)
            responsibilities = joint.sub_(likelihood).exp_()
            sums = responsibilities @ features.T + sums
            counts = responsibilities.sum(1) + counts
            total = likelihood.sum() + total
        if not math.isfinite(float(total)):
            raise IllDefinedError("the likelihood is not finite")
        self.mixture = self.form.mixture(sums, counts, self.regularisation)
        return float(total) / len(self.z)


class ScikitLearn:
    """EM in scikit-learn, through its warm start, for data on the CPU."""

    def __init__(self, z: Tensor, begun: Mixture, kind: str, regularisation: float) -> None:
        self.data, self.mixture = z.numpy(), begun
        if kind in ("full", "tied"):
            upper = factors(begun.covariances)
            precisions = upper @ upper.mT
        else:
            precisions = 1 / begun.covariances
        self.estimator = Estimator(
            len(begun.means), covariance_type=kind, reg_covar=regularisation, warm_start=True,
            tol=_TOLERANCE * z.shape[1], weights_init=begun.weights.numpy(),
            means_init=begun.means.numpy(), precisions_init=precisions.numpy(),
        )  # fmt: skip
        self.lower_bound, self.converged = -math.inf, False

    def advance(self, sweeps: int) -> int:
        """See ``Engine``."""
        estimator = self.estimator
        estimator.max_iter = sweeps
        try:
            # on matrices this small a second thread costs more than it brings
            with threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                estimator.fit(self.data)
        except ValueError as error:
            if "ill-defined" not in str(error):
                raise
            raise IllDefinedError(str(error)) from error
        found = (estimator.weights_, estimator.means_, estimator.covariances_)
        self.mixture = Mixture(*(torch.as_tensor(a).clone() for a in found))
        self.lower_bound, self.converged = float(estimator.lower_bound_), estimator.converged_
        return int(estimator.n_iter_)

    def state_dict(self) -> dict[str, Any]:
        """See ``Engine``."""
        known = vars(self.estimator)
        # products of matrices are equal to the last bit only in the same order in memory
        fitted = {
            name: [torch.from_numpy(known[name].T.copy()), known[name].flags.c_contiguous]
            for name in _FITTED
            if name in known
        }
        return {**_state(self), "fitted": fitted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Engine``."""
        _take(self, state, torch.device("cpu"))
        for name, (transposed, by_rows) in state["fitted"].items():
            array = transposed.numpy().T
            setattr(self.estimator, name, np.ascontiguousarray(array) if by_rows else array)
        if state["fitted"]:
            self.estimator.lower_bound_ = self.lower_bound
            self.estimator.converged_ = self.converged


def _state(engine: Engine) -> dict[str, Any]:
    mixture = engine.mixture
    return {
        "mixture": (mixture.weights, mixture.means, mixture.covariances),
        "lower_bound": engine.lower_bound, "converged": bool(engine.converged),
    }  # fmt: skip


def _take(engine: Engine, state: dict[str, Any], device: torch.device) -> None:
    engine.mixture = Mixture(*(part.to(device) for part in state["mixture"]))
    engine.lower_bound, engine.converged = state["lower_bound"], state["converged"]


def log_likelihoods(mixture: Mixture, kind: str, z: Tensor) -> Tensor:
    """Return log p(z) in nats ``[n]`` of ``z`` ``[n, d]``, which is on the mixture's device."""
    joints = _joints(form_of(kind, z), mixture, kind, z)
    return torch.cat([joint.logsumexp(0) for _, joint in joints])


def _joints(form: Form, mixture: Mixture, kind: str, z: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield features ``[m, b]`` and log p(z, component) ``[k, b]`` of the blocks of ``z``."""
    weights, constant = form.prepare(mixture)
    for rows in blocks(z, kind):
        features = form.features(z[rows].T.contiguous())
        yield features, torch.addmm(constant[:, None], weights, features)
