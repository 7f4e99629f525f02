"""What ``gengauge run`` is asked for, and how to ask for one trial of it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from gengauge.errors import UsageError

if TYPE_CHECKING:
    from gengauge.benchmark import Benchmark
    from gengauge.budget import Budget
    from gengauge.plan import Job
    from gengauge.store import RunStore

checkpoint_option = click.option(
    "--checkpoint-every",
    default="30s",
    show_default=True,
    metavar="30s",
    help="Time (or steps) of training between checkpoints, from which a killed run goes on.",
)


def resolve_benchmark(name: str, registry: Any, options: dict[str, Any]) -> Benchmark:
    """Return the named benchmark with the command line's choices put in."""
    from dataclasses import replace

    from gengauge.benchmark import read_benchmark, with_options

    benchmark = read_benchmark(name, registry)
    chosen = with_options(
        benchmark,
        models=options["models"],
        datasets=tuple(dict.fromkeys(options["datasets"])),
        suites=tuple(dict.fromkeys(options["suites"])),
        embedders=tuple(dict.fromkeys(options["embedders"])),
        seeds=parse_seeds(options["seeds"]) if options["seeds"] else None,
        budget=options["budget"],
        samples=options["samples"],
        limit=options["limit"],
        settings={**benchmark.settings, **settings_of(options["settings"])},
    )
    # what is given by hand is all: models without the file's variants, one budget for every model
    if options["models"]:
        chosen = replace(chosen, variants=())
    return replace(chosen, budgets={}, stages=()) if options["budget"] else chosen


def settings_of(texts: Iterable[str]) -> dict[str, str]:
    """Return what each ``--set KEY=VALUE`` sets."""
    return dict(map(_setting, texts))


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise UsageError(f"--set '{text}' is not understood; write suite.parameter=value")
    return key, value


def open_store(place: str) -> RunStore:
    """Return the store of a run that is begun or gone on with."""
    from gengauge.store import RunStore

    store = RunStore(place)
    if store.folder.exists() and not store.folder.is_dir():
        raise UsageError(f"'{place}' is a file; give -o a folder")
    return store


def checkpoints(text: str) -> Budget:
    """Read how often checkpoints are written: a time or steps."""
    from gengauge.budget import Budget

    try:
        every = Budget.parse(text)
    except UsageError:
        every = None
    if every is None or every.unit not in ("seconds", "steps"):
        raise UsageError(
            f"--checkpoint-every '{text}' is not understood; write a time or steps, such as 30s "
            "or 500steps"
        )
    return every


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


def note_unfit(benchmark: Benchmark, registry: Any, options: dict[str, Any]) -> None:
    """Say on stderr which models that were asked for by name do not fit which dataset."""
    from gengauge.plan import parse_choices

    for text in options["models"]:
        for choice in parse_choices(text, registry):
            for name in benchmark.datasets:
                if reason := choice.spec.fits(registry.find("datasets", name), choice.parameters):
                    click.echo(f"note: {choice.label} is left out on {name}: it {reason}", err=True)


def reproduction(benchmark: str, job: Job, options: dict[str, Any]) -> str:
    """Return the command that runs this one trial again."""
    spec = job.choice.spec
    defaults = {p.name: p.default for p in spec.parameters}
    changed = [f"{k}={v}" for k, v in job.choice.parameters.items() if v != defaults[k]]
    shown = ",".join(changed)
    if job.choice.label not in (spec.id, f"{spec.id}[{shown}]"):
        changed.append(f"name={job.choice.label}")
    model = f"{spec.id}[{','.join(changed)}]" if changed else spec.id
    words = ["gengauge", "run", benchmark, "-m", model, "-d", job.dataset.id]
    words += ["--seeds", str(job.seed)]
    words += ["--budget", job.budget] if spec.learns else []
    for flag in ("suites", "embedders", "settings", "plugins"):
        words += [w for v in options[flag] for w in (f"--{flag.removesuffix('s')}", v)]
    words += ["--threads", str(options["threads"])] if options["threads"] != 1 else []
    words += ["--precision", options["precision"]] if options["precision"] != "fp32" else []
    many = options["gradient_accumulation"]
    words += ["--gradient-accumulation", str(many)] if many != 1 else []
    for flag in ("samples", "limit"):
        words += [f"--{flag}", str(options[flag])] if options[flag] else []
    words = ["--set" if w == "--setting" else w for w in words]
    return shlex.join(words)
