"""Listing models must stay fast: entry modules load neither torch nor numpy."""

import subprocess
import sys

import pytest

MODULES = ["bigram", "naive_bayes", "mixture", "vae", "gan", "flow", "controls", "diffusion"]


@pytest.mark.parametrize("module", MODULES)
def test_descriptions_load_nothing_heavy(module):
    code = (
        f"import sys, gengauge_plugins.{module} as m; specs = m.gengauge_models(); "
        "heavy = {'torch', 'numpy', 'sklearn', 'zuko'} & set(sys.modules); "
        "assert specs and not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
