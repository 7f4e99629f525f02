"""Models that a repository names in its gengauge.toml: found, listed, and refused with a reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests_support import environment

from gengauge.benchmark import Benchmark
from gengauge.cli import _run
from gengauge.errors import UsageError
from gengauge.plan import parse_choices, plan
from gengauge.project import NAME, found
from gengauge.registry import Registry

GMM = '[models.mine]\nuse = "gmm"\nbudget = "5 steps"\nparameters = { components = 3 }\n'


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose root is no working folder: that lies two folders below."""
    (tmp_path / "repo/.git").mkdir(parents=True)
    inner = tmp_path / "repo/a/b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    return tmp_path / "repo"


def test_it_is_found_from_the_folders_of_a_repository_and_not_beyond(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_text(GMM)
    assert found() is None
    (repository / NAME).write_text(GMM)
    assert found() == repository / NAME
    (repository / "a" / NAME).write_text(GMM)
    assert found() == repository / "a" / NAME
    outside = tmp_path / "elsewhere/deeper"
    outside.mkdir(parents=True)
    monkeypatch.chdir(outside)
    assert found() is None  # no repository: what lies above may be somebody else's
    (outside / NAME).write_text(GMM)
    assert found() == outside / NAME


def test_a_registered_model_gets_a_name_and_values_of_its_own(repository: Path) -> None:
    (repository / NAME).write_text(GMM)
    registry = Registry()
    [choice] = parse_choices("mine", registry)
    assert choice.label == "mine"
    assert choice.parameters["components"] == 3
    assert (choice.spec.budget, choice.spec.learns) == ("5 steps", True)
    assert registry.models["gmm"].resolve({})["components"] != 3
    assert [
        c.parameters["components"] for c in parse_choices("mine[components=1,2]", registry)
    ] == [1, 2]
    assert registry.provider("models", "mine").name == NAME
    jobs = plan(Benchmark("b", ("points/moons",)), registry)  # as a plugin's models
    assert "mine" in {job.choice.label for job in jobs}
    assert not [job for job in jobs if job.choice.spec.takes_path]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[model.mine]\nuse = 'gmm'\n", "unknown key 'model'; did you mean 'models'?"),
        ("[models.mine]\nuses = 'gmm'\n", "[models.mine]: unknown key 'uses'; did you mean 'use'?"),
        ("[models.mine]\nbudget = '1 s'\n", "[models.mine] needs the key use"),
        ("[models.mine]\nuse = 'gmn'\n", "unknown model 'gmn'; did you mean 'gmm'?"),
        ("[models.mine]\nuse = 'python'\n", "write python:PATH"),
        ("[models.mine]\nuse = 'gmm:x'\n", "write gmm alone"),
        ("[models.gmm]\nuse = 'gmm'\n", "is called so; rename it"),
        ("[models.'a:b']\nuse = 'gmm'\n", "takes no colon"),
        ("[models.mine]\nuse = 3\n", "key 'use' takes text, not 3"),
        ("[models.mine]\nuse = 'gmm'\nparameters = { components = [1] }\n", "'components' takes a"),
        ("[models.mine]\nuse = 'gmm'\nparameters = { component = 1 }\n",
         "unknown parameter of mine 'component'; did you mean 'components'?"),
        ("[models.mine]\nuse = 'gmm'\nparameters = 1\n", "'parameters' takes a table"),
        ("[models.mine]\nuse = 'gmm'\nmodalities = ['images']\n", "did you mean 'image'?"),
        ("[models.mine]\nuse = 'gmm'\nconditions = 'class'\n", "takes a list of text"),
        ("models = 1\n", "'models' takes tables"),
        ("[models]\nmine = 'gmm'\n", "takes a table with the key use"),
        ("[models.mine\n", "cannot be read"),
        ("\xff", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path(NAME).write_bytes(text.encode("latin-1"))
    assert _run(["list", "models"]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert NAME in shown.err
    assert shown.err.count("\n") == 1
    assert _run(["list", "plugins", "--format", "json"]) == 0  # where the reason can be read too
    [row] = [r for r in json.loads(capsys.readouterr().out) if r["id"] == NAME]
    assert row["status"] == "broken"
    assert said in row["reason"]


def test_listing_imports_none_of_its_code(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("open('imported', 'w')\nraise SystemExit('never')\n")
    (tmp_path / NAME).write_text(
        "[models.mine]\nuse = 'python:bad:Model'\nmodalities = ['points']\nconditions = ['class']\n"
        "summary = 'Mine'\n"
    )
    for arguments in (
        ["list", "models", "--format", "json"],
        ["list", "plugins"],
        ["show", "mine"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "gengauge", *arguments], cwd=tmp_path, env=environment(),
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        if "--format" in arguments:
            [row] = [r for r in json.loads(done.stdout) if r["id"] == "mine"]
            assert (row["data"], row["summary"]) == (["points"], "Mine")
    assert not (tmp_path / "imported").exists()


def test_it_can_be_denied_as_any_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(NAME).write_text("[models.mine]\nuses = 'gmm'\n")
    monkeypatch.setenv("GENGAUGE_PLUGINS_DENY", NAME)
    assert _run(["list", "plugins", "--format", "json"]) == 0
    [row] = [r for r in json.loads(capsys.readouterr().out) if r["id"] == NAME]
    assert row["status"] == "denied"
    monkeypatch.setenv("GENGAUGE_PLUGINS_DENY", "")
    monkeypatch.setenv("GENGAUGE_PLUGINS_ALLOW", "other")
    with pytest.raises(UsageError, match=r"not looked into: gengauge\.toml"):
        Registry().find("models", "mine")


@pytest.mark.parametrize(
    ("text", "id_", "label"),
    [
        ("npy:a[1].pt[batch=3]", "npy:a[1].pt", "npy:a[1].pt[batch=3]"),
        ("npy:a [x=1] b", "npy:a [x=1] b", "npy:a [x=1] b"),
        ("npy:scans [2024]", "npy:scans [2024]", "npy:scans [2024]"),
        ("npy:a[name=mine]", "npy:a", "mine"),
    ],
)
def test_a_path_may_hold_brackets(text: str, id_: str, label: str) -> None:
    from gengauge import ModelSpec, Parameter

    registry = Registry()
    registry.models["npy"] = ModelSpec(
        id="npy", summary="a file", target="a:B", family="f", modalities=("points",),
        takes_path=True, trained=False, parameters=(Parameter("batch", 1),),
    )  # fmt: skip
    [choice] = parse_choices(text, registry)
    assert (choice.spec.id, choice.label) == (id_, label)
    assert choice.spec.arguments == {"path": id_.partition(":")[2]}
    with pytest.raises(UsageError, match="write npy:PATH"):
        parse_choices("npy[batch=3]", registry)
