"""What the repository promises about itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("harness/gengauge", "plugins/gengauge_plugins", "suites/gengauge_suites",
            "reports/gengauge_reports")  # fmt: skip


def readme_commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [block.strip() for block in blocks[:2]]


def test_the_readme_begins_with_two_one_line_commands() -> None:
    first, second = readme_commands()
    assert "\n" not in first + second
    assert first.endswith("gengauge run")
    assert second.endswith("pytest")


def test_ci_runs_exactly_the_second_command() -> None:
    assert readme_commands()[1] in (ROOT / ".ci/run").read_text().splitlines()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_four_rooms_are_source_roots(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
    assert (ROOT / package / "__init__.py").exists()
    assert not (ROOT / package).parent.joinpath("__init__.py").exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_stay_small(package: str) -> None:
    sizes = {p: len(p.read_text().splitlines()) for p in (ROOT / package).rglob("*.py")}
    assert {p: n for p, n in sizes.items() if n > 300} == {}


def test_requirements_are_floors_without_upper_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["test"]:
        assert re.fullmatch(r"[A-Za-z0-9_-]+(\[[a-z0-9,]+\])?>=[0-9.]+", requirement), requirement


def test_every_entry_point_is_a_module_of_ours() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    roots = [ROOT / p for p in PACKAGES]
    for module in project["entry-points"]["gengauge"].values():
        top, *rest = module.split(".")
        [root] = [r for r in roots if r.name == top]
        path = root.joinpath(*rest)
        assert path.with_suffix(".py").exists() or (path / "__init__.py").exists()
