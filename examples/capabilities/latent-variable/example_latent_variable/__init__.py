"""A model with an inference network: probabilistic principal components, weighed by importance."""

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/ppca",
            family="example",
            summary="Probabilistic principal components, weighed by importance",
            target="example_latent_variable.model:PPCA",
            modalities=("points", "table"),
            levelled=False,
            capabilities=("latent-variable",),
            parameters=(Parameter("latent", 1, "latent dimensions", minimum=1),),
            budget="20 steps",
        )
    ]
