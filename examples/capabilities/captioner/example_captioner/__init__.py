"""A model that describes pictures: by the caption of the most similar one that it knows."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/nearest-caption",
            family="example",
            summary="The caption of the most similar picture it knows",
            target="example_captioner.model:NearestCaption",
            modalities=("image",),
            levelled=True,
            needs_captions=True,
            capabilities=("captioner",),
            budget="20 steps",
        )
    ]
