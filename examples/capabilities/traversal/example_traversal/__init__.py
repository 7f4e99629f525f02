"""A model that walks along its latents: principal components, one after another."""

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/directions",
            family="example",
            summary="Principal components, one after another",
            target="example_traversal.model:Directions",
            modalities=("image",),
            levelled=True,
            capabilities=("traversal",),
            parameters=(Parameter("latent", 8, "directions that are kept", minimum=1),),
            budget="20 steps",
        )
    ]
