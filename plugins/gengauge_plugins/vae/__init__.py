"""Variational autoencoders: descriptions only, so that listing models stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl

_REFERENCE = (
    "Kingma & Welling 2013, Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114"
)


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the variational autoencoder."""
    return [
        ModelSpec(
            id="vae",
            family="autoencoder",
            summary="Variational autoencoder: logistic noise on levels, Gaussian on points",
            reference=_REFERENCE,
            target="gengauge_plugins.vae.vae:VAE",
            modalities=("image", "points"),
            capabilities=("latent-variable", "reconstructor"),
            budget="900 steps",
            parameters=(
                Parameter("latent", 24, "latent dimensions, at most the data's", minimum=1),
                Parameter("hidden", 384, "width of both networks' two hidden layers", minimum=1),
                Parameter("beta", 1.0, "weight of the KL term; 1 is the bound", minimum=0),
                Parameter("decode", "sample", "draw p(x | z), or take its mean",
                          choices=("sample", "mean")),
                Parameter("batch_size", 128, "examples a step", minimum=1),
                Parameter("lr", 2e-3, "peak learning rate of Adam", minimum=0),
            ),
        )
    ]  # fmt: skip
