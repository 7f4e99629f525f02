"""From what a plugin registers to cases: which laws are asked, and on which data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, wraps
from types import ModuleType
from typing import Any

from gengauge.data import Dataset
from gengauge.errors import UsageError
from gengauge.executor import ExecutorSpec
from gengauge.loading import load_dataset
from gengauge.publisher import PublisherSpec
from gengauge.registry import Registry
from gengauge.specs import (
    BenchmarkSpec,
    DatasetSpec,
    EmbedderSpec,
    MetricSpec,
    ModelSpec,
    ReportSpec,
    Spec,
)
from gengauge.testing.case import Case, NotApplicable
from gengauge.testing.data_sets import DATASET_LAWS, DatasetCase
from gengauge.testing.embedders import EMBEDDER_LAWS, EmbedderCase
from gengauge.testing.laws import LAWS
from gengauge.testing.metrics import METRIC_LAWS, MetricCase
from gengauge.testing.outputs import (
    BENCHMARK_LAWS,
    EXECUTOR_LAWS,
    LISTENER_LAWS,
    PUBLISHER_LAWS,
    REPORT_LAWS,
    BenchmarkCase,
    ExecutorCase,
    ListenerCase,
    PublisherCase,
    ReportCase,
    executor_registry,
)
from gengauge.testing.registration import it_can_be_tried, registration_is_light
from gengauge.testing.verdicts import Law, Verdict, judge
from gengauge.testing.worlds import WORLDS, made

LIMIT = 400  # examples of each split of a data set of the plugin's
_SUMMED = {
    "mass", "latent-variable", "class-mass", "class-latent-variable", "observation-model",
    "variational-bound", "diffusion-decoder",
}  # fmt: skip
_EXHAUSTIVE = ("tiny/pair", "tiny/syllables")  # whose every example laws sum over
_FILE = "it reads a file of the user's, and there is none here"
_LISTENERS = ("gengauge_run_started", "gengauge_trial_finished")


@dataclass
class Subject:
    """One thing that a plugin registers, on one data set where it needs any, and its laws."""

    kind: str
    id: str
    on: str
    laws: tuple[Law, ...]
    make: Callable[[], Any]

    @cached_property
    def case(self) -> Any:
        """What the laws are asked about, made when the first of them is."""
        return self.make()

    def judge(self, law: Law) -> Verdict:
        """Return how one law went, also where the case itself cannot be made."""

        @wraps(law)
        def asked(subject: Subject) -> None:
            law(subject.case)

        return judge(asked, self)

    def verdicts(self) -> Iterator[Verdict]:
        """Yield how each law went; the first must hold, or the others have nothing to say."""
        for i, law in enumerate(self.laws):
            verdict = self.judge(law)
            yield verdict
            if i == 0 and verdict.outcome != "held":
                return

    @property
    def label(self) -> str:
        """What it is called in a list."""
        return f"{self.kind} {self.id}" + (f" on {self.on}" if self.on else "")


@dataclass
class Offer:
    """What a module registers, by kind, and what is known of the plugins around it."""

    module: ModuleType | None
    specs: Mapping[str, list[Spec]]
    registry: Callable[[], Registry]
    given: DatasetSpec | None = None  # the one data set that models and metrics are tried on
    parameters: Mapping[str, Any] = field(default_factory=dict)
    budget: str = "12 steps"

    @classmethod
    def of(cls, module: ModuleType) -> Offer:
        """Return what the hooks of ``module`` register."""
        hooks = {
            name.removeprefix("gengauge_"): hook for name, hook in vars(module).items()
            if getattr(hook, "gengauge_impl", None) is not None and name not in _LISTENERS
        }  # fmt: skip
        specs = {kind: list(hook()) for kind, hook in hooks.items()}
        return cls(module, specs, lambda: _registry_with(module.__name__))

    def subjects(self) -> Iterator[Subject]:
        """Yield what there is to judge."""
        if self.module is not None:
            name = self.module.__name__
            yield Subject("plugin", name, "", (registration_is_light,), lambda: name)
        for kind, specs in self.specs.items():
            for spec in specs:
                yield from self._of(kind.removesuffix("s"), spec)
        if self.module is not None and any(hasattr(self.module, n) for n in _LISTENERS):
            listening = ListenerCase(self.module)
            yield Subject("listener", self.module.__name__, "", LISTENER_LAWS, lambda: listening)

    def _of(self, kind: str, spec: Any) -> Iterator[Subject]:
        if isinstance(spec, ModelSpec | MetricSpec | EmbedderSpec):
            yield from self._on_data(kind, spec)
        elif isinstance(spec, DatasetSpec):
            if spec.takes_path:
                yield _untried(kind, spec, _FILE)
            else:
                yield Subject(kind, spec.id, "", DATASET_LAWS, lambda: DatasetCase(spec))
        elif isinstance(spec, ReportSpec):
            yield Subject(kind, spec.id, "", REPORT_LAWS, lambda: ReportCase(spec))
        elif isinstance(spec, PublisherSpec):
            yield Subject(kind, spec.id, "", PUBLISHER_LAWS, lambda: PublisherCase(spec))
        elif isinstance(spec, ExecutorSpec):
            around = lambda: executor_registry(self.registry())  # noqa: E731
            yield Subject(kind, spec.id, "", EXECUTOR_LAWS, lambda: ExecutorCase(spec, around))
        elif isinstance(spec, BenchmarkSpec):
            around = self.registry
            yield Subject(kind, spec.id, "", BENCHMARK_LAWS, lambda: BenchmarkCase(spec, around))

    def _on_data(self, kind: str, spec: ModelSpec | MetricSpec | EmbedderSpec) -> Iterator[Subject]:
        found = list(self.data_for(spec))
        why = self._why_not(spec, found)
        if why:
            yield _untried(kind, spec, why)
            return
        for about in found:
            yield self._on(kind, spec, about)

    def _why_not(
        self, spec: ModelSpec | MetricSpec | EmbedderSpec, found: list[DatasetSpec]
    ) -> str:
        """Return why ``spec`` cannot be tried here, or nothing."""
        if isinstance(spec, ModelSpec) and spec.lacks:
            return spec.lacks
        if getattr(spec, "takes_path", False):
            return _FILE
        if found:
            return ""
        if self.given is None:
            known = ", ".join(w.id for w in WORLDS)
            return (
                f"no data set of the plugin's fits it, and none of {known}; name one with --dataset"
            )
        fits = spec.fits(self.given) if isinstance(spec, ModelSpec) else ""
        return f"it {fits or 'is not for its data'} ({self.given.id})"

    def _on(self, kind: str, spec: Any, about: DatasetSpec) -> Subject:
        if isinstance(spec, ModelSpec):
            make: Callable[[], Any] = lambda: Case(  # noqa: E731
                spec, _loaded(about), self.parameters, self.budget
            )
            return Subject(kind, spec.id, about.id, LAWS, make)
        if isinstance(spec, MetricSpec):
            return Subject(kind, spec.id, about.id, METRIC_LAWS,
                           lambda: MetricCase(spec, _loaded(about)))  # fmt: skip
        return Subject(kind, spec.id, about.id, EMBEDDER_LAWS,
                       lambda: EmbedderCase(spec, _loaded(about)))  # fmt: skip

    def data_for(self, spec: ModelSpec | MetricSpec | EmbedderSpec) -> Iterator[DatasetSpec]:
        """Yield the data sets to try ``spec`` on: the plugin's own, and small ones."""
        own = [s for s in self.specs.get("datasets", ()) if isinstance(s, DatasetSpec)]
        known = [self.given] if self.given else [s for s in own if not s.takes_path] + [*WORLDS]
        if isinstance(spec, EmbedderSpec) and not self.given:
            # it may take its own pictures only: those of a data set that is judged in it
            theirs = [*own, *self.registry().datasets.values()]
            known = [s for s in theirs if spec.id in s.embedders][:1] or known
        for about in known:
            if isinstance(spec, ModelSpec):
                exhaustive = about.id in _EXHAUSTIVE and about.modality == "image"
                useful = not exhaustive or bool(_SUMMED & {*spec.capabilities})
                if useful and not spec.fits(about, self.parameters):
                    yield about
            elif isinstance(spec, MetricSpec):
                if spec.fits(about) and about.id not in _EXHAUSTIVE[:1]:
                    yield about
            elif about.modality in spec.modalities and about.id not in _EXHAUSTIVE[:1]:
                yield about


def _untried(kind: str, spec: Spec, why: str) -> Subject:
    return Subject(kind, spec.id, "", (it_can_be_tried,), lambda: why)


def _loaded(about: DatasetSpec) -> Dataset:
    """Return the data set; ``NotApplicable`` where it cannot be had, which its own laws tell."""
    if about in WORLDS:
        return made(about.id)
    try:
        return load_dataset(about, LIMIT)
    except UsageError as error:
        raise NotApplicable(str(error)) from None


def _registry_with(module: str) -> Registry:
    known = Registry()
    installed = any(p.module == module and not p.error for p in known.plugins)
    return known if installed else Registry((module,))
