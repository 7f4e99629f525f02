"""The published files of weights that embedders need, and how each network is given its images.

Hashes: OpenAI and torch-fidelity state them (whole, and the first eight digits) in the addresses
themselves; sizes and the other digits are what independent projects record of the same addresses.
"""

from __future__ import annotations

from gengauge.specs import WeightsFile

TF_BILINEAR = "RGB bytes; TensorFlow 1 bilinear to 299 x 299; (x - 128) / 128"
CLIP_CROP = "RGB bytes; Pillow bicubic to the shorter side, centre crop; CLIP mean and std"
CLIP_STRETCH = "RGB bytes / 255; antialiased bicubic of floats to a square; CLIP mean and std"
DINOV2_SQUASH = "RGB bytes; Pillow bicubic to 224 x 224; ImageNet mean and std"

_OPENAI = "https://openaipublic.azureedge.net/clip/models"

INCEPTION = WeightsFile(
    name="weights-inception-2015-12-05-6726825d.pth",
    size=95_628_359,
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    licence="Apache-2.0",
    also=("pt_inception-2015-12-05-6726825d.pth",),  # the same bytes, as pytorch-fid names them
)
CLIP_VIT_B_32 = WeightsFile(
    name="ViT-B-32.pt",
    size=353_976_522,
    sha256="40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    url=f"{_OPENAI}/40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
    licence="MIT",
)
CLIP_VIT_L_14_336 = WeightsFile(
    name="ViT-L-14-336px.pt",
    size=934_088_680,
    sha256="3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
    url=f"{_OPENAI}/3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02/"
    "ViT-L-14-336px.pt",
    licence="MIT",
)
DINOV2_VIT_L_14 = WeightsFile(
    name="dinov2_vitl14_pretrain.pth",
    size=1_217_586_395,
    sha256="d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    licence="Apache-2.0",
)
