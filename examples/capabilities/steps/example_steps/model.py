"""The flow of a normal, followed by Euler's rule: the fewer steps, the farther from the line."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training


class CoarseFlow:
    """The flow between the normal of the data and a round one."""

    def fit(self, data, run):
        """Take the mean, and the directions of the covariance with their variances."""
        check_training(data, "coarse-flow")
        x = data.train.x.double().to(run.device)
        self.shift, self.unit = x.mean(0), x.std(0, correction=0) + 1e-6
        scaled = ((x - self.shift) / self.unit).flatten(1)
        values, self.directions = torch.linalg.eigh(scaled.T @ scaled / len(x))
        self.variances = values.clamp_min(1e-6)
        run.spend(1, len(x))

    @property
    def step_choices(self):
        """Steps that show the difference."""
        return (1, 2, 4, 8, 16)

    def sample(self, n, condition, generator):
        """Return ``[n, d]``."""
        return self.sample_in(16, n, condition, generator)[0]

    def sample_in(self, steps, n, condition, generator):
        """Return ``[n, d]`` after so many steps, and the evaluations behind each sample."""
        shape = (n, len(self.shift))
        draw = {"generator": generator, "device": generator.device, "dtype": torch.float64}
        x = self.shift + self.unit * torch.randn(shape, **draw)
        for i in range(steps):
            x = x - self._velocity(x, 1 - i / steps) / steps
        return x.float(), float(steps)

    def _velocity(self, x, t):
        """Return the mean of noise minus data, given where both have led at ``t``."""
        z = ((x - self.shift) / self.unit) @ self.directions
        pull = (t - (1 - t) * self.variances) / ((1 - t) ** 2 * self.variances + t**2)
        return ((pull * z) @ self.directions.T) * self.unit

    def save(self, folder):
        """Write the mean and the covariance."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {name: getattr(self, name).contiguous() for name in HELD}
        save_file(held, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        for name, tensor in load_file(folder / "model.safetensors", device=str(device)).items():
            setattr(self, name, tensor)


HELD = ("shift", "unit", "directions", "variances")
