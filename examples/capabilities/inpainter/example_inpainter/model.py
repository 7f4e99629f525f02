"""A normal, and its conditionals: what is missing is drawn given what is known."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training


class ConditionalNormal:
    """The normal of the training data's mean and covariance."""

    def fit(self, data, run):
        """Take the mean and the covariance; a little is added where nothing varies."""
        check_training(data, "conditional-normal")
        x = data.train.x.double().to(run.device)
        self.mean = x.mean(0)
        far = x - self.mean
        floor = 1e-4 * far.square().mean(0) + 1e-6
        self.covariance = far.T @ far / len(x) + floor.diag()
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return ``[n, d]``."""
        root = torch.linalg.cholesky(self.covariance)
        noise = torch.randn(n, len(root), generator=generator, device=generator.device)
        return (self.mean + noise.double() @ root.T).float()

    def inpaint(self, x, known, generator):
        """Return ``x`` ``[n, d]`` with values where it is not ``known`` drawn anew."""
        x, known = x.to(self.mean.device), known.to(self.mean.device)
        noise = torch.randn(x.shape, generator=generator, device=generator.device).double()
        filled = x.clone()
        for row, there in enumerate(known):
            gone = ~there
            if bool(gone.any()):
                mean, root = self._given(x[row].double(), there, gone)
                filled[row, gone] = (mean + root @ noise[row, gone]).to(x.dtype)
        return filled

    def _given(self, x, there, gone):
        """Return the mean and the covariance's root of what is gone, given what is there."""
        across = self.covariance[gone][:, there]
        pull = torch.linalg.solve(self.covariance[there][:, there], across.T).T
        mean = self.mean[gone] + pull @ (x - self.mean)[there]
        return mean, torch.linalg.cholesky(self.covariance[gone][:, gone] - pull @ across.T)

    def save(self, folder):
        """Write mean and covariance."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {"mean": self.mean, "covariance": self.covariance}
        save_file(held, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        held = load_file(folder / "model.safetensors", device=str(device))
        self.mean, self.covariance = held["mean"], held["covariance"]
