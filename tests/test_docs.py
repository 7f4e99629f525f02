"""The pages in docs/ say what the code and the tests say."""

from __future__ import annotations

import importlib.util
import inspect
import math
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from agreement import DOCS, budget, entries, undocumented

from gengauge.benchmark import read_benchmark
from gengauge.plan import parse_choices
from gengauge.registry import Registry, load_target

ROOT = DOCS.parent


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return script("metrics")


def test_the_page_of_metrics_is_what_the_specs_and_budgets_give(generator):
    same = generator.page(Registry()) == (DOCS / "metrics.md").read_text("utf-8")
    assert same, "run: python docs/metrics.py"


def test_the_readme_leads_to_it():
    assert "(docs/metrics.md)" in (ROOT / "README.md").read_text()


def test_every_link_of_the_page_leads_somewhere():
    text = (DOCS / "metrics.md").read_text("utf-8")
    headings = {h.strip("`") for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        found = target[1:] in headings if target[0] == "#" else (DOCS / target).exists()
        assert found, target


def test_a_metric_without_kinds_and_intervals_is_named(generator, monkeypatch, tmp_path):
    for name in ("intervals.toml", "agreement.toml"):
        (tmp_path / name).write_text((DOCS / name).read_text("utf-8").replace("[fd]", "[other]"))
    monkeypatch.setattr(generator, "HERE", tmp_path)
    with pytest.raises(SystemExit, match=r"lacks kinds and intervals of: fd$"):
        generator.page(Registry())


@pytest.mark.parametrize("entry", entries(), ids=lambda e: f"{e['metric']}-{e['peer']}")
def test_a_budget_is_what_its_test_uses(entry):
    code = (ROOT / entry["tested"]).read_text()
    metric, peer = (re.escape(entry[key]) for key in ("metric", "peer"))
    # by name, or in a loop over the metrics
    assert re.search(rf'budget\(("{metric}"|[\w.]+), "{peer}"\)', code)
    assert re.search(rf"\b{metric}\b", code)
    assert entry["budget"] > 0


def test_every_peer_file_reads_its_budgets():
    for path in Path(ROOT / "tests/peers").glob("test_*.py"):
        assert "from agreement import budget" in path.read_text(), path


# Readings of a clock or a counter, and counts that the model states: no formula to agree on.
READINGS = {
    "adaptation_seconds", "adapter_parameters", "adapter_share",
    "energy_per_sample", "evaluations_per_sample", "train_examples_per_second", "train_seconds",
}  # fmt: skip
# A rule of ours on top of a distance that has its own peers.
DERIVED = {
    "evaluations_to_fd", "evaluations_to_sliced_w2",
    "fd_new_delta", "fd_old_delta", "sliced_w2_new_delta", "sliced_w2_old_delta",
}  # fmt: skip


def test_every_statistic_is_compared_with_a_peer(generator):
    ours = {m.id for metrics in generator.own(Registry()).values() for m in metrics}
    assert ours - {e["metric"] for e in entries()} == READINGS | DERIVED


def test_an_unknown_budget_says_what_to_add():
    with pytest.raises(AssertionError, match="add metric, peer, budget"):
        budget("fd", "nobody")


@pytest.mark.parametrize(
    ("metric", "kind", "method", "missing"),
    [
        ("nll", "exact", "student-t, n = 1,397", ""),
        ("nll", "estimate", "student-t, n = 397", "kinds lack 'estimate'"),
        ("nll", "exact", "bootstrap", "intervals lack 'bootstrap'"),
        ("nope", "exact", "", r"no [nope]"),
    ],
)
def test_what_is_not_documented_is_named(metric, kind, method, missing):
    found = undocumented(metric, kind, method)
    assert missing in found
    assert bool(missing) == bool(found)


FAMILIES = script("families")
VARIANTS = str(DOCS / "variants.toml")
REGISTRY = Registry()


@pytest.mark.parametrize("model", FAMILIES.families(REGISTRY), ids=lambda spec: spec.id)
def test_every_family_says_what_it_is_good_at_and_where_it_breaks(model):
    text = inspect.getdoc(load_target(model.target)) or ""
    for start in ("Good at:", "Breaks at:"):
        assert len(FAMILIES.said(text, start)) > 20, start
    for part in ("References:", "Arguments:", "Example:\n    >>> "):
        assert part in text, part
    assert "http" in model.reference


SHOWN = ("quick", "cpu-long", "points", "captions", VARIANTS)


def test_the_page_of_families_names_what_exists():
    content = tomllib.loads((DOCS / "families.toml").read_text("utf-8"))
    for dataset in content["dataset"]:
        assert dataset["id"] in REGISTRY.datasets
        assert {c["metric"] for c in dataset["columns"]} <= set(REGISTRY.metrics)
    shown = [read_benchmark(name, REGISTRY) for name in SHOWN]
    texts = [text for benchmark in shown for text in (*benchmark.variants, *benchmark.models)]
    variants = {c.label for text in texts for c in parse_choices(text, REGISTRY)}
    for row in content["reference"]:
        assert row["model"] in {*REGISTRY.models, *variants}
        assert row["metric"] in REGISTRY.metrics


def test_the_page_of_families_has_every_figure_it_was_asked_for():
    text = (DOCS / "families.md").read_text("utf-8")
    assert "not measured" not in text
    assert all(f"| `{spec.id}` |" in text for spec in FAMILIES.families(REGISTRY))


def scores(*values, kind="estimate"):
    return [{"value": v, "kind": kind} for v in values]


def test_a_figure_is_the_mean_with_the_least_and_the_most():
    assert FAMILIES.figure(scores(1.0, 2.0, 3.0)) == "2 (1 to 3)"
    assert FAMILIES.figure(scores(0.5)) == ".500 (one seed)"
    assert FAMILIES.figure(scores(0.5, 0.5)) == ".500"
    assert FAMILIES.figure(None) == ""
    # 64 dimensions of one bit each; a lower bound on the likelihood bounds the bits from above
    nats = -64 * math.log(2)
    bits = FAMILIES.figure(scores(nats, nats, kind="lower_bound"), bits=64)
    assert bits == "≤ 1"


def test_a_figure_that_is_missed_is_said_to_be():
    row = {"value": 2.0}
    assert FAMILIES.verdict(row, scores(1.9, 2.1), 0) == "yes"
    assert FAMILIES.verdict(row, scores(2.1), 0) == "**no**"
    assert FAMILIES.verdict({"value": 0.9, "sign": 1}, scores(0.91), 0) == "yes"
    assert FAMILIES.verdict({"value": 0.9, "sign": 1}, scores(0.89), 0) == "**no**"
