"""A tiny CLIP of our own for the shapes: it judges captions, and is loaded by open_clip.

open_clip's own tokenizer has 49,408 tokens, whose embedding alone would be twenty times this
network; the shapes' sentences have two dozen words, and a word is a token here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge_suites.datasets.captions import TEMPLATES, VALUES
from gengauge_suites.embedders.trained import check_shape, identity_of

FOLDER = Path(__file__).parent / "clip-shapes"
CONFIG, WEIGHTS = FOLDER / "open_clip_config.json", FOLDER / "open_clip_model.safetensors"
PREPROCESSING = "level / 255, mean 1/4, deviation 1/4; words of the grammar, 16 at most"
EVENT = (3, 32, 32)
LENGTH = 16  # tokens, with the first and the last
_PLAIN = re.sub(r"{\w+}", " ", " ".join(TEMPLATES))
WORDS = tuple(sorted(set(re.findall(r"\w+", " ".join([_PLAIN, *sum(VALUES, ())])))))
# 0 fills up; the end must be the highest, for open_clip takes the text's features from there.
START, OTHER, END = 1, 2, len(WORDS) + 3


def tokens(captions: Sequence[str]) -> Tensor:
    """Return the words' numbers ``[n, 16]``, int64; all unknown words are one, and the end stays.

    >>> tokens(["a small red circle at the top left"])[0].tolist()
    [1, 3, 19, 17, 8, 4, 22, 24, 13, 27, 0, 0, 0, 0, 0, 0]
    """
    numbers = {word: number for number, word in enumerate(WORDS, START + 2)}
    out = torch.zeros(len(captions), LENGTH, dtype=torch.int64)
    for row, caption in zip(out, captions, strict=True):
        said = [numbers.get(word, OTHER) for word in re.findall(r"\w+", caption.lower())]
        ids = [START, *said[: LENGTH - 2], END]
        row[: len(ids)] = torch.tensor(ids)
    return out


def build(*, trained: bool) -> Any:
    """Return the network in evaluation mode, from open_clip, without any download."""
    import open_clip  # imports half of torchvision and timm: only when it is used

    network = open_clip.create_model(
        f"local-dir:{FOLDER}", load_weights=trained, require_pretrained=trained
    )
    return network.eval()


def prepare(network: Any, x: Tensor) -> Tensor:
    """Return levels ``[n, 3, 32, 32]`` as the network takes them, float32."""
    config = network.visual.preprocess_cfg
    mean, std = (torch.tensor(config[name]).view(3, 1, 1) for name in ("mean", "std"))
    return (x.to(torch.float32) / 255 - mean) / std


class ShapesClip:
    """Features of pictures and of captions in one space, not normalised; on the CPU in float32."""

    id = "clip/shapes"
    prefix = ""  # it knows no word but the shapes' own

    def __init__(self) -> None:
        self._network = build(trained=True)
        self.sha256 = identity_of(PREPROCESSING, CONFIG, WEIGHTS)

    def features(self, x: Tensor) -> Tensor:
        """Return features ``[n, 64]`` of levels ``[n, 3, 32, 32]``; raise for other shapes."""
        check_shape(x, EVENT, self.id)
        with torch.no_grad():
            out: Tensor = self._network.encode_image(prepare(self._network, x.to("cpu")))
        return out

    def text(self, captions: Sequence[str]) -> Tensor:
        """Return features ``[n, 64]`` of captions; words the shapes do not use are all one."""
        with torch.no_grad():
            out: Tensor = self._network.encode_text(tokens(captions))
        return out
