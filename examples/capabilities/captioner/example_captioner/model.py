"""Pictures it has seen, with faults when drawn and with their captions when asked."""

import json

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training

FAULT = 0.1  # share of pixels that a sample draws anew


class NearestCaption:
    """The training pictures and their captions."""

    def fit(self, data, run):
        """Keep them."""
        check_training(data, "nearest-caption")
        self.x, self.levels = data.train.x.clone().to(run.device), torch.tensor(data.levels)
        self.captions = list(data.train.captions)
        run.spend(1, len(self.x))

    def sample(self, n, condition, generator):
        """Return integers ``[n, *event]``: pictures it knows, with pixels at fault."""
        draw = {"generator": generator, "device": generator.device}
        x = self.x[torch.randint(len(self.x), (n,), **draw)]
        other = torch.randint(int(self.levels), x.shape, **draw).to(x.dtype)
        return torch.where(torch.rand(x.shape, **draw) < FAULT, other, x)

    def caption(self, x, generator):
        """Return the caption of each picture's nearest one."""
        x = x.double().flatten(1).to(self.x.device)
        near = torch.cdist(x, self.x.double().flatten(1)).argmin(1)
        return [self.captions[i] for i in near.tolist()]

    def save(self, folder):
        """Write pictures and captions."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"x": self.x, "levels": self.levels}, folder / "model.safetensors")
        (folder / "captions.json").write_text(json.dumps(self.captions))

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        held = load_file(folder / "model.safetensors", device=str(device))
        self.x, self.levels = held["x"], held["levels"]
        self.captions = json.loads((folder / "captions.json").read_text())
