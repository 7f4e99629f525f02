"""Diffusion models: descriptions only, so that listing models stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl
from gengauge_plugins.diffusion.specs_more import latent_spec, lora_spec

_DDPM = (
    Parameter("conditional", False, "learn class labels too, and sample by class"),
    Parameter("guidance", 1.0, minimum=0,
              doc="how many times as far samples lean towards their class as it says"),
    Parameter("guidance_kind", "free", "what guides: the network itself, or a classifier of "
              "noisy data that shares its training steps", choices=("free", "classifier")),
    Parameter("prediction", "auto", "what the network says; auto is levels for up to 32 of them "
              "and v for the rest", choices=("auto", "epsilon", "v", "x0", "levels")),
    Parameter("schedule", "cosine", "how noise grows", choices=("cosine", "linear")),
    Parameter("timesteps", 1000, "steps of the chain that is learned", minimum=2),
    Parameter("sampler", "auto", "what takes the steps to a sample; auto is ddpm for "
              "predicted levels, dpm++ elsewhere, or what a pretrained model came with",
              choices=("auto", "ddpm", "ddim", "dpm++", "heun")),
    Parameter("steps", 16, "steps of the sampler; Heun's cost two evaluations", minimum=1),
    Parameter("ema", 0.1, "width of the weights' average over training, below 0.28; 0: none",
              minimum=0),
    Parameter("network", "auto", "perceptron, U-Net, or what suits the data",
              choices=("auto", "mlp", "unet")),
    Parameter("hidden", 128, minimum=8,
              doc="width of the perceptron; a U-Net has an eighth as many channels"),
    Parameter("blocks", 3, "residual blocks, of a U-Net at each resolution", minimum=1),
    Parameter("batch_size", 0, minimum=0,
              doc="examples a step; 0 is 64 for a U-Net, else 128 of levels or 256 of floats"),
    Parameter("lr", 4e-3, "peak learning rate", minimum=0),
    Parameter("pretrained", "", "folder of a DDPMPipeline or DDIMPipeline that diffusers saved; "
              "nothing is trained then"),
)  # fmt: skip


_NOT_LORA = ("conditional", "guidance_kind", "pretrained")


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the diffusion models: plain, in codes, and adapted."""
    return [
        ModelSpec(
            id="ddpm",
            family="diffusion",
            summary="Denoising diffusion: noise removed step by step, with guidance towards "
                    "classes, a bound on the likelihood and its probability flow",
            assumes="Noise is added in steps so small that each can be undone by a Gaussian, "
                    "whose mean a network learns from how noisy data look; nothing of the "
                    "data's shape.",
            reference="Ho et al. 2020, Denoising Diffusion Probabilistic Models, "
                      "https://arxiv.org/abs/2006.11239",
            target="gengauge_plugins.diffusion.ddpm:DDPM",
            modalities=("image", "points", "table"),
            capabilities=("gaussian-diffusion", "diffusion-decoder", "probability-flow",
                          "denoiser", "inpainter", "steps"),
            conditions=("class",),
            budget="1000 steps",
            parameters=_DDPM,
        ),
        latent_spec(),
        lora_spec(tuple(p for p in _DDPM if p.name not in _NOT_LORA)),
    ]  # fmt: skip
