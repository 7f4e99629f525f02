"""Features are computed once, kept under what they depend on, and never stale."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from standins import StandIn, evidence, normal

from gengauge import Split
from gengauge.cache import cache_folder, cached
from gengauge.errors import NotReadyError, UnsupportedError
from gengauge.evidence import Evidence
from gengauge.metric import Unready
from gengauge.units import in_units


class Counting:
    """An embedder that says how often it was asked."""

    id = "counting"

    def __init__(self, sha256="weights 1"):
        self.sha256, self.calls = sha256, 0

    def features(self, x):
        self.calls += 1
        return x.flatten(1).float()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENGAUGE_CACHE_DIR", str(tmp_path))


def fresh(data):
    return Evidence(data, StandIn(), data.test.x, seed=0)


def test_reference_features_outlive_the_run():
    data, embedder = evidence(test=normal(50, 3, 1)).dataset, Counting()
    first = fresh(data).features_of(embedder, "test")
    assert embedder.calls == 1
    again = fresh(data).features_of(embedder, "test")  # another run: nothing shared in memory
    assert embedder.calls == 1
    assert torch.equal(first, again)
    assert first.dtype == torch.float64


def test_other_data_under_the_same_name_is_not_given_the_stale_features():
    old = evidence(test=normal(50, 3, 1)).dataset
    new = replace(old, test=Split(normal(50, 3, 2)))
    assert old.id == new.id
    embedder = Counting()
    fresh(old).features_of(embedder, "test")
    found = fresh(new).features_of(embedder, "test")
    assert embedder.calls == 2
    assert torch.equal(found, new.test.x.float().double())


def test_other_weights_and_other_splits_are_other_features():
    data = evidence(test=normal(50, 3, 1)).dataset
    data = replace(data, train=Split(normal(60, 3, 3)))
    one, two = Counting("weights 1"), Counting("weights 2")
    fresh(data).features_of(one, "test")
    fresh(data).features_of(two, "test")
    assert two.calls == 1
    assert len(fresh(data).features_of(one, "train")) == 60


def test_a_spoilt_file_is_made_again(tmp_path):
    assert torch.equal(cached(("a",), lambda: torch.ones(2)), torch.ones(2))
    [path] = cache_folder().glob("features/*.safetensors")
    path.write_bytes(b"spoilt")
    assert torch.equal(cached(("a",), lambda: torch.zeros(2)), torch.zeros(2))
    assert torch.equal(cached(("a",), lambda: torch.ones(2)), torch.zeros(2))
    assert not list(tmp_path.glob("features/*.tmp"))


def test_a_cache_that_cannot_be_written_costs_time_only(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENGAUGE_CACHE_DIR", str(tmp_path / "file"))
    assert torch.equal(cached(("a",), lambda: torch.ones(2)), torch.ones(2))


def test_the_cache_lies_in_the_users_own_folder_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("GENGAUGE_CACHE_DIR")
    code = "from gengauge.cache import cache_folder; print(cache_folder())"
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert str(tmp_path) in out.stdout


class Conditional(StandIn):
    guides = ("counting",)

    def sample(self, n, condition, generator):
        assert condition is not None
        return condition.float()[:, None].expand(n, 2) + 0 * torch.rand(n, 2, generator=generator)


def test_conditional_samples_stand_in_the_place_of_their_condition():
    labels = torch.tensor([2, 0, 1, 1])
    found = evidence(Conditional(), labels=labels, conditions=("class",))
    given = found.conditional("class")
    assert torch.equal(given.samples[:, 0], labels.float())
    assert torch.equal(given.labels, labels)
    assert found.conditional("class").samples is given.samples
    assert len(found.conditional("class", 2).samples) == 2


def test_conditions_that_are_not_there_are_named():
    with pytest.raises(UnsupportedError, match="takes no class condition"):
        evidence(Conditional()).conditional("class")
    with pytest.raises(UnsupportedError, match="the data has no caption"):
        evidence(Conditional(), conditions=("caption",)).conditional("caption")


def test_a_judge_that_steered_the_model_leaks():
    assert evidence(Conditional()).leakage(Counting()) == (
        "leakage: counting judges a model that it has steered"
    )
    assert evidence(StandIn()).leakage(Counting()) == ""


def test_an_embedder_that_is_not_ready_says_why():
    with pytest.raises(NotReadyError, match="put weights"):
        Unready("clip/x", "put weights.pt into /there").features(torch.zeros(1))


def test_samples_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"sample\(3\) returned shape \(3, 5\), expected \(3, 2\)"):
        in_units(torch.zeros(3, 5), 3, evidence().dataset)


def test_other_samples_of_a_trial_share_the_reference_and_nothing_else():
    embedder = Counting()
    first = Evidence(evidence(test=normal(50, 3, 1)).dataset, StandIn(), normal(60, 3, 2), seed=0)
    a = first.features(embedder)
    b = first.resampled(normal(60, 3, 3)).features(embedder)
    assert torch.equal(a.reference, b.reference)
    assert not torch.equal(a.samples, b.samples)
    assert torch.equal(first.features(embedder).samples, a.samples)
    assert embedder.calls == 3
