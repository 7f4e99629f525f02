"""A model with a decoder and a prior: principal components of pictures."""

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/eigenpictures",
            family="example",
            summary="Principal components, decoded from a normal prior",
            target="example_latent_decoder.model:EigenPictures",
            modalities=("image",),
            levelled=True,
            capabilities=("latent-decoder",),
            parameters=(Parameter("latent", 8, "directions that are kept", minimum=1),),
            budget="20 steps",
        )
    ]
