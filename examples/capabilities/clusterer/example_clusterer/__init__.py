"""A model that assigns data to clusters: round normals, fitted by expectation and maximisation."""

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/round-clusters",
            family="example",
            summary="Round normals, fitted by expectation and maximisation",
            target="example_clusterer.model:RoundClusters",
            modalities=("points", "table"),
            levelled=False,
            capabilities=("clusterer",),
            parameters=(Parameter("clusters", 4, "round normals", minimum=1),),
            budget="20 steps",
        )
    ]
