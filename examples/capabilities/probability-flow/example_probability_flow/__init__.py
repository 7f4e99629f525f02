"""A model that is a differential equation: the flow from data to noise along straight lines."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/straight-flow",
            family="example",
            summary="The flow between a normal and a round one, in closed form",
            target="example_probability_flow.model:StraightFlow",
            modalities=("points", "table"),
            levelled=False,
            capabilities=("probability-flow",),
            budget="20 steps",
        )
    ]
