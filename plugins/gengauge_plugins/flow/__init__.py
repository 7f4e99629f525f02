"""Normalising flows: descriptions only, so that listing models stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the coupling flow."""
    return [
        ModelSpec(
            id="flow",
            family="flow",
            summary="Coupling flow: rational-quadratic splines (NSF) or affine maps (RealNVP)",
            reference="Durkan et al. 2019, Neural Spline Flows, https://arxiv.org/abs/1906.04032; "
                      "Dinh et al. 2016, Density estimation using Real NVP, "
                      "https://arxiv.org/abs/1605.08803",
            target="gengauge_plugins.flow.coupling:CouplingFlow",
            modalities=("image", "points", "table"),
            capabilities=("density",),
            budget="500 steps",
            parameters=(
                Parameter("kind", "nsf", "the map of each value", choices=("nsf", "realnvp")),
                Parameter("transforms", 4, "coupling layers", minimum=2),
                Parameter("hidden", 96, "width of each layer's two hidden layers", minimum=1),
                Parameter("bins", 8, "pieces of each spline (nsf)", minimum=2),
                Parameter("alpha", 1e-3, minimum=1e-6,
                          doc="squeeze before the logit that levelled data goes through"),
                Parameter("batch_size", 0, minimum=0,
                          doc="examples a step; 0 is 128 of levelled and 512 of continuous data"),
                Parameter("lr", 4e-3, "peak learning rate of Adam", minimum=0),
            ),
        )
    ]  # fmt: skip
