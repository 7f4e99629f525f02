"""Pictures as sums of what the words of their captions add."""

import json

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training


class WordPictures:
    """A linear map from the words of a caption to the mean of its pictures."""

    def fit(self, data, run):
        """Find what each word adds to a picture, by least squares with a little restraint."""
        check_training(data, "word-pictures")
        x, said = data.train.x.double().to(run.device), data.train.captions
        self.words = sorted({word for caption in said for word in caption.split()})
        self.levels, self.mean = torch.tensor(data.levels), x.mean(0)
        bags = self._bags(said).to(x)
        self.usual = bags.mean(0)
        bags, far = bags - self.usual, (x - self.mean).flatten(1)
        restraint = torch.eye(len(self.words)).to(x)
        self.adds = torch.linalg.solve(bags.T @ bags + restraint, bags.T @ far).contiguous()
        self.spread = (far - bags @ self.adds).std(0, correction=0).view(self.mean.shape)
        run.spend(1, len(x))

    def _bags(self, captions):
        """Return how often each word is said ``[n, words]``."""
        counts = [[caption.split().count(word) for word in self.words] for caption in captions]
        return torch.tensor(counts, dtype=torch.float64)

    def _draw(self, bags, generator):
        """Return floats ``[n, *event]``, 0 to 1, for bags of words ``[n, words]``."""
        n = len(bags)
        x = self.mean + ((bags.to(self.adds) - self.usual) @ self.adds).view(n, *self.mean.shape)
        noise = torch.randn(x.shape, generator=generator, device=generator.device)
        return ((x + self.spread * noise + 0.5) / self.levels).clamp(0, 1 - 1e-6).float()

    def sample(self, n, condition, generator):
        """Return floats ``[n, *event]``: one for each caption, or of no caption in particular."""
        usual = self.usual.expand(n, -1)
        return self._draw(usual if condition is None else self._bags(condition), generator)

    def save(self, folder):
        """Write what is known of the words."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: getattr(self, name) for name in HELD}, folder / "model.safetensors")
        (folder / "words.json").write_text(json.dumps(self.words))

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        for name, tensor in load_file(folder / "model.safetensors", device=str(device)).items():
            setattr(self, name, tensor)
        self.words = json.loads((folder / "words.json").read_text())


HELD = ("mean", "levels", "usual", "adds", "spread")
