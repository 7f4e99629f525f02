"""`gengauge plugins new`: a project that installs, passes, and is clean; or nothing at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gengauge.authoring import project
from gengauge.authoring.names import chosen
from gengauge.authoring.project import KINDS
from gengauge.cli import _run
from gengauge.errors import UsageError

RUFF = [sys.executable, "-m", "ruff"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_clean_and_keeps_the_laws(
    kind: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert _run(["plugins", "new", f"swirl-of-{kind}", "--kind", kind]) == 0
    said = capsys.readouterr()
    folder = here / f"gengauge-swirl-of-{kind}"
    assert said.out == f"{folder.name}\n"
    assert "pip install" in said.err
    assert [p.name for p in here.iterdir()] == [folder.name]
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run([*RUFF, *words, "--no-cache", "."], cwd=folder, capture_output=True)
        assert done.returncode == 0, done.stdout.decode()
    if kind != "model":  # which test_examples installs and tests
        assert _run(["plugins", "check", str(folder)]) == 0
        assert "laws that apply are held" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_typed(kind: str, here: Path) -> None:
    """Half a minute each: mypy reads torch before it reads the plugin."""
    assert _run(["plugins", "new", "swirl", "--kind", kind]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "mypy"], cwd=here / "gengauge-swirl", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "cannot be a distribution's"),
        ("-swirl", "cannot be a distribution's"),
        ("swirl!", "cannot be a distribution's"),
        ("../swirl", "cannot be a distribution's"),
        ("swirl\n", "cannot be a distribution's"),
        ("s" * 61, "cannot be a distribution's"),
        ("gengauge", "gengauge's own"),
        ("gengauge-suites", "gengauge's own"),
        ("7up", "begin with a letter"),
        ("none", "gives no name for a class (None)"),
        ("gmm", "model 'gmm' is already registered by mixture (gengauge)"),
    ],
)
def test_names_that_cannot_be_are_refused(
    name: str, says: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(["plugins", "new", "--", name]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert list(here.iterdir()) == []


def test_an_id_is_taken_only_by_its_own_kind(here: Path) -> None:
    assert _run(["plugins", "new", "gmm", "--kind", "report"]) == 0
    assert (here / "gengauge-gmm").is_dir()


def test_a_metric_is_a_column(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["plugins", "new", "fd-infinity", "--kind", "metric"]) == 2
    assert "metric 'fd_infinity' is already registered by" in capsys.readouterr().err


def test_a_package_that_is_here_already_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "gengauge_swirl.py").write_text("")
    monkeypatch.syspath_prepend(str(here))
    assert _run(["plugins", "new", "swirl"]) == 2
    assert "a package gengauge_swirl can already be imported here" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_what_is_there_is_left_alone(
    what: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = here / "gengauge-swirl"
    {"folder": place.mkdir, "file": place.touch, "link": lambda: place.symlink_to("gone")}[what]()
    assert _run(["plugins", "new", "swirl"]) == 2
    assert "'gengauge-swirl' exists and is left alone" in capsys.readouterr().err
    assert [p.name for p in here.iterdir()] == ["gengauge-swirl"]


def test_another_folder_is_made_and_a_file_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(["plugins", "new", "swirl", "-o", "deep/er"]) == 0
    assert (here / "deep/er/gengauge-swirl/pyproject.toml").is_file()
    (here / "file").touch()
    assert _run(["plugins", "new", "swirl", "-o", "file"]) == 2
    assert "Directory 'file' is a file" in capsys.readouterr().err


def test_nothing_is_half_written(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = project.project(chosen("swirl"), "model")

    class Stops(dict[str, str]):
        def items(self):  # type: ignore[no-untyped-def]
            yield from list(whole.items())[:3]
            raise KeyboardInterrupt

    monkeypatch.setattr(project, "project", lambda names, kind: Stops())
    with pytest.raises(KeyboardInterrupt):
        project.write(chosen("swirl"), "model", here)
    assert list(here.iterdir()) == []


def test_a_folder_that_appears_meanwhile_is_left_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = project.project

    def slow(names, kind):  # type: ignore[no-untyped-def]
        (here / "gengauge-swirl").mkdir()
        return made(names, kind)

    monkeypatch.setattr(project, "project", slow)
    with pytest.raises(UsageError, match="exists and is left alone"):
        project.write(chosen("swirl"), "model", here)
    assert list((here / "gengauge-swirl").iterdir()) == []


def test_an_unknown_kind_and_verb_are_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["plugins", "new", "swirl", "--kind", "modell"]) == 2
    assert "did you mean 'model'?" in capsys.readouterr().err
    assert _run(["plugins", "chek", "swirl"]) == 2
    assert "did you mean 'plugins check'?" in capsys.readouterr().err
