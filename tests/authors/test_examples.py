"""Every example is a whole plugin: all are installed at once, keep their laws, and run together."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from tests_support import environment

from gengauge import hooks
from gengauge.model import CAPABILITIES
from gengauge.specs import CONDITIONS

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PROJECTS = sorted(p.parent for p in EXAMPLES.glob("*/*/pyproject.toml"))
DRIVER = """
import json, sys
from gengauge.cli import _run
print("CODES", json.dumps([_run(words) for words in json.loads(sys.argv[1])]))
"""


def metadata(project: Path) -> dict[str, str]:
    found: dict[str, str] = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    return found


def module(project: Path) -> str:
    return f"example_{project.name.replace('-', '_')}"


def registered(project: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(project))
    return importlib.import_module(module(project))


def folders(kind: str) -> list[str]:
    return [p.name for p in PROJECTS if p.parent.name == kind]


def test_every_capability_has_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders("capabilities") == sorted(CAPABILITIES)
    for name in CAPABILITIES:
        plugin = registered(EXAMPLES / "capabilities" / name, monkeypatch)
        [spec] = plugin.gengauge_models()  # type: ignore[attr-defined]
        assert name in spec.capabilities, spec.id


def test_every_condition_has_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders("conditions") == sorted(CONDITIONS)
    for name in CONDITIONS:
        plugin = registered(EXAMPLES / "conditions" / name, monkeypatch)
        [spec] = plugin.gengauge_models()  # type: ignore[attr-defined]
        assert spec.conditions == (name,)


def test_every_hook_has_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name for name in vars(hooks) if name.startswith("gengauge_")}
    plugins = [registered(project, monkeypatch) for project in PROJECTS]
    used = {n for p in plugins for n, f in vars(p).items() if hasattr(f, "gengauge_impl")}
    assert used == known


def test_examples_are_small() -> None:
    for project in PROJECTS:
        [package] = project.glob("example_*")
        lines = {p.name: len(p.read_text().splitlines()) for p in package.glob("*.py")}
        assert len(lines) <= 2
        assert max(lines.values()) <= 100, lines


def test_the_index_names_each_and_says_what_it_says_of_itself() -> None:
    text = (EXAMPLES / "README.md").read_text()
    found = dict(re.findall(r"^\| \[`[^`]+`\]\(([^)]+)\) \| (.+) \|$", text, re.MULTILINE))
    assert found == {
        f"{p.parent.name}/{p.name}": metadata(p)["description"] for p in PROJECTS
    }  # fmt: skip


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of a new plugin, as the command writes it."""
    folder = tmp_path_factory.mktemp("new")
    command = [sys.executable, "-m", "gengauge", "plugins", "new", "Gengauge_Swirl.Two"]
    subprocess.run(command, cwd=folder, env=environment(), check=True, timeout=120)
    return folder / "gengauge-swirl-two"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, fresh: Path) -> Path:
    """A folder into which all examples and the new project were installed, by one call of pip."""
    folder = tmp_path_factory.mktemp("examples")
    for project in PROJECTS:  # as pip does it, without a process for each
        list(WheelBuilder(str(project)).build(directory=str(folder / "wheels")))
    wheels = sorted((folder / "wheels").glob("*.whl"))
    assert len(wheels) == len(PROJECTS)
    flags = ["--no-deps", "--no-index", "--no-build-isolation", "--no-compile", "-q"]
    command = [sys.executable, "-m", "pip", "install", *flags, "--target", folder / "site"]
    subprocess.run([*command, *wheels, fresh], check=True, timeout=120)
    return folder / "site"


def python(installed: Path, cwd: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    known = environment()
    path = os.pathsep.join([str(installed), known["PYTHONPATH"]])
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
        env={**known, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip


def test_each_keeps_the_laws_where_it_is_installed(
    installed: Path, fresh: Path, tmp_path: Path
) -> None:
    """And so does the new project: its own tests are among them."""
    tests = [*(project / "test_laws.py" for project in PROJECTS), fresh / "tests"]
    assert (installed / "gengauge_swirl_two" / "py.typed").is_file()
    done = python(
        installed, tmp_path, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider",
        "--import-mode=importlib", f"--rootdir={EXAMPLES}", "-c", os.devnull, *tests,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    passed = int(re.findall(r"(\d+) passed", done.stdout)[-1])
    assert passed > 12 * len(CAPABILITIES)


def test_all_of_them_run_together(installed: Path, tmp_path: Path) -> None:
    models = [w for i in ids() for w in ("-m", i)]
    data = ["tiny/points", "tiny/squares", "tiny/syllables", "example/checkerboard"]
    run = [
        "run", "--plugin", "gengauge.testing.standins", *models, "-m", "tiny/breaks",
        *[w for d in data for w in ("-d", d)], "--executor", "example-dice[seed=3]",
        *[w for s in ("likelihood", "fidelity", "alignment", "example") for w in ("-s", s)],
        "--embedder", "example/edges", "--samples", "100", "--limit", "100", "--budget", "5steps",
        "-o", "run", "--fail-on-error", "0.2",
    ]  # fmt: skip
    commands = [
        run,
        ["report", "run", "--format", "example-failures", "-o", "failures.txt"],
        ["publish", "run", "--to", "example-page", "-o", "page"],
        ["run", "example-planar", "--dry-run", "-o", "planar"],
        ["plugins", "check", "example-density", "--format", "csv"],
    ]
    done = python(installed, tmp_path, "-c", DRIVER, json.dumps(commands))
    [codes] = re.findall(r"^CODES (.+)$", done.stdout, re.MULTILINE)
    assert json.loads(codes) == [0] * len(commands), done.stdout[-2000:] + done.stderr[-3000:]
    records = [json.loads(line) for line in (tmp_path / "run/records.jsonl").open()]
    fine = {r["model"]["id"] for r in records if r["status"] == "ok"}
    assert fine == set(ids())
    scored = {s["metric"] for r in records for s in r["scores"] if s["value"] is not None}
    assert {"nll", "w2", "fd", "class_accuracy", "example_correlation_gap"} & scored
    assert "tiny/breaks on tiny/points" in (tmp_path / "failures.txt").read_text()
    assert "example/gaussian" in (tmp_path / "page/index.html").read_text()
    assert (tmp_path / "run/diary.txt").read_text().count(": ok, ") == len(records) - 4


def ids() -> list[str]:
    """The models of all examples, by what their registration says."""
    texts = [(p / module(p) / "__init__.py").read_text() for p in PROJECTS]
    return sorted(t.split('id="')[1].split('"')[0] for t in texts if "ModelSpec(" in t)
