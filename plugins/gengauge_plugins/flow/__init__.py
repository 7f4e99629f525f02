"""Normalising flows: descriptions only, so that listing models stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl

_FLOW = ModelSpec(
    id="flow",
    family="flow",
    summary="Normalising flow: coupling or autoregressive splines and affine maps, or Glow",
    assumes="The data are a Gaussian cloud, bent by a smooth map that can be inverted: no part "
            "is torn off, no dimension lost, and the density follows by the change of "
            "variables.",
    reference="Durkan et al. 2019, Neural Spline Flows, https://arxiv.org/abs/1906.04032; "
              "Dinh et al. 2016, Density estimation using Real NVP, "
              "https://arxiv.org/abs/1605.08803; Papamakarios et al. 2017, Masked Autoregressive "
              "Flow, https://arxiv.org/abs/1705.07057; Kingma & Dhariwal 2018, Glow, "
              "https://arxiv.org/abs/1807.03039",
    target="gengauge_plugins.flow.flow:Flow",
    modalities=("image", "points", "table"),
    capabilities=("density", "class-density", "variational-bound", "classifier"),
    conditions=("class",),
    budget="400 steps",
    parameters=(
        Parameter("kind", "auto", choices=("auto", "nsf", "nsf-ar", "realnvp", "maf", "nice",
                                           "glow"),
                  doc="the map of each value, autoregressive in nsf-ar and maf; auto is glow for "
                  "pictures of more than 256 values, else nsf"),
        Parameter("transforms", 4, "layers of a flow of vectors", minimum=1),
        Parameter("hidden", 96, "width of each layer's two hidden layers", minimum=1),
        Parameter("bins", 8, "pieces of each spline (nsf, nsf-ar)", minimum=2),
        Parameter("steps", 6, "steps at each scale (glow)", minimum=1),
        Parameter("width", 32, minimum=1,
                  doc="channels of its networks, and of the one of variational noise"),
        Parameter("preprocess", "auto", choices=("auto", "quantiles", "logit"),
                  doc="what levelled data goes through; auto is quantiles up to 256 levels"),
        Parameter("alpha", 1e-3, "squeeze before the logit", minimum=1e-6),
        Parameter("noise", "uniform", "what levels are dequantised with in training",
                  choices=("uniform", "variational")),
        Parameter("conditional", False, "learn from class labels, and sample for them"),
        Parameter("batch_size", 0, minimum=0,
                  doc="examples a step; 0 is 64 of pictures by glow, else 128 of levelled and "
                  "512 of continuous data"),
        Parameter("lr", 4e-3, "peak learning rate of Adam", minimum=0),
    ),
)  # fmt: skip

_CONTINUOUS = ModelSpec(
    id="continuous-flow",
    family="flow",
    summary="Continuous normalising flow (FFJORD): a neural differential equation to noise",
    assumes="The data are a Gaussian cloud carried along a smooth velocity field for a while: "
            "paths never cross, no part is torn off, and the density changes by the field's "
            "divergence.",
    reference="Grathwohl et al. 2019, FFJORD: Free-form Continuous Dynamics for Scalable "
              "Reversible Generative Models, https://arxiv.org/abs/1810.01367; Chen et al. 2018, "
              "Neural Ordinary Differential Equations, https://arxiv.org/abs/1806.07366",
    target="gengauge_plugins.flow.continuous.continuous:ContinuousFlow",
    modalities=("image", "points", "table"),
    capabilities=("probability-flow", "steps"),
    conditions=("class",),
    budget="250 steps",
    parameters=(
        Parameter("hidden", 0, minimum=0,
                  doc="width of the field's hidden layers; 0 is 64 up to 16 dimensions, else 128"),
        Parameter("depth", 2, "hidden layers", minimum=1),
        Parameter("steps", 3, "Runge-Kutta steps in training", minimum=1),
        Parameter("sampling_steps", 8, "Runge-Kutta steps behind a sample", minimum=1),
        Parameter("trace", "auto", choices=("auto", "exact", "hutchinson"),
                  doc="divergence in training; auto is exact up to 4 dimensions"),
        Parameter("penalty", 1e-4, "weight of the paths' roughness", minimum=0),
        Parameter("conditional", False, "learn from class labels, and sample for them"),
        Parameter("batch_size", 0, minimum=0,
                  doc="examples a step; 0 is 128 of levelled and 256 of continuous data"),
        Parameter("lr", 2e-2, "peak learning rate of Adam", minimum=0),
    ),
)  # fmt: skip


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the normalising flow, and the continuous one."""
    return [_FLOW, _CONTINUOUS]
