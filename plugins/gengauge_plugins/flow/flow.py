"""The normalising flow."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, Split, check_training, dequantise, seeds, train
from gengauge.errors import UnsupportedError
from gengauge.model import Condition
from gengauge_plugins.flow.glow.network import Glow
from gengauge_plugins.flow.kinds import AUTOREGRESSIVE, Shape
from gengauge_plugins.flow.network import Network, Plan, Preprocess, chosen_kind
from gengauge_plugins.flow.preprocess import Logit, Standardise
from gengauge_plugins.flow.quantiles import Quantiles
from gengauge_plugins.networks.batches import batch_size
from gengauge_plugins.networks.checks import check_varies
from gengauge_plugins.networks.drawing import below_one, normal, refuse_condition, uniform
from gengauge_plugins.networks.labels import asked_labels, training_labels
from gengauge_plugins.networks.storage import load_network, save_state
from gengauge_plugins.vae.classes import Classes

_VALUES = 1 << 18  # values evaluated at once: splines hold some 30 numbers for each
_FIRST = 512  # images that actnorm's first scales are read from
_CONVOLVED = 64  # images a step, where they cost in proportion


class Flow:
    """A normalising flow: data is a smooth, invertible map of Gaussian noise.

    Of vectors, each layer moves values by maps that other values choose: half of them at once in
    a coupling flow, whose density and samples are one pass each; each by those before it in an
    autoregressive one (``maf``, ``nsf-ar``), which fits better and samples in as many passes as
    there are values. Of pictures, ``glow`` is a multiscale flow of convolutions. All are exact.

    Continuous data is standardised. Levelled data arrives dequantised in [0, 1) and goes through
    normal scores or a logit whose log-Jacobian is counted. It is trained on with fresh uniform
    noise at every step, or with noise that a network of its own learns (``variational``): the
    density of dequantised data stays exact then, and ``bound`` says how few nats the levels take.
    A column of floats that never varies has no density, and examples that are all equal teach
    nothing: ``fit`` raises ``ValueError``. With labels, p(x) sums p(x | class) over the training
    labels' frequencies, and Bayes' rule gives the class.

    Good at: exact likelihoods of smooth, connected data, samples in one pass, and classes.
    Breaks at: gaps between modes, which it bridges by threads of density; pictures, whose
    likelihood is good long before their samples are.

    See Also:
        :class:`gengauge_plugins.flow.kinds.VectorFlow`,
        :class:`gengauge_plugins.flow.glow.network.Glow`

    References:
        | Neural Spline Flows (Durkan et al., 2019)
        | https://arxiv.org/abs/1906.04032

        | Density estimation using Real NVP (Dinh et al., 2016)
        | https://arxiv.org/abs/1605.08803

        | Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017)
        | https://arxiv.org/abs/1705.07057

        | NICE: Non-linear Independent Components Estimation (Dinh et al., 2014)
        | https://arxiv.org/abs/1410.8516

        | Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma & Dhariwal, 2018)
        | https://arxiv.org/abs/1807.03039

    Arguments:
        kind: ``nsf`` (rational-quadratic splines), ``realnvp`` (affine maps) and ``nice`` (shifts)
            are coupling flows; ``nsf-ar`` and ``maf`` (affine) autoregressive; ``glow`` is for
            pictures; ``auto`` is ``glow`` for pictures of more than 256 values, else ``nsf``.
        transforms: Layers of a flow of vectors.
        hidden: Width of the two hidden layers of each of their networks.
        bins: Pieces of each spline.
        steps: Steps of ``glow`` at each scale.
        width: Channels of its networks, and of the one of variational noise.
        preprocess: ``quantiles`` or ``logit``, for levelled data; ``auto`` is the former up to
            256 levels.
        alpha: Squeeze before the logit.
        noise: ``uniform`` or ``variational``, for levelled data.
        conditional: Learn from class labels.
        batch_size: Examples a step; 0 chooses: 64 of pictures by ``glow``, else see
            :func:`gengauge_plugins.networks.batches.batch_size`.
        lr: Peak learning rate; 0 is .008 for ``glow``, else .004.

    Example:
        >>> from gengauge import Budget
        >>> x = 5 + torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
        >>> data = Dataset("cloud", "points", Split(x), Split(x[:100]), Split(x[:0]))
        >>> model = Flow(transforms=2, hidden=16)
        >>> model.fit(data, FitRun(0, Budget.parse("40 steps")))
        >>> near, far = model.log_prob(torch.tensor([[5.0, 5.0], [9.0, 1.0]]))
        >>> bool(near > far)
        True
        >>> model.sample(3, None, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        kind: str = "auto",
        transforms: int = 4,
        hidden: int = 96,
        bins: int = 8,
        steps: int = 6,
        width: int = 32,
        preprocess: str = "auto",
        alpha: float = 1e-3,
        noise: str = "uniform",
        conditional: bool = False,
        batch_size: int = 0,
        lr: float = 0.0,
    ) -> None:
        self.kind, self.sizes = kind, Shape(transforms, hidden, bins)
        self.steps, self.width = steps, width
        self.preprocess, self.alpha, self.noise = preprocess, alpha, noise
        self.conditional, self.batch_size, self.lr = conditional, batch_size, lr
        self.shape: tuple[int, ...] = ()
        self.levels: int | None = None
        self.classes: Classes | None = None
        self.network: Network

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Maximise the likelihood of ``data.train``, given its labels where they are used."""
        check_training(data, "flow")
        check_varies(data, "flow")
        self.shape, self.levels = data.event_shape, data.levels
        self.classes = Classes.of(*training_labels(data, "flow")) if self.conditional else None
        x = data.train.x.flatten(1)
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            self.network = self._build(self._preprocess(x, run.generator("preprocess")))
        if isinstance(self.network.flow, Glow):
            y, _ = self.network.floats(x[:_FIRST], run.generator("first"))
            self.network.flow.initialise(self.network.preprocess(y)[0].float())

        def loss(x: Tensor, labels: Tensor | None = None, *, generator: torch.Generator) -> Tensor:
            return -self.network.bound(x, generator, labels).mean() / x.shape[1]

        held_out = self._given(data.validation)
        train(run, self.network, loss, self._given(data.train),
              validation=held_out if len(held_out[0]) else None,
              batch_size=self._batch_size(), lr=self.lr or self._rate, clip=10.0)  # fmt: skip

    def _given(self, split: Split) -> tuple[Tensor, ...]:
        """Return what a step sees of a split: those of no known class are left out."""
        x = split.x.flatten(1)
        if self.classes is None:
            return (x,)
        if split.labels is None:
            return x[:0], torch.zeros(0, dtype=torch.int64)
        known = torch.isin(split.labels.cpu(), self.classes.seen)
        return x[known], split.labels[known].long()

    def _batch_size(self) -> int:
        asked = self.batch_size or (_CONVOLVED if self._kind == "glow" else 0)
        return batch_size(asked, self.levels)

    @property
    def _rate(self) -> float:
        return 8e-3 if self._kind == "glow" else 4e-3

    @property
    def _kind(self) -> str:
        return chosen_kind(self.kind, self.shape)

    def _preprocess(self, x: Tensor, generator: torch.Generator) -> Preprocess:
        if self.levels is None:
            return Standardise.of(x)
        counted = self.preprocess == "auto" and self.levels <= 256
        if counted or self.preprocess == "quantiles":
            return Quantiles.of(x, self.levels)
        return Logit.of(dequantise(x, self.levels, generator), self.alpha)

    def _build(self, preprocess: Preprocess) -> Network:
        return Network(preprocess, Plan(
            self.shape, self.levels, self._kind, self.classes.count if self.classes else 0,
            self.sizes, self.steps, self.width, self.noise == "variational",
        ))  # fmt: skip

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def _rows(self) -> int:
        return max(64, min(4096, _VALUES // max(1, math.prod(self.shape))))

    def _parts(self, *tensors: Tensor) -> Any:
        """Yield rows of ``tensors`` that fit into memory together, on the model's device."""
        split = [torch.split(t.to(self._device), self._rows) for t in tensors]
        return zip(*split, strict=True)

    def _labelled(self) -> Classes:
        if self.classes is None:
            raise UnsupportedError(
                "flow was trained without labels; set conditional=true to train with them"
            )
        return self.classes

    @torch.no_grad()
    def log_prob(self, x: Tensor) -> Tensor:
        """Return exact log p(x) in nats ``[n]``, float64; classes are summed over."""
        if self.classes is not None:
            return self._joint(x).logsumexp(1)
        return torch.cat([self.network.log_prob(part) for [part] in self._parts(x.flatten(1))])

    def _joint(self, x: Tensor) -> Tensor:
        """Return log p(x, class) in nats ``[n, m]`` of the classes that have examples."""
        classes = self._labelled()
        parts = self._parts(x.flatten(1))
        each = torch.cat([self.network.log_prob_each(part, classes.seen) for [part] in parts])
        return each + classes.frequency.log().to(each.device)

    @torch.no_grad()
    def log_prob_given(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return exact log p(x | label) in nats ``[n]``, float64."""
        asked = asked_labels(labels, len(x), self._labelled().seen, "flow")
        parts = self._parts(x.flatten(1), asked)
        return torch.cat([self.network.log_prob(*part) for part in parts])

    @torch.no_grad()
    def class_probabilities(self, x: Tensor) -> Tensor:
        """Return the posterior of each class ``[n, classes]`` by Bayes' rule, float64, CPU."""
        classes = self._labelled()
        y = x if self.levels is None else (x.double() + 0.5) / self.levels
        found = torch.zeros(len(x), classes.count, dtype=torch.float64)
        found[:, classes.seen] = self._joint(y).softmax(1).cpu()
        return found

    @torch.no_grad()
    def bound(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return log p(y) - log q(y | x) on the scale of levels' masses, in nats ``[n]``, float64.

        y is one draw of the dequantisation the model was trained with. On continuous data the
        likelihood is exact and has no bound: ``UnsupportedError``.
        """
        if self.levels is None:
            raise UnsupportedError("flow knows the density of continuous data, not a bound on it")
        parts = [self._bound(part, generator) for [part] in self._parts(x.flatten(1))]
        return torch.cat(parts) - math.prod(self.shape) * math.log(self.levels)

    def _bound(self, x: Tensor, generator: torch.Generator) -> Tensor:
        y, log_q = self.network.floats(x, generator)
        return self.log_prob(y) - log_q

    @torch.no_grad()
    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, float32; in ``[0, 1)`` for levelled data.

        They are of the classes ``condition`` ``[n]`` if given.
        """
        if self.classes is None:
            refuse_condition(condition, "flow")
        drawn = [normal((n, math.prod(self.shape)), generator, self._device)]
        if condition is not None:
            drawn.append(asked_labels(condition, n, self._labelled().seen, "flow"))
        elif self.classes is not None:
            u = uniform((n,), generator, torch.device("cpu")).double()
            drawn.append(self.classes.at(torch.special.ndtri(u)))
        x = torch.cat([self.network.inverse(*part) for part in self._parts(*drawn)])
        x = x.float().view(n, *self.shape)
        return x if self.levels is None else below_one(x)

    @property
    def evaluations_per_sample(self) -> float:
        """Passes through the layers: one, or as many as there are values if autoregressive."""
        return float(math.prod(self.shape)) if self._kind in AUTOREGRESSIVE else 1.0

    @property
    def n_parameters(self) -> int:
        """Weights and biases of all networks, and scales, shifts and tables."""
        return sum(p.numel() for p in self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write weights, masks, preprocessing, shapes and classes into ``folder``."""
        config = {
            "shape": list(self.shape), "levels": self.levels,
            "classes": self.classes.described() if self.classes else None,
        }  # fmt: skip
        save_state(folder, self.network.state_dict(), config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        self.network = load_network(folder, device, self._restored)

    def _restored(self, config: dict[str, Any]) -> Network:
        self.shape, self.levels = tuple(config["shape"]), config["levels"]
        self.classes = Classes.restored(config["classes"]) if config["classes"] else None
        blank = torch.zeros((2, math.prod(self.shape)))
        return self._build(self._preprocess(blank, torch.Generator()))
