"""Each class is a few of its pictures, in which any pixel may be at fault."""

import math

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training
from gengauge.errors import UnsupportedError

FAULT = 0.2  # share of pixels that have any level at all


class Prototypes:
    """The latent variable is which of its class's prototypes a picture comes from."""

    def __init__(self, prototypes):
        self.prototypes = prototypes

    def fit(self, data, run):
        """Choose prototypes of each class at random."""
        check_training(data, "prototypes")
        x, labels = data.train.x.to(run.device), data.train.labels.to(run.device)
        self.share = torch.bincount(labels).double()
        self.pictures = torch.zeros(len(self.share), self.prototypes, *x.shape[1:]).to(x)
        stream = run.generator("prototypes")
        for label in torch.unique(labels).tolist():
            mine = x[labels == label]
            self.pictures[label] = mine[
                torch.randint(len(mine), (self.prototypes,), generator=stream).to(x.device)
            ]
        self.share /= self.share.sum()
        self.levels = torch.tensor(data.levels)
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return integers ``[n, *event]``, of each class as often as training data has it."""
        draw = {"generator": generator, "device": generator.device}
        chosen = torch.multinomial(self.share, n, replacement=True, generator=generator)
        x = self.pictures[chosen, torch.randint(self.prototypes, (n,), **draw)]
        other = torch.randint(int(self.levels), x.shape, **draw).to(x.dtype)
        return torch.where(torch.rand(x.shape, **draw) < FAULT, other, x)

    def log_weights_given(self, x, labels, k, generator):
        """Return ``log p(x, z | label) - log q(z | x, label)`` in nats ``[k, n]``."""
        labels = labels.to(self.share.device)
        if bool((self.share[labels] == 0).any()):
            raise UnsupportedError("asked for a class that had no training example")
        same = x.to(self.share.device)[:, None].flatten(2) == self.pictures[labels].flatten(2)
        odds = torch.where(same, 1 - FAULT, 0.0).double() + FAULT / self.levels
        joint = odds.log().sum(-1) - math.log(self.prototypes)  # [n, prototypes]
        guess = (joint / 2).log_softmax(1)  # bolder would miss some of p(x)
        z = torch.multinomial(guess.exp(), k, replacement=True, generator=generator)
        return (joint - guess).gather(1, z).T

    def save(self, folder):
        """Write the prototypes."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {"pictures": self.pictures, "share": self.share, "levels": self.levels}
        save_file(held, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        held = load_file(folder / "model.safetensors", device=str(device))
        self.pictures, self.share = held["pictures"], held["share"]
        self.levels = held["levels"]
