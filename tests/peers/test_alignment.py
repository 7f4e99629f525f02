"""Alignment beside the field's own formulas and scikit-learn, on shared features."""

from functools import cache

import numpy as np
import pytest
import sklearn.metrics
import sklearn.preprocessing
import torch
from agreement import budget
from shared_features import peer
from sklearn.svm import SVC
from standins import StandIn

from gengauge import Dataset, Evidence, Split
from gengauge.loading import load_dataset
from gengauge.registry import Registry
from gengauge_suites.alignment.accuracy import attribute_accuracy, class_accuracy
from gengauge_suites.alignment.cas import cas
from gengauge_suites.alignment.clip import clip_r_precision, clip_score
from gengauge_suites.alignment.completion import completion_accuracy
from gengauge_suites.alignment.joint import joint_agreement

N, D, CLASSES = 300, 24, 5


class Judge:
    """Captions are numbers of random directions, images random points near them."""

    id, sha256, prefix = "judge", "1", ""
    words = torch.randn(N, D, generator=torch.Generator().manual_seed(0))

    def features(self, x):
        return x

    def text(self, captions):
        return self.words[[int(c) for c in captions]]

    def classes(self, x):
        return x[:, :CLASSES]


@cache
def shown():
    noise = torch.randn(N, D, generator=torch.Generator().manual_seed(1))
    x = Judge.words + 2.5 * noise
    labels = torch.randint(CLASSES, (N,), generator=torch.Generator().manual_seed(2))
    test = Split(x, labels, tuple(map(str, range(N))))
    data = Dataset("made", "points", test, test.first(0), test, class_names=tuple("abcde"))

    class Model(StandIn):
        def sample(self, n, condition, generator):
            return x[:n]

    return Evidence(data, Model(), x, 0, conditions=("class", "caption"))


def reference_clip_scores(images, captions, w=2.5):
    """The computation of the CLIPScore authors' get_clip_score, on features: their numbers."""
    images = sklearn.preprocessing.normalize(images, axis=1)
    captions = sklearn.preprocessing.normalize(captions, axis=1)
    return w * np.clip(np.sum(images * captions, axis=1), 0, None)


def test_clip_score_is_that_of_its_authors():
    evidence = shown()
    theirs = reference_clip_scores(evidence.samples.double().numpy(), Judge.words.double().numpy())
    ours = clip_score(evidence, Judge(), "auto")
    assert (theirs == 0).any()  # or the clamp would not be compared
    allowed = budget("clip_score", "the authors' formula")
    np.testing.assert_allclose(ours.per_example.numpy(), theirs, rtol=allowed["rel"], atol=1e-14)
    assert ours.value == pytest.approx(float(theirs.mean()), **allowed)


def test_retrieval_among_all_captions_is_top_one_accuracy():
    evidence = shown()
    images, words = (
        sklearn.preprocessing.normalize(v.double().numpy()) for v in (evidence.samples, Judge.words)
    )
    theirs = sklearn.metrics.top_k_accuracy_score(np.arange(N), images @ words.T, k=1)
    allowed = budget("clip_r_precision", "scikit-learn, top-1 accuracy")
    assert clip_r_precision(evidence, Judge(), N).value == pytest.approx(theirs, **allowed)


def test_class_accuracy_is_accuracy():
    evidence = shown()
    found = evidence.samples[:, :CLASSES].argmax(1).numpy()
    theirs = sklearn.metrics.accuracy_score(evidence.dataset.test.labels.numpy(), found)
    allowed = budget("class_accuracy", "scikit-learn")
    assert class_accuracy(evidence, Judge()).value == pytest.approx(theirs, **allowed)


def test_completion_accuracy_is_accuracy():
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(6, (N, 8), generator=generator)
    guess = torch.where(torch.rand(N, generator=generator) < 0.4, x[:, 4], 0)

    class Guesses(StandIn):
        def sample(self, n, condition, generator):
            return torch.cat([condition, guess[:n, None].expand(n, 4)], 1)

    test = Split(x)
    evidence = Evidence(Dataset("made", "text", test, test, test, 6), Guesses(), x, 0,
                        conditions=("prefix",))  # fmt: skip
    theirs = sklearn.metrics.accuracy_score(x[:, 4].numpy(), guess.numpy())
    allowed = budget("completion_accuracy", "scikit-learn, accuracy_score")
    assert completion_accuracy(evidence).value == pytest.approx(theirs, **allowed)


