"""Wiener's filter: what is known of the data's covariance pulls noise back."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training


class WienerFilter:
    """A normal over pictures."""

    def fit(self, data, run):
        """Take the mean, and the directions of the covariance with their variances."""
        check_training(data, "wiener-filter")
        x = data.train.x.double().to(run.device)
        self.shift, self.unit = x.mean(0), x.std(0, correction=0) + 1e-6
        scaled = ((x - self.shift) / self.unit).flatten(1)
        values, self.directions = torch.linalg.eigh(scaled.T @ scaled / len(x))
        self.variances = values.clamp_min(1e-6)
        run.spend(1, len(x))
        self.levels = torch.tensor(data.levels)

    def sample(self, n, condition, generator):
        """Return floats ``[n, *event]``, 0 to 1."""
        draw = {"generator": generator, "device": generator.device, "dtype": torch.float64}
        z = torch.randn(n, len(self.variances), **draw) * self.variances.sqrt()
        x = self.shift + self.unit * (z @ self.directions.T).view(n, *self.shift.shape)
        return ((x + 0.5) / self.levels).clamp(0, 1 - 1e-6).float()

    def denoise(self, x, sigma):
        """Return the clean guess ``[n, *event]`` of ``x`` with noise ``sigma`` on it, in levels."""
        far = (x.double().to(self.shift.device) - self.shift).flatten(1)
        unit = self.unit.flatten()
        covariance = (self.directions * self.variances) @ self.directions.T * unit * unit[:, None]
        noise = sigma**2 * torch.eye(len(unit)).to(covariance)
        kept = torch.linalg.solve(covariance + noise, covariance)
        return (self.shift + (far @ kept).view(x.shape)).float()

    def save(self, folder):
        """Write the mean and the covariance."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {name: getattr(self, name).contiguous() for name in HELD}
        save_file(held, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        for name, tensor in load_file(folder / "model.safetensors", device=str(device)).items():
            setattr(self, name, tensor)


HELD = ("shift", "unit", "directions", "variances", "levels")
