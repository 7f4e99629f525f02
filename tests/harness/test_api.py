"""``gengauge.run`` and ``gengauge.load_runs`` give what the command line writes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tests_support import environment

import gengauge
from gengauge.cli import _run
from gengauge.errors import NothingSelectedError, UsageError
from gengauge.turns import Silent

SMALL: dict[str, Any] = {
    "datasets": "points/moons", "suites": ["likelihood"], "limit": 400, "isolate": False,
    "progress": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def results(place: Path) -> gengauge.Results:
    fakes = str(Path(__file__).parents[1] / "fakes")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(fakes)
        return gengauge.run(
            models=["gmm[components=2]", "gmm[components=8]", "crash", "real"], seeds=range(2),
            plugins="fake_models", output=place / "one", **SMALL,
        )  # fmt: skip


def test_records_and_table_are_those_of_the_folder(results: gengauge.Results, place: Path) -> None:
    lines = (place / "one/records.jsonl").read_text().splitlines()
    written = {r["trial"]: r for r in map(json.loads, lines)}
    assert len(results) == len(results.records) == 8
    assert {r["trial"]: r for r in results.records} == written
    assert [r["model"]["id"] for r in results.failed] == ["crash", "crash"]
    frame = results.frame()
    pd.testing.assert_frame_equal(frame, gengauge.RunStore(place / "one").frame())
    assert set(frame["model"]) == {"gmm[components=2]", "gmm[components=8]", "crash", "real"}
    assert results.folder == place / "one"
    assert results.address == str(place / "one")
    assert (place / "one/report.html").is_file()


def test_it_is_what_the_command_line_gives(
    results: gengauge.Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = ["run", "-d", "points/moons", "-s", "likelihood", "--limit", "400", "--no-isolate"]
    words += ["-m", "gmm[components=2]", "--seeds", "0,1", "-o", str(tmp_path / "other")]
    assert _run(words) == 0
    lines = (tmp_path / "other/records.jsonl").read_text().splitlines()
    other = {r["trial"]: r for r in map(json.loads, lines)}
    mine = {r["trial"]: r for r in results.records}
    assert len(other) == 2
    for key, record in other.items():
        for name in ("value", "low", "comparability_key", "unscored_reason"):
            assert [s[name] for s in record["scores"]] == [s[name] for s in mine[key]["scores"]]
        same = mine[key]["command"].replace(" --plugin fake_models", "")
        assert record["command"] == same


def test_only_what_was_asked_for_is_seen(results: gengauge.Results, place: Path) -> None:
    again = gengauge.run(models="gmm[components=8]", output=place / "one", **SMALL)
    assert [r["seeds"]["seed"] for r in again.records] == [0]
    assert set(again.frame()["model"]) == {"gmm[components=8]"}
    assert "components=2" not in repr(again)
    assert len((place / "one/records.jsonl").read_text().splitlines()) == 8  # it was done already


def test_reports_come_as_text_and_as_files(results: gengauge.Results, tmp_path: Path) -> None:
    assert "| `gmm[components=8]` |" in results.report()
    assert results.report("csv").startswith("model,family,")
    assert isinstance(results.report("parquet"), bytes)
    rows = json.loads(results.save_report(tmp_path / "new/rows.json").read_text())
    assert len(rows) == len(results.frame())
    page = results.save_report(str(tmp_path / "page.html")).read_text()
    assert page.startswith("<!doctype html>")
    assert results.save_report(tmp_path / "x.txt", "md").read_text() == results.report("md")
    with pytest.raises(UsageError, match="unknown report 'mdd'; did you mean 'md'"):
        results.report("mdd")
    with pytest.raises(UsageError, match="cannot write"):
        results.save_report(tmp_path / "page.html/below.md")


def test_it_is_printed_as_a_table(results: gengauge.Results) -> None:
    text = repr(results)
    assert text.splitlines()[0].strip() == "points/moons"
    assert "\x1b" not in text
    assert "✗ crash seed 0, 1 failed: RuntimeError: no luck today" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"models": "gmn"}, "unknown model 'gmn'; did you mean 'gmm'"),
        ({"benchmark": "quik"}, "unknown benchmark 'quik'; did you mean 'quick'"),
        ({"samples": 1}, "samples is 1, expected at least 2"),
        ({"threads": 0}, "threads is 0, expected at least 1"),
        ({"seeds": []}, "seeds names no seed"),
        ({"seeds": "0-x"}, "is not understood"),
        ({"precision": "fp16"}, "unknown precision 'fp16'"),
        ({"jobs": 2}, "takes no --timeout, --memory or --jobs"),
        ({"settings": {"coverage.q": 1}}, "unknown setting 'coverage.q'"),
    ],
)
def test_what_is_wrong_is_an_exception_and_leaves_nothing(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as raised:
        gengauge.run(**{**SMALL, "models": "gmm", "output": tmp_path / "run", **options})
    assert said in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_nothing_that_fits_is_an_exception(tmp_path: Path) -> None:
    with pytest.raises(NothingSelectedError, match="nothing to run"):
        gengauge.run(**{**SMALL, "models": "gan", "datasets": "text/devils-dictionary"})


class Impatient(Silent):
    def finished(self, task: Any, record: Any, seconds: float) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_keeps_what_was_finished(tmp_path: Path, monkeypatch: Any) -> None:
    asked = {**SMALL, "models": ["gmm[components=2]", "gmm[components=3]"], "output": tmp_path}
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    threads = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    with pytest.raises(KeyboardInterrupt):
        gengauge.run(**{**asked, "progress": Impatient(), "threads": 2})
    assert (torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")) == threads
    assert "MKL_NUM_THREADS" not in os.environ
    assert gengauge.load_runs(tmp_path)["model"].unique().tolist() == ["gmm[components=2]"]
    assert len(gengauge.run(**asked)) == 2
    assert len((tmp_path / "records.jsonl").read_text().splitlines()) == 2


def test_it_runs_in_processes_beside_an_event_loop_and_threads(tmp_path: Path) -> None:
    """As in a notebook: a loop that is running, and a program that must not be forked."""

    async def cell() -> gengauge.Results:
        ticking = asyncio.create_task(asyncio.sleep(0))
        done = gengauge.run(**{**SMALL, "models": ["gmm[components=2]", "gmm[components=3]"],
                               "isolate": True, "jobs": 2, "output": tmp_path})  # fmt: skip
        await ticking
        return done

    torch.ones(1000, 1000) @ torch.ones(1000, 1000)
    results = asyncio.run(cell())
    assert [r["status"] for r in results.records] == ["ok", "ok"]
    assert [r["workers"] for r in results.records] == [2, 2]


def test_runs_are_loaded_into_one_table(results: gengauge.Results, place: Path) -> None:
    frame = gengauge.load_runs(place / "one", results, gengauge.RunStore(place / "one"))
    one = gengauge.load_runs(str(place / "one"))
    assert one.columns[0] == "run"
    assert tuple(one.columns[1:]) == gengauge.store.COLUMNS
    assert set(one["run"]) == {str(place / "one")}
    assert len(frame) == 3 * len(one)
    with pytest.raises(UsageError, match="is not a run"):
        gengauge.load_runs(place / "nowhere")
    with pytest.raises(UsageError, match="needs a run"):
        gengauge.load_runs()


def test_what_cannot_be_read_is_warned_of(place: Path, results: Any, tmp_path: Path) -> None:
    text = (place / "one/records.jsonl").read_text()
    (tmp_path / "records.jsonl").write_text(text[:-40])
    with pytest.warns(UserWarning, match="line 8 is cut off"):
        frame = gengauge.load_runs(tmp_path)
    assert frame["trial"].nunique() == 7


def test_notes_and_progress_are_on_stderr(tmp_path: Path, capsys: Any) -> None:
    asked = {**SMALL, "models": ["gmm", "gan"], "datasets": ["points/moons", "digits"]}
    asked |= {"models": ["gmm[components=2]", "truth"], "output": tmp_path, "progress": True}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gengauge.run(**{**asked, "samples": 50})
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "note: truth is left out on digits: it" in captured.err
    assert "[1/3] gmm[components=2] on points/moons, seed 0: " in captured.err


def test_importing_the_verbs_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom gengauge import run, load_runs\n"
        "print(sorted({'torch', 'pandas', 'numpy', 'IPython'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment()
    )
    assert done.stdout.split() == ["[]"], done.stderr
