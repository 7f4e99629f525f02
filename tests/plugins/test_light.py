"""Listing models must stay fast: entry modules load neither torch nor numpy."""

import subprocess
import sys

import pytest

MODULES = [
    "bigram",
    "naive_bayes",
    "mixture",
    "vae",
    "gan",
    "flow",
    "controls",
    "diffusion",
    "brought",
]


@pytest.mark.parametrize("module", MODULES)
def test_descriptions_load_nothing_heavy(module):
    code = (
        f"import sys, gengauge_plugins.{module} as m; specs = m.gengauge_models(); "
        "heavy = {'torch', 'numpy', 'sklearn', 'zuko'} & set(sys.modules); "
        "assert specs and not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_family_says_what_it_assumes():
    from gengauge.registry import Registry

    for spec in Registry().models.values():
        if not spec.control and spec.target.startswith("gengauge_plugins"):
            assert spec.assumes.endswith("."), spec.id
            assert 30 < len(spec.assumes) < 220, spec.id
