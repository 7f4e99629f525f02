"""`gengauge plugins check`: finds what is meant, and explains what is broken."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from gengauge.cli import _run

ROOT = Path(__file__).parents[2]
PLUGIN = """
import gengauge

@gengauge.hookimpl
def gengauge_models():
    return [
        gengauge.ModelSpec(
            id=name, family="f", summary="s", target="NAME_target:" + name.title(),
            modalities=("points",), capabilities=("density",), budget="1 steps",
        )
        for name in ("lawful", "unlawful")
    ]
"""
TARGET = """
import math
import torch
import gengauge

class Lawful:
    extra = 0.0

    def fit(self, data, run):
        gengauge.check_training(data, "lawful")
        run.spend(1, len(data.train))
        self.d = data.dimensions

    def sample(self, n, condition, generator):
        return torch.randn(n, self.d, generator=generator)

    def log_prob(self, x):
        return -0.5 * (x.double() ** 2 + math.log(2 * math.pi)).sum(1) + self.extra

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "d").write_text(str(self.d))

    def load(self, folder, device):
        self.d = int((folder / "d").read_text())

class Unlawful(Lawful):
    extra = 0.5
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A file with a plugin of a lawful and an unlawful model, under a name of its own."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    name = f"checked_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(PLUGIN.replace("NAME", name))
    (tmp_path / f"{name}_target.py").write_text(TARGET)
    return tmp_path / f"{name}.py"


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_a_broken_law_is_explained(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["plugins", "check", f"./{plugin.name}"]) == 1
    said = capsys.readouterr().out
    assert "model lawful on tiny/points: " in said
    explained = said.split("  BROKEN ")
    assert len(explained) == 2
    assert explained[1].splitlines()[:4] == [
        "density_integrates_to_one: A planar density sums to one over a grid three times as wide "
        "as the data.",
        "    expected  a density that integrates to 1 within 5 %",
        "    came      1.6487",
        "    to do     count the log-Jacobian of every rescaling",
    ]
    assert "  skipped mass_sums_to_one: the data is continuous" in said
    assert said.splitlines()[-1].startswith("1 broken, ")


def test_one_model_and_one_data_set_may_be_chosen(
    plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["plugins", "check", str(plugin), "--model", "lawful", "--dataset", "points/moons"]
    assert _run([*chosen, "--format", "json"]) == 0
    found = rows(capsys)
    assert {(r["id"], r["kind"], r["on"]) for r in found} == {("lawful", "model", "points/moons")}
    assert {r["outcome"] for r in found} == {"held", "skipped"}
    assert all(r["reason"] for r in found if r["outcome"] == "skipped")
    assert _run([*chosen, "--format", "csv"]) == 0
    table = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert [r["law"] for r in table] == [r["law"] for r in found]


def test_json_has_what_was_expected_what_came_and_what_to_do(
    plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(["plugins", "check", str(plugin), "-m", "unlawful", "--format", "json"]) == 1
    [broken] = [r for r in rows(capsys) if r["outcome"] == "broken"]
    assert broken["came"] == "1.6487"
    assert broken["expected"]
    assert broken["advice"]
    assert broken["reason"] is None


def test_a_module_of_the_current_folder_is_found(
    plugin: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(plugin.parent))
    assert _run(["plugins", "check", plugin.stem, "-m", "lawful"]) == 0


def test_a_project_and_a_package_are_found_by_their_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    example = ROOT / "examples/hooks/report"
    for folder in (example, example / "example_report"):
        assert _run(["plugins", "check", str(folder)]) == 0
        assert "report example-failures: 2 held" in capsys.readouterr().out


def test_what_is_installed_is_found_by_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    """By entry point and by module; test_examples does it by distribution."""
    for name in ("naive-bayes", "gengauge_plugins.naive_bayes"):
        words = ["plugins", "check", name, "-m", "naive-bayes", "-d", "table/breast-cancer"]
        assert _run([*words, "--format", "json"]) == 0
        assert {r["on"] for r in rows(capsys)} == {"table/breast-cancer"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not_there_at_all", "is no module that can be imported here and no installed distr"),
        ("./nowhere", "'./nowhere' does not exist"),
        ("./empty", "'./empty' is no plugin"),
        ("./bare", "registers no plugin; add [project.entry-points.gengauge]"),
        ("./torn", "is not valid TOML"),
        ("./odd", "'odd module' is not the name of a module"),
        (
            "./raises.py",
            "plugin 'raises' cannot be used: ZeroDivisionError: division by zero (raises.py:1)",
        ),
        ("./idle.py", "implements no gengauge hook; decorate a function"),
        ("./typo.py", "unknown hook 'gengauge_model'; did you mean 'gengauge_models'?"),
    ],
)
def test_what_cannot_be_checked_is_told_in_a_line(
    text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    projects = {
        "bare": "[project]\nname = 'bare'\n", "torn": "[project\n",
        "odd": "[project.entry-points.gengauge]\nodd = 'odd module'\n",
    }  # fmt: skip
    for name, toml in projects.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(toml)
    (tmp_path / "empty").mkdir()
    (tmp_path / "raises.py").write_text("1 / 0\n")
    (tmp_path / "idle.py").write_text("x = 1\n")
    hook = "from gengauge import hookimpl\n@hookimpl\ndef gengauge_model(): return []\n"
    (tmp_path / "typo.py").write_text(hook)
    assert _run(["plugins", "check", text]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.splitlines()[-1].startswith("error: ")


def test_denied_plugins_are_not_imported(
    plugin: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENGAUGE_PLUGINS_DENY", plugin.stem)
    assert _run(["plugins", "check", str(plugin)]) == 2
    assert f"plugin '{plugin.stem}' is denied by" in capsys.readouterr().err
    assert plugin.stem not in sys.modules


def test_an_unknown_model_is_told(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["plugins", "check", str(plugin), "-m", "lawfull"]) == 2
    assert "did you mean 'lawful'?" in capsys.readouterr().err
