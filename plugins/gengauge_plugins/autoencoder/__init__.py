"""Autoencoders: descriptions only, so that listing models stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl

_REFERENCE = (
    "Hinton & Salakhutdinov 2006, Reducing the Dimensionality of Data with Neural Networks, "
    "https://doi.org/10.1126/science.1127647; denoising: Vincent et al. 2008, "
    "https://doi.org/10.1145/1390156.1390294; density fitted on the codes: Ghosh et al. 2019, "
    "https://arxiv.org/abs/1903.12436"
)


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the autoencoder, plain unless it is given noise."""
    return [
        ModelSpec(
            id="autoencoder",
            family="autoencoder",
            summary="Autoencoder, plain or denoising; samples are decoded from a Gaussian mixture "
                    "fitted on the codes afterwards, and it has no likelihood",
            assumes="The data lie near a curved surface of few dimensions, and on it codes are "
                    "spread as a mixture of Gaussians is; nothing is said of what lies beside "
                    "the surface.",
            reference=_REFERENCE,
            target="gengauge_plugins.autoencoder.autoencoder:Autoencoder",
            modalities=("image", "points", "table"),
            capabilities=("latent-decoder", "reconstructor", "denoiser", "encoder"),
            budget="1000 steps",
            parameters=(
                Parameter("latent", 16, "numbers in a code, at most the data's", minimum=1),
                Parameter("noise", 0.0, minimum=0,
                          doc="largest deviation of the noise put on training examples, in the "
                              "data's standard deviations; 0 is the plain autoencoder"),
                Parameter("hidden", 384, minimum=1,
                          doc="width of the dense layers, at most 64 a dimension; convolutions "
                              "begin with a 24th as many channels"),
                Parameter("network", "dense", choices=("auto", "dense", "conv"),
                          doc="auto convolves images of more than 256 values"),
                Parameter("components", 40, minimum=1,
                          doc="Gaussians of the density on the codes; 1 is a single one"),
                Parameter("batch_size", 0, minimum=0,
                          doc="examples a step; 0 is 128 of levelled and 512 of continuous data"),
                Parameter("lr", 2e-3, "peak learning rate of Adam", minimum=0),
            ),
        )
    ]  # fmt: skip
