"""Variational autoencoders: descriptions only, so that listing models stays fast."""

from __future__ import annotations

from dataclasses import replace

from gengauge import ModelSpec, Parameter, hookimpl

_PARAMETERS = (
    Parameter("latent", 24, "latent dimensions, at most the data's", minimum=1),
    Parameter("hidden", 384, "width of hidden layers, at most 64 a dimension", minimum=1),
    Parameter("components", 0, minimum=0,
              doc="Gaussians of the learned prior; 1 is the standard normal, 0 is 64, or 1 for "
              "levels with labels"),
    Parameter("conditional", False, "learn from class labels, and sample for them"),
    Parameter("mixtures", 0, minimum=0,
              doc="logistics of each value of levelled data; 0 is 1 up to 64 levels, else 3"),
    Parameter("network", "auto", choices=("auto", "dense", "conv"),
              doc="kind of both networks; auto convolves pictures of more than 256 values"),
    Parameter("width", 8, minimum=1,
              doc="channels of the convolutions at full size, double with every halving"),
    Parameter("decode", "sample", "draw p(x | z), or take its mean", choices=("sample", "mean")),
    Parameter("batch_size", 0, minimum=0,
              doc="examples a step; 0 is 64 with convolutions, else 128 of levelled and 512 of "
              "continuous data"),
    Parameter("lr", 4e-3, "peak learning rate of Adam", minimum=0),
)  # fmt: skip
_PRIOR = "prior: Dilokthanakul et al. 2016, https://arxiv.org/abs/1611.02648"
_VAE = ModelSpec(
    id="vae",
    family="autoencoder",
    summary="Variational autoencoder with a mixture prior; logistic noise on levels, "
            "Gaussian on points",
    assumes="Each example has a hidden cause of few numbers, distributed as a mixture of "
            "Gaussians; given the cause, values are independent, and what the cause was is "
            "nearly Gaussian.",
    reference="Kingma & Welling 2013, Auto-Encoding Variational Bayes, "
              f"https://arxiv.org/abs/1312.6114; {_PRIOR}",
    target="gengauge_plugins.vae.vae:VAE",
    modalities=("image", "points", "table"),
    capabilities=(
        "latent-variable", "class-latent-variable", "latent-decoder", "observation-model",
        "reconstructor", "encoder", "traversal", "classifier",
    ),
    conditions=("class",),
    budget="1000 steps",
    parameters=(
        *_PARAMETERS,
        Parameter("beta", 1.0, minimum=0,
                  doc="weight of the KL term; 1 is the bound, more makes latents collapse"),
    ),
)  # fmt: skip


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the variational autoencoder, and the one trained on importance-weighted bounds."""
    iwae = replace(
        _VAE,
        id="iwae",
        summary="Variational autoencoder trained on the bound of several importance weights",
        assumes="As the variational autoencoder does, but for the last: several weighted guesses "
        "at the cause make up for guesses that are not nearly Gaussian.",
        reference="Burda et al. 2015, Importance Weighted Autoencoders, "
        "https://arxiv.org/abs/1509.00519; gradient: Tucker et al. 2018, "
        f"https://arxiv.org/abs/1810.04152; {_PRIOR}",
        target="gengauge_plugins.vae.iwae:IWAE",
        budget="500 steps",
        parameters=(
            Parameter("k", 8, "importance samples an example and step", minimum=1),
            *_PARAMETERS,
        ),
    )
    return [_VAE, iwae]
