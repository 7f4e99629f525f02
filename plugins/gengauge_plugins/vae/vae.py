"""The variational autoencoder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, Split, check_training, seeds, train
from gengauge.errors import UnsupportedError
from gengauge.model import Condition
from gengauge_plugins.networks.batches import batch_size
from gengauge_plugins.networks.checks import check_varies
from gengauge_plugins.networks.conv import convolves
from gengauge_plugins.networks.decoders import Gaussian, levelled
from gengauge_plugins.networks.drawing import refuse_condition
from gengauge_plugins.networks.labels import asked_labels, training_labels
from gengauge_plugins.networks.storage import load_network, save_state
from gengauge_plugins.vae.classes import Classes
from gengauge_plugins.vae.decoding import Decoding
from gengauge_plugins.vae.inference import Inference
from gengauge_plugins.vae.network import Architecture, Network
from gengauge_plugins.vae.objectives import negative_elbo

_WARM_UP = 0.25  # share of training over which the KL term gains its weight
_CONVOLVED = 64  # examples a step through convolutions
_COMPONENTS = 64  # of the prior, where no label tells pictures apart
_ENCODED = 2000  # training examples that are encoded to find out what each latent is worth


class VAE(Decoding):
    """Data is drawn from a decoder p(x | z) at latents z of a simple prior, and encoded again.

    Encoder q(z | x) and decoder are networks (convolutions on larger pictures) that maximise the
    evidence lower bound together. The decoder is a proper distribution, independent between
    values: discretised logistics on levels, or mixtures of them, a coin where there are two
    levels, a Gaussian with learned variance on floats. So ``log_weights`` bound the exact
    likelihood of the data as it is.

    ``conditional`` gives the label to encoder and decoder. The bound without a label then sums
    the classes out, and the bounds of all classes classify by Bayes' rule. Where a decoder's
    latents are asked for, the last one is a normal number whose quantile is the label.

    Latents that do not pay for their KL term collapse onto the prior and tell nothing; a KL term
    whose weight rises over the first quarter of training keeps more of them. ``beta`` above 1
    collapses more, below 1 fewer: sharper reconstructions, worse samples, looser bounds.

    Good at: fast sampling and coding, a bound on the likelihood, latents that can be looked at.
    Breaks at: fine detail: what the latents leave out is drawn independently for every value,
    and looks like noise, or like blur where ``decode`` is ``mean``.

    See Also:
        :class:`gengauge_plugins.vae.prior.MixturePrior`
        :class:`gengauge_plugins.networks.logistic.DiscretisedLogistic`

    References:
        | Auto-Encoding Variational Bayes (Kingma & Welling, 2013)
        | https://arxiv.org/abs/1312.6114
        | Learning Structured Output Representation using Deep Conditional Generative Models
        | (Sohn et al., 2015), https://papers.nips.cc/paper/5775
        | beta-VAE (Higgins et al., 2017), https://openreview.net/forum?id=Sy2fzU9gl

    Arguments:
        latent: Dimensions of z, never more than the data has.
        hidden: Width of the hidden layers, at most 64 a dimension.
        components: Gaussians of the learned prior p(z), which each label weighs in its own way; 1
            is the fixed N(0, I) of Kingma & Welling, on planar points 0.4 to 1.1 nats further from
            the truth; 0 is 64, or 1 for levels with labels, which tell the modes apart already. On
            points the mixture does much of the work, as ``gmm`` shows: compare the two.
        beta: Weight of the KL term; other values than 1 train another objective, and the
            likelihood bounds stay valid but loosen.
        conditional: Whether to learn from labels, and to sample for them. On digits that needs
            fewer steps: 600 are better than the default budget's 1,000.
            On Fashion-MNIST a minute is too little: latents carry the class, the decoder heeds
            the label little, and one sample in four is of the class asked for.
        mixtures: Logistics of each value of levelled data; 0 is one up to 64 levels, else three.
        network: ``dense``, ``conv``, or ``auto``.
        width: Channels of the convolutions at full size; they double with every halving.
        decode: ``sample`` draws from p(x | z), the distribution whose likelihood is scored;
            ``mean`` takes its mean, which leaves the observation noise out. On digits draws are
            nearer to the data (FD 3.8 against 5.6 in the features of a small classifier).
        batch_size: Examples a step; 0 is 64 with convolutions, and else chosen by
            :func:`gengauge_plugins.networks.batches.batch_size`.
        lr: Peak learning rate.

    Raises:
        ValueError: In ``fit``, for data that is empty, not finite, outside its levels or without
            the labels asked for; where all examples are equal, or a column of floats is constant.
            Few examples are learnt by heart. A class without an example has the posterior 0 and
            cannot be asked for (``UnsupportedError``).

    Example:
        >>> from gengauge import Budget
        >>> x = torch.tensor([[0, 1], [1, 0]], dtype=torch.uint8).repeat(50, 1).view(-1, 1, 1, 2)
        >>> labelled = Split(x, torch.tensor([0, 1]).repeat(50))
        >>> data = Dataset("pair", "image", labelled, labelled, labelled, levels=2)
        >>> model = VAE(hidden=16, conditional=True)
        >>> model.fit(data, FitRun(0, Budget.parse("200 steps")))
        >>> model.sample(3, torch.tensor([0, 1, 0]), torch.Generator().manual_seed(0)).flatten(1)
        tensor([[0, 1],
                [1, 0],
                [0, 1]], dtype=torch.uint8)
    """

    id = "vae"
    alphabet: int | None = None  # codes are floats
    network: Network

    def __init__(
        self,
        latent: int = 24,
        hidden: int = 384,
        components: int = 0,
        beta: float = 1.0,
        conditional: bool = False,
        mixtures: int = 0,
        network: str = "auto",
        width: int = 8,
        decode: str = "sample",
        batch_size: int = 0,
        lr: float = 4e-3,
    ) -> None:
        self.latent, self.hidden, self.beta = latent, hidden, beta
        self.components = components
        self.conditional, self.mixtures = conditional, mixtures
        self.kind, self.width = network, width
        self.decoding, self.batch_size, self.lr = decode, batch_size, lr
        self.shape, self.classes = (), None
        self.levels: int | None = None

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Maximise the bound on ``data.train``."""
        check_training(data, self.id)
        check_varies(data, self.id)
        self.shape, self.levels = data.event_shape, data.levels
        self.classes = Classes.of(*training_labels(data, self.id)) if self.conditional else None
        x = data.train.x.flatten(1).float()
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            self.network = self._build(x.mean(0), x.std(0))

        def loss(x: Tensor, y: Tensor | None = None, *, generator: torch.Generator) -> Tensor:
            # a KL term at full weight from the start switches latents off before they are used
            warm = min(1.0, run.fraction / _WARM_UP) if self.network.training else 1.0
            return self._objective(x, y, self.beta * warm, generator)

        given, held_out = self._given(data.train), self._given(data.validation)
        train(run, self.network, loss, given, validation=held_out if len(held_out[0]) else None,
              batch_size=self._batch_size(), lr=self.lr)  # fmt: skip
        self._survey(*(part[:_ENCODED].to(run.device) for part in given))

    def _batch_size(self) -> int:
        # convolutions cost in proportion: twice the steps gain 0.05 bits a value on fashion-mnist
        asked = self.batch_size or (_CONVOLVED if self.network.sizes.convolves else 0)
        return batch_size(asked, self.levels)

    def _objective(
        self, x: Tensor, y: Tensor | None, beta: float, generator: torch.Generator
    ) -> Tensor:
        """Return what a step minimises, in nats a dimension."""
        return negative_elbo(self.network, x, y, beta, generator)

    @torch.no_grad()
    def _survey(self, x: Tensor, y: Tensor | None = None) -> None:
        self.network.survey.take(*self.network.posterior(x, y), y)

    def _given(self, split: Split) -> tuple[Tensor, ...]:
        """Return what a step sees of a split's examples: those of no known class are left out."""
        x = split.x.flatten(1)
        if self.classes is None:
            return (x,)
        if split.labels is None:
            return x[:0], torch.zeros(0, dtype=torch.int64)
        known = torch.isin(split.labels.cpu(), self.classes.seen)
        return x[known], split.labels[known]

    def _build(self, shift: Tensor, scale: Tensor) -> Network:
        dimensions = math.prod(self.shape)
        levels = self.levels
        decoder = Gaussian(shift, scale) if levels is None else levelled(levels, self.mixtures)
        sizes = Architecture(
            shape=self.shape,
            # latents beyond the data's dimensions stay unused at best: planar sets lose 0.3 nats
            latent=min(self.latent, dimensions),
            hidden=min(self.hidden, 64 * dimensions),  # more learns planar sets no better
            components=self.components or (1 if self.classes and levels else _COMPONENTS),
            classes=self.classes.count if self.classes else 0,
            convolves=convolves(self.kind, self.shape),
            width=self.width,
        )
        return Network(decoder, sizes)

    @property
    def _inference(self) -> Inference:
        return Inference(self.network, self.classes)

    def _labelled(self) -> Classes:
        if self.classes is None:
            raise UnsupportedError(
                f"{self.id} was trained without labels; set conditional=true to train with them"
            )
        return self.classes

    @torch.no_grad()
    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, of the classes ``condition`` ``[n]`` if given."""
        if self.classes is None:
            refuse_condition(condition, self.id)
        if condition is None:
            z, y = self._parts(self.draw_prior(n, generator))
        else:
            y = asked_labels(condition, n, self._labelled().seen, self.id).to(self._device)
            z = self._placed(n, y, generator)
        return self._drawn(z, y, generator if self.decoding == "sample" else None)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the decoder's mean at the posterior mean of ``x`` ``[n, *event]``.

        With labels it is that of the likeliest class.
        """
        flat = x.flatten(1).to(self._device)
        y = None if self.classes is None else self._inference.posteriors(flat).argmax(1)
        return self._drawn(self.network.posterior(flat, y)[0], y, None)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Return the posterior mean ``[n, latent]`` of ``x`` ``[n, *event]``.

        ``UnsupportedError`` with labels, which would have to be stored beside it.
        """
        if self.classes is not None:
            raise UnsupportedError(f"a code of {self.id} is no code without its label")
        return self.network.posterior(x.flatten(1).to(self._device))[0]

    @torch.no_grad()
    def decode_codes(self, codes: Tensor) -> Tensor:
        """Return the decoder's mean ``[n, *event]`` at ``codes`` ``[n, latent]``."""
        return self._drawn(codes.to(self._device, torch.float32), None, None)

    @torch.no_grad()
    def log_weights(self, x: Tensor, k: int, generator: torch.Generator) -> Tensor:
        """Return ``log p(x, z_i) - log q(z_i | x)`` in nats ``[k, n]``, float64.

        With labels each weight is summed over the classes: see :meth:`Inference.summed`.
        """
        return self._inference.summed(x.flatten(1).to(self._device), k, generator)

    @torch.no_grad()
    def log_weights_given(
        self, x: Tensor, labels: Tensor, k: int, generator: torch.Generator
    ) -> Tensor:
        """Return ``log p(x, z_i | label) - log q(z_i | x, label)`` in nats ``[k, n]``, float64."""
        seen = self._labelled().seen
        y = asked_labels(labels, len(x), seen, self.id).to(self._device)
        return self._inference.given(x.flatten(1).to(self._device), y, k, generator)

    @torch.no_grad()
    def class_probabilities(self, x: Tensor) -> Tensor:
        """Return the posterior of each class ``[n, classes]``, float64 on the CPU."""
        self._labelled()
        return self._inference.posteriors(x.flatten(1).to(self._device)).cpu()

    @property
    def evaluations_per_sample(self) -> float:
        """One pass through the decoder."""
        return 1.0

    @property
    def n_parameters(self) -> int:
        """Weights and biases of encoder and decoder, and the prior's parameters."""
        return sum(p.numel() for p in self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write weights, shapes and classes into ``folder``."""
        config: dict[str, Any] = {
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
        blank = torch.ones(math.prod(self.shape))
        return self._build(blank, blank)
