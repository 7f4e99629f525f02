"""K-means as a codebook: an example's code is the number of its nearest centre."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training


class Codebook:
    """Centres, how often each is used, and how far its examples are."""

    def __init__(self, codes):
        self.codes = codes

    def fit(self, data, run):
        """Begin at random examples and move to the mean of what is near, step by step."""
        check_training(data, "codebook")
        x = data.train.x.double().to(run.device)
        self.unit = x.std(0, correction=0) + 1e-6  # so that no column outweighs the others
        first = torch.randint(len(x), (self.codes,), generator=run.generator("centres"))
        self.centres = x[first.to(x.device)].clone()
        more = True
        while more:
            code = self.encode(x)[:, 0]
            used = torch.bincount(code, minlength=self.codes)
            sums = torch.zeros_like(self.centres).index_add(0, code, x)
            mean = sums / used.clamp_min(1)[:, None]
            self.centres = torch.where(used[:, None] > 0, mean, self.centres)
            more = run.spend(1, len(x))
        self.share = used.double() / len(x)
        self.spread = (x - self.centres[code]).std(0, correction=0)

    def sample(self, n, condition, generator):
        """Return ``[n, d]`` around centres, each as often as it is used."""
        chosen = torch.multinomial(self.share, n, replacement=True, generator=generator)
        shape = (n, len(self.spread))
        noise = torch.randn(shape, generator=generator, device=generator.device)
        return (self.centres[chosen] + self.spread * noise).float()

    @property
    def alphabet(self):
        """How many codes there are."""
        return self.codes

    def encode(self, x):
        """Return the number ``[n, 1]`` of each example's nearest centre."""
        x = x.double().to(self.centres.device)
        return torch.cdist(x / self.unit, self.centres / self.unit).argmin(1)[:, None]

    def decode_codes(self, codes):
        """Return the centres ``[n, d]`` of ``codes`` ``[n, 1]``."""
        return self.centres[codes[:, 0]].float()

    def save(self, folder):
        """Write the centres and what is known of them."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: getattr(self, name) for name in HELD}, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        for name, tensor in load_file(folder / "model.safetensors", device=str(device)).items():
            setattr(self, name, tensor)


HELD = ("unit", "centres", "share", "spread")
