"""Denoising and reconstruction: how near test examples come to themselves.

Sources: Wang et al. 2004, Image Quality Assessment, https://doi.org/10.1109/TIP.2003.819861, by
scikit-image; PSNR = 10 log10(range^2 / mean squared error).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from gengauge.errors import DivergedError, UnsupportedError
from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.model import Denoiser, Reconstructor
from gengauge.statistics import mean_interval
from gengauge.units import comparable, in_units

SHARES = (0.1, 0.2, 0.4)  # noise deviations, as shares of the data's range
_MOST = 1000  # test examples
_SMALL, _LARGE = 7, 11  # sides of the window of SSIM


@dataclass(frozen=True)
class Restored:
    """Clean, noisy and restored images ``[n, C, H, W]`` at one level of noise, float64."""

    clean: Tensor
    noisy: Tensor
    restored: Tensor
    reach: float  # from the lowest value to the highest


def psnr(evidence: Evidence) -> Score:
    """Return the mean over images and noise levels of the peak signal-to-noise ratio, dB."""

    def ratio(clean: Any, other: Any, reach: float) -> float:
        with np.errstate(divide="ignore"):  # an image that is reproduced exactly
            return float(peak_signal_noise_ratio(clean, other, data_range=reach))

    return _over_levels(evidence, ratio, {})


def ssim(evidence: Evidence) -> Score:
    """Return the mean over images and noise levels of the structural similarity.

    The window is the paper's Gaussian of 11 pixels, or a flat one of 7 in images under 11.
    """
    side = min(evidence.dataset.event_shape[-2:])
    if side < _SMALL:
        return unscored(f"images of {side} pixels are smaller than SSIM's window of {_SMALL}")
    window: dict[str, Any] = {"win_size": _SMALL}
    if side >= _LARGE:
        window = {"gaussian_weights": True, "sigma": 1.5}

    def similarity(clean: Any, other: Any, reach: float) -> float:
        return float(
            structural_similarity(
                clean, other, data_range=reach, channel_axis=0, use_sample_covariance=False,
                **window,
            )
        )  # fmt: skip

    return _over_levels(evidence, similarity, {"window": _LARGE if side >= _LARGE else _SMALL})


def _over_levels(evidence: Evidence, measure: Any, protocol: dict[str, Any]) -> Score:
    """Return the mean of ``measure(clean, restored, range)``, each level's own in the details."""
    if not isinstance(evidence.model, Denoiser | Reconstructor):
        return unscored("neither removes noise nor reconstructs")
    if len(evidence.dataset.test) < 2:
        return unscored(f"needs at least 2 test images, got {len(evidence.dataset.test)}")
    levels = evidence.memo("restored", lambda: {s: _restore(evidence, s) for s in SHARES})
    values = {share: _values(measure, r.clean, r.restored, r.reach) for share, r in levels.items()}
    mean = torch.stack(list(values.values())).mean(0)
    if bad := int((~torch.isfinite(mean)).sum()):
        return unscored(f"{bad} of {len(mean)} images come back exactly: the ratio is infinite")
    rows = []
    for share, r in levels.items():
        own, floor = mean_interval(values[share]), _values(measure, r.clean, r.noisy, r.reach)
        rows.append({"sigma": share, "value": float(values[share].mean()), "low": own.low,
                     "high": own.high, "noisy": float(floor.mean())})  # fmt: skip
    denoises = isinstance(evidence.model, Denoiser)
    method = "denoiser" if denoises else "reconstruction of the noisy image, rounded to levels"
    return Score(
        float(np.mean(mean.numpy())), mean_interval(mean), n_reference=len(mean),
        details={"levels": rows, "method": method}, protocol={"sigma": list(SHARES), **protocol},
        per_example=mean,
    )  # fmt: skip


def _values(measure: Any, clean: Tensor, other: Tensor, reach: float) -> Tensor:
    pairs = zip(clean.numpy(), other.numpy(), strict=True)
    return torch.tensor([measure(a, b, reach) for a, b in pairs], dtype=torch.float64)


def _restore(evidence: Evidence, share: float) -> Restored:
    data = evidence.dataset
    x = data.test.x[:_MOST]
    clean = x.to(torch.float64)
    reach = float(data.levels - 1 if data.levels else clean.max() - clean.min())
    if reach == 0:
        raise UnsupportedError("the test images are constant")
    generator = evidence.generator("restoration")  # the same noise at every level
    noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    noisy = clean + share * reach * noise
    with torch.no_grad():
        restored = _guess(evidence, noisy, share * reach).detach().to("cpu", torch.float64)
    if restored.shape != clean.shape:
        raise ValueError(f"denoise returned {list(restored.shape)}, expected {list(clean.shape)}")
    if bad := int((~torch.isfinite(restored)).flatten(1).any(1).sum()):
        raise DivergedError(f"{bad} of {len(x)} restored images are not finite")
    return Restored(clean, noisy, restored, reach)


def _guess(evidence: Evidence, noisy: Tensor, sigma: float) -> Tensor:
    model, data = evidence.model, evidence.dataset
    if isinstance(model, Denoiser):
        return model.denoise(noisy.to(evidence.device, torch.float32), sigma)
    assert isinstance(model, Reconstructor)
    like = data.test.x.dtype  # a reconstructor takes what the data holds
    given = noisy.round().clamp(0, data.levels - 1).to(like) if data.levels else noisy.to(like)
    raw = model.reconstruct(given.to(evidence.device)).detach().cpu()
    return in_units(raw, len(noisy), data)[0]


def reconstruction_mse(evidence: Evidence) -> Score:
    """Return the mean squared error a value of reconstructed test examples.

    In squared data units; on tables in each column's own variance.
    """
    model = evidence.model
    if not isinstance(model, Reconstructor):
        return unscored("does not reconstruct")
    x = evidence.reference
    if len(x) < 2:
        return unscored(f"needs at least 2 test examples, got {len(x)}")
    with torch.no_grad():
        raw = model.reconstruct(x.to(evidence.device)).detach().cpu()
    found, _ = in_units(raw, len(x), evidence.dataset)
    far = comparable(found, evidence.dataset) - comparable(x, evidence.dataset)
    values = far.square().mean(1)
    return Score(
        float(np.mean(values.numpy())), mean_interval(values), "exact", n_reference=len(x),
        per_example=values,
    )  # fmt: skip
