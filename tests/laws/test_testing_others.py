"""The laws of data sets, metrics, embedders and outputs catch what breaks them, and say so."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gengauge import (
    BenchmarkSpec,
    Dataset,
    DatasetSpec,
    EmbedderSpec,
    ExecutorSpec,
    InTurn,
    MetricSpec,
    PublisherSpec,
    ReportSpec,
    Score,
    Split,
    hookimpl,
    unscored,
)
from gengauge.registry import Registry
from gengauge.statistics import Interval
from gengauge.testing import Offer, judge, standins
from gengauge.testing.data_sets import DATASET_LAWS, DatasetCase
from gengauge.testing.rehearsal import finished_run
from gengauge.testing.worlds import POINTS, WORLDS, ThreeNormals, made

KINDS = {
    DatasetSpec: "datasets", MetricSpec: "metrics", EmbedderSpec: "embedders",
    ReportSpec: "reports", PublisherSpec: "publishers", ExecutorSpec: "executors",
    BenchmarkSpec: "benchmarks",
}  # fmt: skip
HERE = __name__


def verdicts(spec, registry=Registry):
    offer = Offer(None, {KINDS[type(spec)]: [spec]}, registry)
    return [v for subject in offer.subjects() for v in subject.verdicts()]


def broken(spec, registry=Registry):
    return sorted({v.law for v in verdicts(spec, registry) if v.outcome == "broken"})


def dataset(name, **more):
    options = {"id": "d", "summary": "s", "modality": "points", **more}
    return DatasetSpec(target=f"{HERE}:{name}", **options)


def parts(seed=0):
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(seed))
    return [Split(x[s]) for s in map(slice, (0, 200, 250), (200, 250, 300))]


def sound(spec):
    return Dataset("d", "points", *parts())


def changing(spec, calls=[]):  # noqa: B006
    calls.append(0)
    return Dataset("d", "points", *parts(len(calls)))


def leaking(spec):
    train, validation, _ = parts()
    return Dataset("d", "points", train, validation, Split(train.x[:50]))


def moving(spec):
    torch.rand(1)
    return sound(spec)


class Wider(ThreeNormals):
    """Says more of itself than there is."""

    def log_prob(self, x):
        return super().log_prob(x) + 0.3


def overfull(spec):
    return replace(made("tiny/points"), id="d", truth=Wider(), class_names=())


@pytest.mark.parametrize(
    ("name", "law", "more"),
    [
        ("sound", [], {}),
        ("sound", ["data_is_as_described"], {"labelled": True}),
        ("sound", ["data_is_as_described"], {"levels": 5}),
        ("changing", ["loading_is_repeatable"], {}),
        ("moving", ["loading_is_repeatable"], {}),
        ("leaking", ["test_examples_are_not_trained_on"], {}),
        (
            "overfull",
            ["truth_is_the_density"],
            {"labelled": True, "has_truth": True, "has_modes": True},
        ),
    ],
)
def test_data_sets(name, law, more):
    assert broken(dataset(name, **more)) == law


def test_a_data_set_that_cannot_be_loaded_is_told_in_one_verdict():
    [verdict] = verdicts(dataset("not_there"))
    assert (verdict.law, verdict.outcome) == ("data_is_as_described", "broken")
    assert "dataset 'd' cannot be loaded" in verdict.came


@pytest.mark.parametrize("spec", WORLDS, ids=lambda s: s.id)
def test_the_small_data_sets_keep_the_laws_themselves(spec):
    assert broken(spec) == []


def metric(name, **more):
    options = {"suite": "s", "unit": "u", "direction": "lower", "label": "L", **more}
    return MetricSpec(
        id="m", summary="s", target=f"{HERE}:{name}", modalities=("points",), **options
    )


def honest(evidence):
    return standins.centre(evidence)


def blind(evidence):
    value = evidence.samples.double().nan_to_num().mean().item()
    return Score(value, Interval(value, value, None, "none at all"))


def bare(evidence):
    return 1.0


def silent(evidence):
    return unscored("no")


def outside(evidence):
    return Score(1.0, Interval(2.0, 3.0, None, "wishful"))


def drawn(evidence):
    return Score(float(torch.rand(1, generator=STREAM)))


def sorting(evidence):
    evidence.samples.zero_()
    return Score(0.0)


STREAM = torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("honest", []),
        ("blind", ["spoilt_samples_are_seen"]),
        ("bare", ["score_is_a_number_or_a_reason"]),
        ("silent", ["score_is_a_number_or_a_reason"]),
        ("outside", ["score_is_a_number_or_a_reason"]),
        ("drawn", ["score_is_repeatable", "spoilt_samples_are_seen"]),
        ("sorting", ["score_is_repeatable", "spoilt_samples_are_seen"]),
    ],
)
def test_metrics(name, law):
    assert broken(metric(name)) == law


def test_a_metric_that_measures_nothing_here_says_why():
    [first] = verdicts(replace(metric("honest"), target=f"{HERE}:unready"))
    assert (first.outcome, first.message) == (
        "skipped", "unscored on tiny/points: the weights of the moon are not here",
    )  # fmt: skip


def unready(evidence):
    return unscored("the weights of the moon are not here")


def embedder(name, **more):
    return EmbedderSpec(
        id="tiny/projection", summary="s", target=f"{HERE}:{name}", modalities=("points",), **more
    )


class Fine(standins.Projection):
    """Does as it should."""


class Batchy(standins.Projection):
    def features(self, x):
        return super().features(x) - super().features(x).mean(0)


class Flat(standins.Projection):
    def features(self, x):
        return super().features(x).flatten()


class Nameless(standins.Projection):
    sha256 = ""


@pytest.mark.parametrize(
    ("name", "law", "more"),
    [
        ("Fine", [], {}),
        ("Batchy", ["features_ignore_the_batch"], {}),
        ("Flat", ["features_are_rows"], {}),
        ("Nameless", ["embedder_is_one"], {}),
        ("Meagre", ["it_gives_what_it_says"], {"gives": ("features", "text")}),
    ],
)
def test_embedders(name, law, more):
    assert broken(embedder(name, **more)) == law


class Meagre:
    """Gives features alone."""

    id, sha256 = "tiny/projection", "0" * 64

    def features(self, x):
        return standins.Projection().features(x)


class Choosy(standins.Projection):
    def features(self, x):
        raise ValueError("takes [n, 3, 32, 32] only")


def test_an_embedder_may_refuse_the_small_data_and_is_told_what_to_do():
    [verdict] = verdicts(embedder("Choosy"))
    assert (verdict.outcome, verdict.message) == (
        "skipped", "it refuses tiny/points: takes [n, 3, 32, 32] only; name data that it takes "
        "with --dataset",
    )  # fmt: skip


def good_report(stores):
    return b"fine"


def text_report(stores):
    return "no bytes"


def timed_report(stores, calls=[]):  # noqa: B006
    calls.append(0)
    return str(len(calls)).encode()


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("good_report", []),
        ("text_report", ["report_is_content"]),
        ("timed_report", ["report_is_repeatable"]),
    ],
)
def test_reports(name, law):
    assert broken(ReportSpec(id="r", summary="s", target=f"{HERE}:{name}", suffix=".txt")) == law


def good_page(stores, folder):
    (folder / "index.html").write_text("fine")
    return folder / "index.html"


def stray_page(stores, folder):
    (folder.parent / "stray.html").write_text("fine")
    return good_page(stores, folder)


def lost_page(stores, folder):
    return Path("index.html")


@pytest.mark.parametrize("name", ["good_page", "stray_page", "lost_page"])
def test_publishers(name):
    law = [] if name == "good_page" else ["publication_stays_in_its_folder"]
    assert broken(PublisherSpec(id="p", summary="s", target=f"{HERE}:{name}")) == law


class Forgets:
    """Leaves the last trial out."""

    workers = 1

    def __init__(self, shift):
        self.turns = InTurn(shift.tasks[:-1], shift.setting)

    def run(self, listener):
        yield from self.turns.run(listener)

    def close(self):
        pass


class Remembers(Forgets):
    def __init__(self, shift):
        self.turns = InTurn(shift.tasks, shift.setting)


@pytest.mark.parametrize("name", ["Remembers", "Forgets"])
def test_executors(name):
    spec = ExecutorSpec(id="e", summary="s", target=f"{HERE}:{name}")
    assert broken(spec) == ([] if name == "Remembers" else ["every_trial_ends_once"])


def test_executors_on_other_machines_are_not_tried():
    spec = ExecutorSpec(id="e", summary="s", target=f"{HERE}:Forgets", elsewhere=True)
    [verdict] = verdicts(spec)
    assert (verdict.outcome, verdict.message) == ("skipped", "it runs trials on other machines")


GOOD, BAD = "", ""


def test_benchmarks(tmp_path, monkeypatch):
    text = '[benchmark]\nname = "b"\ndatasets = ["points/moons"]\nmodels = ["{}"]\n'
    for name, model in (("GOOD", "gmm"), ("BAD", "gnm")):
        path = tmp_path / f"{name}.toml"
        path.write_text(text.format(model))
        monkeypatch.setattr(sys.modules[HERE], name, path)
        spec = BenchmarkSpec(id="b", summary="s", target=f"{HERE}:{name}")
        registry = Registry()
        registry.benchmarks["b"] = spec
        found = verdicts(spec, lambda registry=registry: registry)
        assert [v.outcome for v in found] == ["held" if name == "GOOD" else "broken"]
        assert name == "GOOD" or "did you mean 'gmm'?" in found[0].came


class Listener:
    """A module that hears of runs."""

    __name__ = "json"  # any that can be imported

    def __init__(self, started=None, finished=None):
        if started:
            self.gengauge_run_started = started
        if finished:
            self.gengauge_trial_finished = finished


@hookimpl
def meddles(record):
    record["status"] = "ok"
    record["scores"] = []


@hookimpl
def scrawls(folder):
    with Path(folder, "benchmark.toml").open("a") as file:
        file.write("# seen\n")


@hookimpl
def hears(folder, trials):
    assert folder
    assert trials


@pytest.mark.parametrize(
    ("listener", "law"),
    [
        (Listener(finished=meddles), ["listeners_change_nothing"]),
        (Listener(started=scrawls), ["listeners_change_nothing"]),
        (Listener(started=hears), []),
    ],
)
def test_listeners(listener, law):
    toml = finished_run().folder / "benchmark.toml"
    before = toml.read_text()
    found = [v for s in Offer(listener, {}, Registry).subjects() for v in s.verdicts()]
    toml.write_text(before)
    assert [v.law for v in found if v.outcome == "broken"] == law


def test_a_registration_that_loads_torch_is_told(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in (("heavy_one", "import torch\n"), ("light_one", "import json\n")):
        (tmp_path / f"{name}.py").write_text(text)
        module = __import__(name)
        [subject] = Offer(module, {}, Registry).subjects()
        [verdict] = subject.verdicts()
        assert verdict.outcome == ("broken" if name == "heavy_one" else "held"), verdict.message
    assert "torch" not in verdict.came


def test_what_no_data_fits_is_skipped_and_says_what_to_do():
    spec = replace(metric("honest"), modalities=("image",), levelled=False)
    [verdict] = verdicts(spec)
    assert (verdict.law, verdict.outcome) == ("it_can_be_tried", "skipped")
    assert "name one with --dataset" in verdict.message
    offer = Offer(None, {"metrics": [spec]}, Registry, given=POINTS)
    [verdict] = [v for subject in offer.subjects() for v in subject.verdicts()]
    assert verdict.message == "it is not for its data (tiny/points)"


def test_what_is_not_here_is_skipped_and_named():
    model = replace(standins.gengauge_models()[0], requires=("not_there_at_all",), extras=("moon",))
    file = DatasetSpec(
        id="f", summary="s", target=f"{HERE}:sound", modality="points", takes_path=True
    )
    offer = Offer(None, {"models": [model], "datasets": [file]}, Registry)
    said = [v.message for subject in offer.subjects() for v in subject.verdicts()]
    assert said == [
        "needs not_there_at_all: pip install 'gengauge[moon]'",
        "it reads a file of the user's, and there is none here",
    ]


def test_a_data_set_may_be_named():
    offer = Offer(None, {"metrics": [metric("honest")]}, Registry, given=POINTS)
    assert [subject.on for subject in offer.subjects()] == ["tiny/points"]


def test_an_embedder_is_tried_on_data_that_is_judged_in_it():
    own = dataset("sound", embedders=("tiny/projection",))
    offer = Offer(None, {"embedders": [embedder("Fine")], "datasets": [own]}, Registry)
    assert [s.on for s in offer.subjects() if s.kind == "embedder"] == ["d"]


def test_data_that_cannot_be_had_is_no_fault_of_what_is_tried_on_it():
    offer = Offer(None, {"metrics": [metric("honest")]}, Registry, given=dataset("not_there"))
    [verdict] = [v for subject in offer.subjects() for v in subject.verdicts()]
    assert verdict.outcome == "skipped"
    assert "dataset 'd' cannot be loaded" in verdict.message


def test_pictures_of_many_pixels_are_more_than_can_be_counted():
    x = torch.randint(256, (300, 3, 32, 32), dtype=torch.uint8)
    data = Dataset("d", "image", Split(x[:200]), Split(x[200:250]), Split(x[250:]), levels=256)
    case = DatasetCase(replace(dataset("sound"), modality="image", levels=256))
    case.__dict__["dataset"] = data
    judged = judge(DATASET_LAWS[2], case)
    assert (judged.law, judged.outcome) == ("test_examples_are_not_trained_on", "held")
