"""A model that knows the probability of pictures within each class: counts of levels."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/pixel-counts",
            family="example",
            summary="How often each pixel has each level, class by class",
            target="example_class_mass.model:PixelCounts",
            modalities=("image",),
            levelled=True,
            needs_labels=True,
            capabilities=("class-mass",),
            budget="20 steps",
        )
    ]
