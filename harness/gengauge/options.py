"""What one run is asked for, by the command line or from Python, and how to ask for it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gengauge.benchmark import Benchmark, read_benchmark, with_options
from gengauge.errors import UsageError, unknown
from gengauge.plan import Job, parse_choices
from gengauge.registry import Registry
from gengauge.specs import DatasetSpec

PRECISIONS = ("fp32", "bf16")
_LEAST = {
    "samples": 2, "limit": 4, "threads": 1, "jobs": 1, "gpus": 1, "gradient_accumulation": 1,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of ``gengauge run``, as they are written there.

    ``launched`` is how many processes were started to train one model together.
    """

    benchmark: str = "quick"
    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    embedders: tuple[str, ...] = ()
    seeds: str | None = None
    budget: str | None = None
    samples: int | None = None
    limit: int | None = None
    settings: tuple[str, ...] = ()
    device: str = "auto"
    threads: int = 1
    jobs: int | None = None
    executor: str = "local"
    address: str | None = None
    gpus: int | None = None
    gradient_accumulation: int = 1
    precision: str = "fp32"
    launched: int = 1
    timeout: str | None = None
    memory: str | None = None
    checkpoint_every: str = "30s"
    no_isolate: bool = False
    fresh: bool = False
    retry_failed: bool = False
    output: str | None = None
    plugins: tuple[str, ...] = ()
    track: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name} is {value}, expected at least {least}")
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)


def resolve_benchmark(options: Options, registry: Registry) -> Benchmark:
    """Return the named benchmark with what was chosen put in."""
    benchmark = read_benchmark(options.benchmark, registry)
    chosen = with_options(
        benchmark,
        models=options.models,
        datasets=tuple(dict.fromkeys(options.datasets)),
        suites=tuple(dict.fromkeys(options.suites)),
        embedders=tuple(dict.fromkeys(options.embedders)),
        seeds=parse_seeds(options.seeds) if options.seeds else None,
        budget=options.budget,
        samples=options.samples,
        limit=options.limit,
        settings={**benchmark.settings, **settings_of(options.settings)},
    )
    # what is given by hand is all: models without the file's variants, one budget for every model
    if options.models:
        chosen = replace(chosen, variants=())
    return replace(chosen, budgets={}, stages=()) if options.budget else chosen


def settings_of(texts: Iterable[str]) -> dict[str, str]:
    """Return what each ``--set KEY=VALUE`` sets."""
    return dict(map(_setting, texts))


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise UsageError(f"--set '{text}' is not understood; write suite.parameter=value")
    return key, value


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read ``0-2`` or ``0,3``.

    >>> parse_seeds("0-2,7")
    (0, 1, 2, 7)
    """
    seeds: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.strip().partition("-")
            seeds += range(int(first), int(last or first) + 1)
    except ValueError:
        raise UsageError(f"--seeds '{text}' is not understood; write 0-2 or 0,3") from None
    if not seeds:
        raise UsageError(f"--seeds '{text}' names no seed; write 0-2 or 0,3")
    return tuple(dict.fromkeys(seeds))


def unfit(benchmark: Benchmark, registry: Registry, models: Iterable[str]) -> Iterator[str]:
    """Yield which models that were asked for by name do not fit which dataset."""
    for text in models:
        for choice in parse_choices(text, registry):
            for name in benchmark.datasets:
                dataset = registry.find("datasets", name)
                assert isinstance(dataset, DatasetSpec)
                if reason := choice.spec.fits(dataset, choice.parameters):
                    yield f"{choice.label} is left out on {name}: it {reason}"


def reproduction(options: Options, job: Job) -> str:
    """Return the command that runs this one trial again."""
    spec = job.choice.spec
    defaults = {p.name: p.default for p in spec.parameters}
    changed = [f"{k}={v}" for k, v in job.choice.parameters.items() if v != defaults[k]]
    shown = ",".join(changed)
    if job.choice.label not in (spec.id, f"{spec.id}[{shown}]"):
        changed.append(f"name={job.choice.label}")
    model = f"{spec.id}[{','.join(changed)}]" if changed else spec.id
    words = ["gengauge", "run", options.benchmark, "-m", model, "-d", job.dataset.id]
    words += ["--seeds", str(job.seed)]
    words += ["--budget", job.budget] if spec.learns else []
    for flag, values in (
        ("--suite", options.suites), ("--embedder", options.embedders),
        ("--set", options.settings), ("--plugin", options.plugins),
    ):  # fmt: skip
        words += [word for value in values for word in (flag, value)]
    words += ["--threads", str(options.threads)] if options.threads != 1 else []
    words += ["--precision", options.precision] if options.precision != "fp32" else []
    many = options.gradient_accumulation
    words += ["--gradient-accumulation", str(many)] if many != 1 else []
    words += ["--samples", str(options.samples)] if options.samples else []
    words += ["--limit", str(options.limit)] if options.limit else []
    return shlex.join(words)
