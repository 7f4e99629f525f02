"""Flow matching and bridges: descriptions only, so that listing models stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl

_MODALITIES = ("image", "points", "table")
_CAPABILITIES = ("probability-flow", "steps")
_CLASSES = (
    Parameter("conditional", False, "learn the class too, and sample the one asked for"),
    Parameter("guidance", 1.0, "how far a class is taken from no class; 1: not at all", minimum=0),
    Parameter("drop", 0.1, "share of labels hidden in training, for guidance", minimum=0),
)
_TRAINING = (
    Parameter("times", "auto", choices=("auto", "uniform", "logit-normal"),
              doc="times in training; auto is logit-normal on levelled data and uniform else"),
    Parameter("hidden", 384, "width of the perceptron, at most 64 a dimension", minimum=1),
    Parameter("blocks", 3, "residual blocks of the perceptron", minimum=1),
    Parameter("channels", 16, minimum=8,
              doc="a multiple of 8: of the U-Net that pictures of more than 256 values go through"),
    Parameter("batch_size", 0, minimum=0,
              doc="examples a step; 0 is 128 of levelled and 512 of continuous data"),
    Parameter("lr", 4e-3, "peak learning rate of Adam", minimum=0),
    Parameter("ema", 0.05, minimum=0,
              doc="width of the network's average over training, below 0.28; 0: none"),
)  # fmt: skip


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return flow matching and the Schroedinger bridge."""
    return [
        ModelSpec(
            id="flow-matching",
            family="transport",
            summary="Velocity field from noise to data along straight lines, paired at random or "
                    "by optimal transport",
            assumes="Noise becomes data along a velocity field, which is the mean of straight "
                    "lines from noise to examples; smooth, so that paths never cross and a few "
                    "steps follow them.",
            reference="Lipman et al. 2022, Flow Matching for Generative Modeling, "
                      "https://arxiv.org/abs/2210.02747; Tong et al. 2023, "
                      "https://arxiv.org/abs/2302.00482",
            target="gengauge_plugins.transport.flow_matching:FlowMatching",
            modalities=_MODALITIES,
            capabilities=_CAPABILITIES,
            conditions=("class",),
            budget="800 steps",
            parameters=(
                Parameter("coupling", "independent", choices=("independent", "ot"),
                          doc="how noise and data are paired: at random, or by optimal transport "
                              "within each batch"),
                *_CLASSES,
                Parameter("solver", "midpoint", "of the equation when sampling",
                          choices=("euler", "midpoint", "heun", "rk4")),
                Parameter("steps", 10, "steps from noise to data", minimum=1),
                *_TRAINING,
            ),
        ),
        ModelSpec(
            id="schroedinger-bridge",
            family="transport",
            summary="Entropic transport from noise, another dataset or one class to the data, "
                    "learned from Brownian bridges",
            assumes="Among all ways to turn source into data, the one nearest to Brownian "
                    "motion of a given strength: straight lines with noise on the way.",
            reference="Tong et al. 2023, Simulation-free Schroedinger bridges via score and flow "
                      "matching, https://arxiv.org/abs/2307.03672",
            target="gengauge_plugins.transport.bridge:SchroedingerBridge",
            modalities=_MODALITIES,
            capabilities=_CAPABILITIES,
            conditions=("class",),
            budget="500 steps",
            parameters=(
                Parameter("source", "noise", "noise, the id of a dataset of the same shape, or "
                          "class:3 for one class of the data itself"),
                Parameter("sigma", 0.5, minimum=1e-3,
                          doc="deviation of Brownian motion at its end, in the data's deviations"),
                Parameter("sampler", "sde", "the stochastic equation, or the flow of its marginals",
                          choices=("sde", "ode")),
                *_CLASSES,
                Parameter("steps", 20, "steps from source to data", minimum=1),
                *_TRAINING,
            ),
        ),
    ]  # fmt: skip
