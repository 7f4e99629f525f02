"""A plugin for tests: models that behave, and models that do not."""

import os

from gengauge import DatasetSpec, EmbedderSpec, ModelSpec, Parameter, hookimpl

POINTS = ("points",)


@hookimpl
def gengauge_models():
    def spec(id_, cls, **more):
        return ModelSpec(
            id=id_,
            family="fake",
            summary=f"A model for tests: {id_}",
            target=f"fake_targets:{cls}",
            modalities=POINTS,
            budget="20 steps",
            **more,
        )

    return [
        spec("gaussian", "Gaussian", parameters=(Parameter("scale", 1.0, minimum=0.0),)),
        spec("crash", "Crash"),
        spec("exits", "Exits"),
        spec("dies", "Dies"),
        spec("nan", "NotANumber"),
        spec("wrong-shape", "WrongShape"),
        spec("hungry", "Hungry"),
        spec("slow", "Slow"),
        spec("half-model", "HalfModel"),
    ]


@hookimpl
def gengauge_datasets():
    return [
        DatasetSpec(
            id="lost", summary="A file that is gone", target="fake_targets:lost", modality="points"
        )
    ]


@hookimpl
def gengauge_embedders():
    return [
        EmbedderSpec(
            id="eyes", summary="Needs a file", target="fake_targets:Eyes", modalities=POINTS,
            arguments={"stretch": 2.0},
        ),
        EmbedderSpec(
            id="broken-eyes", summary="Fails", target="fake_targets:BrokenEyes", modalities=POINTS
        ),
    ]  # fmt: skip


@hookimpl
def gengauge_trial_finished(record):
    if os.environ.get("FAKE_LISTENER"):
        raise RuntimeError("the listener fell over")
