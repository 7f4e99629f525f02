"""What the README shows can be typed."""

from __future__ import annotations

import re
import shlex
import zipfile
from pathlib import Path

import pytest
from tests_support import Cli

README = (Path(__file__).parents[2] / "README.md").read_text()
CONSOLE = "\n".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL))
COMMANDS = [
    line.removeprefix("$ ").partition("#")[0].strip()
    for line in CONSOLE.splitlines()
    if line.startswith("$ gengauge")
]


def brought() -> None:
    """Write what the README's models without a plugin are made of, as far as a plan looks at it."""
    for folder in ("checkpoints/ddpm", "mypkg"):
        Path(folder).mkdir(parents=True)
    Path("checkpoints/ddpm/model_index.json").write_text('{"_class_name": "DDPMPipeline"}')
    Path("generator.onnx").write_bytes(b"graph")
    with zipfile.ZipFile("generator.pt", "w") as archive:
        archive.writestr("generator/constants.pkl", b"")
    Path("mypkg/__init__.py").touch()
    Path("mypkg/models.py").write_text("def build(width: int = 1): ...\n")


@pytest.mark.parametrize("command", [c for c in COMMANDS if " run " in c and "cuda" not in c])
def test_runs_can_be_planned(here: Cli, tmp_path: Path, command: str) -> None:
    [benchmark] = [t for t in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "seeds" in t]
    (tmp_path / "my-benchmark.toml").write_text(benchmark)
    brought()
    command = command.replace("s3://", "memory://")  # no bucket is here to be asked for its records
    done = here(*shlex.split(command)[1:], "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "trial" in done.stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if re.search(" (list|show)", c)])
def test_listings_work(here: Cli, command: str) -> None:
    done = here(*shlex.split(command)[1:])
    assert done.returncode == 0, done.stderr


def test_the_plugin_it_shows_registers(cli: Cli, tmp_path: Path) -> None:
    [plugin] = [t for t in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "hookimpl" in t]
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/__init__.py").write_text("")
    (tmp_path / "my_package/my_module.py").write_text(plugin)
    done = cli("show", "mine", "--plugin", "my_package.my_module")
    assert done.returncode == 0, done.stderr
    assert "width" in done.stdout
