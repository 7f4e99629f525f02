"""A model that puts data into codes: the number of the nearest centre."""

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/codebook",
            family="example",
            summary="The nearest of a few centres, as one integer",
            target="example_encoder.model:Codebook",
            modalities=("points", "table"),
            levelled=False,
            capabilities=("encoder",),
            parameters=(Parameter("codes", 16, "centres", minimum=1),),
            budget="20 steps",
        )
    ]
