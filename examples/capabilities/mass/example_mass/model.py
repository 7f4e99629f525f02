"""A chain in which each letter depends on the one before it."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training


class MarkovChain:
    """Counts of first letters and of pairs, each begun at one."""

    def fit(self, data, run):
        """Count."""
        check_training(data, "markov-chain")
        x, levels = data.train.x.to(run.device), data.levels
        first = torch.bincount(x[:, 0], minlength=levels).double() + 1
        pairs = torch.bincount((x[:, :-1] * levels + x[:, 1:]).flatten(), minlength=levels**2)
        steps = pairs.view(levels, levels).double() + 1
        self.first, self.steps = first / first.sum(), steps / steps.sum(1, keepdim=True)
        self.length = torch.tensor(data.dimensions)
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return texts ``[n, length]``."""
        letters = [torch.multinomial(self.first, n, replacement=True, generator=generator)]
        while len(letters) < int(self.length):
            likely = self.steps[letters[-1]]
            letters.append(torch.multinomial(likely, 1, generator=generator)[:, 0])
        return torch.stack(letters, 1)

    def log_mass(self, x):
        """Return the log-probability of texts ``x`` ``[n, length]`` in nats ``[n]``."""
        x = x.long()
        return self.first[x[:, 0]].log() + self.steps[x[:, :-1], x[:, 1:]].log().sum(1)

    def save(self, folder):
        """Write the probabilities."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {"first": self.first, "steps": self.steps, "length": self.length}
        save_file(held, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        held = load_file(folder / "model.safetensors", device=str(device))
        self.first, self.steps, self.length = held["first"], held["steps"], held["length"]
