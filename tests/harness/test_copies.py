"""Exact copies between splits: counted in all that the user brings, said, and kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import worlds
from tests_support import Cli

from gengauge import Dataset, Split
from gengauge.cli import _run
from gengauge.copies import NAMES, count, said
from gengauge.loading import load_dataset
from gengauge.registry import Registry
from gengauge.rendering import render
from gengauge.store import RunStore

REGISTRY = Registry()


def of(train: list, validation: list, test: list) -> Dataset:
    parts = (Split(torch.tensor(x, dtype=torch.float32)) for x in (train, validation, test))
    return Dataset("made", "points", *parts)


def test_copies_are_counted_once_an_example() -> None:
    data = of(
        [[1, 2], [1, 2], [3, 4], [5, 6]], [[3, 4], [7, 8]], [[1, 2], [1, 2], [7, 8], [9, 9], [2, 1]]
    )
    assert count(data) == dict(zip(NAMES, (2, 1, 1, 1), strict=True))
    assert count(of([[1]], [[2]], [[3]])) == dict.fromkeys(NAMES, 0)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_they_are_found_over_blocks_and_types(dtype: torch.dtype) -> None:
    x = torch.arange(2500).reshape(-1, 1, 1).expand(-1, 3, 2).to(dtype)
    data = Dataset("made", "image", Split(x), Split(x[:1] + 1), Split(x[-250:]))
    bytes_wrap = dtype == torch.uint8  # 1 is among 2250 ... 2499 modulo 256
    assert tuple(count(data).values()) == (250, int(bytes_wrap), 1, 0)


def test_views_are_what_they_show() -> None:
    x = torch.arange(12.0).reshape(3, 4)
    data = Dataset("made", "points", Split(x.T), Split(x.T[:1] + 0.5), Split(x.T[1:2].clone()))
    assert count(data)["test_in_train"] == 1


@pytest.mark.parametrize(
    ("id_", "copies"),
    [
        ("digits", (0, 0, 0, 0)),
        ("digits/binary", (0, 0, 0, 0)),
        ("fashion-mnist", (0, 0, 0, 0)),
        ("table/breast-cancer", (0, 0, 0, 0)),
        ("points/moons", (0, 0, 0, 0)),
        ("text/devils-dictionary", (0, 0, 0, 0)),
    ],
)
def test_what_ships_has_the_copies_that_are_known(id_: str, copies: tuple[int, ...]) -> None:
    data = worlds.load(id_)
    assert load_dataset(REGISTRY.datasets["digits"]).copies == {}
    assert tuple(count(data).values()) == copies


def leaking(folder: Path) -> None:
    """Write a table whose test part repeats three training rows and one of its own."""
    x = np.random.default_rng(0).normal(size=(60, 2)).round(4)
    parts = {
        "train": x[:40],
        "validation": x[40:45],
        "test": np.concatenate([x[:3], x[45:], x[-1:]]),
    }
    folder.mkdir()
    for name, rows in parts.items():
        np.savetxt(folder / f"{name}.csv", rows, delimiter=",", header="a,b", comments="")


def test_a_run_warns_and_every_report_shows_it(cli: Cli, tmp_path: Path) -> None:
    leaking(tmp_path / "mine")
    command = (
        "run",
        "-d",
        "csv:mine",
        "-m",
        "gmm",
        "-m",
        "real",
        "-s",
        "fidelity",
        "--samples",
        "5",
    )
    done = cli(*command, "-o", "out")
    assert done.returncode == 0, done.stderr
    clauses = "3 of 19 test examples are also in train; 1 of 19 test examples repeats another"
    [warning] = [line for line in done.stderr.splitlines() if "copies" in line]
    assert warning.startswith(f"warning: dataset 'csv:mine': {clauses}")
    store = RunStore(tmp_path / "out")
    for record in store.records():
        assert tuple(record["dataset"]["copies"].values()) == (3, 0, 0, 1)
    assert f"! leakage: {clauses}" in done.stdout
    page = render(REGISTRY, "html", [store]).decode()
    assert f"<b>Leakage:</b> {clauses}." in page
    assert clauses in render(REGISTRY, "md", [store]).decode()


def test_clean_data_say_so_and_older_records_say_nothing() -> None:
    from gengauge.gather import Trial
    from gengauge_reports.html import dataset_facts

    old = {"id": "mine", "n_test": 19}
    for data, fact in (
        (old, ""),
        ({**old, "copies": dict.fromkeys(NAMES, 0)}, "no example in two splits"),
        ({**old, "copies": {**dict.fromkeys(NAMES, 0), "test_in_train": 1}}, ""),
    ):
        facts = dataset_facts(Trial({"trial": "t", "dataset": data}, None))
        assert ("no example in two splits" in facts) == bool(fact)
    assert said(old) == []
    assert said({"copies": {"test_in_train": 2}}) == ["2 test examples are also in train"]


def test_a_limited_data_set_is_counted_as_it_is(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    leaking(tmp_path / "mine")
    spec = REGISTRY.find("datasets", "csv:mine")
    assert load_dataset(spec).copies["test_in_train"] == 3
    cut = load_dataset(spec, 2)
    assert cut.copies == count(replace(cut, copies={}))
    assert cut.copies["test_in_train"] == 2
    assert _run(["run", "-d", "csv:mine", "-m", "gmm", "--dry-run"]) == 0
    assert "3 of 19 test examples" in capsys.readouterr().err


def test_strangers_records_are_checked() -> None:
    from gengauge.sound import wrong

    record = {
        "trial": "ab", "status": "ok", "scores": [], "model": {"id": "m", "family": "f"},
        "dataset": {"id": "d", "copies": {"test_in_train": "<b>"}},
    }  # fmt: skip
    assert wrong(record) == "'dataset.copies.test_in_train' is str, expected int or null"
    record["dataset"]["copies"] = dict.fromkeys(NAMES, 1)
    assert wrong(json.loads(json.dumps(record))) == ""
