"""CLIPs in a folder as open_clip writes them: a configuration and weights in safetensors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from gengauge.errors import UsageError
from gengauge_suites.embedders.clip import Clip, Tokenizer
from gengauge_suites.embedders.trained import check_shape, identity_of
from gengauge_suites.embedders.words import FILE as WORDS
from gengauge_suites.embedders.words import Words

HOME = Path(__file__).parent
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
PREPROCESSING = "RGB bytes / 255, resized and normalised as open_clip_config.json says"


def build(folder: Path, *, trained: bool = True) -> Any:
    """Return open_clip's network of ``folder`` in evaluation mode, without any download."""
    import open_clip  # imports half of torchvision and timm: only when it is used

    network = open_clip.create_model(
        f"local-dir:{folder}", load_weights=trained, require_pretrained=trained
    )
    return network.eval()


class LocalClip(Clip):
    """A CLIP of the user's in a folder.

    Captions are read by open_clip's own tokenizer, or word by word where there is a
    ``words.txt``; such a network knows no words but those, so nothing is set before captions.
    """

    def __init__(self, path: str, id: str = "") -> None:
        self.folder = Path(path).expanduser()
        files = [file for file in map(self.folder.joinpath, (CONFIG, WORDS)) if file.is_file()]
        weights = sorted(self.folder.glob("*.safetensors"))
        # open_clip might take those, of which nothing vouches for the content
        pickles = [*self.folder.glob("*.bin"), *self.folder.glob("*.pth")]
        if not (self.folder / CONFIG).is_file() or len(weights) != 1 or pickles:
            raise UsageError(
                f"embedder 'local-dir:{path}': expected a folder with {CONFIG}, no *.bin or "
                f"*.pth, and one file *.safetensors, found {_found(self.folder)}"
            )
        if self.folder / WORDS in files:
            self.prefix = ""
        super().__init__(id or f"local-dir:{path}", identity_of(PREPROCESSING, *files, *weights))

    def _load(self) -> Any:
        return build(self.folder)

    @cached_property
    def _words(self) -> Words | None:
        file = self.folder / WORDS
        return Words.read(file, int(self.network.context_length)) if file.is_file() else None

    def _tokenizer(self) -> Tokenizer:
        if self._words is not None:
            return self._words
        from open_clip import get_tokenizer

        tokenizer: Tokenizer = get_tokenizer(f"local-dir:{self.folder}")
        return tokenizer

    def _check_captions(self, captions: Sequence[str]) -> None:
        super()._check_captions(captions)
        if self._words is not None:
            self._words.check(captions, self.id)


def _found(folder: Path) -> str:
    if not folder.is_dir():
        return "no folder"
    return ", ".join(sorted(file.name for file in folder.iterdir())) or "an empty one"


class ShippedClip(LocalClip):
    """A tiny CLIP of ours, for images of its own size alone."""

    batch = 500  # small networks; larger parts would change nothing but the time

    def __init__(self, id: str) -> None:
        super().__init__(str(HOME / id.replace("/", "-")), id)

    def _check_images(self, x: Tensor) -> None:
        check_shape(x, (3, *self._size()), self.id)
