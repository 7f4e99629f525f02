"""Adversarial networks of captions and pictures: descriptions only, so that listing stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the joint adversarial network."""
    return [
        ModelSpec(
            id="joint-gan",
            family="gan",
            summary="Adversarial network of pairs of captions and pictures: draws a caption's "
                    "picture, a picture's caption, and both at once",
            assumes="Captions and pictures that belong together come from codes they share, and "
                    "tests that see both sides can tell pairs that do not.",
            reference="Pu et al. 2018, JointGAN: Multi-Domain Joint Distribution Learning with "
                      "Generative Adversarial Nets, https://arxiv.org/abs/1806.02978",
            target="gengauge_plugins.joint.joint:JointGAN",
            modalities=("image",),
            capabilities=("captioner", "joint-sampler"),
            conditions=("caption",),
            levelled=True,
            needs_captions=True,
            budget="1000 steps",
            parameters=(
                Parameter("code", 64, "numbers that a caption is read into", minimum=2),
                Parameter("latent", 32, "latent dimensions of each generator", minimum=1),
                Parameter("hidden", 256, minimum=8,
                          doc="width of the picture's features; the generator of pictures has "
                              "an eighth as many channels"),
                Parameter("network", "auto", "perceptrons or convolutions judge pictures, or what "
                          "suits the data", choices=("auto", "dense", "conv")),
                Parameter("matching", 0.4, "weight of the tests that tell whether a pair belongs "
                          "together", minimum=0),
                Parameter("writing", 1.0, "weight of writing the captions of real pairs again",
                          minimum=0),
                Parameter("blur", 0.3, "noise on codes that are learned to be written, which are "
                          "of order one", minimum=0),
                Parameter("r1", 0.3, "weight of the penalty on the discriminator's slope at real "
                          "pictures", minimum=0),
                Parameter("r1_every", 4, "steps from one such penalty to the next", minimum=1),
                Parameter("lr", 1e-3, "learning rate of the generators' Adam", minimum=0),
                Parameter("lr_discriminator", 1e-3, "learning rate of the discriminator's Adam",
                          minimum=0),
                Parameter("ema", 0.1, minimum=0,
                          doc="width of the weights' average over training, below 0.28; 0: none"),
                Parameter("head_start", 0.4, "share of the steps, the first, that learn from real "
                          "pairs alone", minimum=0),
                Parameter("batch_size", 32, "pairs a step", minimum=1),
            ),
        )
    ]  # fmt: skip
