"""A model that was adapted to new classes: a mean is added for each, the base stays as it was."""

from gengauge import ModelSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/added-classes",
            family="example",
            summary="Normals of old classes, and means added for new ones",
            target="example_adapted.model:AddedClasses",
            modalities=("points", "table"),
            levelled=False,
            needs_labels=True,
            capabilities=("adapted",),
            conditions=("class",),
            budget="20 steps",
        )
    ]
