"""What all tests share: the real command line in a subprocess, and the fake plugin."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_survey import summary
from tests_support import FAKES, Cli, command_line, environment

os.environ["OMP_NUM_THREADS"] = "1"  # as the command line does, before torch is imported

import torch


def together(nodeid: str) -> str:
    """Return what is the same for tests that share an expensive fixture.

    >>> together("tests/laws/test_models.py::test_law[vae-digits-fit_is_deterministic]")
    'tests/laws/test_models.py::test_law[vae-digits'
    """
    path = nodeid.partition("::")[0]
    for folder in ("tests/e2e", "tests/bundles"):
        if path.startswith(f"{folder}/"):
            return folder  # what they look at is run once for all of them
    if path == "tests/docs/test_pages.py":
        return nodeid  # pages share nothing, and each takes a while
    # a fitted model is judged by every law
    return nodeid.rpartition("-")[0] if path == "tests/laws/test_models.py" else path


@pytest.hookimpl(optionalhook=True)  # there is none to call it without pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep on one worker what belongs together.

    The markers that pytest-xdist 3.8 has for it are not seen with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    config.option.loadscopereorder = False  # the main job comes first, and is the longest
    return Together(config, log)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many faults the runner was put through."""
    reports = [r for group in terminalreporter.stats.values() for r in group]
    if line := summary(reports):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what tests cache out of the user's folder, in subprocesses too."""
    os.environ["GENGAUGE_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Any:
    """Build every fixture from the same fresh weights, whatever ran before it."""
    torch.manual_seed(0)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """Start every test from the same fresh weights, alone or beside all the others."""
    torch.manual_seed(0)
    return (yield)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run gengauge in an empty folder and return the finished process."""

    def run(*arguments: object, env: dict[str, str] | None = None, timeout: int = 300):
        return subprocess.run(
            command_line(*arguments),
            cwd=tmp_path,
            env=environment(**(env or {})),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


def forget(folder: Path) -> None:
    """Unload modules that lie in ``folder``: another test's may have the same name."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(folder):
            del sys.modules[name]


@pytest.fixture
def here(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Cli]:
    """Run gengauge in an empty folder within this process, for what needs no program of its own.

    To start Python and load torch takes longer than a plan or an error message does.
    """
    from gengauge.cli import _run

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr("sys.path", sys.path.copy())
    forget(tmp_path_factory.getbasetemp())
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    flags = dict.fromkeys(("GENGAUGE_OFFLINE", "HF_HUB_OFFLINE", "GENGAUGE_TRUST"), "")
    for name, value in {**threads, **flags}.items():
        monkeypatch.setenv(name, value)  # what a run sets is put back afterwards

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [str(a) for a in arguments]
        code = _run(words)
        said = capfd.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    yield run
    forget(tmp_path)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the fake plugin importable in this process."""
    monkeypatch.syspath_prepend(str(FAKES))
    return FAKES


BROWSER_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
collect_ignore = ["fakes"]  # plugins for other processes: one of them ends whoever imports it
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium; Playwright is told its path and downloads none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next((p for name in BROWSERS if (p := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=BROWSER_ARGUMENTS)
        yield browser
        browser.close()
