"""A benchmark: a TOML file that ships with its plugin."""

from gengauge import BenchmarkSpec, hookimpl


@hookimpl
def gengauge_benchmarks():
    """Return the benchmark, described."""
    return [
        BenchmarkSpec(
            id="example-planar",
            summary="the simplest models on two planar densities, in seconds",
            target="example_benchmark.files:PLANAR",
        )
    ]
