"""Runs on disk through sides, baseline files and every format, hostile names among them."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from gate_runs import HOSTILE, READ, record, run

from gengauge.errors import BaselineError, UsageError
from gengauge.gate.cells import BLOCKS, Key
from gengauge.gate.formats import to_json, to_junit, to_markdown
from gengauge.gate.shown import HEADINGS, lines
from gengauge.gate.sides import open_side
from gengauge.gate.snapshot import snapshot
from gengauge.gate.tolerance import Gates
from gengauge.gate.verdict import compare


def test_what_ran_last_is_compared(tmp_path):
    older = [record(seed=s, value=1.0, code="gg==1+old", at=1) for s in (0, 1)]
    newer = [record(seed=s, value=2.0, code="gg==1+new", at=2) for s in (0, 1)]
    side = open_side(run(tmp_path / "r", *newer, *older))
    assert [c.values for c in side.cells.values()] == [(2.0, 2.0)]
    assert "2 earlier trial(s) of vae on digits" in side.notes[0]


def test_a_baseline_file_compares_as_its_run_does(tmp_path):
    hard = np.random.default_rng(0).normal(10, 3, 400)
    before = open_side(run(tmp_path / "b", record(value=float(hard.mean())), examples=hard))
    now = run(tmp_path / "c", record(value=float(hard.mean()) + 0.1), examples=hard + 0.1)
    file = tmp_path / "baseline.json"
    file.write_text(snapshot(before, Gates(), every=True))
    kept = open_side(str(file), baseline=True)
    [cell] = kept.cells.values()
    assert cell.key == Key("vae", "digits", "fd", "", "test")
    assert cell.examples.shape == (1, BLOCKS)
    for side in (before, kept):
        found = compare(side, open_side(now), Gates())
        assert [o.status for o in found.outcomes] == ["worse"], "the pairs tell, the errors not"
    again = snapshot(kept, Gates(), every=True)
    assert again == file.read_text(), "what is read is what was written"


def test_what_a_baseline_rounds_is_no_change(tmp_path):
    values = np.random.default_rng(0).normal(10, 3, 400)
    side = open_side(run(tmp_path / "b", record(value=float(values.mean())), examples=values))
    file = tmp_path / "baseline.json"
    file.write_text(snapshot(side, Gates(), every=True))
    found = compare(open_side(str(file)), side, Gates())
    [line] = lines(found, every=True)
    assert dict(zip(HEADINGS, line.cells, strict=True))["change"] == "0"
    assert found.notes == [], "nothing was trained again"


def test_a_baseline_holds_its_gates_and_what_is_gated(tmp_path):
    side = open_side(run(tmp_path / "b", record(), record("gan", metric="kid")))
    side.gates = {"fd": "5%"}
    file = tmp_path / "baseline.json"
    file.write_text(snapshot(side, Gates.parse([], side.gates)))
    kept = open_side(str(file))
    assert kept.gates == {"fd": "5%"}
    assert [k.metric for k in kept.cells] == ["fd"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "is no baseline"),
        ('{"cells": []}', "is no baseline"),
        ('{"gengauge_baseline": 2}', "of version 2"),
        ('{"gengauge_baseline": 1, "gates": {}, "failures": [], "cells": [{}]}', "cannot be read"),
        ('{"gengauge_baseline": 1, "gates": {}, "failures": [], "cells": [5]}', "cannot be read"),
    ],
)
def test_a_file_that_is_no_baseline(tmp_path, text, said):
    file = tmp_path / "baseline.json"
    file.write_text(text)
    with pytest.raises(BaselineError, match=said) as caught:
        open_side(str(file), baseline=True)
    assert caught.value.exit_code == 4


def test_sides_that_are_not_there(tmp_path):
    with pytest.raises(BaselineError, match="there is no baseline"):
        open_side(str(tmp_path / "none"), baseline=True)
    with pytest.raises(UsageError, match="is not a run"):
        open_side(str(tmp_path / "none"))


@pytest.fixture
def hostile(tmp_path):
    before = run(tmp_path / "b", record(HOSTILE), record("gone"), record("gan"), record("gmm"))
    now = run(
        tmp_path / "c", record(HOSTILE, value=12.0), record("gan", status="timeout"),
        record("gmm", comparability_key="other", metric_version=2), record("fresh"),
    )  # fmt: skip
    return compare(open_side(before), open_side(now), Gates())


def test_json_lists_everything(hostile):
    content = json.loads(to_json(hostile))
    assert content["exit_code"] == 4
    assert not content["passed"]
    assert content["failed_trials"][0]["reason"].startswith("seed 0 timeout: Boom")
    found = {o["model"]: o["status"] for o in content["outcomes"]}
    assert found == {
        READ: "worse", "gone": "missing", "gan": "crashed", "gmm": "incomparable",
        "fresh": "new",
    }  # fmt: skip
    worse = next(o for o in content["outcomes"] if o["status"] == "worse")
    assert worse["loss"] == pytest.approx(2.0)
    assert worse["p_adjusted"] < 1e-6


def test_junit_names_failures_errors_and_skips(hostile):
    root = ET.fromstring(to_junit(hostile))
    cases = {c.get("name"): [k.tag for k in c] for c in root.iter("testcase")}
    assert cases["gone.digits"] == ["failure"]
    assert cases["gan.digits"] == ["error"]
    assert cases["gmm.digits.fd"] == ["error"]
    assert cases["fresh.digits.fd"] == ["skipped"]
    [named] = [v for k, v in cases.items() if k.startswith("<script>")]
    assert named == ["failure"]
    for suite in root.iter("testsuite"):
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("errors")) == len(suite.findall("testcase/error"))


def test_markdown_is_no_markup_of_others(hostile):
    text = to_markdown(hostile)
    assert text.startswith("### ❌ gate not comparable")
    assert "<script>" not in text
    assert "@all" not in text
    [row] = [line for line in text.splitlines() if line.startswith("| &lt;script")]
    assert row.replace("\\|", "").count("|") == 10, "a name breaks no cell"


def test_lone_surrogates_can_be_written(hostile):
    for content in (to_json(hostile), to_markdown(hostile)):
        content.encode()
