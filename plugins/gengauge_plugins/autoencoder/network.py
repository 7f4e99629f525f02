"""The two networks of an autoencoder and the units they work in."""

from __future__ import annotations

import math

import torch
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor, nn

from gengauge import Dataset
from gengauge_plugins.networks.conv import ConvDecoder, ConvEncoder
from gengauge_plugins.networks.drawing import normal, uniform
from gengauge_plugins.networks.mlp import mlp

_QUIET = 0.1  # of the usual weights at first, so that training begins at PCA
_ROWS = 5000  # examples that PCA looks at
_CHANNELS = 24  # hidden units that stand for one channel of the first convolution


class Standardised(nn.Module):
    """Examples ``[n, *event]`` less their mean, over their deviation, and back.

    Images have one deviation for all pixels, so that squared errors keep their proportions;
    values of points and tables are quantities of their own and have one each. A value that never
    changes has the deviation 0: it enters as 0 and comes back exactly.

    Example:
        >>> units = Standardised(torch.tensor([1.0, 5.0]), torch.tensor([2.0, 0.0]))
        >>> units.inputs(torch.tensor([[3.0, 5.0]])), units.outputs(torch.tensor([[1.0, 9.0]]))
        (tensor([[1., 0.]]), tensor([[3., 5.]]))
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift.to(torch.float32).clone())
        self.register_buffer("scale", scale.to(torch.float32).clone())

    @classmethod
    def of(cls, data: Dataset) -> Standardised:
        """Return the units of ``data.train``; ``ValueError`` where no value of it changes."""
        x = data.train.x.to(torch.float64)
        shift, variance = x.mean(0), x.var(0, correction=0)
        if data.modality == "image":
            variance = variance.mean().expand_as(variance)
        # float32 means of equal values may differ from them by a rounding error
        variance = variance.where(variance.sqrt() > 1e-7 * shift.abs(), 0.0)
        if not bool(variance.any()):
            raise ValueError(
                f"autoencoder needs training examples that differ, and the {len(x)} of {data.id} "
                "are all alike: there is nothing to encode; look at the dataset's train split"
            )
        return cls(shift, variance.sqrt())

    def inputs(self, x: Tensor) -> Tensor:
        """Return ``x`` ``[n, *event]`` in standard units, float32."""
        return torch.where(self.scale > 0, (x.to(torch.float32) - self.shift) / self.scale, 0.0)

    def outputs(self, z: Tensor) -> Tensor:
        """Return standardised ``z`` ``[n, *event]`` in the data's units."""
        return z * self.scale + self.shift


class Network(nn.Module):
    """Encoder and decoder between examples ``[n, *event]`` and codes ``[n, latent]``.

    Each is PCA, the best linear one (Baldi & Hornik), and beside it a perceptron or convolutions
    that add what a linear map cannot know. ``axes`` ``[q, d]`` and ``centre`` ``[d]`` are those of
    PCA; ``code_shift`` and ``code_scale`` ``[q]`` standardise the codes of training data.

    References:
        | Neural networks and principal component analysis: Learning from examples without local
        | minima (Baldi & Hornik, 1989), https://doi.org/10.1016/0893-6080(89)90014-2
    """

    axes: Tensor
    centre: Tensor
    spread: Tensor
    code_shift: Tensor
    code_scale: Tensor

    def __init__(self, units: Standardised, latent: int, hidden: int, *, convolves: bool) -> None:
        super().__init__()
        self.units, self.latent = units, latent
        self.convolves, self.shape = convolves, tuple(units.shift.shape)
        values = math.prod(self.shape)
        self.encoder: nn.Module
        self.decoder: nn.Module
        if convolves:
            width = max(8, hidden // _CHANNELS)
            self.encoder = ConvEncoder(self.shape, width, latent)
            self.decoder = ConvDecoder(latent, self.shape, width, self.shape[0])
        else:
            self.encoder = mlp(values, (hidden, hidden), latent)
            self.decoder = mlp(latent, (hidden, hidden), values)
        for name, shape in (("axes", (latent, values)), ("centre", (values,)), ("spread", ()),
                            ("code_shift", (latent,)), ("code_scale", (latent,))):  # fmt: skip
            self.register_buffer(name, torch.zeros(shape))
        self.code_scale.fill_(1.0)

    def codes(self, z: Tensor) -> Tensor:
        """Return codes ``[n, latent]`` of standardised ``z`` ``[n, *event]``."""
        linear = (z.flatten(1) - self.centre) @ self.axes.T / self.spread
        added: Tensor = self.encoder(z if self.convolves else z.flatten(1))
        return (linear + added - self.code_shift) / self.code_scale

    def decoded(self, codes: Tensor) -> Tensor:
        """Return what ``codes`` ``[n, latent]`` stand for, in standard units ``[n, *event]``."""
        raw = codes * self.code_scale + self.code_shift
        linear = self.spread * raw @ self.axes + self.centre
        added: Tensor = self.decoder(raw).flatten(1)
        return (linear + added).view(-1, *self.shape)

    @torch.no_grad()
    def begin_linear(self, x: Tensor, seed: int) -> None:
        """Take the principal axes of ``x`` ``[n, *event]``, and let the networks add little yet.

        The leading number of the codes gets the deviation 1. Where examples are fewer than the
        code's numbers the others have no axis, and come from the network alone.
        """
        z = self.units.inputs(x[:_ROWS]).flatten(1).to(torch.float64).numpy()
        # sums of several threads differ in their last digits, and training would spread that
        with threadpool_limits(1):
            pca = PCA(min(self.latent, *z.shape), random_state=seed % 2**32).fit(z)
        self.axes[: pca.n_components_] = torch.from_numpy(pca.components_)
        self.centre.copy_(torch.from_numpy(pca.mean_))
        self.spread.fill_(max(1e-6, float(pca.singular_values_[0]) / math.sqrt(len(z))))
        for network in (self.encoder, self.decoder):
            last = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
            last.weight.mul_(_QUIET)

    def loss(self, x: Tensor, noise: float, generator: torch.Generator) -> Tensor:
        """Return the mean squared error, in standard units, of ``x`` freed from noise.

        Each example has noise of its own deviation, drawn evenly from 0 to ``noise``.
        """
        z = self.units.inputs(x)
        given = z
        if noise:
            sigma = noise * uniform((len(z), *[1] * (z.ndim - 1)), generator, z.device)
            given = z + sigma * normal(tuple(z.shape), generator, z.device)
        return ((self.decoded(self.codes(given)) - z) ** 2).mean()

    @torch.no_grad()
    def standardise_codes(self, x: Tensor) -> Tensor:
        """Give the codes of ``x`` ``[n, *event]`` mean 0 and deviation 1, and return them."""
        codes = self.all_codes(x)
        scale = codes.std(0, correction=0)
        scale = scale.where(scale > 1e-6, 1.0)  # a number of the code that is never used
        shift = codes.mean(0)
        self.code_shift.copy_(shift)
        self.code_scale.copy_(scale)
        return (codes - shift) / scale

    @torch.no_grad()
    def all_codes(self, x: Tensor) -> Tensor:
        """Return codes ``[n, latent]`` of ``x`` ``[n, *event]`` in the data's units, in blocks."""
        device = self.code_shift.device
        blocks = torch.split(x, 1000)
        return torch.cat([self.codes(self.units.inputs(block.to(device))) for block in blocks])
