"""A model that knows its density: one normal with any covariance."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/gaussian",
            family="example",
            summary="One normal, in closed form",
            target="example_density.model:Gaussian",
            modalities=("points", "table"),
            levelled=False,
            capabilities=("density",),
            budget="20 steps",
        )
    ]
