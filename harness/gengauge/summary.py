"""Statistics of a reference in a file: what distances need of it in place of its examples.

gengauge's own hold the features of some examples and the moments of all, and say of what in which
embedder. The ``.npz`` of pytorch-fid, clean-fid and ADM hold a mean and a covariance and no more.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import guarded
from gengauge.errors import UsageError

FORMAT, VERSION = "gengauge statistics", "1"
_PAIRS = (("mu", "sigma"), ("mu_s", "sigma_s"))  # as the field names them; ADM's are spatial too
_TOLERANCE = 1e-6  # of a covariance's asymmetry, as a share of its largest value


@dataclass(frozen=True)
class Summary:
    """What is known of a reference in one embedder, whose ``sha256`` is empty where it is not told.

    ``mean`` ``[d]`` and ``covariance`` ``[d, d]`` (over n - 1), float64, are those of all ``n``
    examples, None where the file does not say how many; ``features`` ``[k, d]`` are of some.
    """

    mean: Tensor
    covariance: Tensor
    n: int | None = None
    features: Tensor | None = None
    embedder: str = ""
    sha256: str = ""
    preprocessing: str = ""
    dataset: str = ""
    fingerprint: str = ""
    modality: str = ""
    levels: int | None = None
    event_shape: tuple[int, ...] = ()
    field: bool = False  # a file of the field's, which says of what it is nothing
    spatial: tuple[Tensor, Tensor] | None = None

    def save(self, path: Path) -> None:
        """Write it as a safetensors file, whole or not at all."""
        from safetensors.torch import save_file

        about = {
            "format": FORMAT, "version": VERSION, "n": self.n, "embedder": self.embedder,
            "sha256": self.sha256, "preprocessing": self.preprocessing, "dataset": self.dataset,
            "fingerprint": self.fingerprint, "modality": self.modality, "levels": self.levels,
            "event_shape": list(self.event_shape),
        }  # fmt: skip
        tensors = {"mean": self.mean, "covariance": self.covariance}
        tensors |= {} if self.features is None else {"features": self.features}
        half_made = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            save_file(
                {name: x.contiguous() for name, x in tensors.items()}, half_made,
                {"gengauge": json.dumps(about)},
            )  # fmt: skip
            half_made.replace(path)
        finally:
            half_made.unlink(missing_ok=True)


def is_summary(path: Path) -> bool:
    """Return whether a file holds statistics, and not examples."""
    try:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                names = {n.removesuffix(".npy") for n in archive.namelist()}
            return any(set(pair) <= names for pair in _PAIRS)
        return path.suffix == ".safetensors" and "gengauge" in _about(path)
    except (OSError, zipfile.BadZipFile, ValueError, UsageError):
        return False


def read_summary(path: Path) -> Summary:
    """Return the statistics in ``path``; ``UsageError`` says what is wrong with them."""
    found = _of_field(path) if path.suffix == ".npz" else _own(path)
    d = len(found.mean)
    for name, x, shape in (("mean", found.mean, (d,)), ("covariance", found.covariance, (d, d))):
        if tuple(x.shape) != shape or not d:
            raise UsageError(
                f"'{path}' has a {name} of shape {list(x.shape)}; expected {list(shape)}"
            )
        if not bool(torch.isfinite(x).all()):
            raise UsageError(f"'{path}' has a {name} that is not finite; write it again")
    scale = float(found.covariance.abs().max())
    if float((found.covariance - found.covariance.T).abs().max()) > _TOLERANCE * scale:
        raise UsageError(f"'{path}' has a covariance that is not symmetric; write it again")
    return found


def _of_field(path: Path) -> Summary:
    arrays = guarded.load_arrays(path)
    pairs = [pair for pair in _PAIRS if set(pair) <= arrays.keys()]
    numbers = {
        name: torch.from_numpy(arrays[name].astype("float64"))
        for pair in pairs for name in pair if arrays[name].dtype.kind in "fiu"
    }  # fmt: skip
    if pairs[:1] != [_PAIRS[0]] or not set(_PAIRS[0]) <= numbers.keys():
        raise UsageError(f"'{path}' has no arrays of numbers mu and sigma")
    spatial = None
    if set(_PAIRS[1]) <= numbers.keys():
        spatial = (numbers["mu_s"].flatten(), numbers["sigma_s"])
    mean = numbers["mu"].flatten() if numbers["mu"].ndim < 3 else numbers["mu"]
    return Summary(mean, numbers["sigma"], field=True, spatial=spatial)


def _about(path: Path) -> dict[str, Any]:
    """Return what the head of a safetensors file says of it, tensors unread."""
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        if not 2 <= size <= guarded.ARTIFACT:
            raise ValueError("no safetensors file")
        head = guarded.parsed(stream.read(size))
    about = head.get("__metadata__") if isinstance(head, dict) else None
    return about if isinstance(about, dict) else {}


def _own(path: Path) -> Summary:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.stat().st_size > guarded.most():
        raise guarded.too_large(path, path.stat().st_size)
    try:
        about = guarded.parsed(_about(path).get("gengauge", ""))
        tensors = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise UsageError(f"'{path}' is damaged ({error}); write it again") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise UsageError(f"'{path}' holds no statistics; write them with `gengauge statistics`")
    if about.get("version") != VERSION:
        raise UsageError(
            f"'{path}' is of version {about.get('version')}, and this gengauge reads {VERSION}; "
            "write it again"
        )
    try:
        return Summary(
            tensors["mean"].double(), tensors["covariance"].double(), _count(about["n"]),
            tensors.get("features"), str(about["embedder"]), str(about["sha256"]),
            str(about["preprocessing"]), str(about["dataset"]), str(about["fingerprint"]),
            str(about["modality"]), None if about["levels"] is None else int(about["levels"]),
            tuple(int(n) for n in about["event_shape"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"'{path}' is damaged: a part is missing; write it again") from None


def _count(n: Any) -> int | None:
    if n is not None and (not isinstance(n, int) or n < 2):
        raise ValueError(n)
    return n
