"""A chain in which each letter depends on the two before it, begun anywhere."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training


class ContinuedChain:
    """Counts of letters after each pair; a number above all letters stands for the beginning."""

    def fit(self, data, run):
        """Count, beginning at a tenth."""
        check_training(data, "continued-chain")
        x, levels = data.train.x.to(run.device), data.levels
        self.length = torch.tensor(data.dimensions)
        padded = torch.nn.functional.pad(x, (2, 0), value=levels)
        triples = (padded[:, :-2] * (levels + 1) + padded[:, 1:-1]) * levels + x
        counts = torch.bincount(triples.flatten(), minlength=(levels + 1) ** 2 * levels)
        counts = counts.view(levels + 1, levels + 1, levels).double() + 0.1
        self.likely = counts / counts.sum(-1, keepdim=True)
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return texts ``[n, length]`` that begin with ``condition`` ``[n, p]``, or anyhow."""
        levels = self.likely.shape[-1]
        text = torch.full((n, 2), levels, device=self.likely.device)
        if condition is not None:
            text = torch.cat([text, condition.long().to(text.device)], 1)
        while text.shape[1] < int(self.length) + 2:
            likely = self.likely[text[:, -2], text[:, -1]]
            text = torch.cat([text, torch.multinomial(likely, 1, generator=generator)], 1)
        return text[:, 2:]

    def save(self, folder):
        """Write the probabilities."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"likely": self.likely, "length": self.length}, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        held = load_file(folder / "model.safetensors", device=str(device))
        self.likely, self.length = held["likely"], held["length"]
