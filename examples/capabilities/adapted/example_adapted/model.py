"""Normals of old classes are the base; the adapter is a mean for each new class."""

import time

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training
from gengauge.errors import UnsupportedError


class AddedClasses:
    """The base learns all classes but the last; what it knows is never changed."""

    def fit(self, data, run):
        """Fit the base on old classes alone, then the new class's mean, from its examples."""
        check_training(data, "added-classes")
        x, labels = data.train.x.double().to(run.device), data.train.labels.to(run.device)
        self.new = labels.max()
        old = labels != self.new
        if not bool(old.any()):
            raise ValueError("added-classes needs examples of two classes or more, and got one")
        counts = torch.bincount(labels).double()
        sums = torch.zeros(len(counts), x.shape[1]).to(x).index_add_(0, labels, x)
        self.means = sums / counts.clamp_min(1)[:, None]  # those of old classes are the base's
        self.share = counts / counts.sum()
        far = x[old] - self.means[labels[old]]
        floor = 1e-4 * x.var(0, correction=0) + 1e-6
        self.root = torch.linalg.cholesky(far.T @ far / len(far) + floor.diag()).contiguous()
        self.middle = x[old].mean(0)  # what the base gives for a class it has never seen
        began = time.perf_counter()
        self.means[self.new] = x[labels == self.new].mean(0)
        self.seconds = torch.tensor(time.perf_counter() - began)
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return ``[n, d]``: one for each label of ``condition``, or of classes by their share."""
        return self._draw(self.means, n, condition, generator)

    def sample_base(self, n, condition, generator):
        """Return what the base alone answers, from the same noise."""
        known = self.means.clone()
        known[self.new] = self.middle
        return self._draw(known, n, condition, generator)

    def _draw(self, means, n, condition, generator):
        chosen = torch.multinomial(self.share, n, replacement=True, generator=generator)
        noise = torch.randn(n, len(self.root), generator=generator, device=generator.device)
        chosen = chosen if condition is None else self._seen(condition)
        return (means[chosen] + noise.double() @ self.root.T).float()

    @property
    def new_classes(self):
        """The class that was added."""
        return (int(self.new),)

    @property
    def adapter_parameters(self):
        """One mean."""
        return self.means.shape[1]

    @property
    def base_parameters(self):
        """The other means, and the covariance."""
        return self.means.numel() - self.means.shape[1] + len(self.root) * (len(self.root) + 1) // 2

    @property
    def adaptation_seconds(self):
        """The time that the added mean took."""
        return float(self.seconds)

    def _seen(self, labels):
        """Return ``labels``; raise where one had no training example."""
        labels = labels.to(self.means.device)
        known = labels < len(self.share)
        if not bool((known & (self.share[labels * known] > 0)).all()):
            raise UnsupportedError("asked for a class that had no training example")
        return labels

    def save(self, folder):
        """Write base and adapter."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: getattr(self, name) for name in HELD}, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        for name, tensor in load_file(folder / "model.safetensors", device=str(device)).items():
            setattr(self, name, tensor)


HELD = ("means", "share", "root", "middle", "new", "seconds")
