"""Descriptions of the embedders whose weights the user brings: published ones, and any CLIP."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.specs import EmbedderSpec
from gengauge_suites.embedders import files

_HOME = "gengauge_suites.embedders"
_CLIP = (
    "Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision, "
    "https://arxiv.org/abs/2103.00020"
)


def published() -> Iterable[EmbedderSpec]:
    """Return the embedders of published networks."""
    yield EmbedderSpec(
        id="inception",
        summary="2048 features of the canonical Inception network: FID, KID and precision as "
        "papers report them",
        target=f"{_HOME}.inception:InceptionEmbedder",
        modalities=("image",),
        preprocessing=files.TF_BILINEAR,
        gives=("features", "classes", "spatial"),
        weights=(files.INCEPTION,),
        reference="Obukhov et al. 2020, torch-fidelity, https://github.com/toshas/torch-fidelity",
    )
    yield EmbedderSpec(
        id="clip/ViT-B-32",
        summary="512 features of OpenAI's CLIP ViT-B/32, for images and captions: CLIP score",
        target=f"{_HOME}.openai_clip:ClipEmbedder",
        arguments={"network": "clip/ViT-B-32"},
        modalities=("image",),
        preprocessing=files.CLIP_CROP,
        gives=("features", "text"),
        weights=(files.CLIP_VIT_B_32,),
        also=("ViT-B-32/openai",),
        reference=_CLIP,
    )
    yield EmbedderSpec(
        id="clip/ViT-L-14-336",
        summary="768 features of OpenAI's CLIP ViT-L/14 at 336 pixels, prepared as for CMMD",
        target=f"{_HOME}.openai_clip:ClipEmbedder",
        arguments={"network": "clip/ViT-L-14-336", "stretch": True},
        modalities=("image",),
        preprocessing=files.CLIP_STRETCH,
        gives=("features", "text"),
        weights=(files.CLIP_VIT_L_14_336,),
        also=("ViT-L-14-336/openai",),
        reference=_CLIP,
    )
    yield EmbedderSpec(
        id="dinov2",
        summary="1024 features of DINOv2 ViT-L/14: FD here is the FD-DINOv2 of papers",
        target=f"{_HOME}.dinov2:Dinov2Embedder",
        modalities=("image",),
        preprocessing=files.DINOV2_SQUASH,
        weights=(files.DINOV2_VIT_L_14,),
        reference="Stein et al. 2023, Exposing flaws of generative model evaluation metrics, "
        "https://arxiv.org/abs/2306.04675",
    )


def brought() -> Iterable[EmbedderSpec]:
    """Return the CLIPs that the user names by a path."""
    yield EmbedderSpec(
        id="local-dir",
        summary="A CLIP in a folder of yours, as open_clip writes it: open_clip_config.json, "
        "weights in safetensors, and its tokenizer",
        target=f"{_HOME}.local_clip:LocalClip",
        modalities=("image",),
        preprocessing="RGB bytes / 255, resized and normalised as open_clip_config.json says",
        gives=("features", "text"),
        reference="Ilharco et al. 2021, OpenCLIP, https://github.com/mlfoundations/open_clip",
        takes_path=True,
    )
    yield EmbedderSpec(
        id="openai",
        summary="A CLIP in a file of yours in OpenAI's format, such as ViT-B-32.pt",
        target=f"{_HOME}.openai_clip:ArchiveAtPath",
        modalities=("image",),
        preprocessing=files.CLIP_CROP,
        gives=("features", "text"),
        reference=_CLIP,
        takes_path=True,
    )
