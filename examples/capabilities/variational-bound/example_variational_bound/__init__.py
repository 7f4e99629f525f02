"""A model with a bound of its own: clusters of pictures, and a guess at which one it is."""

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/pixel-clusters",
            family="example",
            summary="Clusters of pictures, bounded from below",
            target="example_variational_bound.model:PixelClusters",
            modalities=("image",),
            levelled=True,
            capabilities=("variational-bound",),
            parameters=(Parameter("clusters", 8, "pictures that clusters begin with", minimum=1),),
            budget="20 steps",
        )
    ]
