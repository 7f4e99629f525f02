"""An embedder without weights: histograms of edge directions."""

from gengauge import EmbedderSpec, hookimpl


@hookimpl
def gengauge_embedders():
    """Return the embedder, described."""
    return [
        EmbedderSpec(
            id="example/edges",
            summary="How often edges of each direction are seen, in quarters of a picture",
            target="example_embedder.edges:Edges",
            modalities=("image",),
            preprocessing="divided by the number of levels",
        )
    ]
