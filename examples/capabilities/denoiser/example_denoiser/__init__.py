"""A model that removes noise: the best linear filter of pictures."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/wiener-filter",
            family="example",
            summary="The best linear filter of noisy pictures",
            target="example_denoiser.model:WienerFilter",
            modalities=("image",),
            levelled=True,
            capabilities=("denoiser",),
            budget="20 steps",
        )
    ]
