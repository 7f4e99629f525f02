"""What the suites register: complete, resolvable, and cheap to read."""

import subprocess
import sys
from importlib import import_module

import pytest

from gengauge.benchmark import read_benchmark
from gengauge.registry import Registry, load_target

MODULES = [f"gengauge_suites.{name}" for name in (
    "datasets", "embedders", "likelihood", "fidelity", "memorisation", "utility", "speed",
    "benchmarks",
)]  # fmt: skip
METRICS = [
    spec
    for name in ("likelihood", "fidelity", "memorisation", "utility", "speed")
    for spec in import_module(f"gengauge_suites.{name}").gengauge_metrics()
]


def test_registration_imports_nothing_heavy():
    code = (
        f"import sys\nfor name in {MODULES}:\n    __import__(name)\n"
        "print([m for m in ('torch', 'numpy', 'pandas', 'sklearn', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("spec", METRICS, ids=lambda s: s.id)
def test_every_metric_has_a_function_that_takes_its_parameters(spec):
    code = load_target(spec.target)
    taken = code.__code__.co_varnames[: code.__code__.co_argcount]
    first = ("evidence", "embedder") if spec.embedded else ("evidence",)
    assert taken == (*first, *(p.name for p in spec.parameters))
    assert spec.summary.endswith(".")


def test_ids_are_unique():
    assert len({spec.id for spec in METRICS}) == len(METRICS)


@pytest.mark.parametrize("name", ["quick", "points"])
def test_benchmarks_name_only_what_is_registered(name):
    registry = Registry()
    benchmark = read_benchmark(name, registry)
    assert benchmark.name == name
    assert set(benchmark.datasets) <= set(registry.datasets)
    assert set(benchmark.suites) <= set(registry.suites)
    assert not benchmark.budget
