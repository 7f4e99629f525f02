"""A diffusion whose last step is a distribution over levels."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/levelled-diffusion",
            family="example",
            summary="A linear diffusion that ends in levels",
            target="example_diffusion_decoder.model:LevelledDiffusion",
            modalities=("image",),
            levelled=True,
            capabilities=("gaussian-diffusion", "diffusion-decoder"),
            budget="20 steps",
        )
    ]
