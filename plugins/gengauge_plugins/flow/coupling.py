"""The coupling flow, on zuko's transforms."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
import zuko
from torch import Tensor, nn
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform

from gengauge import Dataset, FitRun, check_training, dequantise, seeds, train
from gengauge_plugins.flow.preprocess import Logit, Standardise
from gengauge_plugins.networks.batches import batch_size
from gengauge_plugins.networks.checks import check_varies
from gengauge_plugins.networks.drawing import below_one, normal, refuse_condition
from gengauge_plugins.networks.storage import load_network, save_state

_ROWS = 4096  # rows evaluated at once: splines hold some 30 numbers for each value


class Network(nn.Module):
    """A preprocessing map followed by a flow: an exact log-density of flat data ``[n, d]``."""

    def __init__(self, preprocess: Logit | Standardise, flow: nn.Module) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.flow = flow

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats ``[n]``, float64."""
        z, log_det = self.preprocess(x)
        return cast(Tensor, self.flow().log_prob(z.float()).double() + log_det)

    def forward(self, x: Tensor) -> Tensor:
        """Return the base variable ``[n, d]`` of ``x``."""
        z, _ = self.preprocess(x)
        return cast(Tensor, self.flow().transform(z.float()))

    def inverse(self, base: Tensor) -> Tensor:
        """Return the data ``[n, d]`` of a base variable."""
        return self.preprocess.inverse(self.flow().transform.inv(base))


def masks(features: int, layers: int) -> list[Tensor]:
    """Return random half masks in complementary pairs, so that every value gets transformed."""
    drawn: list[Tensor] = []
    for layer in range(layers):
        even = layer % 2 == 0
        drawn.append(torch.randperm(features) % 2 == 1 if even else ~drawn[-1])
    return drawn


def coupling(features: int, kind: str, transforms: int, hidden: int, bins: int) -> nn.Module:
    """Return an untrained coupling flow; its masks and weights come from torch's global stream."""
    if kind == "nsf":
        univariate: Any = partial(MonotonicRQSTransform, slope=1e-3)
        shapes: list[tuple[int, ...]] = [(bins,), (bins,), (bins - 1,)]
    else:
        univariate, shapes = MonotonicAffineTransform, [(), ()]
    layers = [
        GeneralCouplingTransform(
            features, mask=mask, univariate=univariate, shapes=shapes,
            hidden_features=(hidden, hidden), activation=nn.SiLU,
        )
        for mask in masks(features, transforms)
    ]  # fmt: skip
    base = zuko.lazy.UnconditionalDistribution(
        zuko.distributions.DiagNormal, torch.zeros(features), torch.ones(features), buffer=True
    )
    return cast(nn.Module, zuko.lazy.Flow(layers, base))


