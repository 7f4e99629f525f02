"""A mixture of independent pixels, of which only a bound is asked."""

import math

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import one_hot

from gengauge import check_training


class PixelClusters:
    """Pictures belong to the cluster whose first picture they resemble most."""

    def __init__(self, clusters):
        self.clusters = clusters

    def fit(self, data, run):
        """Choose a first picture of each cluster at random, and count levels around it."""
        check_training(data, "pixel-clusters")
        x = data.train.x.flatten(1).long().to(run.device)
        first = torch.randint(len(x), (self.clusters,), generator=run.generator("clusters"))
        near = (x[:, None] - x[first.to(x.device)]).abs().sum(-1).argmin(1)
        counts = torch.ones(self.clusters, x.shape[1], data.levels, dtype=torch.float64)
        counts = counts.to(x.device).index_add(0, near, one_hot(x, data.levels).double())
        likely = counts / counts.sum(-1, keepdim=True)
        self.likely = likely.view(self.clusters, *data.event_shape, data.levels)
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return integers ``[n, *event]``; all clusters are equally likely."""
        draw = {"generator": generator, "device": generator.device}
        chosen = torch.randint(self.clusters, (n,), **draw)
        likely = self.likely[chosen]
        drawn = torch.multinomial(likely.flatten(0, -2), 1, generator=generator)
        return drawn.view(likely.shape[:-1])

    def bound(self, x, generator):
        """Return a draw whose mean is below log P(x), in nats ``[n]``."""
        x = x.flatten(1).long().to(self.likely.device)
        each = self.likely.flatten(1, -2).expand(len(x), -1, -1, -1)
        found = each.gather(-1, x[:, None, :, None].expand(-1, self.clusters, -1, 1))
        joint = found[..., 0].log().sum(-1) - math.log(self.clusters)  # [n, clusters]
        guess = (joint / 2).log_softmax(1)  # the exact one would leave no gap to see
        z = torch.multinomial(guess.exp(), 1, generator=generator)
        return (joint - guess).gather(1, z)[:, 0]

    def save(self, folder):
        """Write the probabilities."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"likely": self.likely}, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        self.likely = load_file(folder / "model.safetensors", device=str(device))["likely"]
