"""Turns a benchmark into jobs: every model that fits, on every dataset, with every seed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gengauge.benchmark import Benchmark
from gengauge.budget import Budget
from gengauge.errors import NothingSelectedError, UsageError, unknown
from gengauge.parameters import Value
from gengauge.registry import Registry
from gengauge.settings import Chosen, read_settings
from gengauge.specs import DatasetSpec, MetricSpec, ModelSpec

DEFAULT_BUDGET = "1000 steps"
_CHOICE = re.compile(r"([^\[\]]+)(?:\[(.*)\])?")
# of a path's brackets only those that end it, with a name and a value, are parameters
_BROUGHT = re.compile(r"([^:\[\]]+:.+?)(?:\[([^\[\]=]+=[^\[\]]*)\])?", re.DOTALL)


@dataclass(frozen=True)
class Choice:
    """A model with all its parameters and the id its rows carry."""

    spec: ModelSpec
    parameters: Mapping[str, Value]
    label: str


def parse_choices(text: str, registry: Registry) -> list[Choice]:
    """Return the variants of ``vae[latent=16,32,beta=1]``: a comma in a value makes a grid.

    A file of the user's takes its parameters after its path, ``diffusers:PATH[steps=50]``.
    """
    match = _BROUGHT.fullmatch(text.strip()) or _CHOICE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"model '{text}' is not understood; write id or id[name=value,...]")
    spec = registry.find("models", match[1].strip())
    assert isinstance(spec, ModelSpec)
    grid = _grid(text, match[2] or "")
    names = grid.pop("name", [])
    variants = [
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    ]
    if names and (len(names) != 1 or len(variants) != 1):
        raise UsageError(f"model '{text}': name= labels one variant, and this is a grid")
    choices = []
    for given in variants:
        parameters = spec.resolve(given)
        shown = ",".join(f"{k}={parameters[k]}" for k in given)
        choices.append(Choice(spec, parameters, names[0] if names else _label(spec.id, shown)))
    return choices


def _label(id_: str, shown: str) -> str:
    return f"{id_}[{shown}]" if shown else id_


def _grid(text: str, inside: str) -> dict[str, list[str]]:
    grid: dict[str, list[str]] = {}
    key = ""
    for item in filter(None, map(str.strip, inside.split(","))):
        if "=" in item:
            key, _, item = (part.strip() for part in item.partition("="))
            if key in grid:
                raise UsageError(f"model '{text}': parameter '{key}' is given twice")
        elif not key:
            raise UsageError(f"model '{text}': '{item}' needs a parameter name before it")
        grid.setdefault(key, []).append(item)
    return grid


@dataclass(frozen=True)
class MetricChoice:
    """A metric with its parameters and, where it needs one, the embedder it is measured in."""

    spec: MetricSpec
    parameters: Mapping[str, Value]
    embedder: str = ""


@dataclass(frozen=True)
class Job:
    """One model on one dataset with one seed and budget, and what to score it on."""

    choice: Choice
    dataset: DatasetSpec
    seed: int
    budget: str
    metrics: tuple[MetricChoice, ...]


def plan(benchmark: Benchmark, registry: Registry) -> list[Job]:
    """Return every job of ``benchmark``, all names looked up; raises before any work is done."""
    datasets = [
        d for n in benchmark.datasets if isinstance(d := registry.find("datasets", n), DatasetSpec)
    ]
    every = (id_ for id_, spec in registry.models.items() if not spec.takes_path)
    texts = (*(benchmark.models or every), *benchmark.variants)
    choices = [c for text in texts for c in parse_choices(text, registry)]
    _unique_labels(choices)
    suites = known_suites(benchmark.suites, registry)
    settings = read_settings(benchmark.settings, registry)
    jobs = []
    for dataset in datasets:
        metrics = tuple(metrics_on(dataset, suites, benchmark.embedders, registry, settings))
        for choice in choices:
            if choice.spec.fits(dataset, choice.parameters) == "":
                budgets = _budgets(benchmark, choice)
                jobs += [
                    Job(choice, dataset, seed, budget, metrics)
                    for seed in benchmark.seeds for budget in budgets
                ]  # fmt: skip
    if not jobs:
        reasons = {
            f"{c.label} {c.spec.fits(d, c.parameters)} ({d.id})" for c in choices for d in datasets
        }
        raise NothingSelectedError("nothing to run: " + ("; ".join(sorted(reasons)) or "no model"))
    return jobs


def known_suites(names: Sequence[str], registry: Registry) -> tuple[str, ...]:
    """Return the suites of these names, all without; ``UsageError`` for one that is not there."""
    for name in names:
        if name not in registry.suites:
            raise unknown("suite", name, registry.suites)
    return tuple(names) or tuple(registry.suites)


def _unique_labels(choices: list[Choice]) -> None:
    seen: dict[str, Choice] = {}
    for choice in choices:
        if seen.setdefault(choice.label, choice) != choice:
            raise UsageError(f"two models are called '{choice.label}'; give one another name=")


def _budgets(benchmark: Benchmark, choice: Choice) -> list[str]:
    """Return a budget for each stage, shortest first; what has but one step to make has one."""
    whole = Budget.parse(_budget(benchmark, choice))
    parts = [whole.share(part) for part in sorted(benchmark.stages or (1.0,))]
    return list(dict.fromkeys(map(str, parts)))


def _budget(benchmark: Benchmark, choice: Choice) -> str:
    if not choice.spec.learns:
        return "1 steps"  # there is nothing to learn: the key must not vary with a budget
    own = benchmark.budgets.get(choice.label) or benchmark.budgets.get(choice.spec.id)
    return own or benchmark.budget or choice.spec.budget or DEFAULT_BUDGET


def metrics_on(
    dataset: DatasetSpec,
    suites: Iterable[str],
    embedders: Sequence[str],
    registry: Registry,
    settings: Mapping[str, Chosen],
) -> Iterable[MetricChoice]:
    """Yield the metrics of ``suites`` on ``dataset``, once an embedder: by default its own."""
    usual = [registry.embedder(id_) for id_ in embedders or dataset.embedders]
    for spec in (m for suite in suites for m in registry.suites[suite] if m.fits(dataset)):
        chosen = settings.get(spec.id) or Chosen(spec.resolve({}))
        if not spec.embedded:
            yield MetricChoice(spec, chosen.parameters)
        judges = [chosen.judge] if chosen.judge else usual
        for known in judges if spec.embedded else ():
            if dataset.modality in known.modalities and spec.fits_embedder(known):
                yield MetricChoice(spec, chosen.parameters, known.id)