class CouplingFlow:
    """A normalising flow of coupling layers: data is a smooth, invertible map of Gaussian noise.

    Each layer moves half of the values by maps that the other half chooses, so the density and
    its samples are one network's pass each, and exact. Continuous data is standardised. Levelled
    data arrives dequantised in [0, 1), is trained on with fresh noise at every step, and goes
    through a logit whose log-Jacobian is counted. A column of floats that never varies has no
    density, and examples that are all equal teach nothing: ``fit`` raises ``ValueError``.

    Good at: exact likelihoods of smooth, connected data, and samples in one pass.
    Breaks at: gaps between modes, which it bridges by threads of density; pictures beyond 8 x 8.

    See Also:
        :class:`gengauge_plugins.flow.preprocess.Logit`

    References:
        | Neural Spline Flows (Durkan et al., 2019)
        | https://arxiv.org/abs/1906.04032

        | Density estimation using Real NVP (Dinh et al., 2016)
        | https://arxiv.org/abs/1605.08803

    Arguments:
        kind: ``nsf`` (rational-quadratic splines) or ``realnvp`` (affine maps).
        transforms: Coupling layers.
        hidden: Width of the two hidden layers of each coupling network.
        bins: Pieces of each spline.
        alpha: Squeeze before the logit of levelled data.
        batch_size: Examples a step; 0 chooses, see
            :func:`gengauge_plugins.networks.batches.batch_size`.
        lr: Peak learning rate.

    Example:
        >>> from gengauge import Budget, Split
        >>> x = 5 + torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
        >>> data = Dataset("cloud", "points", Split(x), Split(x[:100]), Split(x[:0]))
        >>> model = CouplingFlow(transforms=2, hidden=16)
        >>> model.fit(data, FitRun(0, Budget.parse("40 steps")))
        >>> near, far = model.log_prob(torch.tensor([[5.0, 5.0], [9.0, 1.0]]))
        >>> bool(near > far)
        True
        >>> model.sample(3, None, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        kind: str = "nsf",
        transforms: int = 4,
        hidden: int = 96,
        bins: int = 8,
        alpha: float = 1e-3,
        batch_size: int = 0,
        lr: float = 4e-3,
    ) -> None:
        self.kind, self.transforms, self.hidden, self.bins = kind, transforms, hidden, bins
        self.alpha, self.batch_size, self.lr = alpha, batch_size, lr
        self.shape: tuple[int, ...] = ()
        self.levels: int | None = None
        self.network: Network

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Maximise the likelihood of ``data.train``."""
        check_training(data, "flow")
        check_varies(data, "flow")
        self.shape, self.levels = data.event_shape, data.levels
        x, held_out = data.train.x.flatten(1), data.validation.x.flatten(1)
        preprocess = self._preprocess(self._floats(x, run.generator("preprocess")))
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            self.network = self._build(preprocess)

        def loss(x: Tensor, generator: torch.Generator) -> Tensor:
            log_prob = self.network.log_prob(self._floats(x, generator))
            return -log_prob.mean() / x.shape[1]

        size = batch_size(self.batch_size, self.levels)
        train(run, self.network, loss, (x,), validation=(held_out,),
              batch_size=size, lr=self.lr, clip=10.0)  # fmt: skip

    def _floats(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x if self.levels is None else dequantise(x, self.levels, generator)

    def _preprocess(self, x: Tensor) -> Logit | Standardise:
        return Standardise.of(x) if self.levels is None else Logit.of(x, self.alpha)

    def _build(self, preprocess: Logit | Standardise) -> Network:
        features = math.prod(self.shape)
        flow = coupling(features, self.kind, self.transforms, self.hidden, self.bins)
        return Network(preprocess, flow)

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    @torch.no_grad()
    def log_prob(self, x: Tensor) -> Tensor:
        """Return exact log p(x) in nats ``[n]``, float64."""
        flat = x.flatten(1).to(self._device)
        return torch.cat([self.network.log_prob(part) for part in torch.split(flat, _ROWS)])

    @torch.no_grad()
    def sample(self, n: int, condition: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, float32; in ``[0, 1)`` for levelled data."""
        refuse_condition(condition, "flow")
        base = normal((n, math.prod(self.shape)), generator, self._device)
        x = torch.cat([self.network.inverse(part) for part in torch.split(base, _ROWS)])
        x = x.float().view(n, *self.shape)
        return x if self.levels is None else below_one(x)

    @property
    def evaluations_per_sample(self) -> float:
        """One pass through the layers."""
        return 1.0

    @property
    def n_parameters(self) -> int:
        """Weights and biases of the coupling networks."""
        return sum(p.numel() for p in self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write weights, masks, preprocessing and shapes into ``folder``."""
        config = {"shape": list(self.shape), "levels": self.levels}
        save_state(folder, self.network.state_dict(), config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        self.network = load_network(folder, device, self._restored)

    def _restored(self, config: dict[str, Any]) -> Network:
        self.shape, self.levels = tuple(config["shape"]), config["levels"]
        blank = torch.full((2, math.prod(self.shape)), 0.5)
        return self._build(self._preprocess(blank))
