"""The benchmark files that ship with gengauge."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from gengauge.hooks import hookimpl
from gengauge.specs import BenchmarkSpec

QUICK = files(__package__) / "quick.toml"
POINTS = files(__package__) / "points.toml"
STANDARD = files(__package__) / "standard.toml"
CPU_LONG = files(__package__) / "cpu-long.toml"
CAPTIONS = files(__package__) / "captions.toml"
ATLAS = files(__package__) / "atlas.toml"


@hookimpl
def gengauge_benchmarks() -> Iterable[BenchmarkSpec]:
    """Return the benchmarks that ship with gengauge."""
    yield BenchmarkSpec(
        id="quick",
        summary="Digits and moons, every family at its own budget: minutes on a laptop",
        target="gengauge_suites.benchmarks:QUICK",
    )
    yield BenchmarkSpec(
        id="points",
        summary="Five planar densities whose true entropy is known, at budgets that come near it",
        target="gengauge_suites.benchmarks:POINTS",
    )
    yield BenchmarkSpec(
        id="standard",
        summary="Fashion-MNIST, every family at ten minutes of one graphics card",
        target="gengauge_suites.benchmarks:STANDARD",
    )
    yield BenchmarkSpec(
        id="cpu-long",
        summary="Fashion-MNIST, every family at about a minute of one core: hours on a laptop",
        target="gengauge_suites.benchmarks:CPU_LONG",
    )
    yield BenchmarkSpec(
        id="captions",
        summary="Drawings of captioned shapes: pictures from captions, captions from pictures",
        target="gengauge_suites.benchmarks:CAPTIONS",
    )
    yield BenchmarkSpec(
        id="atlas",
        summary="Points, digits, shapes and text, every family at three stages of its training",
        target="gengauge_suites.benchmarks:ATLAS",
    )
