"""Bad input: one line on stderr that says what was wrong and what to do, exit 2, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support import Cli


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rnu",), "unknown command 'rnu'; did you mean 'run'?"),
        (("run", "-m", "gmn"), "unknown model 'gmn'; did you mean 'gmm'?"),
        (("run", "-d", "digit"), "unknown dataset 'digit'; did you mean 'digits'?"),
        (("run", "-s", "fidelty"), "unknown suite 'fidelty'; did you mean 'fidelity'?"),
        (("run", "quik"), "unknown benchmark 'quik'; did you mean 'quick'?"),
        (("run", "missing.toml"), "benchmark file 'missing.toml' does not exist"),
        (("run", "--embedder", "digit"), "unknown embedder 'digit'; did you mean 'digits'?"),
        (("run", "--budget", "soon"), "budget 'soon' is not understood"),
        (("run", "--seeds", "x"), "--seeds 'x' is not understood; write 0-2 or 0,3"),
        (("run", "--seeds", "3-1"), "--seeds '3-1' names no seed"),
        (("run", "--device", "gpu"), "unknown device 'gpu'; use auto, cpu, cuda or cuda:1"),
        (("run", "--set", "k=3"), "--set 'k=3' is not understood"),
        (("run", "--set", "likelyhood.k=3"), "did you mean 'likelihood'?"),
        (("run", "--plugin", "no_such"), "plugin 'no_such' cannot be used: ModuleNotFoundError"),
        (
            ("run", "--plugin", "../my.py"),
            "plugin '../my.py' is not a module; write package.module",
        ),
        (("run", "-m", "noise", "-o", "/proc/x"), "'/proc/x'"),
        (("run", "--samples", "1"), "--samples"),
        (("run", "--bogus"), "No such option"),
        (("list", "model"), "unknown listing 'model'; did you mean 'models'?"),
        (("list", "models", "--family", "flw"), "unknown family 'flw'; did you mean 'flow'?"),
        (("list", "datasets", "--family", "flow"), "--family goes with models"),
        (("list", "models", "--format", "jsn"), "unknown format 'jsn'; did you mean 'json'?"),
        (("show", "gmn"), "did you mean 'gmm'?"),
        (("report", "nowhere"), "'nowhere' is not a run"),
        (("completion", "csh"), "unknown shell 'csh'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_one_clear_line(here: Cli, arguments: tuple[str, ...], said: str) -> None:
    done = here(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_errors_end_the_program_too(cli: Cli) -> None:
    done = cli("run", "-m", "gmn")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: unknown model 'gmn'; did you mean 'gmm'?")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_report_format_names_the_right_one(here: Cli, tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text("")
    done = here("report", ".", "--format", "htm")
    assert done.returncode == 2
    assert "unknown report 'htm'; did you mean 'html'?" in done.stderr


def test_a_benchmark_that_is_no_text(here: Cli, tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    done = here("run", "b.toml")
    assert done.returncode == 2
    assert done.stderr == "error: benchmark file 'b.toml' is not text in UTF-8\n"


def test_a_dataset_that_cannot_be_loaded_is_named(cli: Cli) -> None:
    done = cli("run", "-d", "lost", "-m", "gaussian", "--plugin", "fake_models")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "dataset 'lost' cannot be loaded: FileNotFoundError: points.csv is not there" in line


def test_nothing_selected_is_exit_5(here: Cli) -> None:
    done = here("run", "-m", "truth", "-d", "digits")
    assert done.returncode == 5
    assert "needs a dataset whose density is known" in done.stderr


def test_a_file_where_the_run_should_go(here: Cli, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    done = here("run", "-m", "gmm", "-o", "out")
    assert done.returncode == 2
    assert "'out' is a file; give -o a folder" in done.stderr


def test_flags_come_from_the_environment_too(cli: Cli) -> None:
    done = cli("run", "--dry-run", env={"GENGAUGE_RUN_DEVICE": "gpu"})
    assert "unknown device 'gpu'" in done.stderr
