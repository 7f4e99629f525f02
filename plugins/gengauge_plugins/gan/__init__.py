"""Generative adversarial networks: descriptions only, so that listing models stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl

_REFERENCE = (
    "Goodfellow et al. 2014, Generative Adversarial Networks, https://arxiv.org/abs/1406.2661; "
    "penalty: Mescheder et al. 2018, https://arxiv.org/abs/1801.04406"
)
_PARAMETERS = (
    Parameter("loss", "non-saturating", "what the two networks minimise",
              choices=("non-saturating", "hinge", "wgan-gp")),
    Parameter("spectral_norm", False, "divide the discriminator's weights by their largest "
              "singular values"),
    Parameter("r1", 0.3, minimum=0,
              doc="weight of the penalty on the discriminator's slope at the data; wgan-gp has "
                  "one of its own instead"),
    Parameter("r1_every", 4, "discriminator steps from one such penalty to the next", minimum=1),
    Parameter("gp", 0.1, "weight of wgan-gp's gradient penalty", minimum=0),
    Parameter("lr", 2e-3, "learning rate of the generator's Adam", minimum=0),
    Parameter("lr_discriminator", 2e-3, "learning rate of the discriminator's Adam", minimum=0),
    Parameter("n_critic", 0, minimum=0,
              doc="discriminator steps for one of the generator; 0 is 3 with wgan-gp and 1 else"),
    Parameter("ema", 0.1, minimum=0,
              doc="width of the generator's average over training, below 0.28; 0: none"),
    Parameter("latent", 32, "latent dimensions, at most twice the data's", minimum=1),
    Parameter("hidden", 256, minimum=1,
              doc="width of hidden layers, at most 64 a dimension; convolutions have a "
                  "thirty-second as many channels at full resolution"),
    Parameter("network", "auto", "perceptrons, convolutions, or what suits the data",
              choices=("auto", "dense", "conv")),
    Parameter("batch_size", 0, minimum=0,
              doc="examples a step; 0 is 64 of levelled and 256 of continuous data, and 32 "
                  "with captions"),
)  # fmt: skip


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the generative adversarial network and the class-conditional one."""
    return [
        ModelSpec(
            id="gan",
            family="gan",
            summary="Generator trained against a discriminator: non-saturating, hinge or "
                    "Wasserstein loss, averaged weights",
            assumes="The data are a smooth image of a few random numbers, and a second network "
                    "can tell wherever they are not; no density is stated, and no part of the "
                    "data is sure to be drawn.",
            reference=_REFERENCE,
            target="gengauge_plugins.gan.gan:GAN",
            modalities=("image", "points", "table"),
            capabilities=("latent-decoder",),
            budget="1500 steps",
            parameters=_PARAMETERS,
        ),
        ModelSpec(
            id="cgan",
            family="gan",
            summary="Generative adversarial network told a class or a caption, with a projection "
                    "discriminator",
            assumes="For each class or caption, the data are a smooth image of a few random "
                    "numbers, and a second network that is told the same can tell wherever they "
                    "are not.",
            reference="Miyato & Koyama 2018, cGANs with Projection Discriminator, "
                      "https://arxiv.org/abs/1802.05637",
            target="gengauge_plugins.gan.cgan:CGAN",
            modalities=("image", "points", "table"),
            capabilities=("latent-decoder",),
            conditions=("class", "caption"),
            budget="1500 steps",
            parameters=(
                *_PARAMETERS,
                Parameter("condition", "class", "what samples can be asked for",
                          choices=("class", "caption")),
                Parameter("matching", 1.0, minimum=0,
                          doc="weight of finding each other's partner among captions and pictures, "
                              "and of guessing the captions' words"),
                Parameter("head_start", 0.4, minimum=0,
                          doc="share of the steps, the first, in which the captions' words are "
                              "learned from data alone, below 1"),
            ),
        ),
    ]  # fmt: skip
