"""``gengauge show`` of data that the user brings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gengauge.cli import _run
from gengauge.copies import NAMES


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{20 + i},{i % 2},{'ab'[i % 2]}\n" for i in range(20))
    Path("people.csv").write_text("age,score,kind\n" + rows)


def shown(capsys: pytest.CaptureFixture[str], id_: str) -> dict:
    assert _run(["show", id_, "--format", "json"]) == 0
    found: dict = json.loads(capsys.readouterr().out)
    return found


def test_columns_splits_and_copies_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(capsys, "csv:people.csv[label=kind]")
    assert found["columns"] == {"age": "whole number", "score": "whole number"}
    assert (found["modality"], found["classes"], found["shape"]) == ("table", ["a", "b"], [2])
    assert found["examples"] == {"train": 12, "validation": 4, "test": 4}
    assert found["copies"] == dict.fromkeys(NAMES, 0)
    assert "cgan" in found["models"]
    assert "w2" in found["metrics"]
    assert _run(["show", "csv:people.csv[label=kind]"]) == 0
    table = capsys.readouterr().out
    for line in ("columns age", "examples train", "copies test_in_train", found["fingerprint"]):
        assert line in table


def test_other_files_and_faults_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("x.npz", x=np.random.default_rng(0).normal(size=(20, 3)))
    assert shown(capsys, "npz:x.npz")["examples"]["train"] == 12
    for id_, said in (
        ("csv:people.csv", "column 'kind', row 1 (line 2): text, 'a'"),
        ("people.csv", "'people.csv' is a path; say how it is read: csv:people.csv"),
        ("csv:gone.csv", "'gone.csv' cannot be read: No such file"),
        ("csv:", "write csv:PATH"),
        ("csvv:people.csv", "unknown id 'csvv:people.csv'"),
    ):
        assert _run(["show", id_]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line


def test_options_of_a_kind_of_file_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["show", "csv", "--format", "json"]) == 0  # a report is called so as well
    [found] = [f for f in json.loads(capsys.readouterr().out) if f["is"] == "dataset"]
    options = {p["name"]: p for p in found["parameters"]}
    assert options["as"]["choices"] == ["table", "points"]
    assert {"label", "drop", "onehot", "split", "sep", "header", "encoding"} < options.keys()
