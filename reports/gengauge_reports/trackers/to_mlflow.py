"""Sends trials to MLflow: a run each, found again by the key of its trial."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from gengauge.tracker import Tracked

_STATUS = {"ok": "FINISHED"}  # all else is FAILED
_METRICS, _FEW = 1000, 100  # of one request; parameters and tags are few
_LONG, _LONGER = 500, 5000  # characters of a parameter and of a tag that every store takes
T = TypeVar("T")


class MLflow:
    """Tells an MLflow server or store; a trial that comes again goes on in its run."""

    def __init__(self, folder: Path, uri: str, experiment: str) -> None:
        self._client = MlflowClient(tracking_uri=uri or None)
        found = self._client.get_experiment_by_name(experiment)
        id_ = found.experiment_id if found else self._client.create_experiment(experiment)
        self._experiment = str(id_)

    def send(self, trial: Tracked) -> None:
        """Write one trial, its curve and its pictures."""
        run = self._run(trial)
        id_, there, now = run.info.run_id, run.data.params, int(time.time() * 1000)
        numbers = [Metric(name, value, now, 0) for name, value in trial.numbers.items()]
        for step, values in trial.points if trial.trained else ():
            numbers += [Metric(name, value, now, step) for name, value in values.items()]
        for some in _parts(numbers, _METRICS):
            self._client.log_batch(id_, metrics=some)
        # a parameter is written once
        given = {k: str(v)[:_LONG] for k, v in trial.parameters.items() if k not in there}
        for params in _parts([Param(k, v) for k, v in given.items()], _FEW):
            self._client.log_batch(id_, params=params)
        about = {f"{score.name}.about": score.about for score in trial.scores}
        facts = {f"gengauge.{name}": value for name, value in trial.facts.items()} | about
        for tags in _parts([RunTag(k, v[:_LONGER]) for k, v in facts.items()], _FEW):
            self._client.log_batch(id_, tags=tags)
        for picture in trial.pictures:
            self._client.log_artifact(id_, str(picture))
        self._client.set_terminated(id_, _STATUS.get(trial.status, "FAILED"))

    def close(self) -> None:
        """Do nothing: all is sent."""

    def _run(self, trial: Tracked) -> Any:
        """Return the run of the trial, a new one where there is none."""
        where = f"tags.`gengauge.trial` = '{trial.key}'"
        found = self._client.search_runs([self._experiment], where, max_results=1)
        if found:
            return found[0]
        tags = {"gengauge.trial": trial.key, "gengauge.benchmark": trial.group}
        return self._client.create_run(self._experiment, run_name=trial.name, tags=tags)


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
