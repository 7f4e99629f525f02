"""A model that knows the probability of discrete data: a Markov chain over letters."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/markov-chain",
            family="example",
            summary="Each letter follows the one before it",
            target="example_mass.model:MarkovChain",
            modalities=("text",),
            capabilities=("mass",),
            budget="20 steps",
        )
    ]
