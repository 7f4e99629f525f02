"""A model that samples in few steps or in many: a flow, followed by Euler's rule."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/coarse-flow",
            family="example",
            summary="A flow followed in few steps or in many",
            target="example_steps.model:CoarseFlow",
            modalities=("points", "table"),
            levelled=False,
            capabilities=("steps",),
            budget="20 steps",
        )
    ]
