"""From what a plugin registers to cases: which laws are asked, and on which data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

from gengauge.data import Dataset
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
from gengauge.testing.case import Case, NotApplicable, require
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
from gengauge.testing.verdicts import Law, Verdict, crashed, judge
from gengauge.testing.worlds import WORLDS, made

LIMIT = 400  # examples of each split of a data set of the plugin's
HEAVY = ("torch", "pandas", "sklearn", "matplotlib", "transformers")
_SUMMED = {
    "mass", "latent-variable", "class-mass", "class-latent-variable", "observation-model",
    "variational-bound", "diffusion-decoder",
}  # fmt: skip
_EXHAUSTIVE = ("tiny/pair", "tiny/syllables")  # whose every example laws sum over
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
        try:
            case = self.case
        except Exception as error:
            return crashed(law, error)
        return judge(law, case)

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
            if not spec.takes_path:
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
        for about in found:
            yield self._on(kind, spec, about)
        if not found:
            yield Subject(kind, spec.id, "", (there_is_data_for_it,), lambda: spec)

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


def there_is_data_for_it(spec: Spec) -> None:
    """Some data set here fits: the plugin's own, or one of the small ones."""
    raise NotApplicable(
        f"none of {', '.join(w.id for w in WORLDS)} fits, and the plugin brings none that does; "
        "name one with --dataset"
    )


def registration_is_light(module: str) -> None:
    """Importing what registers loads no heavy library: `gengauge list` stays instant."""
    code = f"import sys\nimport {module}\nprint(*({HEAVY} & sys.modules.keys()))"
    code = code.replace(str(HEAVY), str(set(HEAVY)))
    path = [p for p in sys.path if p] or ["."]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:] = {path!r}\n{code}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    require(done.returncode == 0, f"a module {module} that can be imported",
            " ".join(done.stderr.split()[-20:]), "mend what it imports")  # fmt: skip
    heavy = done.stdout.split()
    require(not heavy, "descriptions alone in the module of the entry point",
            f"an import of {' and '.join(sorted(heavy))}",
            "put the code into a module beside it, which target names")  # fmt: skip


def _loaded(about: DatasetSpec) -> Dataset:
    return made(about.id) if about in WORLDS else load_dataset(about, LIMIT)


def _registry_with(module: str) -> Registry:
    known = Registry()
    installed = any(p.module == module and not p.error for p in known.plugins)
    return known if installed else Registry((module,))
