"""A model that is asked to go on from a beginning: a chain over pairs of letters."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/continued-chain",
            family="example",
            summary="Goes on from a beginning, letter by letter",
            target="example_prefix.model:ContinuedChain",
            modalities=("text",),
            conditions=("prefix",),
            budget="20 steps",
        )
    ]
