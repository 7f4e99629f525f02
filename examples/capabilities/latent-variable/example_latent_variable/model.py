"""Probabilistic principal components (Tipping & Bishop 1999, doi:10.1111/1467-9868.00196)."""

import torch
from safetensors.torch import load_file, save_file
from torch.distributions import MultivariateNormal, Normal

from gengauge import check_training

WIDER = 1.3  # than the posterior is q(z | x), so that it misses nothing


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

    def log_weights(self, x, k, generator):
        """Return ``log p(x, z) - log q(z | x)`` in nats ``[k, n]``, z drawn from q."""
        far = x.double() - self.mean
        q = self.weights.shape[1]
        precision = self.weights.T @ self.weights + self.noise * torch.eye(q).to(self.noise)
        covariance = WIDER * self.noise * torch.linalg.inv(precision)
        centre = torch.linalg.solve(precision, self.weights.T @ far.T).T
        root = torch.linalg.cholesky(covariance)
        draw = torch.randn(k, len(x), q, generator=generator, device=generator.device)
        z = centre + draw.to(root) @ root.T
        prior = Normal(0.0, 1.0).log_prob(z).sum(-1)
        fit = Normal(z @ self.weights.T, self.noise.sqrt()).log_prob(far).sum(-1)
        return prior + fit - MultivariateNormal(centre, scale_tril=root).log_prob(z)

    def save(self, folder):
        """Write mean, weights and noise."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {"mean": self.mean, "weights": self.weights.contiguous(), "noise": self.noise}
        save_file(held, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        held = load_file(folder / "model.safetensors", device=str(device))
        self.mean, self.weights, self.noise = held["mean"], held["weights"], held["noise"]
