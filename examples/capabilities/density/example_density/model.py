"""One normal with any covariance, fitted in closed form."""

import math

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training


class Gaussian:
    """The normal of the training data's mean and covariance."""

    def fit(self, data, run):
        """Take the mean and the covariance; a little is added where nothing varies."""
        check_training(data, "gaussian")
        x = data.train.x.double().to(run.device)
        self.mean = x.mean(0)
        far = x - self.mean
        floor = 1e-4 * far.square().mean(0) + 1e-6
        self.root = torch.linalg.cholesky(far.T @ far / len(x) + floor.diag()).contiguous()
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return ``[n, d]``."""
        noise = torch.randn(n, len(self.mean), generator=generator, device=generator.device)
        return (self.mean + noise.double() @ self.root.T).float()

    def log_prob(self, x):
        """Return the log-density of ``x`` ``[n, d]`` in nats ``[n]``."""
        far = torch.linalg.solve_triangular(self.root, (x.double() - self.mean).T, upper=False)
        volume = self.root.diagonal().log().sum() + len(self.mean) / 2 * math.log(2 * math.pi)
        return -0.5 * far.square().sum(0) - volume

    def save(self, folder):
        """Write the mean and the root of the covariance."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"mean": self.mean, "root": self.root}, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        held = load_file(folder / "model.safetensors", device=str(device))
        self.mean, self.root = held["mean"], held["root"]
