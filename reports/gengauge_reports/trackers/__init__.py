"""Trackers of experiments; this module only registers them and imports nothing heavy."""

from __future__ import annotations

from gengauge.hooks import hookimpl
from gengauge.parameters import Parameter
from gengauge.tracker import TrackerSpec

__all__ = ["gengauge_trackers"]

_PROJECT = "gengauge"


@hookimpl
def gengauge_trackers() -> list[TrackerSpec]:
    """Return the trackers that records can be sent to; each is told only where it is asked for."""
    return [
        TrackerSpec(
            id="mlflow",
            summary="MLflow, on a server or in a file: a run for each trial",
            target="gengauge_reports.trackers.to_mlflow:MLflow",
            reference="https://mlflow.org/docs/latest/ml/tracking/",
            parameters=(
                Parameter("uri", "", "where, such as sqlite:///mlflow.db; default: MLflow's own"),
                Parameter("experiment", _PROJECT, "experiment that the runs belong to"),
            ),
            extras=("mlflow",),
            requires=("mlflow",),
        ),
        TrackerSpec(
            id="tensorboard",
            summary="event files for TensorBoard, a folder for each trial",
            target="gengauge_reports.trackers.to_tensorboard:TensorBoard",
            reference="https://www.tensorflow.org/tensorboard",
            parameters=(Parameter("dir", "", "where; default: tensorboard in the run's folder"),),
            extras=("tensorboard",),
            requires=("tensorboard",),
        ),
        TrackerSpec(
            id="wandb",
            summary="Weights & Biases, online or offline: a run for each trial",
            target="gengauge_reports.trackers.to_wandb:WandB",
            reference="https://docs.wandb.ai/ref/python/",
            parameters=(
                Parameter("project", _PROJECT, "project that the runs belong to"),
                Parameter("entity", "", "user or team; default: your own"),
                Parameter("mode", "", "online or offline; default: as WANDB_MODE says"),
                Parameter("dir", "", "where local files go; default: wandb's own"),
            ),
            extras=("wandb",),
            requires=("wandb",),
        ),
        TrackerSpec(
            id="trackio",
            summary="trackio, on this machine or a Space of the Hub: a run for each trial",
            target="gengauge_reports.trackers.to_trackio:Trackio",
            reference="https://huggingface.co/docs/trackio",
            parameters=(
                Parameter("project", _PROJECT, "project that the runs belong to"),
                Parameter("space", "", "USER/SPACE of the Hub to send to; default: this machine"),
            ),
            extras=("trackio",),
            requires=("trackio",),
        ),
    ]
