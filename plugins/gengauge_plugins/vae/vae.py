"""The variational autoencoder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gengauge import Dataset, FitRun, seeds, train
from gengauge_plugins.networks.batches import batch_size
from gengauge_plugins.networks.decoders import Decoder, DiscretisedLogistic, Gaussian
from gengauge_plugins.networks.drawing import normal, refuse_condition, uniform
from gengauge_plugins.networks.mlp import mlp
from gengauge_plugins.networks.storage import load_network, save_state
from gengauge_plugins.vae.prior import MixturePrior

_WARM_UP = 0.25  # share of training over which the KL term gains its weight
_ROWS = 16384  # rows decoded at once while bounding the likelihood: keeps memory flat in k


class Network(nn.Module):
    """Prior p(z), encoder q(z | x), diagonal Gaussian, and decoder p(x | z) of ``[n, d]``."""

    def __init__(
        self, decoder: nn.Module, dimensions: int, latent: int, hidden: int, components: int = 1
    ) -> None:
        super().__init__()
        self.observe = decoder
        self.latent = latent
        self.encoder = mlp(dimensions, (hidden, hidden), 2 * latent)
        self.decoder = mlp(latent, (hidden, hidden), 2 * dimensions)
        self.prior = MixturePrior(components, latent)

    @property
    def observation(self) -> Decoder:
        """The meaning of the decoder's outputs."""
        return self.observe  # type: ignore[return-value]  # a Protocol cannot extend nn.Module

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation ``[n, latent]`` of q(z | x)."""
        mean, log_std = self.encoder(self.observation.inputs(x)).chunk(2, dim=-1)
        return mean, log_std.clamp(-7.0, 3.0)

    def negative_bound(self, x: Tensor, beta: float, generator: torch.Generator) -> Tensor:
        """Return the batch mean of -ELBO in nats a dimension, its KL term times ``beta``."""
        mean, log_std = self.posterior(x)
        z = mean + log_std.exp() * normal(tuple(mean.shape), generator, mean.device)
        fit = self.observation.log_likelihood(x, self.decoder(z)).sum(-1)
        kl = self.prior.divergence(z, mean, log_std)
        return (beta * kl - fit).mean() / x.shape[-1]


class VAE:
    """A variational autoencoder whose decoder is a proper distribution over the data.

    Levelled data gets discretised logistic noise, so ``log_weights`` bound the exact discrete
    likelihood; continuous data gets a Gaussian with learned variance.

    See Also:
        :class:`gengauge_plugins.vae.prior.MixturePrior`
        :class:`gengauge_plugins.networks.decoders.DiscretisedLogistic`

    References:
        | Auto-Encoding Variational Bayes (Kingma & Welling, 2013)
        | https://arxiv.org/abs/1312.6114

        | Importance Weighted Autoencoders (Burda et al., 2015)
        | https://arxiv.org/abs/1509.00519

    Arguments:
        latent: Dimensions of z, never more than the data has.
        hidden: Width of the two hidden layers of encoder and decoder, at most 64 a dimension.
        components: Gaussians of the learned prior p(z); 1 is the fixed N(0, I) of Kingma &
            Welling, which on planar points stays 0.4 to 1.1 nats further from the truth. On points
            the mixture does much of the work, as ``gmm`` shows: compare the two.
        beta: Weight of the KL term; other values than 1 train another objective, and the
            likelihood bounds stay valid but loosen.
        decode: ``sample`` draws from p(x | z), the distribution whose likelihood is scored;
            ``mean`` takes its mean, which leaves the observation noise out. On the validation
            split of digits draws are nearer to the data (FD 4.4 against 5.5 in the features of
            a small classifier).
        batch_size: Examples a step; 0 chooses, see
            :func:`gengauge_plugins.networks.batches.batch_size`.
        lr: Peak learning rate.
    """

    def __init__(
        self,
        latent: int = 24,
        hidden: int = 384,
        components: int = 64,
        beta: float = 1.0,
        decode: str = "sample",
        batch_size: int = 0,
        lr: float = 4e-3,
    ) -> None:
        self.latent, self.hidden, self.components = latent, hidden, components
        self.beta = beta
        self.decoding, self.batch_size, self.lr = decode, batch_size, lr
        self.shape: tuple[int, ...] = ()
        self.levels: int | None = None
        self.network: Network

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Maximise the evidence lower bound on ``data.train``."""
        self.shape, self.levels = data.event_shape, data.levels
        x, held_out = data.train.x.flatten(1), data.validation.x.flatten(1)
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            self.network = self._build(x.float().mean(0), x.float().std(0).clamp_min(1e-6))

        def loss(x: Tensor, generator: torch.Generator) -> Tensor:
            # a KL term at full weight from the start switches latents off before they are used
            warm = min(1.0, run.fraction / _WARM_UP) if self.network.training else 1.0
            return self.network.negative_bound(x, self.beta * warm, generator)

        train(run, self.network, loss, (x,), validation=(held_out,),
              batch_size=batch_size(self.batch_size, self.levels), lr=self.lr)  # fmt: skip

    def _build(self, shift: Tensor, scale: Tensor) -> Network:
        levels = self.levels
        decoder = Gaussian(shift, scale) if levels is None else DiscretisedLogistic(levels)
        dimensions = math.prod(self.shape)
        # latents beyond the data's dimensions stay unused at best: planar sets lose 0.3 nats
        latent = min(self.latent, dimensions)
        hidden = min(self.hidden, 64 * dimensions)  # more learns planar sets no better, only slower
        return Network(decoder, dimensions, latent, hidden, self.components)

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    @torch.no_grad()
    def sample(self, n: int, condition: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``: levels, or floats in the data's units."""
        refuse_condition(condition, "vae")
        z = self.draw_prior(n, generator)
        if self.decoding == "sample":
            return self.draw_observation(z, generator)
        return self.network.observation.mean(self.network.decoder(z)).view(n, *self.shape)

    @torch.no_grad()
    def draw_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` latents ``[n, latent]`` drawn from p(z)."""
        noise = normal((n, self.network.latent), generator, self._device)
        return self.network.prior.place(noise, uniform((n,), generator, self._device))

    def log_prior(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats ``[n]``."""
        return self.network.prior.log_prob(z)

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of p(x | z) ``[n, *event]`` as floats; 0 to 1 on levelled data."""
        centre = self.network.observation.centre(self.network.decoder(z))
        return centre.view(len(z), *self.shape)

    def log_observation(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x_i | z_i) in nats ``[n]``, float64."""
        fit = self.network.observation.log_likelihood(x.flatten(1), self.network.decoder(z))
        return fit.double().sum(-1)

    @torch.no_grad()
    def draw_observation(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Return one draw of p(x | z_i) ``[n, *event]`` for each ``z`` ``[n, latent]``."""
        x = self.network.observation.sample(self.network.decoder(z), generator)
        return x.view(len(z), *self.shape)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the decoder's mean at the posterior mean of ``x`` ``[n, *event]``."""
        mean, _ = self.network.posterior(x.flatten(1).to(self._device))
        return self.network.observation.mean(self.network.decoder(mean)).view(x.shape)

    @torch.no_grad()
    def log_weights(self, x: Tensor, k: int, generator: torch.Generator) -> Tensor:
        """Return ``log p(x, z_i) - log q(z_i | x)`` in nats ``[k, n]``, float64."""
        flat = x.flatten(1).to(self._device)
        blocks = torch.split(flat, max(1, _ROWS // k))
        parts = [self._weights(block, k, generator) for block in blocks]
        return torch.cat(parts, dim=1)

    def _weights(self, x: Tensor, k: int, generator: torch.Generator) -> Tensor:
        mean, log_std = self.network.posterior(x)
        noise = normal((k, *mean.shape), generator, mean.device)
        z = mean + log_std.exp() * noise
        fit = self.network.observation.log_likelihood(x, self.network.decoder(z))
        posterior = (-log_std - 0.5 * noise**2 - 0.5 * math.log(2 * math.pi)).double().sum(-1)
        return fit.double().sum(-1) + self.network.prior.log_prob(z.double()) - posterior

    @property
    def evaluations_per_sample(self) -> float:
        """One pass through the decoder."""
        return 1.0

    @property
    def n_parameters(self) -> int:
        """Weights and biases of encoder and decoder, and the prior's parameters."""
        return sum(p.numel() for p in self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write weights and shapes into ``folder``."""
        config: dict[str, Any] = {"shape": list(self.shape), "levels": self.levels}
        save_state(folder, self.network.state_dict(), config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        self.network = load_network(folder, device, self._restored)

    def _restored(self, config: dict[str, Any]) -> Network:
        self.shape, self.levels = tuple(config["shape"]), config["levels"]
        blank = torch.ones(math.prod(self.shape))
        return self._build(blank, blank)
