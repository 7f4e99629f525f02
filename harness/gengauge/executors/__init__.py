"""The ways to run trials that ship: on this machine, as Ray tasks, as Slurm jobs."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.executor import ExecutorSpec
from gengauge.hooks import hookimpl
from gengauge.parameters import Parameter

_RAY = (
    Parameter("address", "local", "ray://HOST:PORT, auto, or local: a cluster of this machine"),
    Parameter("gpus", 1.0, "Cards a trial asks for on --device cuda; 0.5 shares one.", minimum=0),
    Parameter("retries", 3, "How often a trial is started again whose node was lost.", minimum=0),
)
_SLURM = (
    Parameter("cluster", "slurm", "local or debug try the same without a cluster.",
              choices=("slurm", "local", "debug")),
    Parameter("partition", "", "Partition to submit to."),
    Parameter("time", 60, "Minutes that a job may take; what is cut off is queued again.",
              minimum=1),
    Parameter("batch", 0, "Trials in a job, one after another.  [0: one; on local, all that a "
              "worker is given]", minimum=0),
    Parameter("account", "", "Account to charge."),
    Parameter("qos", "", "Quality of service."),
    Parameter("constraint", "", "Features that nodes must have."),
    Parameter("gpus", 1, "Cards a job asks for on --device cuda.", minimum=0),
    Parameter("options", "", "More of sbatch's options, such as nice:100;licenses:x."),
    Parameter("setup", "", "A shell command that comes before, such as module load python."),
    Parameter("folder", "", "Where jobs keep their own files, seen by all nodes.  [cache]"),
    Parameter("poll", 5.0, "Seconds between two looks at what is finished.", minimum=0),
)  # fmt: skip


@hookimpl
def gengauge_executors() -> Iterable[ExecutorSpec]:
    """Return the executors that ship."""
    return [
        ExecutorSpec(
            id="local",
            summary="Processes of this machine, graphics cards dealt out to them.",
            target="gengauge.executors.local:start",
        ),
        ExecutorSpec(
            id="ray",
            summary="Ray tasks, on a cluster that is there or on one started for the run.",
            target="gengauge.executors.on_ray:start",
            reference="Moritz et al. 2018, Ray: https://arxiv.org/abs/1712.05889",
            parameters=_RAY, elsewhere=True, extras=("ray",), requires=("ray",),
        ),
        ExecutorSpec(
            id="slurm",
            summary="Slurm array jobs through submitit, which outlive the command that sent them.",
            target="gengauge.executors.on_slurm:start",
            reference="https://github.com/facebookincubator/submitit",
            parameters=_SLURM, elsewhere=True, extras=("slurm",), requires=("submitit",),
        ),
    ]  # fmt: skip
