"""A diffusion in closed form: the best denoiser that is linear."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/linear-diffusion",
            family="example",
            summary="A diffusion whose denoiser is linear",
            target="example_gaussian_diffusion.model:LinearDiffusion",
            modalities=("points", "table"),
            levelled=False,
            capabilities=("gaussian-diffusion",),
            budget="20 steps",
        )
    ]
