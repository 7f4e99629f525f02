"""Restoring, classifying, clustering and captioning by models whose skill is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from standins import StandIn, evidence

from gengauge.data import Split
from gengauge.errors import DivergedError, UnsupportedError
from gengauge_suites.utility.captions import caption_accuracy
from gengauge_suites.utility.recognition import accuracy, ari, calibration_error, nmi
from gengauge_suites.utility.restoration import psnr, reconstruction_mse, ssim


def images(n=60, side=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(17, (n, 1, side, side), generator=generator).to(torch.uint8)


class Keeps(StandIn):
    """Removes no noise."""

    def denoise(self, x, sigma):
        return x


class Knows(StandIn):
    """Brings noise down to a share of what it was."""

    def __init__(self, clean, share):
        self.clean, self.share = clean.float(), share

    def denoise(self, x, sigma):
        return self.clean + self.share * (x - self.clean)


class Returns(StandIn):
    def __init__(self, out):
        self.out = out

    def denoise(self, x, sigma):
        return self.out

    def reconstruct(self, x):
        return self.out


def test_noise_that_is_kept_has_the_ratio_of_its_own_deviation():
    score = psnr(evidence(Keeps(), test=images(400), levels=17))
    for row in score.details["levels"]:
        assert row["value"] == pytest.approx(-20 * math.log10(row["sigma"]), abs=0.15)
        assert row["value"] == pytest.approx(row["noisy"], abs=1e-4)
        assert row["low"] < row["value"] < row["high"]
    expected = np.mean([-20 * math.log10(s) for s in (0.1, 0.2, 0.4)])
    assert score.value == pytest.approx(expected, abs=0.15)
    assert score.interval.low < score.value < score.interval.high
    assert score.details["method"] == "denoiser"
    assert score.n_reference == len(score.per_example) == 400


def test_halving_the_error_gains_six_decibels_and_similarity():
    x = images(50)
    kept, halved = (evidence(m, test=x, levels=17) for m in (Keeps(), Knows(x, 0.5)))
    gain = 20 * math.log10(2)
    assert psnr(halved).value - psnr(kept).value == pytest.approx(gain, abs=1e-4)
    assert ssim(halved).value > ssim(kept).value + 0.1


@pytest.mark.parametrize("side", [8, 16])
def test_ssim_is_the_papers_formula(side):
    """Means, variances and covariance in each window, flat or Gaussian, by direct sums."""
    x = images(3, side)
    size = 7 if side < 11 else 11
    weight = np.ones(7) if side < 11 else np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    window = np.outer(weight, weight) / weight.sum() ** 2
    other = (x.double() * 0.8 + 1).clamp(0, 16)
    score = ssim(evidence(Returns(other), test=x, levels=17))
    values = []
    for a, b in zip(x.double().numpy()[:, 0], other.numpy()[:, 0], strict=True):
        for i in range(side - size + 1):
            for j in range(side - size + 1):
                p, q = (z[i : i + size, j : j + size] for z in (a, b))
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * p * p).sum() - mp**2, (window * q * q).sum() - mq**2
                cov = (window * p * q).sum() - mp * mq
                c1, c2 = (0.01 * 16) ** 2, (0.03 * 16) ** 2
                values.append((2 * mp * mq + c1) * (2 * cov + c2)
                              / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))  # fmt: skip
    assert score.value == pytest.approx(float(np.mean(values)), abs=1e-6)
    assert score.protocol["window"] == size


def test_a_reconstructor_denoises_by_reconstruction_and_says_so():
    class Rounds(StandIn):
        def reconstruct(self, x):
            assert x.dtype == torch.uint8
            return x

    score = psnr(evidence(Rounds(), test=images(), levels=17))
    assert "reconstruction of the noisy image" in score.details["method"]
    first = score.details["levels"][-1]
    assert first["value"] > first["noisy"]  # noise beyond the range is clamped away


def test_continuous_images_take_their_range_from_the_data():
    x = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 6 - 3
    found = evidence(Keeps(), test=x)
    found = replace(found, dataset=replace(found.dataset, modality="image"))
    row = psnr(found).details["levels"][1]
    assert row["value"] == pytest.approx(-20 * math.log10(0.2), abs=0.3)


def test_restoration_that_cannot_be_scored_says_why():
    x = images()
    assert psnr(evidence(test=x, levels=17)).reason == "neither removes noise nor reconstructs"
    exact = psnr(evidence(Knows(x, 0.0), test=x, levels=17))
    assert exact.reason == "60 of 60 images come back exactly: the ratio is infinite"
    assert ssim(evidence(Knows(x, 0.0), test=x, levels=17)).value == pytest.approx(1)
    assert "window of 7" in ssim(evidence(Keeps(), test=images(60, 4), levels=17)).reason
    assert "at least 2" in psnr(evidence(Keeps(), test=x[:1], levels=17)).reason
    broken = x.double().clone()
    broken[2, 0, 1, 1] = math.nan
    with pytest.raises(DivergedError, match="1 of 60 restored images are not finite"):
        psnr(evidence(Returns(broken), test=x, levels=17))
    with pytest.raises(ValueError, match=r"returned \[59, 1, 8, 8\]"):
        psnr(evidence(Returns(x[:59]), test=x, levels=17))
    flat = evidence(Keeps(), test=torch.ones(40, 1, 8, 8))
    with pytest.raises(UnsupportedError, match="constant"):
        psnr(replace(flat, dataset=replace(flat.dataset, modality="image")))


def test_reconstruction_error_is_the_mean_square_a_value():
    x = images()
    moved = (x.int() + (x < 8).int() * 2 - (x >= 8).int() * 2).to(torch.uint8)
    assert reconstruction_mse(evidence(Returns(moved), test=x, levels=17)).value == 4
    score = reconstruction_mse(evidence(Returns(x), test=x, levels=17))
    assert (score.value, score.kind) == (0, "exact")
    assert reconstruction_mse(evidence(test=x, levels=17)).reason == "does not reconstruct"


class Says(StandIn):
    """Gives the same table whatever it is asked."""

    def __init__(self, table):
        self.table = table

    def class_probabilities(self, x):
        return self.table

    def responsibilities(self, x):
        return self.table


def labelled(n, classes=3, seed=0):
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed))


def judged(table, labels):
    return evidence(Says(table), test=torch.zeros(len(labels), 2), labels=labels)


def sure(guess, confidence, classes):
    rest = ((1 - confidence) / (classes - 1))[:, None].expand(-1, classes)
    return rest.clone().scatter_(1, guess[:, None], confidence[:, None])


def test_accuracy_counts():
    labels = labelled(200)
    guess = labels.clone()
    guess[:50] = (guess[:50] + 1) % 3
    score = accuracy(judged(sure(guess, torch.full((200,), 0.8).double(), 3), labels))
    assert (score.value, score.kind) == (0.75, "exact")
    assert score.interval.low < 0.75 < score.interval.high
    assert score.per_example.sum() == 150


def test_calibration_error_is_the_mean_gap_of_the_bins():
    """One bin 0.8 sure and 0.75 right, one 0.95 sure and never right."""
    labels = labelled(240)
    guess = labels.clone()
    guess[:50] = (guess[:50] + 1) % 3
    guess[200:] = (guess[200:] + 1) % 3
    confidence = torch.full((240,), 0.8).double()
    confidence[200:] = 0.95
    score = calibration_error(judged(sure(guess, confidence, 3), labels), 15)
    assert score.value == pytest.approx((200 * 0.05 + 40 * 0.95) / 240)
    assert score.value == pytest.approx(float(score.per_example.mean()))


def ece_by_definition(right, confidence, bins):
    total = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            total += float(inside.double().mean()) * abs(
                float(right[inside].mean() - confidence[inside].mean())
            )
    return total


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 20))
def test_calibration_error_agrees_with_its_definition(seed, bins):
    generator = torch.Generator().manual_seed(seed)
    table = torch.rand(80, 4, generator=generator, dtype=torch.float64).pow(3)
    table /= table.sum(1, keepdim=True)
    labels = labelled(80, 4, seed)
    confidence, guess = table.max(1)
    expected = ece_by_definition((guess == labels).double(), confidence, bins)
    assert calibration_error(judged(table, labels), bins).value == pytest.approx(expected)


def test_calibration_intervals_cover_at_this_size():
    """60 draws of 300 from an overconfident model: 95 % intervals must cover 85 % or more."""
    scores = []
    for i in range(60):
        generator = torch.Generator().manual_seed(i)
        confidence = 0.5 + 0.5 * torch.rand(300, generator=generator, dtype=torch.float64)
        right = torch.rand(300, generator=generator, dtype=torch.float64) < confidence - 0.1
        guess = torch.where(right, 0, 1)
        labels = torch.zeros(300, dtype=torch.int64)
        scores.append(calibration_error(judged(sure(guess, confidence, 3), labels), 15))
    centre = np.mean([s.value for s in scores])
    covered = sum(s.interval.low <= centre <= s.interval.high for s in scores)
    assert covered >= 51


def test_clusters_that_are_the_classes_agree_fully_under_any_names():
    labels = labelled(300)
    table = torch.nn.functional.one_hot((labels + 1) % 3, 5).double()
    for measure in (ari, nmi):
        score = measure(judged(table, labels))
        assert score.value == pytest.approx(1)
        assert score.interval.high <= 1
        assert score.details == {"clusters": 3, "classes": 3}


def test_clusters_at_random_agree_by_chance():
    labels, other = labelled(2000), labelled(2000, 3, 9)
    table = torch.nn.functional.one_hot(other, 3).double()
    score = ari(judged(table, labels))
    assert score.interval.low < 0 < score.interval.high
    assert 0 < nmi(judged(table, labels)).value < 0.01


def test_ari_of_a_finer_split_is_the_hand_count():
    """Two classes of 40, one split in halves: pairs by hand (Hubert & Arabie, eq. 5)."""
    labels = torch.tensor([0] * 40 + [1] * 40)
    cluster = torch.tensor([0] * 20 + [1] * 20 + [2] * 40)
    both, classes, clusters, every = 2 * 190 + 780, 2 * 780, 2 * 190 + 780, 3160
    expected = (both - classes * clusters / every) / (
        (classes + clusters) / 2 - classes * clusters / every
    )
    table = torch.nn.functional.one_hot(cluster, 3).double()
    assert ari(judged(table, labels)).value == pytest.approx(expected)


@pytest.mark.parametrize("measure", [accuracy, lambda e: calibration_error(e, 15), ari, nmi])
def test_recognition_that_cannot_be_scored_says_why(measure):
    labels = labelled(60)
    good = torch.full((60, 3), 1 / 3).double()
    assert "does not c" in measure(evidence(labels=labels, test=torch.zeros(60, 2))).reason
    unlabelled = evidence(Says(good), test=torch.zeros(60, 2))
    assert measure(unlabelled).reason == "the test data has no labels"
    assert "at least 40" in measure(judged(good[:9], labels[:9])).reason
    broken = good.clone()
    broken[5] = math.nan
    with pytest.raises(DivergedError, match="1 of 60"):
        measure(judged(broken, labels))
    with pytest.raises(ValueError, match="sum to 1"):
        measure(judged(good * 2, labels))
    with pytest.raises(ValueError, match=r"\[59, 3\], expected \[60, k\]"):
        measure(judged(good[:59], labels))


def test_a_classifier_of_too_few_classes_is_unsupported():
    with pytest.raises(UnsupportedError, match="knows 2 classes"):
        accuracy(judged(torch.full((60, 2), 0.5).double(), labelled(60)))


class Colours:
    """Captions such as "a red square"."""

    names = ("colour", "shape")
    values = (("red", "blue"), ("disc", "square"))

    def caption(self, attributes):
        return f"a {self.values[0][attributes[0]]} {self.values[1][attributes[1]]}"

    def attributes(self, caption):
        words = caption.split()
        if len(words) != 3 or words[1] not in self.values[0] or words[2] not in self.values[1]:
            return None
        return self.values[0].index(words[1]), self.values[1].index(words[2])

    def agreement(self, caption, found):
        said = self.attributes(caption)
        return (None, None) if said is None else tuple(map(float, map(int.__eq__, said, found)))


class Captions(StandIn):
    def __init__(self, said):
        self.said = said

    def caption(self, x, generator):
        return self.said


def captioned(said):
    attributes = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
    found = evidence(Captions(said), test=torch.zeros(4, 1, 8, 8))
    split = Split(found.dataset.test.x, attributes=attributes)
    return replace(found, dataset=replace(found.dataset, test=split, grammar=Colours()))


def test_captions_must_say_every_attribute():
    score = caption_accuracy(captioned(["a red disc", "a blue square", "bananas", "a blue square"]))
    assert score.value == 0.5
    assert score.details["not_understood"] == 1
    assert score.details["by_attribute"] == {"colour": 0.5, "shape": 0.75}
    assert score.interval.low < 0.5 < score.interval.high
    assert score.per_example.tolist() == [1, 0, 0, 1]


def test_captions_that_cannot_be_judged_say_why():
    assert caption_accuracy(evidence()).reason == "does not caption"
    assert "no grammar" in caption_accuracy(evidence(Captions([]))).reason
    with pytest.raises(ValueError, match="2 captions of 4 images"):
        caption_accuracy(captioned(["a red disc"] * 2))
