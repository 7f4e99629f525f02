"""Descriptions of the diffusions that build on the first one: in codes, and adapted."""

from __future__ import annotations

from dataclasses import replace

from gengauge import ModelSpec, Parameter
from gengauge.parameters import Value

# of the plain diffusion's parameters those that suit adapting better: classes that are told apart
LORA: dict[str, Value] = {"guidance": 1.5, "batch_size": 128}


def latent_spec() -> ModelSpec:
    """Return the latent diffusion model."""
    return ModelSpec(
        id="latent-diffusion",
        family="diffusion",
        summary="Diffusion in the codes of an autoencoder (KL or VQ) that is trained first; by "
                "class or by caption, or loaded from a folder of diffusers",
        assumes="What matters of a picture fits into a small code, from which an autoencoder "
                "brings it back; on the codes, that noise can be removed in small Gaussian "
                "steps.",
        reference="Rombach et al. 2021, High-Resolution Image Synthesis with Latent Diffusion "
                  "Models, https://arxiv.org/abs/2112.10752",
        target="gengauge_plugins.diffusion.latent:LatentDiffusion",
        modalities=("image",),
        levelled=True,
        capabilities=("reconstructor", "encoder", "steps"),
        conditions=("class", "caption"),
        budget="2000 steps",
        parameters=(
            Parameter("first_stage", "kl", "the autoencoder: Gaussian codes, or a codebook",
                      choices=("kl", "vq")),
            Parameter("condition", "none", "what it learns to be asked for",
                      choices=("none", "class", "caption")),
            Parameter("share", 0.25, "share of the budget spent on the autoencoder", minimum=0),
            Parameter("channels", 0, minimum=0,
                      doc="channels of a code; 0 is 4 of a quarter of each side, 2 of half of a "
                          "side below 16"),
            Parameter("codebook", 256, "entries of the codebook", minimum=2),
            Parameter("encoder", "auto", choices=("auto", "dense", "conv"),
                      doc="auto convolves pictures of more than 256 values"),
            Parameter("width", 32, minimum=1,
                      doc="channels of convolutions at half the size; perceptrons are 8 times as "
                          "wide"),
            Parameter("prediction", "v", "what the denoiser answers",
                      choices=("v", "epsilon", "x0")),
            Parameter("schedule", "cosine", "how noise grows", choices=("cosine", "linear")),
            Parameter("hidden", 192, "width of the denoiser's blocks", minimum=1),
            Parameter("blocks", 2, "residual blocks of the denoiser", minimum=1),
            Parameter("sampler", "dpm++", "who takes the steps",
                      choices=("ddim", "ddpm", "dpm++", "heun")),
            Parameter("steps", 20, "steps from noise to a code", minimum=1),
            Parameter("guidance", 1.5, minimum=0,
                      doc="how far samples lean towards what is asked for; 1: as far as it says"),
            Parameter("ema", 0.1, minimum=0,
                      doc="width of the denoiser's average over training, below 0.28; 0: none"),
            Parameter("batch_size", 128, "pictures a step", minimum=1),
            Parameter("lr", 4e-3, "peak learning rate of Adam, of both stages", minimum=0),
            Parameter("pretrained", "", "folder of a diffusers LDMPipeline to load in place of "
                      "training"),
        ),
    )  # fmt: skip


def lora_spec(shared: tuple[Parameter, ...]) -> ModelSpec:
    """Return the adapted diffusion, which takes the ``shared`` parameters of the plain one."""
    return ModelSpec(
        id="ddpm-lora",
        family="diffusion",
        summary="Diffusion trained on some classes, then fine-tuned to new ones by matrices of low "
                "rank; scored by what that gains and what it forgets",
        assumes="What is new differs from what was learned by a change of low rank in each "
                "layer's weights; besides that, what diffusion assumes.",
        reference="Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models, "
                  "https://arxiv.org/abs/2106.09685",
        target="gengauge_plugins.diffusion.lora:DDPMLoRA",
        modalities=("image", "points", "table"),
        capabilities=("steps", "adapted"),
        conditions=("class",),
        needs_labels=True,
        extras=("lora",),
        requires=("peft",),
        budget="700 steps",
        parameters=(
            Parameter("base", "", "checkpoint folder of a ddpm trained with conditional=true; "
                      "empty: one is trained first, on the old classes"),
            Parameter("new", "", "labels of the new classes, as in 8+9; empty: the last fifth"),
            Parameter("rank", 8, "rank of the matrices added to each layer", minimum=1),
            Parameter("alpha", 0, "weight of what is added, times the rank; 0: the rank",
                      minimum=0),
            Parameter("share", 0.8, "share of the budget spent on the base, where there is none",
                      minimum=0),
            Parameter("lr_adapter", 1e-2, "peak learning rate of the adapter", minimum=0),
            *(replace(p, default=LORA[p.name]) if p.name in LORA else p for p in shared),
        ),
    )  # fmt: skip
