"""Variational autoencoders: descriptions only, so that listing models stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl

_REFERENCE = (
    "Kingma & Welling 2013, Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114; "
    "prior: Dilokthanakul et al. 2016, https://arxiv.org/abs/1611.02648"
)


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the variational autoencoder."""
    return [
        ModelSpec(
            id="vae",
            family="autoencoder",
            summary="Variational autoencoder with a mixture prior; logistic noise on levels, "
                    "Gaussian on points",
            reference=_REFERENCE,
            target="gengauge_plugins.vae.vae:VAE",
            modalities=("image", "points"),
            capabilities=(
                "latent-variable", "latent-decoder", "observation-model", "reconstructor",
            ),
            budget="1000 steps",
            parameters=(
                Parameter("latent", 24, "latent dimensions, at most the data's", minimum=1),
                Parameter("hidden", 384, minimum=1,
                          doc="width of both networks' hidden layers, at most 64 a dimension"),
                Parameter("components", 64, minimum=1,
                          doc="Gaussians of the learned prior; 1 is the standard normal"),
                Parameter("beta", 1.0, "weight of the KL term; 1 is the bound", minimum=0),
                Parameter("decode", "sample", "draw p(x | z), or take its mean",
                          choices=("sample", "mean")),
                Parameter("batch_size", 0, minimum=0,
                          doc="examples a step; 0 is 128 of levelled and 512 of continuous data"),
                Parameter("lr", 4e-3, "peak learning rate of Adam", minimum=0),
            ),
        )
    ]  # fmt: skip
