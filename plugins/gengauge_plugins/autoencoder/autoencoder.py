"""The autoencoder, plain and denoising."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gengauge import Dataset, FitRun, check_training, seeds, train
from gengauge.model import Condition
from gengauge_plugins.autoencoder.code_density import CodeDensity
from gengauge_plugins.autoencoder.network import Network, Standardised
from gengauge_plugins.networks.batches import batch_size
from gengauge_plugins.networks.conv import convolves
from gengauge_plugins.networks.drawing import below_one, refuse_condition
from gengauge_plugins.networks.storage import load_network, save_state


class Autoencoder:
    """Data lie near a surface of few dimensions: one network says where on it, one says what is.

    Each adds to PCA of the same code size, where they begin, and is trained for the squared error
    of the reconstruction, in the data's standard deviations; the weights that did best on
    validation are kept. With ``noise`` the encoder sees noisy examples and their clean form is
    asked for (Vincent et al.), at every deviation from 0 to ``noise``.

    There is no likelihood. Samples come from a density fitted on the codes afterwards (Ghosh et
    al.), a Gaussian mixture, decoded without noise: it is not part of the training, and fits once
    the budget is spent, on at most 10,000 codes. A value that never changes comes back exactly;
    components are fewer where each would have fewer than two codes a dimension.

    Good at: short codes, reconstruction, removing noise of any deviation it was trained for.
    Breaks at: likelihood, which it has not; sampling where codes have holes that a mixture of
    Gaussians fills; fine detail, which the squared error blurs: on Fashion-MNIST reconstructions
    are nearly as far from the data as samples are (FD 36 and 42 at 16 numbers, dense), however
    close in squared error (575 at 32 numbers after 49 CPU seconds, where PCA has 944).

    References:
        | Reducing the Dimensionality of Data with Neural Networks (Hinton & Salakhutdinov, 2006)
        | https://doi.org/10.1126/science.1127647
        | Extracting and Composing Robust Features with Denoising Autoencoders
        | (Vincent et al., 2008), https://doi.org/10.1145/1390156.1390294
        | From Variational to Deterministic Autoencoders (Ghosh et al., 2019)
        | https://arxiv.org/abs/1903.12436

    Arguments:
        latent: Numbers in a code, never more than an example has.
        noise: Largest deviation of the noise in training, in standard deviations of the data: of
            all pixels together on images, of each value on points and tables. 0: plain.
        hidden: Width of the two hidden layers of each network, at most 64 a dimension;
            convolutions begin with a 24th as many channels.
        network: ``dense``, ``conv``, or ``auto``, which convolves images of more than 256 values.
            At equal CPU time dense networks, ten times faster, do better on Fashion-MNIST.
        components: Gaussians of the density on the codes; 1 is a single one.
        batch_size: Examples a step; 0 chooses, see
            :func:`gengauge_plugins.networks.batches.batch_size`.
        lr: Peak learning rate.

    Example:
        >>> from gengauge import Budget, Split
        >>> t = torch.linspace(-1, 1, 64)
        >>> split = Split(torch.stack([t, 2 * t, -t], 1))
        >>> model = Autoencoder(latent=1)
        >>> model.fit(Dataset("line", "points", split, split, split),
        ...           FitRun(0, Budget.parse("200 steps")))
        >>> model.encode(split.x).shape
        torch.Size([64, 1])
        >>> bool((model.reconstruct(split.x) - split.x).abs().max() < 0.1)
        True
    """

    alphabet: int | None = None  # codes are floats
    network: Network
    density: CodeDensity

    def __init__(
        self,
        latent: int = 16,
        noise: float = 0.0,
        hidden: int = 384,
        network: str = "dense",
        components: int = 40,
        batch_size: int = 0,
        lr: float = 2e-3,
    ) -> None:
        self.latent, self.noise, self.hidden, self.kind = latent, noise, hidden, network
        self.components, self.batch_size, self.lr = components, batch_size, lr
        self.levels: int | None = None

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Train on ``data.train`` within the budget, then fit the density on its codes."""
        check_training(data, "autoencoder")
        self.levels = data.levels
        units = Standardised.of(data)
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            self.network = self._build(units)
            self.network.begin_linear(data.train.x, seeds.named_seed(run.seed, "pca"))
        held_out = (data.validation.x,) if len(data.validation) else None

        def loss(x: Tensor, generator: torch.Generator) -> Tensor:
            return self.network.loss(x, self.noise, generator)

        train(run, self.network, loss, (data.train.x,), validation=held_out,
              batch_size=batch_size(self.batch_size, self.levels), lr=self.lr)  # fmt: skip
        codes = self.network.standardise_codes(data.train.x)
        seed = seeds.named_seed(run.seed, "density")
        self.density = CodeDensity.fitted(codes, self.components, seed)

    def _build(self, units: Standardised) -> Network:
        values = math.prod(units.shift.shape)
        return Network(
            units, min(self.latent, values), min(self.hidden, 64 * values),
            convolves=convolves(self.kind, tuple(units.shift.shape)),
        )  # fmt: skip

    @property
    def _device(self) -> torch.device:
        return self.network.code_shift.device

    @torch.no_grad()
    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` decoded codes ``[n, *event]``: in ``[0, 1)``, or in the data's units."""
        refuse_condition(condition, "autoencoder")
        return self.decode_codes(self.draw_prior(n, generator))

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Return codes ``[n, latent]`` of clean ``x`` ``[n, *event]``, standard over training."""
        return self.network.all_codes(x)

    @torch.no_grad()
    def decode_codes(self, codes: Tensor) -> Tensor:
        """Return what ``codes`` ``[n, latent]`` stand for, in the form ``sample`` returns."""
        parts = [self.decode(block.to(self._device)) for block in torch.split(codes, 1000)]
        x = torch.cat(parts)
        return x if self.levels is None else below_one(x)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return ``x`` ``[n, *event]`` encoded and decoded, in the form ``sample`` returns."""
        return self.decode_codes(self.encode(x))

    @torch.no_grad()
    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Return the clean guess of ``x`` ``[n, *event]``, floats in the data's own units.

        It reconstructs, whatever ``sigma``: trained with noise it sees for itself how much there
        is (being told gained nothing on digits), and a plain one knows nothing of noise.
        """
        codes = self.network.all_codes(x)
        guess = self.network.units.outputs(self.network.decoded(codes))
        return guess if self.levels is None else guess.clamp(0, self.levels - 1)

    def draw_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` codes ``[n, latent]`` drawn from the density fitted on the codes."""
        return self.density.draw(n, generator)

    def log_prior(self, z: Tensor) -> Tensor:
        """Return the log-density of codes ``z`` in nats ``[n]``, of codes and not of data."""
        return self.density.log_prob(z)

    def decode(self, z: Tensor) -> Tensor:
        """Return the datum ``[n, *event]`` of codes ``z`` as floats; 0 to 1 on levelled data."""
        x = self.network.units.outputs(self.network.decoded(z))
        return x if self.levels is None else (x + 0.5) / self.levels

    @property
    def evaluations_per_sample(self) -> float:
        """One pass through the decoder."""
        return 1.0

    @property
    def n_parameters(self) -> int:
        """Weights and biases of both networks, and the free numbers of the density on codes."""
        k, q = self.density.means.shape
        weights = sum(p.numel() for p in self.network.parameters())
        return weights + k - 1 + k * q + k * q * (q + 1) // 2

    def save(self, folder: Path) -> None:
        """Write weights, units and the density into ``folder``."""
        both = nn.ModuleDict({"network": self.network, "density": self.density})
        config: dict[str, Any] = {
            "shape": list(self.network.shape), "levels": self.levels,
            "components": len(self.density.means),
        }  # fmt: skip
        save_state(folder, both.state_dict(), config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        both = load_network(folder, device, self._restored)
        network, density = both["network"], both["density"]
        assert isinstance(network, Network)
        assert isinstance(density, CodeDensity)
        self.network, self.density = network, density

    def _restored(self, config: dict[str, Any]) -> nn.ModuleDict:
        self.levels = config["levels"]
        blank = torch.ones(config["shape"])
        network = self._build(Standardised(blank, blank))
        density = CodeDensity(config["components"], network.latent)
        return nn.ModuleDict({"network": network, "density": density})