def test_cas_is_the_accuracy_of_a_support_vector_machine_on_raw_values():
    data = load_dataset(Registry().datasets["digits"])
    generator = torch.Generator().manual_seed(0)

    class Noisy(StandIn):
        def sample(self, n, condition, generator_):
            order = torch.argsort(data.train.labels, stable=True)
            first = torch.searchsorted(data.train.labels[order], condition)
            x = data.train.x[order[first + torch.arange(n) % 90]]
            noise = torch.randint(-6, 7, x.shape, generator=generator)
            return (x.long() + noise).clamp(0, 16)

    evidence = Evidence(data, Noisy(), data.test.x, 0, conditions=("class",))
    ours = cas(evidence, 2000, 5)
    given = evidence.conditional("class")
    flat = [part.flatten(1).double().numpy() for part in (data.train.x, given.samples, data.test.x)]
    gamma = 1 / (flat[0].shape[1] * flat[0].var())
    machine = SVC(C=10.0, gamma=gamma).fit(flat[1], given.labels.numpy())
    theirs = machine.score(flat[2], data.test.labels.numpy())
    assert 0.3 < theirs < 0.98
    assert ours.value == pytest.approx(theirs, **budget("cas", "scikit-learn, SVC on raw values"))


def test_attribute_accuracy_is_exact_match():
    """Both attributes of an image must be right."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(3, (N, 2), generator=generator)
    wrong = torch.rand(N, 2, generator=generator) < 0.3
    found = torch.where(wrong, (truth + 1) % 3, truth)

    class Sees(Judge):
        def attributes(self, x):
            return x.long()

    class Draws(StandIn):
        def sample(self, n, condition, generator):
            return found[:n].float()

    class Numbers:
        names, values = ("one", "two"), (("0", "1", "2"),) * 2

        def attributes(self, caption):
            return tuple(map(int, caption.split()))

        def agreement(self, caption, found):
            return tuple(map(float, map(int.__eq__, self.attributes(caption), found)))

    captions = tuple(f"{a} {b}" for a, b in truth.tolist())
    test = Split(found.float(), captions=captions, attributes=truth)
    data = Dataset("made", "points", test, test.first(0), test, grammar=Numbers())
    judged = Evidence(data, Draws(), found.float(), 0, conditions=("caption",))
    match = peer("torchmetrics.functional.classification").multiclass_exact_match
    theirs = float(match(found, truth, num_classes=3))
    allowed = budget("attribute_accuracy", "torchmetrics, exact match")
    assert attribute_accuracy(judged, Sees()).value == pytest.approx(theirs, **allowed)


def test_joint_agreement_is_exact_match():
    """A caption names both attributes that the judge must find."""
    generator = torch.Generator().manual_seed(0)
    said = torch.randint(3, (N, 2), generator=generator)
    wrong = torch.rand(N, 2, generator=generator) < 0.3
    found = torch.where(wrong, (said + 1) % 3, said)

    class Sees(Judge):
        def attributes(self, x):
            return x.long()

    class Numbers:
        names, values = ("first", "second"), (("0", "1", "2"),) * 2

        def attributes(self, caption):
            return tuple(map(int, caption.split()))

        def agreement(self, caption, found):
            pairs = zip(self.attributes(caption), found, strict=True)
            return tuple(float(a == b) for a, b in pairs)

    class Draws(StandIn):
        def sample_pairs(self, n, generator):
            return found[:n].float(), [f"{a} {b}" for a, b in said[:n].tolist()]

    test = Split(found.float())
    data = Dataset("made", "points", test, test.first(0), test, grammar=Numbers())
    judged = Evidence(data, Draws(), found.float(), 0)
    match = peer("torchmetrics.functional.classification").multiclass_exact_match
    theirs = float(match(found, said, num_classes=3))
    allowed = budget("joint_agreement", "torchmetrics, exact match")
    assert joint_agreement(judged, Sees()).value == pytest.approx(theirs, **allowed)
