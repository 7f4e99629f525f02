"""A linear diffusion of pictures, whose last step draws levels."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training

STEPS = 50
SIGNAL = torch.cos(torch.linspace(0.02, 1.5, STEPS, dtype=torch.float64)).square()


class LevelledDiffusion:
    """The chain of a normal, and levels at its end."""

    def fit(self, data, run):
        """Take the mean, and the directions of the covariance with their variances."""
        check_training(data, "levelled-diffusion")
        x = data.train.x.double().to(run.device)
        self.shift, self.unit = x.mean(0), x.std(0, correction=0) + 1e-6
        scaled = ((x - self.shift) / self.unit).flatten(1)
        values, self.directions = torch.linalg.eigh(scaled.T @ scaled / len(x))
        self.variances = values.clamp_min(1e-6)
        run.spend(1, len(x))
        self.levels = torch.arange(data.levels).to(x)

    def sample(self, n, condition, generator):
        """Return integers ``[n, *event]``."""
        likely = self._likely(self._reverse((n, *self.shift.shape), generator))
        drawn = torch.multinomial(likely.exp().flatten(0, -2), 1, generator=generator)
        return drawn.view(n, *self.shift.shape)

    def log_reconstruction(self, x, x_1):
        """Return log p(x | x_1) in nats ``[n]``: every pixel has some level."""
        found = self._likely(x_1.double()).gather(-1, x.long()[..., None])
        return found[..., 0].flatten(1).sum(1)

    def _likely(self, x_1):
        """Return the log-probability of each level ``[n, *event, levels]``."""
        guess, _ = self.predict(x_1, torch.zeros(len(x_1)).long())
        places = (self.levels - self.shift[..., None]) / self.unit[..., None]
        width = 0.1 + 1 / self.unit[..., None]  # blurred by a level and a little
        return (-0.5 * ((guess[..., None] - places) / width).square()).log_softmax(-1)

    def _reverse(self, shape, generator):
        """Return x_1 ``shape``, reached from pure noise one step after another."""
        draw = {"generator": generator, "device": generator.device, "dtype": torch.float64}
        x = torch.randn(shape, **draw)
        for i in range(len(SIGNAL) - 1, 0, -1):
            a, b = SIGNAL[i], SIGNAL[i - 1]
            guess, _ = self.predict(x, torch.full((len(x),), i))
            step = a / b
            mean = b.sqrt() * (1 - step) * guess + step.sqrt() * (1 - b) * x
            spread = ((1 - step) * (1 - b) / (1 - a)).sqrt()
            x = mean / (1 - a) + spread * torch.randn(shape, **draw)
        return x

    def alphas_cumprod(self):
        """Return the signal's share ``[T]`` of the variance after each step."""
        return SIGNAL

    def scaling(self):
        """Return shift and spread of the data."""
        return self.shift, self.unit

    def predict(self, x_t, t):
        """Return E[x_0 | x_t] in scaled space, and None: the step's variance is the usual one."""
        a = SIGNAL.to(x_t)[t].view(-1, 1)
        keep = a.sqrt() * self.variances.to(x_t) / (a * self.variances.to(x_t) + 1 - a)
        turn = self.directions.to(x_t)
        return ((keep * (x_t.flatten(1) @ turn)) @ turn.T).view(x_t.shape), None

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
