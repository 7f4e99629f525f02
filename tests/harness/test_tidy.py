"""The tidy table is the rows of the records, whatever the files hold, and grows with them."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal

from gengauge.benchmark import Benchmark
from gengauge.plan import plan
from gengauge.registry import Registry
from gengauge.rendering import render
from gengauge.runner import Run
from gengauge.store import COLUMNS, RunStore, tidy_rows


def score(chance: random.Random, number: int) -> dict[str, Any]:
    value = None if chance.random() < 0.2 else chance.random()
    one = {
        "suite": "s", "metric": f"m{number}", "split": "test", "unit": "nats", "kind": "exact",
        "direction": "lower", "value": value, "low": value, "high": None, "standard_error": None,
        "embedder": chance.choice([None, {"id": "e", "sha256": "x"}]), "n_samples": 10,
        "n_reference": chance.choice([None, 7]), "comparability_key": f"k{number}",
        "unscored_reason": None if value else "no value", "caveat": None, "details": {"a": [1]},
    }  # fmt: skip
    return {k: v for k, v in one.items() if k != "caveat" or chance.random() < 0.9}


def records(count: int, scores: int = 4, seed: int = 0) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    found = []
    for position in chance.sample(range(count), count):
        failed = chance.random() < 0.1
        found.append({
            "trial": f"t{position}", "position": position, "status": "failed" if failed else "ok",
            "started_at": "2026", "dataset": {"id": "d"}, "seeds": {"seed": position},
            "model": {"id": f"m{position % 7}", "family": "f", "checkpoint_sha256": "c"},
            "error": {"type": "E", "message": "half a pair: \ud800"} if failed else None,
            "scores": [] if failed else [score(chance, i) for i in range(scores)],
        })  # fmt: skip
    return found


def write(path: Path, content: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(r, sort_keys=True) + "\n" for r in content))


@pytest.mark.parametrize("repeated", [0, 30])
def test_the_table_is_the_rows_of_the_records(tmp_path: Path, repeated: int) -> None:
    write(tmp_path / "records.jsonl", records(100))
    write(tmp_path / "records-b.jsonl", records(repeated, scores=6, seed=1))
    store = RunStore(tmp_path)
    rows = [row for record in store.records() for row in tidy_rows(record)]
    frame = store.frame()
    assert_frame_equal(
        frame.astype(object).where(frame.notna(), None),
        pd.DataFrame(rows, columns=list(COLUMNS))
        .astype(object)
        .pipe(lambda f: f.where(f.notna(), None)),
    )
    assert frame["value"].dtype == "float64"
    assert frame["n_reference"].dtype == "float64"
    assert (frame["model"] == "m3").sum() > 0


def test_no_record_is_a_table_without_rows(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").touch()
    assert list(RunStore(tmp_path).frame().columns) == list(COLUMNS)
    assert len(RunStore(tmp_path).frame()) == 0


def test_half_a_pair_of_surrogates_is_written_as_a_mark(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    for name in ("m\ud800", "smile \U0001f600"):
        store.append({**records(1)[0], "trial": name[0], "model": {"id": name, "family": "f"}})
    assert [r["model"]["id"] for r in store.records()] == ["m?", "smile \U0001f600"]


def seconds(what: Any) -> float:
    """Return the least CPU seconds of three."""

    def once() -> float:
        start = time.process_time()
        what()
        return time.process_time() - start

    return min(once() for _ in range(3))


def test_four_times_the_records_take_about_four_times_as_long(tmp_path: Path) -> None:
    stores = []
    for count in (1000, 4000):
        stores.append(RunStore(tmp_path / str(count)))
        stores[-1].folder.mkdir()
        write(stores[-1].folder / "records.jsonl", records(count, scores=20))
    few, many = (seconds(store.frame) for store in stores)
    assert many < 6 * few


def planned(count: int, folder: Path) -> Run:
    benchmark = Benchmark(
        "b", ("points/moons",), models=("real",), suites=("likelihood",), samples=40,
        seeds=tuple(range(count)),
    )  # fmt: skip
    return Run(benchmark, Registry(), RunStore(folder), torch.device("cpu"), limit=100)


def finish(run: Run) -> None:
    """Write the record that each planned trial would have, without running it."""
    from gengauge.trial import request_of

    lines = []
    for position, task in enumerate(run.tasks(plan(run.benchmark, run.registry))):
        [*found] = [
            {
                "suite": m.spec.suite, "metric": m.spec.id, "split": "test", "embedder": None,
                "value": 1.0 + position, "low": 0.0, "high": None, "kind": "exact",
                "failed": False, "comparability_key": "k", "unscored_reason": None,
                "request": request_of(m, task.trial, task.dataset, run.setting),
            }
            for m in task.job.metrics
        ]  # fmt: skip
        lines.append({
            "trial": task.trial.key, "position": position, "status": "ok", "scores": found,
            "model": {"id": "real", "family": "control", "control": True},
            "dataset": {"id": task.dataset.id}, "seeds": {"seed": task.trial.seed},
        })  # fmt: skip
    run.store.folder.mkdir(parents=True)
    write(run.store.folder / "records.jsonl", lines)


def test_a_second_run_and_its_reports_grow_with_the_trials(tmp_path: Path) -> None:
    def again(run: Run) -> None:
        tasks = run.tasks(plan(run.benchmark, run.registry))
        assert not any(task.todo for task in tasks)
        for format_ in ("terminal", "html"):
            assert render(run.registry, format_, [run.store])

    runs = [planned(count, tmp_path / str(count)) for count in (250, 1000)]
    for run in runs:
        finish(run)
    few, many = (seconds(lambda run=run: again(run)) for run in runs)
    assert many < 6 * few


def test_the_source_of_a_model_is_read_once_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gengauge import runner

    asked: list[str] = []
    monkeypatch.setattr(runner, "code_fingerprint", lambda module: asked.append(module) or "c")
    run = planned(20, tmp_path)
    assert len(run.tasks(plan(run.benchmark, run.registry))) == 20
    assert len(asked) == 1
