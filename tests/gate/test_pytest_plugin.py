"""The fixture in a fresh project, run by pytest itself."""

from __future__ import annotations

import subprocess
import sys

from gate_runs import record, run

pytest_plugins = ["pytester"]

PROJECT = """
def test_kept(gengauge):
    found = gengauge.assert_no_regression("before", "before", {"fd": "5%"})
    assert [o.status for o in found.outcomes] == ["ok"]

def test_lost(gengauge):
    gengauge.assert_no_regression("before", "after", {"fd": "5%"})

def test_tolerated(gengauge):
    gengauge.assert_no_regression("before", "after", {"fd": "50%"})

def test_looked_at(gengauge):
    found = gengauge.compare("before", "after")
    assert found.exit_code == 1
    assert found.having("worse")[0].loss.value > 1
"""


def test_a_fresh_project(pytester):
    run(pytester.path / "before", record())
    run(pytester.path / "after", record(value=12.0))
    pytester.makepyfile(PROJECT)
    done = pytester.runpytest_subprocess("-n", "0")
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines([
        "*gate missed (1 worse)*",
        "model*data*metric*baseline*candidate*change*may lose*p*verdict",
        "vae*digits*fd*10.00*12.00*+2.00*5%*<.001*worse",
    ])  # fmt: skip
    done.stdout.no_fnmatch_line("*Traceback*")


def test_alpha_can_be_set(pytester):
    run(pytester.path / "before", record())
    run(pytester.path / "after", record(value=10.25))  # p = .04
    pytester.makepyfile(
        "def test_it(gengauge):\n    gengauge.assert_no_regression('before', 'after')\n"
    )
    options = ("-n", "0")
    pytester.runpytest_subprocess(*options).assert_outcomes(failed=1)
    stricter = pytester.runpytest_subprocess(*options, "--gengauge-alpha", "0.01")
    stricter.assert_outcomes(passed=1)


def test_a_run_of_ones_own(pytester):
    pytester.makepyfile(
        "def test_it(gengauge):\n"
        "    arguments = ('points', '-d', 'points/moons', '-m', 'gmm[components=2]', '-s',"
        " 'likelihood')\n"
        "    before, now = gengauge.run(*arguments), gengauge.run(*arguments)\n"
        "    assert before != now\n"
        "    gengauge.assert_no_regression(before, now)\n"
    )
    done = pytester.runpytest_subprocess("-n", "0")
    done.assert_outcomes(passed=1)


def test_loading_it_imports_nothing_heavy():
    code = (
        "import sys, gengauge.pytest_plugin;"
        "print([m for m in ('torch', 'pandas', 'scipy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
