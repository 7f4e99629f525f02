"""The same images, the same file of weights: gengauge beside torch-fidelity's own whole pipeline.

The weights are random and in the published format. Features are those of the first block (64), so
that there are more images than features: with fewer, torch-fidelity's eigenvalues of a singular
matrix are off by about 1e-4 themselves.
"""

from __future__ import annotations

import networks
import pytest
import torch
from agreement import budget
from standins import evidence
from torch.utils.data import Dataset

from gengauge_suites.embedders.inception import InceptionEmbedder
from gengauge_suites.fidelity.frechet import fd
from gengauge_suites.fidelity.inception import split_scores
from gengauge_suites.fidelity.kernel import kid
from gengauge_suites.fidelity.neighbours import precision, recall
from gengauge_suites.fidelity.subsets import kid_subsets

fidelity = pytest.importorskip("torch_fidelity", reason="torch-fidelity is not installed")


class Images(Dataset):
    """torch-fidelity takes neither tensors nor TensorDataset."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made = tmp_path_factory.mktemp("weights")
        patch.setenv("GENGAUGE_WEIGHTS", str(made))
        yield made


@pytest.fixture(scope="module")
def file(folder):
    return networks.save_inception(folder)


def pictures(n, seed, size=16):
    """Noise around a colour of each picture's own."""
    generator = torch.Generator().manual_seed(seed)
    colour = torch.randint(0, 256, (n, 3, 1, 1), generator=generator)
    noise = torch.randint(-60 - seed, 61, (n, 3, size, size), generator=generator)
    return (colour + noise).clamp(0, 255).to(torch.uint8)


def theirs(file, x, y, layer, **more):
    return fidelity.calculate_metrics(
        input1=Images(x), input2=Images(y), cuda=False, cache=False, verbose=False,
        save_cpu_ram=True, batch_size=50, fid=True, kid=True, prc=True,
        feature_extractor="inception-v3-compat", feature_extractor_weights_path=str(file.path),
        feature_layer_fid=layer, feature_layer_kid=layer, feature_layer_prc=layer,
        prc_neighborhood=3, prc_batch_size=1000, **more,
    )  # fmt: skip


def test_fid_kid_precision_and_recall_of_the_same_images(file):
    embedder, n = InceptionEmbedder(file, layer="64"), 72
    x, y = pictures(n, 40), pictures(n, 0)
    both = evidence(samples=x, test=y, levels=256)
    expected = theirs(embedder, x, y, "64", kid_subsets=20, kid_subset_size=50)
    assert fd(both, embedder).value == pytest.approx(
        expected["frechet_inception_distance"], **budget("fid", "torch-fidelity, whole pipeline")
    )
    assert kid_subsets(both, embedder, subsets=20, size=50).value == pytest.approx(
        expected["kernel_inception_distance_mean"],
        **budget("kid_subsets", "torch-fidelity, whole pipeline"),
    )
    near(both, embedder, expected)
    assert fd(both, embedder).value > 1e-4
    assert 0 < precision(both, embedder, k=3).value < 1


def near(both, embedder, expected):
    """Precision and recall, as both tests compare them."""
    assert precision(both, embedder, k=3).value == pytest.approx(
        expected["precision"], **budget("precision", "torch-fidelity, whole pipeline")
    )
    assert recall(both, embedder, k=3).value == pytest.approx(
        expected["recall"], **budget("recall", "torch-fidelity, whole pipeline")
    )


@pytest.mark.slow
def test_all_pool_features_of_the_same_images(file):
    """2048 features of 60 images: all to 1e-6 but FID, whose matrices are singular."""
    embedder, n = InceptionEmbedder(file), 60
    x, y = pictures(n, 40), pictures(n, 0)
    both = evidence(samples=x, test=y, levels=256)
    expected = theirs(
        embedder, x, y, "2048", kid_subsets=1, kid_subset_size=n, isc=True, isc_splits=1
    )
    assert kid(both, embedder).value == pytest.approx(
        expected["kernel_inception_distance_mean"],
        **budget("kid", "torch-fidelity, whole pipeline"),
    )
    near(both, embedder, expected)
    assert fd(both, embedder).value == pytest.approx(
        expected["frechet_inception_distance"],
        **budget("fid", "torch-fidelity, whole pipeline, n < D"),
    )
    score = split_scores(embedder.classes(x).double(), 1)
    assert float(score[0]) == pytest.approx(
        expected["inception_score_mean"],
        **budget("inception_score", "torch-fidelity, whole pipeline"),
    )
