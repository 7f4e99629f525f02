"""Whatever runs the trials, each ends with one record; anyone can add what runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests_support import Cli

from gengauge.accounts import Accounts
from gengauge.choosing import choose_executor, read_choice
from gengauge.errors import GengaugeError, UsageError
from gengauge.options import Options
from gengauge.registry import Registry
from gengauge.trial import Trial
from gengauge.turns import Shift, Task

RUN = ("run", "-d", "points/moons", "--plugin", "fake_models", "--limit", "600", "-s",
       "likelihood", "--samples", "50", "--plugin", "fake_executors", "-o", "out")  # fmt: skip
MODELS = ("-m", "gaussian", "-m", "gaussian[scale=2]", "-m", "crash")


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out/records.jsonl").read_text().splitlines()]


def test_an_executor_of_a_third_party_runs_the_trials(cli: Cli, tmp_path: Path) -> None:
    done = cli(*RUN, *MODELS, "--executor", "backwards[shout=yes]")
    assert done.returncode == 3, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("NOW")] == [
        "NOW crash", "NOW gaussian[scale=2.0]", "NOW gaussian",
    ]  # fmt: skip
    found = records(tmp_path)
    assert [r["position"] for r in found] == [2, 1, 0]
    assert [r["status"] for r in found] == ["failed", "ok", "ok"]
    assert all(r["command"].startswith("gengauge run") for r in found)


def test_an_executor_that_breaks_off_loses_nothing(cli: Cli, tmp_path: Path) -> None:
    done = cli(*RUN, *MODELS[:4], "--executor", "breaks-off")
    assert done.returncode == 2
    assert "gave a second record of gaussian; it was dropped" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "error: executor 'breaks-off' failed: RuntimeError: the machines are gone; what was "
        "finished is kept: the same command goes on from there"
    )
    assert len(records(tmp_path)) == 1
    done = cli(*RUN, *MODELS[:4], "--executor", "backwards[shout=yes]")
    assert "1 of 2 trials are done already" in done.stderr
    assert done.stderr.count("NOW") == 1
    assert len(records(tmp_path)) == 2


def tasks(n: int) -> list[Task]:
    trials = [Trial("m", f"m{i}", (), "code", "d", "f", i, "1 steps", "cpu") for i in range(n)]
    return [Task(None, t, None, (), "train") for t in trials]  # type: ignore[arg-type]


def good(task: Task) -> tuple[Task, dict[str, Any], float]:
    return task, {"trial": task.trial.key, "status": "ok", "scores": [], "model": {}}, 1.0


class Gives:
    """Gives what it was made with; an error is raised."""

    def __init__(self, *what: Any) -> None:
        self.what, self.closed = what, False

    def run(self, listener: Any) -> Iterator[Any]:
        for one in self.what:
            if isinstance(one, Exception):
                raise one
            yield one

    def close(self) -> None:
        self.closed = True


A, B = tasks(2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([good(A)], "ended without a record of 1 of 2 trials (m1)"),
        ([], "ended without a record of 2 of 2 trials (m0, m1)"),
        ([good(A), RuntimeError("gone")], "failed: RuntimeError: gone"),
        ([good(A), "done"], "gave str in place of (task, record, seconds)"),
        ([good(A), (B, good(A)[1], 1.0)], f"gave the record of {A.trial.key} for {B.trial.key}"),
        ([good(A), (B, None, 1.0)], "gave NoneType in place of m1's record"),
        ([good(A), (B, {"trial": B.trial.key}, 1.0)], "gave a record of m1 without status"),
        ([good(A), (B, good(B)[1], "soon")], "gave no task or no seconds"),
        ([good(A), good(tasks(3)[2])], "gave a record of a trial it was not given"),
        ([good(A), (B, {**good(B)[1], "x": float("nan")}, 1.0)], "that is no JSON"),
    ],
)
def test_a_broken_executor_is_an_error_and_what_was_good_is_kept(
    given: list[Any], said: str
) -> None:
    accounts = Accounts("odd", Shift([A, B], None, None), Gives(*given))  # type: ignore[arg-type]
    kept: list[Any] = []
    with pytest.raises(GengaugeError) as raised:
        kept.extend(accounts.run(None))  # type: ignore[arg-type]
    assert said in str(raised.value)
    assert str(raised.value).startswith("executor 'odd'")
    assert [task for task, _, _ in kept] == ([A] if given else [])


def test_every_task_once_in_any_order() -> None:
    turns = Gives(good(B), good(B), good(A), good(B))
    accounts = Accounts("odd", Shift([A, B], None, None), turns)  # type: ignore[arg-type]
    assert [task for task, _, _ in accounts.run(None)] == [B, A]  # type: ignore[arg-type]
    accounts.close()
    assert turns.closed


def test_what_cannot_start_is_an_error() -> None:
    shift = Shift([A], None, None)  # type: ignore[arg-type]
    with pytest.raises(GengaugeError, match="executor 'odd' failed: ModuleNotFoundError"):
        Accounts.start("odd", "not_there:start", shift, {})
    with pytest.raises(GengaugeError, match=r"executor 'odd' has no method run\(\)"):
        Accounts.start("odd", "builtins:id", shift, {})


@pytest.mark.parametrize(
    ("executor", "more", "said"),
    [
        ("backward", {}, "unknown executor 'backward'; did you mean 'backwards'?"),
        ("lacking", {}, "needs not_there_at_all: pip install 'gengauge[moon]'"),
        ("slurm[partion=x]", {}, "did you mean 'partition'?"),
        ("slurm[time=soon]", {}, "parameter 'time' takes an int, not 'soon'"),
        ("local", {"address": "ray://a:1"}, "--address goes with an executor that takes one"),
        ("ray", {"no_isolate": True}, "--no-isolate runs trials in this process"),
        ("slurm[time", {}, "is not understood"),
    ],
)
def test_a_wrong_executor_is_said(fakes: Path, executor: str, more: Any, said: str) -> None:
    registry = Registry(["fake_executors"])
    with pytest.raises(UsageError) as raised:
        choose_executor(registry, Options(executor=executor, **more))
    assert said in str(raised.value)


def test_what_is_chosen_has_all_its_parameters() -> None:
    options = Options(executor="ray[gpus=0.5]", address="ray://a:1")
    chosen = choose_executor(Registry(), options)
    assert chosen.parameters == {"address": "ray://a:1", "gpus": 0.5, "retries": 3}


@pytest.mark.parametrize("text", ["[a=1]", "ray[address", "ray[auto]", "ray[gpus=1,gpus=2]"])
def test_what_is_no_executor_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="--executor"):
        read_choice(text, "--executor")
