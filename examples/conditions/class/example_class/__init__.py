"""A model that is asked for classes: a normal each, of a common shape."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/asked-gaussians",
            family="example",
            summary="One normal a class, drawn from on request",
            target="example_class.model:ClassGaussians",
            modalities=("points", "table"),
            levelled=False,
            needs_labels=True,
            conditions=("class",),
            budget="20 steps",
        )
    ]
