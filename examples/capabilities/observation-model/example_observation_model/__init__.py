"""A decoder that is a distribution p(x | z): probabilistic principal components."""

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/ppca-decoder",
            family="example",
            summary="Probabilistic principal components, as a decoder with noise",
            target="example_observation_model.model:PPCA",
            modalities=("points", "table"),
            levelled=False,
            capabilities=("latent-decoder", "observation-model"),
            parameters=(Parameter("latent", 1, "latent dimensions", minimum=1),),
            budget="20 steps",
        )
    ]
