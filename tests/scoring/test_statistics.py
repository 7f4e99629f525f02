"""Statistics in place of a reference: gengauge's own, and the field's mean and covariance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scored import by_metric

from gengauge.errors import NotComparableError, UsageError
from gengauge.summarising import write_statistics
from gengauge.summary import is_summary, read_summary

EYES = {"embedders": ("counting",)}
CPU = torch.device("cpu")


@pytest.fixture
def written(pictures, registry, tmp_path):
    def write(name="real.safetensors", n=600, most=10_000, seed=1):
        path = tmp_path / name
        source = pictures("real", n, seed=seed)
        write_statistics(str(source), "counting", path, registry, CPU, most=most)
        return path

    return write


def test_a_file_of_statistics_stands_for_what_it_was_made_of(pictures, written, score):
    mine, statistics = pictures("mine", 500, light=10), written()
    direct = by_metric(score(mine, statistics.with_suffix(".bytes"), "a", **EYES))
    told = by_metric(score(mine, statistics, "b"))
    for name in ("fd", "kid", "precision", "recall", "density", "coverage"):
        assert told[name]["value"] == pytest.approx(direct[name]["value"], rel=1e-6), name
        assert told[name]["n_reference"] == 600
        assert told[name]["comparability_key"] != direct[name]["comparability_key"]
    assert told["fd"]["standard_error"] == pytest.approx(direct["fd"]["standard_error"], rel=0.3)


def test_moments_of_all_stand_beside_features_of_some(pictures, written, score):
    mine, statistics = pictures("mine", 500, light=10), written(most=200)
    assert len(load_file(statistics)["features"]) == 200
    direct = by_metric(score(mine, statistics.with_suffix(".bytes"), "a", **EYES))
    told = by_metric(score(mine, statistics, "b"))
    assert told["fd"]["value"] == pytest.approx(direct["fd"]["value"], rel=1e-6)
    assert (told["fd"]["n_reference"], told["kid"]["n_reference"]) == (600, 200)
    assert "file holds moments" in told["fd_infinity"]["unscored_reason"]


def test_what_a_file_is_of_must_be_what_is_scored(pictures, written, score, registry, tmp_path):
    mine, statistics = pictures("mine", 100), written()
    with pytest.raises(NotComparableError, match="embedder counting there and identity here"):
        score(mine, statistics, embedders=("identity",))
    content = load_file(statistics)
    about = json.loads(_about(statistics))

    def changed(**parts):
        path = tmp_path / "other.safetensors"
        save_file(content, path, {"gengauge": json.dumps({**about, **parts})})
        return path

    for part, said in (
        ({"sha256": "0" * 64}, "embedder sha256 000"),
        ({"levels": 17}, "levels 17 there and 256 here"),
        ({"event_shape": [1, 4, 4]}, r"shape \(1, 4, 4\) there"),
    ):
        with pytest.raises(NotComparableError, match=said):
            score(mine, changed(**part))
    with pytest.raises(UsageError, match="is of version 9, and this gengauge reads 1"):
        score(mine, changed(version="9"))
    with pytest.raises(UsageError, match="holds statistics already"):
        write_statistics(str(statistics), "counting", tmp_path / "x.safetensors", registry, CPU,
                         most=10)  # fmt: skip
    with pytest.raises(UsageError, match=r"must end in .safetensors"):
        write_statistics(str(mine), "counting", tmp_path / "x.npz", registry, CPU, most=10)


def _about(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, "pt") as stored:
        return stored.metadata()["gengauge"]


@pytest.fixture
def field(tmp_path):
    """The npz of pytorch-fid and clean-fid: mu and sigma of 900 points in 8 dimensions."""
    rng = np.random.default_rng(0)
    real = rng.normal(size=(900, 8)) @ rng.normal(size=(8, 8))
    path = tmp_path / "stats.npz"
    np.savez(path, mu=real.mean(0), sigma=np.cov(real, rowvar=False))
    mine = tmp_path / "mine.npz"
    np.savez(mine, x=real[:500] * 1.1 + 0.1)
    np.savez(tmp_path / "real.npz", x=real)
    return path


def test_of_a_mean_and_a_covariance_only_the_frechet_distance_is_measured(field, score):
    mine = field.with_name("mine.npz")
    record = score(mine, field, "a", embedders=("identity",))
    told = by_metric(record)
    direct = by_metric(score(mine, field.with_name("real.npz"), "b", embedders=("identity",)))
    assert told["fd"]["value"] == pytest.approx(direct["fd"]["value"], rel=1e-5)
    assert (told["fd"]["n_samples"], told["fd"]["n_reference"]) == (500, None)
    assert "reference held" in told["fd"]["interval_method"]
    error = told["fd"]["standard_error"] / direct["fd"]["standard_error"]
    assert 0.5 < error < 1.5
    for name, one in told.items():
        if name != "fd":
            assert one["value"] is None, name
            assert "file holds" in one["unscored_reason"] or "needs" in one["unscored_reason"]
    assert record["dataset"]["n_test"] is None
    assert told["fd"]["comparability_key"] != direct["fd"]["comparability_key"]


def test_fewer_samples_than_features_are_left_out_in_blocks(tmp_path, score):
    rng = np.random.default_rng(0)
    real = rng.normal(size=(500, 64)).astype(np.float32).astype(float)
    x = rng.normal(size=(50, 64)).astype(np.float32)
    np.savez(tmp_path / "stats.npz", mu=real.mean(0), sigma=np.cov(real, rowvar=False))
    np.savez(tmp_path / "x.npz", x=x)
    np.savez(tmp_path / "real.npz", x=real)
    told = by_metric(score(tmp_path / "x.npz", tmp_path / "stats.npz", "a",
                           embedders=("identity",)))  # fmt: skip
    direct = by_metric(score(tmp_path / "x.npz", tmp_path / "real.npz", "b",
                             embedders=("identity",)))  # fmt: skip
    assert told["fd"]["value"] == pytest.approx(direct["fd"]["value"], rel=1e-9)
    assert told["fd"]["low"] < told["fd"]["value"] < told["fd"]["high"]


def test_the_field_s_file_must_be_given_its_embedder(field, score):
    mine = field.with_name("mine.npz")
    with pytest.raises(UsageError, match=r"does not say what its mean is of; name the --embedder"):
        score(mine, field)
    np.savez(field, mu=np.zeros(5), sigma=np.eye(5))
    with pytest.raises(UsageError, match="has 5 values, and identity gives 8 features"):
        score(mine, field, embedders=("identity",))


@pytest.mark.parametrize(
    ("mu", "sigma", "said"),
    [
        (np.zeros(3), np.eye(4), r"covariance of shape \[4, 4\]; expected \[3, 3\]"),
        (np.full(3, np.nan), np.eye(3), "mean that is not finite"),
        (np.zeros(3), np.triu(np.ones((3, 3))), "not symmetric"),
        (np.array([{}] * 3), np.eye(3), "Python objects.*--trust"),
        (np.array(["a"] * 3), np.eye(3), "no arrays of numbers mu and sigma"),
    ],
)
def test_statistics_that_cannot_be_are_refused(mu, sigma, said, tmp_path):
    np.savez(tmp_path / "s.npz", mu=mu, sigma=sigma)
    assert is_summary(tmp_path / "s.npz")
    with pytest.raises(UsageError, match=said):
        read_summary(tmp_path / "s.npz")


def test_spatial_moments_of_adm_are_for_spatial_features(tmp_path):
    from gengauge.given import GivenEvidence

    np.savez(tmp_path / "s.npz", mu=np.zeros(3), sigma=np.eye(3), mu_s=np.ones(2),
             sigma_s=2 * np.eye(2))  # fmt: skip
    told = read_summary(tmp_path / "s.npz")
    evidence = GivenEvidence.__new__(GivenEvidence)
    evidence.told_by = told

    class Eyes:
        id, sha256 = "inception/spatial", ""

    found = evidence.summary(Eyes())
    assert found.mean.tolist() == [1.0, 1.0]
    assert float(found.covariance.trace()) == 4.0


@pytest.mark.parametrize("cut", [4, 40, 700])
def test_a_file_that_was_cut_off_is_refused(cut, written, pictures, score, tmp_path):
    path = written()
    content = path.read_bytes()
    path.write_bytes(content[:cut])
    with pytest.raises(UsageError, match=r"real.safetensors"):
        score(pictures("mine", 50), path)
