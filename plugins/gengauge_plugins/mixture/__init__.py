"""Mixtures fitted by expectation-maximisation: descriptions only, so that listing stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the mixtures of Gaussians and of categoricals."""
    return [
        ModelSpec(
            id="gmm",
            family="mixture",
            summary="Gaussian mixture fitted by expectation-maximisation",
            assumes="The data are a sum of so many ellipses: within each, values are Gaussian, "
                    "and depend on each other linearly.",
            reference="Dempster, Laird & Rubin 1977, Maximum Likelihood from Incomplete Data via "
                      "the EM Algorithm, https://doi.org/10.1111/j.2517-6161.1977.tb01600.x",
            target="gengauge_plugins.mixture.gmm:GaussianMixture",
            modalities=("image", "points", "table"),
            capabilities=("density", "class-density", "clusterer", "classifier", "denoiser"),
            conditions=("class",),
            budget="120 steps",
            parameters=(
                Parameter("components", 20, minimum=0,
                          doc="Gaussians in the mixture, over all classes; 0: as many as `select` "
                              "finds, in each class"),
                Parameter("covariance", "full", "what the components' covariances may be",
                          choices=("full", "tied", "diag", "spherical")),
                Parameter("regularisation", 0.0, minimum=0,
                          doc="added to each variance, as a share of that value's variance; "
                              "0: the best of four on the validation split"),
                Parameter("copies", 0, minimum=0,
                          doc="noisy copies of levelled data that EM sees; 0: five of small data, "
                              "one beyond 20,000 examples"),
                Parameter("restarts", 1, "starts, of which the best goes on", minimum=1),
                Parameter("select", "bic", choices=("bic", "validation"),
                          doc="what chooses the number of components where that is 0"),
                Parameter("conditional", False, "a mixture for each class, and a classifier"),
                Parameter("subspace", 0, minimum=0,
                          doc="principal axes that the mixture lies on, with a Gaussian on each "
                              "other; 0: all of up to 256 values, of more 100"),
                Parameter("engine", "auto", choices=("auto", "sklearn", "torch"),
                          doc="what runs EM; auto: scikit-learn for up to 50,000 examples on the "
                              "CPU, else blocks in torch, with equal results"),
            ),
        ),
        ModelSpec(
            id="mixture-of-categoricals",
            family="mixture",
            summary="Mixture of independent categoricals fitted by expectation-maximisation: exact "
                    "for levels and tokens",
            assumes="The data fall into so many sorts; within one sort, each value is drawn for "
                    "itself.",
            reference="Bishop 2006, Pattern Recognition and Machine Learning, section 9.3.3, "
                      "https://www.microsoft.com/en-us/research/publication/"
                      "pattern-recognition-machine-learning",
            target="gengauge_plugins.mixture.categoricals:CategoricalMixture",
            modalities=("image", "text", "table"),
            levelled=True,
            capabilities=("mass", "clusterer"),
            budget="60 steps",
            parameters=(
                Parameter("components", 20, "components of the mixture", minimum=1),
                Parameter("alpha", 0.0, minimum=0,
                          doc="count added to every level; 0: the best of six on validation"),
                Parameter("restarts", 3, "starts, of which the best goes on", minimum=1),
            ),
        ),
    ]  # fmt: skip
