"""The Gaussian mixture."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, check_training
from gengauge.errors import UnsupportedError
from gengauge.model import Condition
from gengauge_plugins.mixture.forms import Mixture
from gengauge_plugins.mixture.gaussians import Gaussians
from gengauge_plugins.mixture.prepare import Prepared, prepare
from gengauge_plugins.mixture.purse import Purse
from gengauge_plugins.mixture.search import Search, Settings
from gengauge_plugins.mixture.subspace import Subspace
from gengauge_plugins.networks.calibration import calibrated_power
from gengauge_plugins.networks.drawing import below_one, refuse_condition
from gengauge_plugins.networks.labels import asked_labels, training_labels
from gengauge_plugins.networks.storage import load_state, save_state

_ID = "gmm"
_COPIED = 20_000  # examples up to which levelled data is seen in several noisy copies
_COPIES = 5
_WIDE, _SUBSPACE = 256, 100  # values from which a subspace is used, and its dimensions
_JUDGED = 5000  # validation examples that the posteriors are calibrated on


class GaussianMixture:
    """Data comes from a few Gaussian clusters; exact in density, sampling and posteriors.

    Good at: clusters, data of few values, a good likelihood in seconds, clustering, denoising.
    Breaks at: curved and sharp-edged densities, which it tiles with ellipses, and pictures of
    many pixels: its samples are blends of cluster means under smooth noise.

    Levelled data is dequantised, in several copies with fresh noise where it is small: a Gaussian
    can otherwise shrink onto one draw of the noise. EM runs in float64 on values standardised one
    by one, from k-means++ clusters; the sweep that does best on validation data is kept. Trials
    (of regularisation, starts, numbers of components) are five sweeps each, on a random subset of
    at least 20,000 examples and ten for each value of each mean. Wide data is turned onto its
    principal axes: the mixture lies on the leading ones, a Gaussian on each of the others.

    What would break EM: a component without points keeps a weight of nearly none; one that shrank
    onto too few has its regularisation raised tenfold until it can be factorised; where fewer
    examples differ than there are components, there are fewer components; a value that never
    varies has a deviation of a billionth of its size, or less, as regularisation is a share of
    that; without validation data regularisation is the largest of its choices, and BIC selects.

    References:
        | Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster et al., 1977)
        | https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
        | Estimating the Dimension of a Model (Schwarz, 1978), https://doi.org/10.1214/aos/1176344136
        | Mixtures of Probabilistic Principal Component Analysers (Tipping & Bishop, 1999)
        | https://doi.org/10.1162/089976699300016728

    Arguments:
        components: Number of Gaussians, over all classes; 0: found by ``select``, doubling from
            1 and then halving the gaps around the best, for each class by itself.
        covariance: ``full``, ``tied`` (one for all of a class), ``diag`` or ``spherical``.
        regularisation: Added to each variance, as a share of that value's own variance; at 0 the
            best of four on validation data, tried from the least on. At least 1e-8.
        copies: Noisy copies of levelled data, 0: five up to 20,000 examples in all, one beyond.
        restarts: Starts from different seeds, of which the best after five sweeps goes on.
        select: ``bic``, which asks for few where values are many (one, on digits), or the
            ``validation`` likelihood, where more must be better by a standard error.
        conditional: A mixture for each class, with components by the class' frequency; then it
            classifies, by posteriors tempered for the likelihood of the validation labels, and
            samples and scores what it is asked for.
        subspace: Leading principal axes the mixture lies on; 0: all, or 100 beyond 256 values.
        engine: ``sklearn``, ``torch`` (blocks, on any device), or ``auto``: scikit-learn for up
            to 50,000 examples on the CPU. Both give the same mixture.

    Example:
        >>> from gengauge import Budget, Split
        >>> x = torch.tensor([[-1.0], [0.0], [1.0], [9.0], [10.0], [11.0]]).repeat(20, 1)
        >>> data = Dataset("line", "points", Split(x), Split(x), Split(x))
        >>> model = GaussianMixture(components=2)
        >>> model.fit(data, FitRun(0, Budget.parse("20 steps")))
        >>> model.responsibilities(torch.tensor([[0.5], [9.5]])).argmax(1).unique().numel()
        2
        >>> model.log_prob(torch.tensor([[0.0]])).round(decimals=1)
        tensor([-1.4000], dtype=torch.float64)
    """

    gaussians: Gaussians
    seen: Tensor  # [classes]: those that have training examples, rising

    def __init__(
        self,
        components: int = 20,
        covariance: str = "full",
        regularisation: float = 0.0,
        copies: int = 0,
        restarts: int = 1,
        select: str = "bic",
        conditional: bool = False,
        subspace: int = 0,
        engine: str = "auto",
    ) -> None:
        self.settings = Settings(components, covariance, regularisation, restarts, select, engine)
        self.copies, self.conditional, self.dimensions = copies, conditional, subspace
        self.shape: tuple[int, ...] = ()
        self.levels: int | None = None
        self.subspace: Subspace | None = None
        self.n_classes, self.sharpness = 1, 1.0

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Run EM on ``data.train`` until it converges or the budget is spent; a step is a sweep.

        Raises ``ValueError`` where the data is empty or not finite, or ``conditional`` finds no
        labels, and ``DivergedError`` where no regularisation gives a covariance.
        """
        check_training(data, _ID)
        self.shape, self.levels = data.event_shape, data.levels
        labels, self.n_classes = torch.zeros(len(data.train), dtype=torch.int64), 1
        if self.conditional:
            labels, self.n_classes = training_labels(data, _ID)
        self.seen, which, counts = torch.unique(labels, return_inverse=True, return_counts=True)
        # scikit-learn stays on the CPU; a model that is loaded goes where it is asked for
        device = torch.device("cpu") if self.settings.engine == "sklearn" else run.device
        prepared = prepare(data, self._n_copies(len(labels)), self._size(data), run, device)
        self.subspace = prepared.subspace
        shares = counts / len(labels)
        mixtures = [
            self._class_mixture(i, float(share), which, prepared, data, run)
            for i, share in enumerate(shares)
        ]
        self.gaussians = Gaussians.of(
            mixtures, self.settings.covariance, shares, prepared.shift, prepared.scale
        )
        self._calibrate(data)
        if self.conditional and len(data.validation):  # the classes' own curves do not compare
            held_out = self._floats(data.validation.x[:_JUDGED])
            run.log(validation_loss=-float(self.log_prob(held_out).mean()))

    def _n_copies(self, examples: int) -> int:
        if self.levels is None:
            return 1
        return self.copies or (_COPIES if _COPIES * examples <= _COPIED else 1)

    def _size(self, data: Dataset) -> int:
        """Return the dimensions of the subspace, 0 for all."""
        return self.dimensions or (_SUBSPACE if data.dimensions > _WIDE else 0)

    def _class_mixture(
        self, i: int, share: float, which: Tensor, prepared: Prepared, data: Dataset, run: FitRun
    ) -> Mixture:
        """Return the mixture of the examples of class number ``i``, in standardised units."""
        z, held_out, settings = prepared.z, prepared.held_out, self.settings
        copies = len(z) // len(which)
        if self.conditional:
            z = z[(which == i).repeat(copies).to(z.device)]
            asked = data.validation.labels
            mine = torch.zeros(0) if asked is None else (asked.cpu() == self.seen[i])
            held_out = held_out[mine.repeat(copies).nonzero()[:, 0].to(z.device)]
            wanted = max(1, round(settings.components * share)) if settings.components else 0
            settings = replace(settings, components=wanted)
        train, validation = prepared.offsets

        def log(train_loss: float = 0.0, validation_loss: float = 0.0, **values: float) -> None:
            if values:  # the search for the number of components
                run.log(**values)
            elif not self.conditional:
                run.log(train_loss=train_loss - train, validation_loss=validation_loss - validation)

        purse = Purse(run, len(prepared.z), len(z), until=(i + 1) / len(self.seen))
        judges = held_out if len(held_out) else None
        return Search(settings, z, judges, copies, data.dimensions, purse, log).run_all()

    def _calibrate(self, data: Dataset) -> None:
        """Find the power of the posteriors that makes the validation labels likeliest."""
        asked, self.sharpness = data.validation.labels, 1.0
        if not self.conditional or asked is None or len(self.seen) < 2:
            return
        known = torch.isin(asked.cpu(), self.seen).nonzero()[:_JUDGED, 0]
        if len(known):
            joint = self._class_joint(self._floats(data.validation.x[known]))
            truth = torch.searchsorted(self.seen, asked.cpu()[known])
            self.sharpness = calibrated_power(joint, truth)

    def _floats(self, x: Tensor) -> Tensor:
        """Return ``x`` ``[n, *event]`` as float64; integer levels stand at their bins' centres."""
        x = x.to(self.gaussians.means.device)
        if self.levels is not None and not x.is_floating_point():
            return (x.double() + 0.5) / self.levels
        return x.double()

    def _joint(self, x: Tensor) -> tuple[Tensor, Tensor | float]:
        """Return log p(x, component) ``[n, k]`` but for log p of the rest, ``[n]`` or 0."""
        flat = x.to(self.gaussians.means.device, torch.float64).flatten(1)
        coordinates, rest = self.subspace.split(flat) if self.subspace else (flat, 0.0)
        return self.gaussians.log_joint(coordinates), rest

    def _class_joint(self, x: Tensor) -> Tensor:
        """Return log p(x, class) ``[n, seen]`` of floats ``x`` ``[n, *event]``."""
        joint, rest = self._joint(x)
        return self.gaussians.by_class(joint + (rest[:, None] if isinstance(rest, Tensor) else 0))

    def log_prob(self, x: Tensor) -> Tensor:
        """Return exact log p(x) in nats ``[n]``, float64."""
        joint, rest = self._joint(x)
        return joint.logsumexp(1) + rest

    def log_prob_given(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return exact log p(x_i | labels_i) in nats ``[n]``, float64.

        ``UnsupportedError`` unless ``conditional``, or for a class without training examples.
        """
        self._need_classes()
        which = torch.searchsorted(self.seen, asked_labels(labels, len(x), self.seen, _ID))
        joint = self._class_joint(x) - self.gaussians.log_priors()
        return joint.gather(1, which[:, None].to(joint.device))[:, 0]

    def responsibilities(self, x: Tensor) -> Tensor:
        """Return p(component | x) ``[n, k]``; integer levels are taken at their bins' centres."""
        return self._joint(self._floats(x))[0].softmax(1)

    def class_probabilities(self, x: Tensor) -> Tensor:
        """Return calibrated posteriors ``[n, classes]``; ``UnsupportedError`` unless conditional.

        A class that is known by name and has no training example gets the posterior 0.
        """
        self._need_classes()
        joint = self.sharpness * self._class_joint(self._floats(x))
        posterior = joint.new_zeros(len(x), self.n_classes)
        posterior[:, self.seen.to(joint.device)] = joint.softmax(1)
        return posterior

    def _need_classes(self) -> None:
        if not self.conditional:
            raise UnsupportedError(f"{_ID} knows no classes; set conditional=true to learn them")

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Return the posterior mean of clean data given ``x`` ``[n, *event]`` with noise ``sigma``.

        Exact under the mixture: each component answers as a Wiener filter, weighted by how well it
        explains the noisy example. Levels stand at their bins' centres; that they are spread over
        the bins, a deviation of 0.29 levels, counts as data and not as noise.
        """
        flat = x.to(self.gaussians.means.device, torch.float64).flatten(1)
        if self.levels is not None:
            flat, sigma = (flat + 0.5) / self.levels, sigma / self.levels
        if self.subspace is None:
            guess = self.gaussians.denoised(flat, sigma)
        else:
            coordinates = self.gaussians.denoised(self.subspace.split(flat)[0], sigma)
            guess = self.subspace.denoised(flat, coordinates, sigma)
        guess = guess.view(x.shape)
        return guess if self.levels is None else guess * self.levels - 0.5

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, float32; in ``[0, 1)`` for levelled data.

        With ``conditional`` they are of the classes ``condition`` ``[n]``, if that is given.
        """
        classes = None
        if not self.conditional:
            refuse_condition(condition, _ID)
        elif condition is not None:
            asked = asked_labels(condition, n, self.seen, _ID)
            classes = torch.searchsorted(self.seen, asked)
        which = self.gaussians.choose(n, classes, generator)
        x = self.gaussians.draw(which, generator)
        if self.subspace is not None:
            x = self.subspace.place(x, generator)
        x = x.to(torch.float32).view(n, *self.shape)
        return x if self.levels is None else below_one(x)

    @property
    def n_parameters(self) -> int:
        """Free numbers: of the mixtures and their priors, of the subspace, and the power."""
        own = self.gaussians.n_parameters(self.settings.covariance)
        beside = self.subspace.n_parameters if self.subspace else 0
        return own + beside + int(len(self.seen) > 1)

    def save(self, folder: Path) -> None:
        """Write means, precision factors, weights and the subspace into ``folder``."""
        subspace, numbers = self.subspace.state() if self.subspace else ({}, None)
        config = {
            "shape": list(self.shape), "levels": self.levels, "subspace": numbers,
            "conditional": self.conditional, "n_classes": self.n_classes,
            "sharpness": self.sharpness,
        }  # fmt: skip
        save_state(folder, {**self.gaussians.state(), **subspace, "seen": self.seen}, config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        tensors, config = load_state(folder, device)
        self.gaussians = Gaussians(**{f.name: tensors[f.name] for f in fields(Gaussians)})
        self.seen, numbers = tensors["seen"].cpu(), config["subspace"]
        self.subspace = None if numbers is None else Subspace.restored(tensors, numbers)
        self.shape, self.levels = tuple(config["shape"]), config["levels"]
        self.conditional, self.n_classes = config["conditional"], config["n_classes"]
        self.sharpness = config["sharpness"]
