"""A model that draws pictures and captions at once."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/pictures-and-words",
            family="example",
            summary="A caption, and the picture that its words add up to",
            target="example_joint_sampler.model:PicturesAndWords",
            modalities=("image",),
            levelled=True,
            needs_captions=True,
            capabilities=("joint-sampler",),
            budget="20 steps",
        )
    ]
