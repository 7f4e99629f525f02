"""Restoration, classification, clustering and captions beside torchmetrics and scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics
import sklearn.naive_bayes
import sklearn.preprocessing
import torch
from agreement import budget
from shared_features import peer
from standins import StandIn, evidence, normal

from gengauge.data import Split
from gengauge_suites.utility.captions import caption_accuracy
from gengauge_suites.utility.codes import code_size
from gengauge_suites.utility.recognition import accuracy, ari, calibration_error, nmi
from gengauge_suites.utility.restoration import psnr, reconstruction_mse, ssim

N, CLASSES = 400, 5


class Blurs(StandIn):
    """Restores by a local mean, which leaves errors to compare."""

    def denoise(self, x, sigma):
        return torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    def reconstruct(self, x):
        return self.denoise(x.double(), 0)


def images(side, channels=1):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(6, channels, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, side, mode="bilinear")
    return (16 * smooth).round().to(torch.uint8)


def over_levels(found, measure):
    """The mean over images and noise levels of a peer's measure, on what ours restored."""
    levels = found.memo("restored", lambda: pytest.fail("ours has restored nothing"))
    pairs = [
        (restored[None], clean[None])
        for level in levels.values()
        for clean, restored in zip(level.clean, level.restored, strict=True)
    ]
    return np.mean([float(measure(*pair, data_range=16.0)) for pair in pairs])


def test_psnr_is_that_of_torchmetrics():
    found = evidence(Blurs(), test=images(12), levels=17)
    ours = psnr(found).value
    theirs = over_levels(found, peer("torchmetrics.functional.image").peak_signal_noise_ratio)
    assert ours == pytest.approx(theirs, **budget("psnr", "torchmetrics"))


@pytest.mark.parametrize(
    ("side", "window"),
    [(8, {"gaussian_kernel": False, "kernel_size": 7}), (20, {"gaussian_kernel": True})],
)
def test_ssim_is_that_of_torchmetrics_without_its_mirrored_border(side, window):
    """torchmetrics averages windows that reach beyond the image too, where it mirrors it."""
    theirs = peer("torchmetrics.functional.image").structural_similarity_index_measure
    found = evidence(Blurs(), test=images(side, channels=3), levels=17)
    ours = ssim(found).value
    border = window.get("kernel_size", 11) // 2

    def inside(restored, clean, data_range):
        _, every = theirs(restored, clean, data_range=data_range, return_full_image=True, **window)
        return every[..., border:-border, border:-border].mean()

    expected = over_levels(found, inside)
    assert 0.1 < expected < 0.99
    allowed = budget("ssim", "torchmetrics, windows inside the image")
    assert ours == pytest.approx(expected, **allowed)


class Codes(StandIn):
    """The data is its own code."""

    alphabet = None

    def encode(self, x):
        return x

    def decode_codes(self, codes):
        return codes


def test_code_size_is_that_of_scikit_learns_bins_and_tables():
    train, test, bits = normal(300, 5, 1), normal(150, 5, 2), 4
    ours = code_size(evidence(Codes(), test=test, train=train), bits).value
    grid = sklearn.preprocessing.KBinsDiscretizer(
        2**bits, encode="ordinal", strategy="uniform", subsample=None
    ).fit(train.numpy())
    tables = sklearn.naive_bayes.CategoricalNB(alpha=0.5, min_categories=2**bits)
    tables.fit(grid.transform(train.numpy()), np.zeros(300))
    # one class: the joint is the likelihood, and its logarithm the length
    logs = tables.predict_joint_log_proba(grid.transform(test.numpy()))
    theirs = -logs.mean() / np.log(2) / 5
    assert ours == pytest.approx(theirs, **budget("code_size", "scikit-learn"))


def test_reconstruction_error_is_scikit_learns():
    x = normal(200, 1, 3).reshape(200, 1, 1, 1) * torch.ones(1, 1, 6, 6) + 1
    x = x * torch.linspace(0, 1, 36).reshape(1, 1, 6, 6)
    ours = reconstruction_mse(evidence(Blurs(), test=x, levels=None)).value
    theirs = sklearn.metrics.mean_squared_error(x.flatten(), Blurs().reconstruct(x).flatten())
    allowed = budget("reconstruction_mse", "scikit-learn")
    assert ours == pytest.approx(theirs, **allowed)


class Guesses(StandIn):
    """Class probabilities and clusters that are often right; the sharper the logits, the surer."""

    def __init__(self, logits):
        self.table = logits.softmax(1)

    def class_probabilities(self, x):
        return self.table

    def responsibilities(self, x):
        return self.table


def judged(k=CLASSES):
    """Evidence of a model with k classes or clusters, its table and the labels."""
    labels = torch.randint(CLASSES, (N,), generator=torch.Generator().manual_seed(1))
    logits = 1.5 * normal(N, k, 2)
    logits[torch.arange(N), labels % k] += 2
    model = Guesses(logits)
    return evidence(model, test=torch.zeros(N, 2), labels=labels), model.table, labels


def test_accuracy_is_scikit_learns():
    found, table, labels = judged()
    theirs = sklearn.metrics.accuracy_score(labels, table.argmax(1))
    assert accuracy(found).value == pytest.approx(theirs, **budget("accuracy", "scikit-learn"))


@pytest.mark.parametrize("bins", [5, 15])
def test_calibration_error_is_that_of_torchmetrics(bins):
    theirs = peer("torchmetrics.functional.classification").multiclass_calibration_error
    found, table, labels = judged()
    expected = float(theirs(table, labels, num_classes=CLASSES, n_bins=bins, norm="l1"))
    allowed = budget("calibration_error", "torchmetrics")
    assert calibration_error(found, bins).value == pytest.approx(expected, **allowed)


@pytest.mark.parametrize("k", [3, 5])
def test_clusters_are_compared_as_torchmetrics_does(k):
    clustering = peer("torchmetrics.functional.clustering")
    found, table, labels = judged(k)
    theirs = float(clustering.adjusted_rand_score(table.argmax(1), labels))
    assert ari(found).value == pytest.approx(theirs, **budget("ari", "torchmetrics"))
    theirs = float(clustering.normalized_mutual_info_score(table.argmax(1), labels, "arithmetic"))
    assert nmi(found).value == pytest.approx(theirs, **budget("nmi", "torchmetrics"))


class Numbers:
    """A grammar that says the attributes as numbers."""

    names = ("one", "two")
    values = (("0", "1", "2"), ("0", "1", "2"))

    def caption(self, attributes):
        return " ".join(str(int(a)) for a in attributes)

    def attributes(self, caption):
        return tuple(int(word) for word in caption.split())

    def agreement(self, caption, found):
        said = self.attributes(caption)
        return (None, None) if said is None else tuple(map(float, map(int.__eq__, said, found)))


def test_caption_accuracy_is_the_exact_match_of_torchmetrics():
    class Says(StandIn):
        def caption(self, x, generator):
            return [Numbers().caption(row) for row in said]

    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(3, (100, 2), generator=generator)
    wrong = torch.rand(100, 2, generator=generator) < 0.3
    said = torch.where(wrong, (truth + 1) % 3, truth)
    found = evidence(Says(), test=torch.zeros(100, 1, 8, 8))
    test = Split(found.dataset.test.x, attributes=truth)
    found = replace(found, dataset=replace(found.dataset, test=test, grammar=Numbers()))
    match = peer("torchmetrics.functional.classification").multiclass_exact_match
    theirs = float(match(said, truth, num_classes=3))
    allowed = budget("caption_accuracy", "torchmetrics, exact match")
    assert caption_accuracy(found).value == pytest.approx(theirs, **allowed)
