"""A model that classifies: normals along the axes for each class, and Bayes' rule."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/discriminant",
            family="example",
            summary="Normals along the axes, and the class that fits best",
            target="example_classifier.model:Discriminant",
            modalities=("points", "table"),
            levelled=False,
            needs_labels=True,
            capabilities=("classifier",),
            budget="20 steps",
        )
    ]
