"""A model that encodes and decodes: pictures, projected onto principal components."""

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/projection",
            family="example",
            summary="Pictures projected onto principal components",
            target="example_reconstructor.model:Projection",
            modalities=("image",),
            levelled=True,
            capabilities=("reconstructor",),
            parameters=(Parameter("latent", 8, "directions that are kept", minimum=1),),
            budget="20 steps",
        )
    ]
