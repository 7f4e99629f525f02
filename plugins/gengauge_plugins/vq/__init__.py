"""Models of a codebook: descriptions only, so that listing models stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl

_STAGE = (
    Parameter("codebook", 0, minimum=0,
              doc="entries of the codebook; 0 is 256, or 64 for pictures with a side below 16"),
    Parameter("channels", 0, minimum=0,
              doc="numbers an entry has; 0 is 4, or 2 for pictures with a side below 16"),
    Parameter("refined", 0.15, "share of the first stage's steps that have a critic", minimum=0),
    Parameter("adversarial", 0.1, minimum=0,
              doc="weight of the critic; at 1 it pulls as hard as the error"),
    Parameter("perceptual", 1.0, "weight of likeness in the critic's features", minimum=0),
    Parameter("network", "auto", choices=("auto", "dense", "conv"),
              doc="of encoder and decoder; auto convolves pictures from 4 x 4 on"),
    Parameter("width", 32, minimum=1,
              doc="channels of convolutions at half the size; perceptrons are 8 times as wide"),
    Parameter("batch_size", 0, minimum=0,
              doc="pictures a step of the first stage; 0 is 16, or 32 of small ones"),
    Parameter("lr", 4e-3, "peak learning rate of Adam", minimum=0),
)  # fmt: skip


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the one that draws codes, and the one whose codes are steered."""
    return [
        ModelSpec(
            id="vqgan",
            family="vq",
            summary="Autoencoder with a codebook, trained with a critic, and a transformer that "
                    "draws its codes, by class or by caption",
            assumes="A picture is a small grid of entries of one codebook, and the decoder's "
                    "picture is right where a critic cannot tell; a transformer assumes no more "
                    "than an order of the grid.",
            reference="Esser et al. 2020, Taming Transformers for High-Resolution Image "
                      "Synthesis, https://arxiv.org/abs/2012.09841",
            target="gengauge_plugins.vq.vqgan:VQGAN",
            modalities=("image",),
            levelled=True,
            capabilities=("variational-bound", "reconstructor", "encoder"),
            conditions=("class", "caption"),
            budget="1500 steps",
            parameters=(
                Parameter("condition", "none", "what it learns to be asked for",
                          choices=("none", "class", "caption")),
                *_STAGE,
                Parameter("share", 0.6, "share of the budget spent on the autoencoder", minimum=0),
                Parameter("hidden", 64, "width of the transformer", minimum=1),
                Parameter("layers", 1, "layers of the transformer", minimum=1),
                Parameter("dropout", 0.1, "share of its outputs left out in training", minimum=0),
                Parameter("mixtures", 0, minimum=0,
                          doc="logistics of each value around the picture; 0 is 1 up to 64 "
                              "levels, else 3"),
                Parameter("temperature", 1.0, "of drawing codes; below 1 the likely is likelier",
                          minimum=1e-3),
                Parameter("guidance", 1.0, "how far samples lean towards what is asked for",
                          minimum=0),
                Parameter("decode", "picture", "show the decoder's picture, or draw around it",
                          choices=("picture", "sample")),
                Parameter("lr_prior", 8e-3, "peak learning rate of the transformer", minimum=0),
            ),
        ),
        ModelSpec(
            id="vqgan-clip",
            family="vq",
            summary="Pictures for captions by gradients: codes of a codebook are moved until "
                    "another network, the guide, takes the picture for the caption",
            assumes="A picture that a text-and-image network takes for the caption also shows "
                    "it, and gradients through a codebook's decoder find one.",
            reference="Crowson et al. 2022, VQGAN-CLIP: Open Domain Image Generation and Editing "
                      "with Natural Language Guidance, https://arxiv.org/abs/2204.08583",
            target="gengauge_plugins.vq.vqgan_clip:VQGANCLIP",
            modalities=("image",),
            levelled=True,
            needs_captions=True,
            capabilities=("reconstructor", "encoder"),
            conditions=("caption",),
            budget="1500 steps",
            parameters=(
                Parameter("guide", "clip/shapes-guide", "embedder that steers; the judge must be "
                          "another"),
                Parameter("candidates", 4096, minimum=1,
                          doc="codes a prior draws; a search begins at one that the guide likes"),
                Parameter("steps", 60, "steps of the search for a picture", minimum=1),
                Parameter("rate", 0.2, "of its Adam", minimum=0),
                Parameter("cutouts", 2, "views of each picture a step", minimum=1),
                Parameter("augment", 0.05, "share of a side that a view leaves out at most",
                          minimum=0),
                Parameter("batch", 64, "pictures sought at once", minimum=1),
                Parameter("share", 0.6, "share of the budget spent on the autoencoder", minimum=0),
                *_STAGE,
            ),
        ),
    ]  # fmt: skip
