"""The pages of reference that people write say what the code says."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path

import click
import pages
import pytest

import gengauge
from gengauge import benchmark, errors, schema
from gengauge.benchmark import Benchmark, parse_benchmark
from gengauge.cli import VERBS, cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ROOMS = ("harness", "plugins", "suites", "reports")
SOURCES = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]


def rows(page: str, heading: str = "") -> list[list[str]]:
    """Return the cells of the tables of a page, or of one of its sections."""
    text = (DOCS / page).read_text("utf-8")
    text = text.split(f"## {heading}\n")[1].split("\n## ")[0] if heading else text
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[c.strip() for c in line.strip("|").split(" | ")] for line in lines]


def named(page: str, heading: str = "") -> set[str]:
    """Return what stands as code in the first cells of a page's tables."""
    return {name for row in rows(page, heading) for name in re.findall(r"`([^`]+)`", row[0])}


def test_every_environment_variable_is_said_and_no_other() -> None:
    code = "\n".join(p.read_text("utf-8") for p in SOURCES)
    options = {f"GENGAUGE_{verb.upper()}" for verb in VERBS if verb != "plugins"}
    options |= {f"GENGAUGE_PLUGINS_{verb}" for verb in ("NEW", "CHECK")}  # _ALLOW is none of these
    read = {
        v for v in re.findall(r"\bGENGAUGE_[A-Z_]+[A-Z]\b", code)
        if not any(v.startswith(f"{verb}_") for verb in options)
    }  # fmt: skip
    said = {v for v in named("reference/environment.md") if v.startswith("GENGAUGE_")}
    assert said == read


def test_every_exit_code_is_said() -> None:
    codes = {e.exit_code for e in vars(errors).values() if hasattr(e, "exit_code")}
    said = {row[0] for row in rows("reference/exit-codes.md")[2:]}
    assert {str(c) for c in codes} <= said
    assert said == {"0", "1", "2", "3", "4", "5", "130"}


def test_every_key_of_a_benchmark_file_is_said_with_its_default() -> None:
    table = rows("reference/benchmark-file.md", "`[benchmark]`")[2:]
    assert [row[0].strip("`") for row in table] == [
        "name", "version", "datasets", "models", "variants", "suites", "embedders", "seeds",
        "budget", "samples", "stages", "limit",
    ]  # fmt: skip
    assert named("reference/benchmark-file.md", "`[benchmark]`") >= {*benchmark._KEYS, "embedders"}
    defaults = {f.name: f.default for f in fields(Benchmark)}
    for key, _, default, _ in table:
        held = defaults[key.strip("`")]
        if isinstance(held, int):
            assert default == str(held)
        elif held == (0,):
            assert default == "`[0]`"
    text = (DOCS / "reference/benchmark-file.md").read_text("utf-8")
    [example] = re.findall(r'```toml title="mine.toml"\n(.*?)```', text, re.DOTALL)
    assert set(tomllib.loads(example)["benchmark"]) == {*benchmark._KEYS, "embedders"}
    parse_benchmark(example, "the page")


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda p: p.stem)
def test_what_is_shown_and_not_typed_has_verbs_and_options_that_there_are(page: Path) -> None:
    """Pages of ``TYPED`` are typed; those beside them show runs and machines that are not here."""
    for block in pages.blocks(page)[0]:
        for command, _ in block.commands if block.language == "console" else ():
            first, *words = shlex.split(command, comments=True)
            if first != "gengauge":
                continue
            verb = cli.get_command(click.Context(cli), words[0])
            assert verb is not None, command
            known = {o for p in verb.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
            used = {w.partition("=")[0] for w in words[1:] if re.match("--?[a-z]", w)}
            assert used <= known, command


def test_every_public_name_is_on_a_page() -> None:
    text = "\n".join(p.read_text("utf-8") for p in (DOCS / "reference/api").glob("*.md"))
    asked = set(re.findall(r"^::: gengauge\.(\w+)$", text, re.MULTILINE))
    assert set(gengauge.__all__) - asked == {"hookimpl"}  # it is said where the hooks are
    assert "::: gengauge.hooks\n" in text


def test_every_field_of_a_record_is_described() -> None:
    def fields_of(held: dict) -> list[dict]:
        inner = list(held.get("properties", {}).values())
        return inner + [f for i in inner for f in fields_of(i.get("items", i))]

    found = fields_of(schema.RECORD_SCHEMA) + fields_of(schema.ROW_SCHEMA)
    assert len(found) > 60
    assert all(re.fullmatch(r"[A-Z`].+\.", f["description"]) for f in found)


@pytest.mark.parametrize("name", ["docstrings", "tables", "pages"])
def test_the_examples_of_what_writes_and_types_pages(name: str, monkeypatch) -> None:
    monkeypatch.syspath_prepend(DOCS / "generate")
    module = pages if name == "pages" else importlib.import_module(name)
    done = doctest.testmod(module)
    assert done.attempted
    assert not done.failed
