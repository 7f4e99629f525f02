"""A model with an inference network within each class: which prototype is it."""

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models():
    """Return the model, described."""
    return [
        ModelSpec(
            id="example/prototypes",
            family="example",
            summary="Training pictures of each class with pixels at fault",
            target="example_class_latent_variable.model:Prototypes",
            modalities=("image",),
            levelled=True,
            needs_labels=True,
            capabilities=("class-latent-variable",),
            parameters=(Parameter("prototypes", 8, "pictures kept of each class", minimum=1),),
            budget="20 steps",
        )
    ]
