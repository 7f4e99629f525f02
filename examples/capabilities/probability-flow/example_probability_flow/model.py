"""The velocity of flow matching (Lipman et al. 2023, arXiv:2210.02747), exact for a normal."""

import torch
from safetensors.torch import load_file, save_file
from torch.distributions import Normal

from gengauge import check_training

STEPS = 40


class StraightFlow:
    """The flow between the normal of the data and a round one."""

    def fit(self, data, run):
        """Take the mean, and the directions of the covariance with their variances."""
        check_training(data, "straight-flow")
        x = data.train.x.double().to(run.device)
        self.shift, self.unit = x.mean(0), x.std(0, correction=0) + 1e-6
        scaled = ((x - self.shift) / self.unit).flatten(1)
        values, self.directions = torch.linalg.eigh(scaled.T @ scaled / len(x))
        self.variances = values.clamp_min(1e-6)
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return ``[n, d]``: noise, carried back in steps through their middle."""
        shape = (n, len(self.shift))
        draw = {"generator": generator, "device": generator.device, "dtype": torch.float64}
        x = self.shift + self.unit * torch.randn(shape, **draw)
        for i in range(STEPS):
            t, half = torch.tensor(1 - i / STEPS), 0.5 / STEPS
            middle = x - half * self.velocity(x, t)
            x = x - 2 * half * self.velocity(middle, t - half)
        return x.float()

    def velocity(self, x, t):
        """Return dx/dt ``[n, d]``: the mean of noise minus data, given where both have led."""
        t = t.to(x).view(-1, 1)
        turn, variances = self.directions.to(x), self.variances.to(x)
        z = ((x - self.shift.to(x)) / self.unit.to(x)) @ turn
        pull = (t - (1 - t) * variances) / ((1 - t) ** 2 * variances + t**2)
        return ((pull * z) @ turn.T) * self.unit.to(x)

    def log_base(self, x):
        """Return the log-density of the noise in nats ``[n]``."""
        return Normal(self.shift, self.unit).log_prob(x).sum(1)

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
