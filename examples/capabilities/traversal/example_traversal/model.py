"""The widest directions of pictures, and what each of them changes."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training

INSIDE = 1 - 1e-6  # of the data's range, whose upper end is open


class Directions:
    """A normal on the plane of the widest directions."""

    def __init__(self, latent):
        self.latent = latent

    def fit(self, data, run):
        """Find the widest directions of pictures on the scale from 0 to 1."""
        check_training(data, "principal components")
        x = (data.train.x.double().to(run.device) + 0.5) / data.levels
        self.mean, self.levels = x.mean(0), torch.tensor(data.levels)
        far = (x - self.mean).flatten(1)
        values, vectors = torch.linalg.eigh(far.T @ far / len(x))
        q = min(self.latent, len(values))
        self.scales = values[-q:].flip(0).clamp_min(1e-12).sqrt()
        self.directions = vectors[:, -q:].flip(1).contiguous()
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return floats ``[n, *event]``, 0 to 1."""
        z = torch.randn(n, len(self.scales), generator=generator, device=generator.device)
        return self._picture(z).float()

    def _picture(self, z):
        """Return pictures ``[n, *event]`` of latents ``z`` ``[n, q]``."""
        flat = (z.double() * self.scales) @ self.directions.T
        return (self.mean + flat.view(-1, *self.mean.shape)).clamp(0, INSIDE)

    def traverse(self, rows, steps):
        """Return pictures ``[r, steps, *event]``: each row moves one direction, -2 to 2."""
        rows = min(rows, len(self.scales))
        z = torch.zeros(rows, steps, len(self.scales)).to(self.mean)
        for row in range(rows):
            z[row, :, row] = torch.linspace(-2, 2, steps)
        return self._picture(z.flatten(0, 1)).view(rows, steps, *self.mean.shape).float()

    def save(self, folder):
        """Write mean, directions and scales."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: getattr(self, name) for name in HELD}, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        for name, tensor in load_file(folder / "model.safetensors", device=str(device)).items():
            setattr(self, name, tensor)


HELD = ("mean", "levels", "scales", "directions")
