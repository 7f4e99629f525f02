"""A model that fills in what is missing: a normal, given the values that are known."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/conditional-normal",
            family="example",
            summary="What is missing, drawn given what is known",
            target="example_inpainter.model:ConditionalNormal",
            modalities=("points", "table"),
            levelled=False,
            capabilities=("inpainter",),
            budget="20 steps",
        )
    ]
