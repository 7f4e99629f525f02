"""A model that knows its density within each class: a normal each, of a common shape."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/class-gaussians",
            family="example",
            summary="One normal a class, of a common shape",
            target="example_class_density.model:ClassGaussians",
            modalities=("points", "table"),
            levelled=False,
            needs_labels=True,
            capabilities=("class-density",),
            budget="20 steps",
        )
    ]
