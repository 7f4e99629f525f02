"""``--set``: parameters of metrics, and the one embedder that judges."""

from __future__ import annotations

import pytest

from gengauge.benchmark import Benchmark
from gengauge.errors import SpecError, UsageError
from gengauge.parameters import Parameter
from gengauge.plan import plan
from gengauge.registry import Registry
from gengauge.settings import read_settings
from gengauge.specs import MetricSpec


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def judged(registry: Registry, **settings: str) -> dict[str, set[str]]:
    """Return the embedders of each metric of alignment on shapes."""
    given = {key.replace("__", "."): value for key, value in settings.items()}
    [job] = plan(
        Benchmark("x", ("shapes",), models=("real",), suites=("alignment",), settings=given),
        registry,
    )
    found: dict[str, set[str]] = {}
    for metric in job.metrics:
        found.setdefault(metric.spec.id, set()).add(metric.embedder)
    return found


@pytest.mark.parametrize(
    ("named", "id_"),
    [
        ("ViT-B-32/openai", "clip/ViT-B-32"),
        ("ViT-L-14-336/openai", "clip/ViT-L-14-336"),
        ("clip/ViT-B-32", "clip/ViT-B-32"),
        ("clip/shapes-guide", "clip/shapes-guide"),
        ("local-dir:some/where", "local-dir:some/where"),
        ("openai:mine.pt", "openai:mine.pt"),
    ],
)
def test_a_judge_is_named_by_its_id_by_open_clips_name_or_by_a_path(registry, named, id_) -> None:
    found = judged(registry, alignment__clip=named)
    assert found["clip_score"] == found["clip_r_precision"] == {id_}
    assert found["attribute_accuracy"] == judged(registry)["attribute_accuracy"] == {"shapes"}


def test_without_a_setting_the_datasets_own_clip_judges(registry) -> None:
    assert judged(registry)["clip_score"] == {"clip/shapes"}
    assert judged(registry, alignment__clip="")["clip_score"] == {"clip/shapes"}


def test_one_metric_can_have_a_judge_of_its_own(registry) -> None:
    found = judged(registry, clip_score__clip="clip/shapes-guide")
    assert found["clip_score"] == {"clip/shapes-guide"}
    assert found["clip_r_precision"] == {"clip/shapes"}


def test_the_judge_is_no_parameter_so_that_however_it_was_named_scores_compare(registry) -> None:
    named = Benchmark("x", ("shapes",), models=("real",), suites=("alignment",),
                      settings={"alignment.clip": "ViT-B-32/openai"})  # fmt: skip
    asked = Benchmark("x", ("shapes",), models=("real",), suites=("alignment",),
                      embedders=("clip/ViT-B-32",))  # fmt: skip
    [one], [other] = plan(named, registry), plan(asked, registry)
    first = [m for m in one.metrics if m.spec.id == "clip_score"]
    assert first == [m for m in other.metrics if m.spec.id == "clip_score"]
    assert first[0].parameters == {"prefix": "auto"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("ViT-B-32/opnai", "unknown judge of clip_score 'ViT-B-32/opnai'; did you mean "
         "'ViT-B-32/openai'? (known: ViT-B-32/openai, ViT-L-14-336/openai, clip/ViT-B-32"),
        ("local-dir", "did you mean 'local-dir:PATH'?"),
        ("digits", "clip_score cannot be judged by 'digits', which gives no text; use one of "),
    ],
)  # fmt: skip
def test_a_judge_that_cannot_be_is_refused_with_the_choices(registry, value, said) -> None:
    with pytest.raises(UsageError) as caught:
        read_settings({"alignment.clip": value}, registry)
    assert said in str(caught.value)


def test_names_and_values_of_settings_are_checked(registry) -> None:
    with pytest.raises(UsageError, match=r"unknown setting 'alignment\.clop'; did you mean"):
        read_settings({"alignment.clop": "clip/shapes"}, registry)
    with pytest.raises(UsageError, match="unknown suite or metric 'alinment'; did you mean"):
        read_settings({"alinment.clip": "clip/shapes"}, registry)
    both = {"alignment.clip": "clip/shapes", "clip_r_precision.candidates": "5"}
    chosen = read_settings(both, registry)["clip_r_precision"]
    assert chosen.parameters == {"candidates": 5}
    assert chosen.judge is registry.embedders["clip/shapes"]


def test_other_names_and_paths_are_found_everywhere(registry) -> None:
    assert registry.embedder("ViT-B-32/openai") is registry.embedders["clip/ViT-B-32"]
    assert registry.embedder("local-dir:a/b").arguments == {"path": "a/b"}
    with pytest.raises(UsageError, match="embedder 'local-dir' reads a file of yours: write local"):
        registry.embedder("local-dir")


def test_only_a_metric_in_an_embedder_has_a_judge() -> None:
    with pytest.raises(SpecError, match="a judge is chosen for a metric that is embedded"):
        MetricSpec(
            id="x", suite="s", label="X", unit="u", direction="higher", summary="X.", target="a:b",
            judge=Parameter("clip", ""),
        )  # fmt: skip
