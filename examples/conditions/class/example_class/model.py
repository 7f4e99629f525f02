"""A normal for each class, and samples of the classes that are asked for."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training
from gengauge.errors import UnsupportedError


class ClassGaussians:
    """Normals around the means of the classes."""

    def fit(self, data, run):
        """Take each class's mean, and the covariance around them that all classes share."""
        check_training(data, "class-gaussians")
        x, labels = data.train.x.double().to(run.device), data.train.labels.to(run.device)
        counts = torch.bincount(labels).double()
        sums = torch.zeros(len(counts), x.shape[1]).to(x).index_add_(0, labels, x)
        self.means, self.share = sums / counts.clamp_min(1)[:, None], counts / counts.sum()
        far = x - self.means[labels]
        floor = 1e-4 * x.var(0, correction=0) + 1e-6
        self.root = torch.linalg.cholesky(far.T @ far / len(x) + floor.diag()).contiguous()
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return ``[n, d]``: one for each label of ``condition``, or of classes by their share."""
        chosen = torch.multinomial(self.share, n, replacement=True, generator=generator)
        noise = torch.randn(n, len(self.root), generator=generator, device=generator.device)
        chosen = chosen if condition is None else self._seen(condition)
        return (self.means[chosen] + noise.double() @ self.root.T).float()

    def _seen(self, labels):
        """Return ``labels``; raise where one had no training example."""
        labels = labels.to(self.means.device)
        known = labels < len(self.share)
        if not bool((known & (self.share[labels * known] > 0)).all()):
            raise UnsupportedError("asked for a class that had no training example")
        return labels

    def save(self, folder):
        """Write means, shares and the root of the covariance."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {"means": self.means, "share": self.share, "root": self.root}
        save_file(held, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        held = load_file(folder / "model.safetensors", device=str(device))
        self.means, self.share, self.root = held["means"], held["share"], held["root"]
