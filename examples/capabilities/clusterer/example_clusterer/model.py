"""Round normals of scaled data, fitted by expectation and maximisation."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training


class RoundClusters:
    """Clusters with a centre, a width and a share each."""

    def __init__(self, clusters):
        self.clusters = clusters

    def fit(self, data, run):
        """Guess to which cluster each example belongs, and move the clusters there."""
        check_training(data, "round-clusters")
        x = data.train.x.double().to(run.device)
        self.shift, self.unit = x.mean(0), x.std(0, correction=0) + 1e-6
        scaled = (x - self.shift) / self.unit
        first = torch.randint(len(x), (self.clusters,), generator=run.generator("centres"))
        self.centres = scaled[first.to(x.device)]
        self.widths = torch.ones(self.clusters).to(x)
        self.share = torch.full((self.clusters,), 1 / self.clusters).to(x)
        more = True
        while more:
            belongs = self.responsibilities(x)
            weight = belongs.sum(0).clamp_min(1e-9)
            self.centres = belongs.T @ scaled / weight[:, None]
            far = torch.cdist(scaled, self.centres).square() / x.shape[1]
            self.widths = ((belongs * far).sum(0) / weight + 1e-4).sqrt()
            self.share = weight / weight.sum()
            more = run.spend(1, len(x))

    def responsibilities(self, x):
        """Return each cluster's posterior probability ``[n, clusters]``."""
        scaled = (x.double().to(self.shift.device) - self.shift) / self.unit
        far = torch.cdist(scaled, self.centres) / self.widths
        d = scaled.shape[1]
        return (self.share.log() - d * self.widths.log() - 0.5 * far.square()).softmax(1)

    def sample(self, n, condition, generator):
        """Return ``[n, d]``."""
        chosen = torch.multinomial(self.share, n, replacement=True, generator=generator)
        shape = (n, len(self.shift))
        noise = torch.randn(shape, generator=generator, device=generator.device)
        scaled = self.centres[chosen] + self.widths[chosen, None] * noise
        return (self.shift + self.unit * scaled).float()

    def save(self, folder):
        """Write the clusters."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {name: getattr(self, name).contiguous() for name in HELD}
        save_file(held, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        for name, tensor in load_file(folder / "model.safetensors", device=str(device)).items():
            setattr(self, name, tensor)


HELD = ("shift", "unit", "centres", "widths", "share")
