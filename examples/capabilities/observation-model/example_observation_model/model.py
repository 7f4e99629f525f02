"""Probabilistic principal components, seen from their latents."""

import torch
from safetensors.torch import load_file, save_file
from torch.distributions import Normal

from gengauge import check_training


class PPCA:
    """A plane of normal latents, with noise around it."""

    def __init__(self, latent):
        self.latent = latent

    def fit(self, data, run):
        """Take the widest directions; what is left over is noise, the same in all of them."""
        check_training(data, "ppca")
        x = data.train.x.double().to(run.device)
        self.mean = x.mean(0)
        far = x - self.mean
        values, vectors = torch.linalg.eigh(far.T @ far / len(x))
        q = max(1, min(self.latent, len(values) - 1))
        self.noise = values[:-q].mean().clamp_min(0).nan_to_num() + 1e-4 * values.mean() + 1e-6
        self.weights = vectors[:, -q:] * (values[-q:] - self.noise).clamp_min(1e-12).sqrt()
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return ``[n, d]``."""
        d, q = self.weights.shape
        draw = {"generator": generator, "device": generator.device, "dtype": torch.float64}
        z, noise = torch.randn(n, q, **draw), torch.randn(n, d, **draw)
        return (self.mean + z @ self.weights.T + self.noise.sqrt() * noise).float()

    def draw_prior(self, n, generator):
        """Return latents ``[n, q]``."""
        q = self.weights.shape[1]
        z = torch.randn(n, q, generator=generator, device=generator.device)
        return z.to(self.weights)

    def log_prior(self, z):
        """Return log p(z) in nats ``[n]``."""
        return Normal(0.0, 1.0).log_prob(z).sum(1)

    def decode(self, z):
        """Return the point ``[n, d]`` of the plane that latents ``z`` ``[n, q]`` stand for."""
        return self.mean + z.to(self.weights) @ self.weights.T

    def log_observation(self, x, z):
        """Return log p(x | z) in nats ``[n]``."""
        return Normal(self.decode(z), self.noise.sqrt()).log_prob(x.double()).sum(1)

    def draw_observation(self, z, generator):
        """Return a draw of p(x | z) ``[n, d]`` for each latent."""
        centre = self.decode(z)
        noise = torch.randn(centre.shape, generator=generator, device=generator.device)
        return centre + self.noise.sqrt() * noise.to(centre)

    def save(self, folder):
        """Write mean, weights and noise."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {"mean": self.mean, "weights": self.weights.contiguous(), "noise": self.noise}
        save_file(held, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        held = load_file(folder / "model.safetensors", device=str(device))
        self.mean, self.weights, self.noise = held["mean"], held["weights"], held["noise"]
