"""A trial written down is the same trial, and another version of anything is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gengauge.benchmark import Benchmark
from gengauge.budget import Budget
from gengauge.data import Dataset
from gengauge.errors import UsageError
from gengauge.executors.slurm_batch import write, written
from gengauge.executors.slurm_jobs import Book, Job
from gengauge.orders import Order, _value, order_of, shift_of
from gengauge.plan import plan
from gengauge.registry import Registry
from gengauge.runner import Run
from gengauge.store import RunStore
from gengauge.turns import Shift

MOONS = Benchmark("b", ("points/moons",), models=("gmm[components=2]",), suites=("likelihood",))


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> Shift:
    registry, store = Registry(), RunStore(tmp_path_factory.mktemp("run"))
    run = Run(MOONS, registry, store, torch.device("cpu"), limit=100)
    tasks = run.tasks(plan(MOONS, registry))
    (store.folder / "benchmark.toml").write_text("")
    return Shift(tasks, run.setting, registry, limit=100, stamp=lambda task: {"position": 7})


@pytest.fixture(scope="module")
def order(shift: Shift) -> Order:
    return Order.from_json(order_of(shift.tasks[0], shift).to_json())


def there(order: Order, shift: Shift, **datasets: Dataset) -> Shift:
    data = {"points/moons": shift.tasks[0].dataset, **datasets}
    return shift_of(order, shift.registry, data, {})


def test_what_was_written_down_is_the_same_trial(order: Order, shift: Shift) -> None:
    [task], [again] = shift.tasks, there(order, shift).tasks
    assert again.trial == task.trial
    assert order.key == again.trial.key
    assert again.job == replace(task.job, metrics=task.missing)
    setting = there(order, shift).setting
    assert (setting.run_id, setting.samples, setting.benchmark) == (
        shift.setting.run_id, shift.setting.samples, shift.setting.benchmark,
    )  # fmt: skip
    assert there(order, shift).stamp(task) == {"command": "", "position": 7}


def test_an_order_is_plain(order: Order) -> None:
    assert json.loads(order.to_json()) == json.loads(json.dumps(order.__dict__))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "0.0.1"}, "another version of gengauge"),
        ({"trial.code": "gengauge==9"}, "another version of the code of model 'gmm'"),
        ({"trial.fingerprint": "0"}, "another version of dataset 'points/moons'"),
        ({"trial.model": "gmn"}, "unknown model 'gmn'; did you mean 'gmm'?"),
        ({"metrics": [{"id": "nll", "version": 99, "parameters": {}, "embedder": ""}]},
         "another version of metric 'nll'"),
        ({"run": "/nowhere/at/all"}, "does not see the run's folder /nowhere/at/all"),
        ({"device": "cuda"}, "has no usable CUDA device"),
    ],
)  # fmt: skip
def test_what_is_not_the_same_there_is_said(
    order: Order, shift: Shift, change: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    content = json.loads(order.to_json())
    for key, value in change.items():
        where, _, inner = key.rpartition(".")
        (content[where] if where else content)[inner] = value
    with pytest.raises(UsageError) as raised:
        there(Order(**content), shift)
    assert said in str(raised.value)


def test_an_order_that_failed_is_the_record_of_its_trial(order: Order) -> None:
    record = order.failed("JobLost", "gone")
    assert record["trial"] == order.key
    assert (record["status"], record["error"]) == ("failed", {"type": "JobLost", "message": "gone"})
    assert record["position"] == 7


def test_a_writers_file_survives_a_cut(tmp_path: Path) -> None:
    write(str(tmp_path), "a", {"trial": "1"})
    with (tmp_path / "records-a.jsonl").open("a") as file:
        file.write('{"trial": "2", "cut of')
    assert written(str(tmp_path), "a") == [{"trial": "1"}]
    write(str(tmp_path), "a", {"trial": "3"})
    assert written(str(tmp_path), "a") == [{"trial": "1"}, {"trial": "3"}]
    assert written(str(tmp_path), "b") == []


def test_jobs_are_remembered_and_no_junk_is(tmp_path: Path) -> None:
    job = Job("12_3", "slurm", "/files/%j", "slurm-ab-0", ["k1", "k2"])
    Book(RunStore(tmp_path)).add([job])
    assert Book(RunStore(tmp_path)).jobs == [job]
    for junk in ("", "[]", '{"jobs": [{"id": "1"}]}', json.dumps({"jobs": [
        {**job.__dict__, "handle": 0}]}), json.dumps({"jobs": [{
            "id": "1; rm -rf x", "cluster": "slurm", "folder": "", "writer": "a", "trials": []}]}),
    ):  # fmt: skip
        (tmp_path / "jobs.json").write_text(junk)
        assert Book(RunStore(tmp_path)).jobs == []


def test_a_local_job_that_is_not_there_is_done() -> None:
    assert Job("1", "local", "", "w", []).done()
    assert Job("1", "debug", "", "w", []).done()
    status, reason = Job("1", "local", "/files/%j", "w", []).end()
    assert status == "failed"
    assert reason.startswith("local job 1 ended (gone) before there was a record (see /files/1)")


def test_a_budget_in_a_setting_comes_back() -> None:
    sent = {"checkpoints": {"budget": "30 seconds"}, "samples": 5}
    assert {k: _value(v) for k, v in sent.items()} == {
        "checkpoints": Budget(30.0, "seconds"), "samples": 5,
    }  # fmt: skip
