"""Counts of each pixel's levels within each class: naive Bayes."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training
from gengauge.errors import UnsupportedError


class PixelCounts:
    """Levels of pixels, independent within a class."""

    def fit(self, data, run):
        """Count, beginning at one."""
        check_training(data, "pixel-counts")
        x, labels = data.train.x.flatten(1).long().to(run.device), data.train.labels.to(run.device)
        share = torch.bincount(labels).double()
        counts = torch.ones(len(share), x.shape[1], data.levels, dtype=torch.float64).to(x.device)
        for label in range(len(share)):
            mine = torch.nn.functional.one_hot(x[labels == label], data.levels)
            counts[label] += mine.sum(0)
        likely = counts / counts.sum(-1, keepdim=True)
        self.likely = likely.view(len(share), *data.event_shape, data.levels)
        self.share = share / share.sum()
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return integers ``[n, *event]``, of each class as often as training data has it."""
        chosen = torch.multinomial(self.share, n, replacement=True, generator=generator)
        likely = self.likely[chosen]
        drawn = torch.multinomial(likely.flatten(0, -2), 1, generator=generator)
        return drawn.view(likely.shape[:-1])

    def log_mass_given(self, x, labels):
        """Return log P(x | label) in nats ``[n]``."""
        labels = labels.to(self.likely.device)
        if bool((self.share[labels] == 0).any()):
            raise UnsupportedError("asked for a class that had no training example")
        x = x.long().to(self.likely.device)
        return self.likely[labels].gather(-1, x[..., None]).log().flatten(1).sum(1)

    def save(self, folder):
        """Write the probabilities."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"likely": self.likely, "share": self.share}, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        held = load_file(folder / "model.safetensors", device=str(device))
        self.likely, self.share = held["likely"], held["share"]
