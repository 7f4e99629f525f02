"""OpenAI's CLIP: the canonical file, or one of that format that the user brings.

The file is OpenAI's own, a TorchScript archive in half precision, whose QuickGELU open_clip
restores; other copies are conversions.
"""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from gengauge import guarded, trust
from gengauge.errors import UsageError
from gengauge.specs import WeightsFile
from gengauge.weights import require
from gengauge_suites.embedders.clip import Clip, Tokenizer
from gengauge_suites.embedders.files import (
    CLIP_CROP,
    CLIP_STRETCH,
    CLIP_VIT_B_32,
    CLIP_VIT_L_14_336,
)
from gengauge_suites.embedders.pretrained import named_after

FILES = {"clip/ViT-B-32": CLIP_VIT_B_32, "clip/ViT-L-14-336": CLIP_VIT_L_14_336}


class OpenAiArchive(Clip):
    """A CLIP in a file of OpenAI's format: its sizes are read from its weights."""

    def __init__(self, id: str, path: Path, sha256: str, stretch: bool = False) -> None:
        self.path, self.stretch = path, stretch
        super().__init__(id, named_after(CLIP_STRETCH if stretch else CLIP_CROP, sha256))

    def _load(self) -> Any:
        from open_clip import load_openai_model

        with warnings.catch_warnings():  # torch deprecates the format of OpenAI's file
            warnings.simplefilter("ignore", FutureWarning)
            return load_openai_model(str(self.path), precision="fp32", device="cpu")

    def _tokenizer(self) -> Tokenizer:
        return _openai_tokenizer()


@cache
def _openai_tokenizer() -> Tokenizer:
    from open_clip import get_tokenizer

    tokenizer: Tokenizer = get_tokenizer("ViT-B-32")  # one vocabulary for all
    return tokenizer


class ClipEmbedder(OpenAiArchive):
    """A published CLIP, its file found and verified; ``NotReadyError`` where that fails."""

    def __init__(
        self, network: str, stretch: bool = False, file: WeightsFile | None = None
    ) -> None:
        wanted = file or FILES[network]
        super().__init__(network, require(wanted, network), wanted.sha256, stretch)


def _is_program(file: Path) -> bool:
    """Return whether a checkpoint holds code beside its weights, as TorchScript does."""
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


class ArchiveAtPath(OpenAiArchive):
    """A file of the user's in OpenAI's format, named by what is in it."""

    def __init__(self, path: str) -> None:
        file = Path(path).expanduser()
        if not file.is_file():
            raise UsageError(
                f"embedder 'openai:{path}': there is no such file; give the path of a CLIP in "
                "OpenAI's format, such as ViT-B-32.pt"
            )
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        guarded.check_archive(file)
        published = any(sha256 == known.sha256 for known in FILES.values())
        if not published and _is_program(file):
            trust.require(f"'{path}' is a TorchScript archive and none that OpenAI has published")
        super().__init__(f"openai:{path}", file, sha256)
