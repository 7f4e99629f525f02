"""Objects with sample: how each is called, what shows through, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from gengauge import Dataset, Density, FitRun, Parameter, Split
from gengauge.budget import Budget
from gengauge.cli import _run
from gengauge.errors import UnsupportedError, UsageError
from gengauge.identity import code_of
from gengauge.model import Classifier, CountsParameters, Encoder, capabilities
from gengauge.plan import parse_choices
from gengauge.registry import Registry
from gengauge.testing import LAWS, Case, judge
from gengauge_plugins.brought.modules import describe
from gengauge_plugins.brought.objects import Object, wrapped

FAKES = "brought_objects"
pytestmark = pytest.mark.usefixtures("fakes")


def points(classes: int = 3) -> Dataset:
    stream = torch.Generator().manual_seed(0)
    x, labels = torch.randn(200, 2, generator=stream), torch.arange(200) % classes
    parts = [Split(x[s], labels[s]) for s in (slice(100), slice(100, 150), slice(150, 200))]
    return Dataset("cloud", "points", *parts)


def pictures(channels: int = 1) -> Dataset:
    stream = torch.Generator().manual_seed(0)
    x = torch.randint(17, (60, channels, 8, 8), generator=stream).to(torch.uint8)
    texts = tuple("a b c" if i % 2 else "a" for i in range(60))
    parts = [Split(x[s], None, texts[s]) for s in (slice(30), slice(30, 45), slice(45, 60))]
    return Dataset("pictures", "image", *parts, levels=17)


def fitted(name: str, data: Dataset | None = None, **given: Any) -> Object:
    model = wrapped(f"{FAKES}:{name}", **given)
    model.fit(data or points(), FitRun(0, Budget.parse("1 steps")))
    return model


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "name", ["Cloud", "cloud", "Network", "Global", "Labelled", "build", "normal"]
)
def test_each_is_called_as_its_signature_says(name: str) -> None:
    model = fitted(name)
    x = model.sample(9, None, seeded())
    assert x.shape == (9, 2)
    assert torch.equal(x, model.sample(9, None, seeded()))
    assert not torch.equal(x, model.sample(9, None, seeded(1)))
    state = torch.get_rng_state()
    blocks = fitted(name, batch=2).sample(9, None, seeded())
    assert blocks.shape == (9, 2)
    assert len(blocks.unique(dim=0)) == 9  # no block repeats another
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("kind", [GaussianMixture, KernelDensity])
def test_what_scikit_learn_has_fitted_is_sampled(kind: Any, monkeypatch: Any) -> None:
    import brought_objects

    found = kind().fit(points().train.x.numpy())
    monkeypatch.setattr(brought_objects, "learned", found, raising=False)
    model = fitted("learned")
    assert model.sample(5, None, seeded()).shape == (5, 2)


def test_what_the_object_can_do_shows_through(tmp_path: Path) -> None:
    model = fitted("Cloud", scale=2.0)
    assert isinstance(model, Density)
    assert isinstance(model, CountsParameters)
    assert not isinstance(model, Classifier | Encoder)
    assert capabilities(model) == ("density",)
    assert model.n_parameters == 2
    x = torch.randn(4, 2, generator=seeded())
    expected = torch.distributions.Normal(0.0, 2.0).log_prob(x).sum(1)
    assert torch.allclose(model.log_prob(x), expected.double())  # type: ignore[attr-defined]
    assert capabilities(fitted("Network")) == ()
    assert capabilities(fitted("normal")) == ("density",)
    model.save(tmp_path)
    again = wrapped(f"{FAKES}:Cloud", scale=2.0)
    again.load(tmp_path, torch.device("cpu"))
    assert torch.equal(model.sample(3, None, seeded()), again.sample(3, None, seeded()))


def test_conditions_are_what_the_object_says_or_its_arguments() -> None:
    asked = torch.tensor([0, 2, 1])
    network = fitted("Network")
    assert tuple(network.taken_conditions) == ("class",)
    plain, moved = (network.sample(3, c, seeded()) for c in (None, asked))
    assert torch.allclose(moved, plain + asked.unsqueeze(1))  # None where nothing is asked for
    labelled = fitted("Labelled")
    assert torch.equal(labelled.sample(3, asked, seeded())[:, 0], asked.float())
    drawn = labelled.sample(300, None, seeded())[:, 0]
    assert set(drawn.tolist()) == {0.0, 1.0, 2.0}  # as the data has them
    texts = fitted("Captions", pictures())
    assert tuple(texts.taken_conditions) == ("caption",)
    lit = texts.sample(2, ["one", "one two three"], seeded()).flatten(1).gt(0).sum(1)
    assert lit.tolist() == [1, 3]
    for model, wrong in ((labelled, ["a", "b", "c"]), (fitted("Global"), asked)):
        with pytest.raises(UnsupportedError, match="takes no"):
            model.sample(3, wrong, seeded())


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures_of_pil_are_levels(mode: str) -> None:
    channels = len(mode)
    model = fitted("Pictures", pictures(channels), mode=mode)
    x = model.sample(4, None, seeded())
    assert (x.dtype, tuple(x.shape)) == (torch.uint8, (4, channels, 8, 8))
    with pytest.raises(UsageError, match=r"\[\d, 4, 4\].*resize=bicubic"):
        fitted("Pictures", pictures(channels), mode=mode, size=4).sample(2, None, seeded())
    with pytest.raises(UsageError, match="channels, and those of pictures have"):
        fitted("Pictures", pictures(4 - channels), mode=mode).sample(2, None, seeded())
    small = fitted("Pictures", pictures(channels), mode=mode, size=4, resize="nearest")
    assert small.sample(2, None, seeded()).shape == (2, channels, 8, 8)


def test_a_range_turns_floats_into_levels() -> None:
    model = fitted("Captions", pictures(), range="0..1")
    assert set(model.sample(2, ["a", "a b"], seeded()).unique().tolist()) == {0, 14}
    assert fitted("Captions", pictures()).sample(1, None, seeded()).is_floating_point()


def test_show_tells_what_the_object_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["show", f"python:{FAKES}:Cloud", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [p["name"] for p in shown["parameters"]][:3] == ["scale", "shift", "label"]
    assert _run(["show", "python:nowhere:Model"]) == 2


def test_a_factorys_defaults_are_parameters() -> None:
    registry = Registry()
    [choice] = parse_choices(f"python:{FAKES}:Cloud[scale=2,label=x]", registry)
    assert choice.label == f"python:{FAKES}:Cloud[scale=2.0,label=x]"
    assert {k: choice.parameters[k] for k in ("scale", "shift", "label", "batch")} == {
        "scale": 2.0, "shift": 0, "label": "x", "batch": 0,
    }  # fmt: skip
    assert [
        c.parameters["shift"] for c in parse_choices(f"python:{FAKES}:Cloud[shift=1,2]", registry)
    ] == [1, 2]
    with pytest.raises(UsageError, match="did you mean 'scale'"):
        parse_choices(f"python:{FAKES}:Cloud[scales=2]", registry)
    given = describe(f"{FAKES}:needs", {"width": 5})["parameters"]
    assert given[0] == Parameter("width", 5, f"of {FAKES}:needs")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere:Model", "module nowhere cannot be imported: ModuleNotFoundError"),
        (f"{FAKES}:Nothing", f"{FAKES} has no Nothing"),
        (f"{FAKES}", "write python:package.module:object"),
        ("a/b.py:Model", "write python:package.module:object"),
        (f"{FAKES}:needs", "needs 'width', which has no default"),
    ],
)
def test_what_cannot_be_found_ends_at_once(
    path: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert _run(["run", "-m", f"python:{path}", "-d", "points/moons"]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
    assert not Path("runs").exists()


@pytest.mark.parametrize("name", ["nothing", "number"])
def test_an_object_without_sample_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"is a (dict|int) without sample"):
        fitted(name)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("count", "returned 29 samples where 30 were asked for"),
        ("columns", r"samples of shape \[1\], and those of cloud have \[2\]"),
        ("text", "that is no array"),
        ("nothing", "that is no array"),
    ],
)
def test_samples_that_are_none_are_refused(how: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        fitted("Spoilt", how=how).sample(30, None, seeded())


def test_spoilt_samples_are_a_record_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["-m", f"python:{FAKES}:Spoilt[how=nan,count,raises]", "-d", "points/moons"]
    assert (
        _run(["run", *asked, "-s", "fidelity", "--samples", "30", "--no-isolate", "-o", "run"]) == 3
    )
    records = map(json.loads, Path("run/records.jsonl").read_text().splitlines())
    found = {r["model"]["parameters"]["how"]: (r["status"], r["error"]["message"]) for r in records}
    assert found["nan"] == ("diverged", "30 of 30 samples hold values that are not finite")
    assert found["count"][0] == found["raises"][0] == "failed"
    assert "returned 29 samples where 30 were asked for" in found["count"][1]
    assert found["raises"][1] == "no samples today"
    assert capsys.readouterr().err.count("failed: python:") == 2


def test_an_edited_module_and_other_weights_are_other_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    Path("edited_model.py").write_text(
        "import edited_helper\n\nclass M:\n    def __init__(self, weights: str = ''): ...\n"
        "    def sample(self, n): return edited_helper.draw(n)\n"
    )
    Path("edited_helper.py").write_text("draw = None\n")
    Path("w.bin").write_bytes(b"1")

    def code(weights: str = "") -> str:
        [choice] = parse_choices(f"python:edited_model:M[weights={weights}]", Registry())
        return code_of(choice.spec, choice.parameters)

    before, weighed = code(), code("w.bin")
    assert before == code()
    assert before != weighed
    Path("w.bin").write_bytes(b"2")
    assert code("w.bin") != weighed
    Path("edited_model.py").write_text(Path("edited_model.py").read_text() + "# edited\n")
    assert code() != before
    for name in ("edited_model", "edited_helper"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["Cloud", "Network", "Global", "Labelled"])
def test_laws(name: str) -> None:
    spec: Any = Registry().find("models", f"python:{FAKES}:{name}")
    held = [v for v in (judge(law, Case(spec, points())) for law in LAWS) if v.outcome != "skipped"]
    assert [v.message for v in held if v.outcome == "broken"] == []
    assert {"samples_look_like_data", "saving_keeps_the_model", "samples_follow_the_generator",
            "global_randomness_is_untouched"} <= {v.law for v in held}  # fmt: skip
    asked = "conditional_samples_answer_their_conditions" in {v.law for v in held}
    assert asked == (name in ("Network", "Labelled"))
    assert ("density_integrates_to_one" in {v.law for v in held}) == (name == "Cloud")
