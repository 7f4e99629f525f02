"""A model that is asked for captions: each word adds its part to the picture."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/word-pictures",
            family="example",
            summary="Each word of a caption adds its part to the picture",
            target="example_caption.model:WordPictures",
            modalities=("image",),
            levelled=True,
            needs_captions=True,
            conditions=("caption",),
            budget="20 steps",
        )
    ]
