"""Where a model breaks: a rule finds what the records show, and is silent where they do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gengauge.gather import gather
from gengauge_reports.atlas.drawing import Frame, Scale, dots
from gengauge_reports.atlas.effort import duration
from gengauge_reports.atlas.findings import findings
from gengauge_reports.atlas.standing import costs, quality
from gengauge_reports.atlas.ways import Chart, charts

Told = Callable[[str], list[str]]


@pytest.fixture
def told(factory: Any) -> Told:
    """What is found of a model after records were added."""

    def look(label: str) -> list[str]:
        return [f.text for f in findings(label, charts(gather([factory.store])))]

    return look


@pytest.fixture
def named(make_score: Any) -> Callable[..., dict[str, Any]]:
    """A score of any metric."""

    def make(metric: str, value: float | None, error: float | None = 0.001, **more: Any):
        made = make_score("fd", value, error, comparability_key=f"key-{metric}", **more)
        return {**made, "metric": metric, "suite": more.get("suite", "fidelity")}

    return make


def only(factory: Any) -> Chart:
    [chart] = charts(gather([factory.store]))
    return chart


def test_stages_go_by_the_size_of_their_budgets(factory, named) -> None:
    for i, budget in enumerate(("1000 steps", "50 steps", "250 steps")):
        factory.add("vae", [named("fd", 5.0 - i)], budget=budget, trial=f"t{i}")
    chart = only(factory)
    [stages] = chart.ways.values()
    assert [(s.budget, s.share) for s in stages] == [
        ("50 steps", 0.05), ("250 steps", 0.25), ("1000 steps", 1.0),
    ]  # fmt: skip
    [row] = chart.table.models  # the longest training alone is ranked, under its plain name
    assert row.label == "vae"
    assert row.estimate(chart.table.columns[0]).value == 5.0


def test_budgets_that_cannot_be_compared_go_by_the_steps_made(factory, named) -> None:
    for i, (budget, steps) in enumerate((("9 s", 10), ("70 steps", 70), ("<b>", 40))):
        training = {"steps": steps, "examples": steps, "seconds": 1.0}
        factory.add("vae", [named("fd", 1.0)], budget=budget, trial=f"t{i}", training=training)
    [stages] = only(factory).ways.values()
    assert [s.budget for s in stages] == ["9 s", "<b>", "70 steps"]


def test_two_seeds_of_a_stage_are_one(factory, named) -> None:
    for seed, value in ((0, 2.0), (1, 4.0)):
        for budget in ("10 steps", "100 steps"):
            factory.add("vae", [named("fd", value)], seed=seed, budget=budget,
                        trial=f"t{seed}{budget[:3].strip()}")  # fmt: skip
    chart = only(factory)
    [stages] = chart.ways.values()
    assert [s.estimate(chart.table.columns[0]).value for s in stages] == [3.0, 3.0]


def test_training_that_is_not_over_and_training_that_harms(factory, named, told) -> None:
    for model, first, last in (("young", 9.0, 3.0), ("old", 3.0, 9.0), ("ripe", 3.0, 3.0)):
        for budget, value in (("10 steps", first), ("100 steps", last)):
            factory.add(model, [named("fd", value, 0.1)], budget=budget,
                        trial=f"{model}{budget[:3].strip()}")  # fmt: skip
    assert any("training was not over" in t and "9.00" in t for t in told("young"))
    assert any("more training has made it worse" in t for t in told("old"))
    assert not any("training" in t for t in told("ripe"))


def test_missing_variety_and_straying_samples(factory, named, told) -> None:
    for model, precision, recall, control in (
        ("real", 0.80, 0.80, True), ("narrow", 0.85, 0.40, False),
        ("wide", 0.40, 0.85, False), ("fair", 0.70, 0.70, False),
    ):  # fmt: skip
        scores = [named("precision", precision), named("recall", recall)]
        factory.add(model, scores, control=control)
    assert [t for t in told("narrow") if "variety is missing" in t and "0.85 and recall 0.40" in t]
    assert [t for t in told("wide") if "samples stray" in t]
    assert not [t for t in told("fair") if "variety" in t or "stray" in t]


def test_modes_that_are_lost_and_samples_between_them(factory, named, told) -> None:
    for model, kept, high in (("lossy", 6.0, 0.70), ("whole", 8.0, 0.985)):
        factory.add(model, [
            named("modes_represented", kept, details={"modes": 8}),
            named("high_quality", high, details={"high_quality_of_truth": 0.989}),
        ])  # fmt: skip
    assert told("lossy")[:2] == [
        "6 of 8 modes get a tenth of their share or more",
        "30 % of its samples lie off every mode, 1 % of true ones",
    ]
    assert not [t for t in told("whole") if "mode" in t]


def test_copies_show(factory, named, told) -> None:
    for model, value, control in (
        ("real", 0.1, True),
        ("copier", -9.0, False),
        ("fair", 0.2, False),
    ):
        scores = [named("c_t", value, 0.5, suite="memorisation", direction="higher")]
        factory.add(model, scores, control=control)
    assert any("closer to training data" in t for t in told("copier"))
    assert not any("closer" in t for t in told("fair"))


def test_the_weakest_place_is_named_with_what_is_usual(factory, named, told) -> None:
    for model, value in (("a", 1.0), ("b", 1.1), ("c", 1.2), ("bad", 30.0)):
        factory.add(model, [named("fd", value, 0.1)])
    for model, value in (("real", 0.5), ("noise", 40.5)):
        factory.add(model, [named("fd", value, 0.1)], control=True)
    [found] = [t for t in told("bad") if "others have" in t]
    assert found.startswith("3 of 3 others have a significantly better Fréchet distance")
    assert "it stands at 0.26, the median at 0.98" in found
    assert not any("others have" in t for t in told("a"))


def test_a_loss_that_rose_again(factory, named, told) -> None:
    for model, dip in (("over", True), ("well", False), ("jump", True)):
        scores = [named("bits_per_dim", 2.0, suite="likelihood")]
        made = factory.add(model, scores)
        folder = factory.store.trial_folder(made["trial"])
        folder.mkdir(parents=True)
        losses = [4.0, 3.0, 2.0, 2.5, 3.0] if dip else [4.0, 3.0, 2.5, 2.2, 2.0]
        losses = [0.2, 0.1, 0.05, 3.0, 2.5] if model == "jump" else losses  # of another network
        lines = [f'{{"step": {10 * i}, "validation_loss": {v}}}\n' for i, v in enumerate(losses)]
        (folder / "curve.jsonl").write_text("".join(lines))
    assert any("lowest at step 20 of 40" in t for t in told("over"))
    assert not any("lowest" in t for m in ("well", "jump") for t in told(m))


def test_what_is_dear_is_told_by_the_median(factory, named, told) -> None:
    for model, seconds in (("a", 10.0), ("b", 11.0), ("c", 12.0), ("slow", 110.0)):
        factory.add(model, [named("train_seconds", seconds, suite="speed")])
    assert [t for t in told("slow") if t == "training takes 110 s, 10 times the median"]
    assert not any("training takes" in t for t in told("a"))


def test_no_likelihood_is_said_with_the_reason(factory, make_score, named, told) -> None:
    reason = "has neither a likelihood nor a bound on it"
    for dataset in ("digits", "points/moons"):
        scores = [make_score("nll", None, unscored_reason=reason), named("fd", 1.0)]
        factory.add("gan", scores, dataset=dataset)
    assert f"no nll: it {reason}" in told("gan")
    both = findings("gan", charts(gather([factory.store])))
    assert [f.dataset for f in both] == ["digits, points/moons"]
    factory.add("flow", [make_score("nll", 1.0)])
    assert f"no NLL: it {reason}" in told("gan")


def test_first_places_are_strengths(factory, named) -> None:
    for model, value in (("best", 1.0), ("b", 9.0), ("c", 9.1), ("d", 9.2)):
        factory.add(model, [named("fd", value, 0.1)])
    found = findings("best", [only(factory)])
    assert [(f.text, f.bad) for f in found] == [("in first place: Fréchet distance alone", False)]


def test_the_better_stands_further_right(factory, named) -> None:
    for model, value, rate in (("good", 1.0, 400.0), ("fair", 2.0, 50.0), ("poor", 3.0, 4.0)):
        factory.add(model, [
            named("fd", value), named("recall", 1 / value, direction="higher"),
            named("samples_per_second", rate, suite="speed", direction="higher"),
            named("train_seconds", rate, suite="speed"),
        ])  # fmt: skip
    chart = only(factory)

    def places(lines: Callable[..., Any], title: str) -> list[float]:
        found = [
            {x.title: x for x in lines(chart, m)}[title].here for m in ("poor", "fair", "good")
        ]
        return [x for x in found if x is not None]

    for lines, title in ((quality, "Fréchet distance"), (costs, "samples/s")):
        found = places(lines, title)
        assert found == sorted(found)
        assert len(set(found)) == 3
    training = places(costs, "train_seconds")
    assert training == sorted(training, reverse=True)  # the good one takes longest here


def test_a_far_outlier_does_not_squeeze_the_rest(factory, named) -> None:
    for model, value in (("a", 1.0), ("b", 1.5), ("c", 2.0), ("far", 5000.0)):
        factory.add(model, [named("fd", value)])
    chart = only(factory)
    [a], [c], [far] = (quality(chart, m) for m in ("a", "c", "far"))
    assert a.here - c.here > 20
    assert far.beyond
    assert not a.beyond


def test_points_outside_the_frame_are_counted() -> None:
    frame = Frame(0.0, 0.0, 2.0)
    path, outside = dots(frame, [1.0, 5.0, None, 0.5], [1.0, 1.0, 1.0, 0.5])
    assert (path, outside) == ("M120 120h0M60 180h0", 1)


@pytest.mark.parametrize(("low", "high", "log"), [(0, 7, False), (-2.5, 2.5, False),
                                                  (3e-5, 40, True), (1.0, 1.0, False)])  # fmt: skip
def test_ticks_lie_within_and_are_few(low: float, high: float, log: bool) -> None:
    ticks = Scale(low, high, 0, 100, log).ticks(4)
    assert 1 <= len(ticks) <= 8
    assert all(low <= t <= high for t in ticks)


def test_durations_have_few_digits() -> None:
    assert [duration(s) for s in (2e-5, 0.5, 20.0)] == ["20 µs", "500 ms", "20 s"]
