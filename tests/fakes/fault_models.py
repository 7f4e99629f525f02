"""A plugin for tests: every way to misbehave that a runner must survive."""

from gengauge import MetricSpec, ModelSpec, Parameter, hookimpl

FAULTS = (
    "segfault", "abort", "exits-at-once", "raises-system-exit", "raises-keyboard-interrupt",
    "raises-what-cannot-be-printed", "raises-a-book", "recurses-for-ever", "thread-bomb",
    "many-children", "leaves-daemons", "leaves-threads", "prints-gigabytes",
    "loops-for-ever", "holds-the-lock", "stops-itself", "eats-memory", "draws-nan",
    "draws-wrong-shape", "draws-too-few", "draws-no-tensor", "counts-strangely",
    "closes-its-output", "closes-everything", "writes-junk-into-pipes", "forges-records",
    "kills-itself", "removes-its-folder", "changes-folder", "opens-too-many-files",
    "asks-the-user", "changes-signals",
)  # fmt: skip


def _spec(id_, target, **more):
    return ModelSpec(
        id=id_, family="fault", summary=f"A fault: {id_}", target=target, modalities=("points",),
        budget="5 steps", **more,
    )  # fmt: skip


def _class(name):
    return name.title().replace("-", "").replace("Nan", "NaN")


@hookimpl
def gengauge_models():
    return [
        _spec("healthy", "fault_targets:Healthy"),
        _spec(
            "slow-healthy",
            "fault_targets:SlowHealthy",
            parameters=(Parameter("scale", 1.0, minimum=0.0),),
        ),
        _spec(
            "learner",
            "fault_targets:Learner",
            parameters=(Parameter("scale", 1.0, minimum=0.0),),
        ),
        _spec("killed-learner", "fault_targets:KilledLearner"),
        _spec("fork-bomb", "fault_targets:ForkBomb"),
        _spec("kills-its-parent", "fault_targets:KillsItsParent"),
        _spec("exits-on-import", "fault_import:Model"),
        *(_spec(name, f"fault_targets:{_class(name)}") for name in FAULTS),
    ]


@hookimpl
def gengauge_metrics():
    def metric(name):
        return MetricSpec(
            id=name, suite="faulty", label=name, unit="1", direction="higher",
            summary="Says nothing.", target=f"fault_targets:{name}", modalities=("points",),
        )  # fmt: skip

    return [metric("tells_what_is_no_json"), metric("tells_not_a_number"), metric("fine")]
